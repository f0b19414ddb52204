"""The load of the star on the lake: one application of Spark for all that PostgreSQL's stage has and the lake has not.

star/plan/plan.json    what the job is told, while it runs
star/report/           what it did
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.catalog import FEEDS, SOURCE_TABLES
from pipeline.kernel import clock, locks, postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import ConfigError, SparkFailed
from pipeline.kernel.postgres import Cursor
from pipeline.lake import forms, seals
from pipeline.lake.objects import Lake
from pipeline.lakehouse import extracts, feeds, lake_results, progress, published
from pipeline.lakehouse.plan import Names, feed, plan, source_table
from pipeline.lakehouse.progress import Loaded
from pipeline.spark import Job, Say, engine
from pipeline.spark.job import SCRIPTS
from pipeline.stage import taken
from pipeline.trust import turns
from pipeline.trust.checks import Result
from pipeline.trust.reconcile import loaded_to

SCRIPT = SCRIPTS / "load_star.py"
MODULES = tuple(
    SCRIPTS / f"lake_{name}.py" for name in ("tables", "files", "changes", "stage", "star", "mart", "checks", "publish")
)
PLAN, REPORT = "star/plan", "star/report"
CLAIM = "star/warehouse"
CATALOG = "ocean"
SCHEMA = "iceberg"  # of the warehouse database, for the tables of a catalog by JDBC
NEWEST_JAVA = 17  # that Spark 3.5 runs on
# pip's Hadoop has no zstd of its own; the class comes with Spark, and EMR's Hadoop finds it too.
ALWAYS = {"spark.hadoop.io.compression.codecs": "io.airlift.compress.zstd.ZstdCodec"}
# Spark's 200 parts of a shuffle are for clusters: here they are as many small tasks.
ON_ONE_MACHINE = {"spark.sql.shuffle.partitions": "4"}
FEW_ROWS = 300_000
LONGEST = 100 << 20  # bytes of a plan or a report
KEEP_HOURS = 72  # for readers that look at an earlier commit
OWN_PYTHON = Path(__file__).parents[2] / ".venv-lakehouse/bin/python"


COMMIT = forms.either(forms.whole, forms.nothing)
SPANS = forms.either(forms.list_of(forms.like(r"\d{4}-\d\d-\d\d")), forms.nothing)
VALUE = forms.either(forms.truth, forms.whole, forms.number, forms.text, forms.nothing)
# What a job reports: rows and rejected rows by table, the rows of the selects that it was given, how many rows checks
# found, and what it wrote for PostgreSQL.
REPORT_FORM = forms.fields(
    {
        "rows": forms.mapping(forms.text, forms.whole),
        "rejected": forms.mapping(forms.text, forms.whole),
        "compared": forms.mapping(forms.text, forms.list_of(forms.list_of(VALUE))),
        "checks": forms.mapping(forms.text, forms.whole),
        "checked": forms.mapping(forms.text, COMMIT),
        "published": forms.mapping(forms.text, forms.fields({"snapshot": COMMIT, "spans": SPANS, "present": SPANS})),
    }
)


@dataclass(frozen=True)
class Report:
    """What a job did: rows written and rejected by table, what it found to compare, and the results of checks."""

    rows: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    compared: Mapping[str, list[list[Any]]] = field(default_factory=dict)
    results: Sequence[Result] = ()


def load(
    settings: Settings,
    lake: Lake,
    say: Say,
    *,
    work: str = "load",
    compared: Mapping[str, str] | None = None,
    date: dt.date | None = None,
) -> Report:
    """Brings the star on the lake up to stage; `compared` are selects whose rows are reported then, by name.

    A star that is there alone is checked, for a date (None: today), and what PostgreSQL shows of it is taken over.

    `work` rebuild drops all tables before, maintain writes small files together after. One job at a time: the others
    wait. A rerun finds nothing to do. Raises SparkFailed, BadExtract, ConfigError.
    """
    place = progress.place(settings)
    with postgres.session(settings.warehouse_url, "warehouse") as cursor:
        locks.lock_session(cursor, "star on the lake")
        for table in SOURCE_TABLES.values():
            taken.require(cursor, table, on_lake=settings.lakehouse.is_alone)
        star = progress.star(cursor, place)
        if work == "rebuild":
            progress.forget(cursor, place)
        else:
            _require_own(lake, star, place)
        lake.write(CLAIM, star.warehouse_id.encode())
        if settings.spark.engine == "emr" and work != "rebuild" and (begun := _begun(lake, star)):
            # On a cluster the job of a killed command goes on. Beside another one both might add the same rows.
            say("going on with the load that was begun before")
            _run(cursor, settings, lake, begun, say)
        told = _plan(cursor, settings, lake, date or clock.today(), is_rebuild=work == "rebuild")
        told |= {"work": work, "compared": dict(compared or {}), "keep_hours": KEEP_HOURS}
        text = json.dumps(told)
        progress.begin(cursor, _sha256(text))
        lake.write(f"{PLAN}/plan.json", text.encode())
        return _run(cursor, settings, lake, text, say)


def _run(cursor: Cursor, settings: Settings, lake: Lake, text: str, say: Say) -> Report:
    """Runs a plan to its end, whether that is good or not: after a kill it is there still."""
    told = forms.parse(text.encode(), forms.own)
    try:
        engine(settings, lake).run(_job(cursor, settings, told, _sha256(text)), say)
        reported = _report(lake)
    except SparkFailed:
        progress.begin(cursor, None)
        _clean(lake, told)
        raise
    with postgres.transaction(settings.warehouse_url, "warehouse") as own:
        for table, found in told["loaded"].items():
            progress.note(own, table, Loaded(**found))
        rejected = published.take(own, lake, f"{REPORT}/published", told["published"], reported["published"])
        results = lake_results.note(own, told["checks"], reported["checks"], reported["checked"])
        if settings.lakehouse.is_alone and settings.reads_log:
            # Of a rejected row stage keeps what was before, and later changes may rest on it.
            turns.owe(own, turns.COMPARISON, rejected)
        progress.begin(own, None)
    _clean(lake, told)
    return Report(reported["rows"], reported["rejected"], reported["compared"], results)


def _begun(lake: Lake, star: progress.Star) -> str | None:
    """The plan of a job that was begun and did not end; what another one wrote there is none."""
    text = (seals.read_small(lake, f"{PLAN}/plan.json", LONGEST) or b"").decode()
    return text if text and _sha256(text) == star.plan_sha256 else None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _require_own(lake: Lake, star: progress.Star, place: str) -> None:
    """Returns if the star is this warehouse's, and where it was: two would remove each other's files."""
    if star.place != place:
        raise ConfigError(
            "load the star on the lake",
            f"it lies at {star.place}, and the settings name {place}",
            "set them back, or run RebuildLakeStar, which builds it there",
        )
    claimed = (seals.read_small(lake, CLAIM) or b"").decode(errors="replace")
    if claimed not in ("", star.warehouse_id):
        raise ConfigError(
            "load the star on the lake",
            f"the one on {lake.url} is another warehouse's",
            "give this one a lake of its own; or, if the other one is gone, run RebuildLakeStar, which replaces it",
        )


def _plan(cursor: Cursor, settings: Settings, lake: Lake, date: dt.date, *, is_rebuild: bool) -> dict[str, Any]:
    """The plan of a job, with how far the lake is once it has ended."""
    names = Names(settings.lakehouse.prefix)
    known, loaded = progress.known(cursor), dict[str, Loaded]()
    is_alone = settings.lakehouse.is_alone
    # What was let pass once is let pass again, and PostgreSQL's stage has judged what it loaded.
    allowance = settings.allowance if is_alone and not is_rebuild else None
    tables, brought = [], []
    for table in SOURCE_TABLES.values():
        folders = progress.folders(cursor, table)
        wanted = progress.lacking(folders, known.get(table.short, Loaded()))
        tables.append(
            {
                **source_table(names, table),
                "folders": folders,
                "files": extracts.files(lake, table, wanted, allowance),
            }
        )
        loaded[table.short] = Loaded(len(folders), progress.digest(folders), loaded_to=loaded_to(cursor, table))
    for name in FEEDS:
        after = known.get(name, Loaded()).batch
        changed = feeds.export(cursor, lake, name, after)
        brought.append({**feed(name), "files": changed})
        loaded[name] = Loaded(batch=changed[-1]["batch"] if changed else after)
    return {
        **plan(names),
        "catalog": CATALOG,
        "few_rows": FEW_ROWS,
        "batch": postgres.value(cursor, "select nextval('etl.batch')"),
        "tables": tables,
        "feeds": brought,
        "loaded": {table: asdict(found) for table, found in loaded.items()},
        "published": published.wanted(cursor, names) if is_alone else [],
        "checks": lake_results.wanted(cursor, names, date, settings.check_whole_days)
        if is_alone
        else lake_results.none(),
    }


def _job(cursor: Cursor, settings: Settings, told: Mapping[str, Any], sha256: str) -> Job:
    lakehouse = settings.lakehouse
    is_local = settings.spark.engine == "local"
    catalog, secrets = _catalog(cursor, settings)
    folders = [folder for table in told["tables"] for folder in table["files"]]
    return Job(
        name=f"load star {told['batch']}",
        script=SCRIPT,
        sources=(PLAN, *folders, *(f"{feeds.FOLDER}/{feed['name']}" for feed in told["feeds"] if feed["files"])),
        target=REPORT,
        arguments=("--lake", "{source}", "--plan", PLAN, "--plan-sha256", sha256, "--report", "{target}"),
        files=MODULES,
        settings={
            **ALWAYS,
            **(ON_ONE_MACHINE if is_local else {}),
            **{f"spark.sql.catalog.{CATALOG}{name}": value for name, value in catalog.items()},
            **lakehouse.spark_settings,
        },
        jars=tuple(filter(None, lakehouse.jars.split(","))),
        python=(lakehouse.python or str(OWN_PYTHON)) if is_local else "",
        newest_java=NEWEST_JAVA,
        secrets=secrets,
    )


def _catalog(cursor: Cursor, settings: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """The catalog's settings, and the variable with its password. Raises ConfigError."""
    lakehouse = settings.lakehouse
    found = {
        "": "org.apache.iceberg.spark.SparkCatalog",
        ".warehouse": progress.location(settings),
    }
    if lakehouse.catalog == "glue":
        return {
            **found,
            ".catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
            ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        }, {}
    if lakehouse.catalog == "rest":
        if not lakehouse.catalog_uri:
            raise ConfigError("use lakehouse_catalog = rest", "lakehouse_catalog_uri is empty", "set it in luigi.cfg")
        return {**found, ".type": "rest", ".uri": lakehouse.catalog_uri}, {}
    if settings.spark.engine != "local":
        raise ConfigError(
            "use lakehouse_catalog = jdbc on EMR",
            "the password of the warehouse would lie on the cluster",
            "set lakehouse_catalog = glue",
        )
    cursor.execute(f"create schema if not exists {SCHEMA}")
    url, user, password = postgres.jdbc(cursor, SCHEMA)
    return {
        **found,
        ".type": "jdbc",
        ".uri": url,
        ".jdbc.user": user,
        ".jdbc.schema-version": "V1",
    }, {"CATALOG_PASSWORD": password}


def _report(lake: Lake) -> dict[str, Any]:
    keys = [entry.key for entry in lake.objects(f"{REPORT}/report") if "part-" in entry.key]
    text = b"".join(seals.read_small(lake, key, LONGEST) or b"" for key in keys)
    if not text:
        raise SparkFailed("finish the load of the star", "the job left no report", "run the same command again")
    found: dict[str, Any] = seals.parse(lake, REPORT, text, REPORT_FORM)
    return found


def _clean(lake: Lake, told: Mapping[str, Any]) -> None:
    """Removes what lay on the lake for the job alone."""
    passing = [file["path"] for feed in told["feeds"] for file in feed["files"]]
    lake.delete([f"{PLAN}/plan.json", *passing, *(entry.key for entry in lake.objects(REPORT))])
