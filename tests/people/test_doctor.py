"""`python -m pipeline doctor`: each thing that would stop a load is named with its fix, and nothing is changed."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.loads import load_day
from support.shop import add_order, at, date
from support.world import World, closed_port, secrets_of

from pipeline.kernel import clock
from pipeline.lake import probe
from pipeline.lake.objects import Lake
from pipeline.people import diagnosis, doctor, doctor_machine
from pipeline.services.access import Access

OK, WARN, ERROR = 0, 1, 2


def asked(world: World, expect: int) -> list[dict[str, str]]:
    shown = world.command("doctor", "--json", expect=expect)
    found: list[dict[str, str]] = json.loads(shown)["lines"]
    assert not [secret for secret in secrets_of(world.home) if secret in shown]
    return found


def wrong(found: list[dict[str, str]]) -> list[tuple[str, str, str, str]]:
    return [(each["topic"], each["severity"], each["what"], each["do"]) for each in found if each["severity"] != "ok"]


@pytest.fixture
def stopped(tmp_path: Path) -> dict[str, str]:
    """The environment of a home whose services do not run."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    Access.read(home, {name: closed_port() for name in ("postgresql", "s3", "luigid", "risk")}).save()
    urls = dict.fromkeys(("OPERATIONAL_URL", "OCEAN_SIMULATOR_URL", "WAREHOUSE_URL", "LAKE_URL"), "")
    return {"OCEAN_HOME": str(home), **urls}


