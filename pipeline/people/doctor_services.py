"""What the doctor sees of the services: the embedded ones, S3, luigid and the risk-score service."""

from pipeline.kernel import clock, config, http, listener
from pipeline.kernel.config import Settings
from pipeline.lake import probe
from pipeline.lake.objects import MOST_SKEW, Lake
from pipeline.operations.state import ERROR, WARN
from pipeline.people import diagnosis, overview
from pipeline.people.diagnosis import OK, Line

REFUSED = (401, 403)


def embedded() -> list[Line]:
    """The embedded services, if any is used, as the status knows them."""
    states, stopped = overview.embedded()
    running = [Line("services", OK, f"{each.name} runs at {each.address}") for each in states if each.pid]
    return [*running, *diagnosis.of_findings("services", stopped)]


def s3(settings: Settings) -> list[Line]:
    """The lake: whether it answers, would take an object, and has our time."""
    lake = Lake(settings.lake_url, settings.s3)
    lake.check()
    lines = [Line("S3", OK, f"{lake.url} answers")]
    if refusal := probe.refusal(lake):
        do = "let the credentials write below LAKE_URL (s3:PutObject)"
        lines.append(Line("S3", ERROR, f"{lake.url} takes no object: {refusal}", do))
    else:
        lines.append(Line("S3", OK, f"{lake.url} takes objects"))
    before = clock.now()
    there = probe.now(lake)
    return [*lines, *([diagnosis.clock("S3", before, there, clock.now(), MOST_SKEW)] if there else [])]


def luigid() -> list[Line]:
    """luigid, without which loads need --local-scheduler."""
    url = config.luigid_url()
    if not url:
        return [Line("luigid", OK, "not used: no URL in luigi.cfg, section [core], and no embedded one")]
    return [_http("luigid", url, WARN, "start it (`make up`), correct luigi.cfg, or load with --local-scheduler")]


def risk(settings: Settings) -> list[Line]:
    """The risk-score service, which is asked for nothing."""
    if not settings.risk_api_url:
        return [Line("risk API", OK, "not used")]
    return [_http("risk API", settings.risk_api_url, ERROR, "start it (`make up`), or correct RISK_API_URL")]


def _http(topic: str, url: str, severity: str, do: str) -> Line:
    parts = http.parsed(url)
    if parts is None:
        return Line(topic, ERROR, "its address is no http://user:password@host:port/path", do)
    shown = f"{parts.scheme}://{parts.netloc}"
    if problem := listener.problem(str(parts.host), parts.port or 0):
        return Line(topic, severity, f"{shown} is not asked: {problem}", do)
    try:
        with http.exchange("HEAD", parts, headers={}, connect=2, read=5, deadline=10) as answer:
            status = answer.status
    except http.Again as again:
        return Line(topic, severity, f"{shown}: {again.because}", do)
    if status in REFUSED:
        return Line(topic, severity, f"{shown} refuses the login ({status})", "correct user and password of its URL")
    return Line(topic, OK, f"{shown} answers")