def test_where_all_is_well_it_says_so_and_has_changed_nothing(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    load_day(shop, date(2))
    before = [(each.key, each.modified) for each in shop.lake.objects("extract")]
    found = asked(shop, OK)
    assert wrong(found) == []
    topics = {each["topic"] for each in found}
    assert topics == {
        *("versions", "files", "disk", "settings", "services", "source", "warehouse", "S3", "luigid", "risk API"),
    }  # fmt: skip
    assert [(each.key, each.modified) for each in shop.lake.objects("extract")] == before
    text = shop.command("doctor")
    assert f"ok    S3         {shop.lake_url} takes objects" in text


def test_with_nothing_running_each_service_is_named_and_nothing_is_started(
    shop: World, stopped: dict[str, str]
) -> None:
    home = Path(stopped["OCEAN_HOME"])
    before = sorted(home.rglob("*"))
    shown = shop.where(**stopped).command("doctor", expect=ERROR)
    assert "error services   stopped: postgresql, s3, luigid, risk\n      do: start them with `make up`" in shown
    for topic in ("source", "warehouse", "S3", "risk API"):
        assert f"error {topic:<11}" in shown
    assert "warn  luigid     " in shown
    assert sorted(home.rglob("*")) == before
    kept = json.loads((home / "services.json").read_text())
    assert kept["s3_secret_key"] not in shown
    assert kept["luigid_password"] not in shown


def test_without_any_settings_it_says_what_to_run_first(shop: World, tmp_path: Path, stopped: dict[str, str]) -> None:
    empty = tmp_path / "none"
    shown = shop.where(**{**stopped, "OCEAN_HOME": str(empty)}).command("doctor", expect=ERROR)
    assert f"none were started yet under {empty}\n      do: run `make up`" in shown
    assert "ok    versions   Python 3." in shown
    assert not empty.exists()


def test_a_service_of_ones_own_that_does_not_answer_is_named_without_its_password(shop: World) -> None:
    url = f"http://me:tide-and-foam@127.0.0.1:{closed_port()}/scores"
    [(topic, severity, what, do)] = wrong(asked(shop.where(RISK_API_URL=url), ERROR))
    assert (topic, severity, do) == ("risk API", "error", "start it (`make up`), or correct RISK_API_URL")
    assert "no connection could be made" in what
    assert "tide" not in what


def test_a_role_that_lacks_a_grant_is_named_with_the_statement_that_gives_it(shop: World) -> None:
    shop.source("revoke select on ops.orders, ops.states from etl_extract")
    shop.source("grant select (state_code) on ops.states to etl_extract")
    do = 'grant usage on schema ops to "etl_extract"; grant select on {} to "etl_extract";'
    assert wrong(asked(shop, ERROR)) == [
        ("source", "error", f"the role may not read {name}", do.format(name)) for name in ("ops.orders", "ops.states")
    ]


def test_a_table_that_is_not_there_is_named(shop: World) -> None:
    shop.source("alter table ops.states rename to counties")
    [(topic, severity, what, _)] = wrong(asked(shop, ERROR))
    assert (topic, severity) == ("source", "error")
    assert what.startswith("ops.states.state_code, ops.states.name, ")


def test_a_role_that_does_not_see_the_transactions_of_others_is_a_warning(shop: World) -> None:
    owner = shop.where(OPERATIONAL_URL=shop.simulator_url)
    [(topic, severity, _, do)] = wrong(asked(owner, WARN))
    assert (topic, severity, do) == ("source", "warn", 'grant pg_read_all_stats to "ocean";')


def test_readers_that_may_read_too_little_or_too_much_are_named(shop: World) -> None:
    shop.warehouse("revoke select on mart.kpi_monthly from bi_reader")
    shop.warehouse("revoke select on mart.sales_by_country from bi_reader_germany")
    shop.warehouse("grant select on mart.kpi_run to bi_reader_germany")
    rights = "run warehouse/ddl/50_roles.sql as the owner of the warehouse"
    assert wrong(asked(shop, ERROR)) == [
        ("warehouse", "warn", "the role bi_reader may not read mart.kpi_monthly", rights),
        (
            *("warehouse", "error", "the role bi_reader_germany, of some countries, may read all of mart.kpi_run"),
            'revoke all on mart.kpi_run from "bi_reader_germany";',
        ),
        ("warehouse", "warn", "the role bi_reader_germany may not read mart.sales_by_country", rights),
    ]


def test_a_warehouse_that_another_role_owns_or_that_is_behind_is_named(shop: World) -> None:
    shop.warehouse("delete from etl.migration where number > 1")
    [(topic, severity, what, _)] = wrong(asked(shop, WARN))
    assert (topic, severity) == ("warehouse", "warn")
    assert what.endswith("migrations behind")
    [(_, _, what, do)] = wrong(asked(shop.where(WAREHOUSE_URL=shop.operational_url), ERROR))[:1]
    assert what == "the role may not create schemas"
    assert do.startswith("grant create on database ")


def test_a_variable_that_is_no_setting_is_a_warning(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCEAN_EXTRACTON", "log")
    [line] = doctor_machine.unknown_names()
    assert (line.severity, line.what) == ("warn", "no setting is called OCEAN_EXTRACTON")
    shown = shop.where(OCEAN_SOURCE_ZONE="Moon").command("doctor", expect=ERROR)
    assert "error settings   cannot use the setting source_zone = 'Moon'" in shown


def test_secrets_that_others_may_read_are_named(shop: World, stopped: dict[str, str]) -> None:
    file = Path(stopped["OCEAN_HOME"]) / "services.json"
    file.chmod(0o640)
    shown = shop.where(**stopped).command("doctor", expect=ERROR)
    assert f"error files      others may read or write {file}\n      do: chmod 600 {file}" in shown
    assert file.stat().st_mode & 0o777 == 0o640


def test_clocks_that_are_apart_are_told(
    shop: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(clock, "now", lambda: dt.datetime.now(dt.UTC) - dt.timedelta(hours=1))
    doctor.show(as_json=True)
    said = {
        topic: severity
        for topic, severity, what, _ in wrong(json.loads(capsys.readouterr().out)["lines"])
        if "ahead" in what
    }
    assert said == {"source": "warn", "warehouse": "warn", "S3": "error"}
    now = at(1)
    near = diagnosis.clock("x", now, now + dt.timedelta(seconds=50), now + dt.timedelta(seconds=20), None)
    assert near.severity == "ok"


def test_packages_that_are_not_the_locked_ones_are_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("boto3==0.0.1 \\\n    --hash=sha256:0\nno-such==1 \\\nnumpy==0 ; python_version < '3' \\\n")
    monkeypatch.setattr(doctor_machine, "LOCK", lock)
    _, line = doctor_machine.versions()
    assert line.severity == "warn"
    assert "boto3 " in line.what
    assert "no-such nothing (locked: 1)" in line.what
    assert "numpy" not in line.what


def test_a_disk_without_room_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    severities = []
    for free in (doctor_machine.LITTLE, doctor_machine.LITTLE - 1, doctor_machine.TOO_LITTLE - 1):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: type("Usage", (), {"free": free}))
        severities.append(doctor_machine.room(tmp_path / "not/there/yet", "a test").severity)
    assert severities == ["ok", "warn", "error"]


def test_a_lake_that_takes_no_object_is_told_from_one_that_does(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(*_: Any) -> None:
        raise AssertionError("the server has kept an object with a wrong hash")

    monkeypatch.setattr(Lake, "delete", kept)
    assert probe.refusal(shop.lake) is None

    class ReadOnly:
        exceptions = shop.lake.client.exceptions

        def put_object(self, **_: Any) -> None:
            answer: Any = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, "PutObject")

    monkeypatch.setattr(Lake, "client", ReadOnly())
    assert probe.refusal(shop.lake) == "it answered 403 AccessDenied"
