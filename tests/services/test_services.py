"""The embedded services, against the real servers."""

import datetime as dt
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psutil
import psycopg2
import pytest
import urllib3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from support.databases import admin_url
from support.world import BEFORE, SIMULATED, embedded, in_memory, luigid, secrets_of

from pipeline import services
from pipeline.kernel.errors import ServiceFailed
from pipeline.services import postgresql_programs, service, superset
from pipeline.services.luigid_service import Luigid
from pipeline.services.postgresql import PostgreSQL
from pipeline.services.service import START_ATTEMPTS


def others_can_run_python() -> bool:
    """False where the interpreter lies in root's home folder."""
    try:
        return subprocess.run([sys.executable, "-c", ""], user="nobody", cwd="/").returncode == 0
    except OSError:
        return False


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts a server as another user")
as_another_user = pytest.mark.skipif(
    not others_can_run_python(), reason="needs root, and an interpreter that other users can run"
)


@contextmanager
def fresh_home(name: str = "home") -> Iterator[Path]:
    """A home that does not exist yet, below a folder that others may enter; all is gone afterwards."""
    parent = Path(tempfile.mkdtemp(prefix="ocean-", dir=in_memory() or "/tmp"))
    parent.chmod(0o711)
    try:
        yield parent / name
    finally:
        services.down(parent / name)
        shutil.rmtree(parent)


@pytest.fixture
def home() -> Iterator[Path]:
    with fresh_home() as path:
        yield path


@pytest.fixture(scope="module")
def running_home() -> Iterator[Path]:
    """For tests that change nothing."""
    with fresh_home() as path:
        services.up(path)
        yield path


def access(home: Path) -> dict[str, str]:
    kept: dict[str, str] = json.loads((home / "services.json").read_text())
    return kept


def query(home: Path, statement: str, url: str = "warehouse_url") -> Any:
    return query_url(access(home)[url], statement)


def query_url(url: str, statement: str) -> Any:
    with (
        closing(psycopg2.connect(url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
        return cursor.fetchone() if cursor.description else None


def s3(home: Path, **changed: Any) -> Any:
    kept = access(home)
    arguments = {
        "endpoint_url": kept["s3_endpoint"],
        "aws_access_key_id": kept["s3_access_key"],
        "aws_secret_access_key": kept["s3_secret_key"],
        "region_name": "us-east-1",
    }
    return boto3.client("s3", **{**arguments, **changed})


def risk_scores(url: str) -> tuple[int, Any]:
    """Status and JSON of the answer, asked for with the user and password of the URL."""
    parts = urlsplit(url)
    headers = urllib3.make_headers(basic_auth=f"{parts.username}:{parts.password or ''}")
    response = urllib3.request("GET", f"http://127.0.0.1:{parts.port}{parts.path}", headers=headers)
    return response.status, response.json()


def pids(home: Path) -> dict[str, int | None]:
    return {service.name: service.pid for service in services.status(home)}


def ports(home: Path) -> list[int]:
    return [int(service.address.rpartition(":")[2]) for service in services.status(home)]


def all_run(home: Path) -> bool:
    return [service.state for service in services.status(home)] == ["running"] * 4


def command(home: Path, name: str, **arguments: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.services", name],
        env={**os.environ, "OCEAN_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **arguments,
    )


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate()
    return process.returncode, output, errors


def processes_naming(home: Path) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if any(str(home) in part for part in p.info["cmdline"] or [])]


@contextmanager
def taken(*numbers: int) -> Iterator[None]:
    """Somebody else listens at these ports; where somebody already does, so much the better."""
    listeners = []
    for number in numbers:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", number))
            listener.listen()
        except OSError:
            pass
        listeners.append(listener)
    try:
        yield
    finally:
        for listener in listeners:
            listener.close()


def test_fresh_services_let_in_who_knows_their_secrets(running_home: Path) -> None:
    assert query(running_home, "select current_database()", "operational_url") == ("oceanrecords",)
    assert query(running_home, "select current_database()", "warehouse_url") == ("warehouse",)
    assert [bucket["Name"] for bucket in s3(running_home).list_buckets()["Buckets"]] == ["ocean-lake"]
    assert luigid(running_home).graph() == {}
    assert risk_scores(access(running_home)["risk_api_url"]) == (200, [])


def test_services_start_whatever_the_shell_says_to_all_programs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGSSLMODE": "require", "PGSERVICE": "nowhere", "PGTZ": "Mars/Olympus"}.items():
        monkeypatch.setenv(name, value)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert {state.state for state in services.up(home)} == {"started"}
    assert risk_scores(access(home)["risk_api_url"]) == (200, [])  # it asked the shop's database
    assert {state.state for state in services.up(home)} == {"running"}


@pytest.mark.parametrize("url", ["simulator_url", "warehouse_url", "superset_metadata_url"])
def test_the_owner_of_a_database_creates_what_it_wants_there(running_home: Path, url: str) -> None:
    assert query(running_home, "select has_schema_privilege('public', 'create')", url) == (True,)
    assert query(running_home, "select has_database_privilege(current_database(), 'create')", url) == (True,)


def test_luigid_counts_for_prometheus(running_home: Path) -> None:
    found = access(running_home)
    login = urllib3.make_headers(basic_auth=f"luigi:{found['luigid_password']}")
    answer = urllib3.request("GET", f"{found['luigid_url']}/metrics", headers=login)
    assert "luigi_task_started_total" in answer.data.decode()


def test_the_server_is_durable_and_keeps_utc(running_home: Path) -> None:
    for setting, value in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("timezone", "UTC"),
        ("jit", "off"),
    ]:
        assert query(running_home, f"show {setting}") == (value,)
    assert query(running_home, "select pg_encoding_to_char(encoding) from pg_database where datname = 'warehouse'") == (
        "UTF8",
    )


def test_a_wrong_password_is_refused(running_home: Path) -> None:
    url = access(running_home)["warehouse_url"]
    for wrong in ("wrong", ""):
        with pytest.raises(psycopg2.OperationalError):
            psycopg2.connect(url, password=wrong, passfile="/dev/null")
    for wrong in ("anonymous", "postgres"):
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(url, user=wrong)


def test_a_stranger_gets_no_risk_scores(running_home: Path) -> None:
    url = access(running_home)["risk_api_url"]
    password = urlsplit(url).password or ""
    for wrong in (url.replace(password, "wrong"), url.replace("ocean:", "postgres:"), url.replace(f":{password}", "")):
        assert risk_scores(wrong)[0] == 401


@pytest.mark.parametrize(
    "stranger",
    [
        {"aws_secret_access_key": "wrong"},
        {"aws_access_key_id": "WRONG"},
        {"config": Config(signature_version=UNSIGNED)},
    ],
    ids=["secret", "key", "anonymous"],
)
def test_a_stranger_is_refused_by_s3(running_home: Path, stranger: dict[str, Any]) -> None:
    client = s3(running_home, **stranger)
    for call in (client.list_buckets, lambda: client.put_object(Bucket="ocean-lake", Key="theirs", Body=b"")):
        with pytest.raises(ClientError) as refusal:
            call()
        assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)


def test_secrets_are_their_owners_alone(running_home: Path) -> None:
    assert list(access(running_home)) == [
        "operational_url",
        "warehouse_url",
        "simulator_url",
        "bi_reader_url",
        "bi_reader_germany_url",
        "bi_analyst_url",
        "superset_metadata_url",
        "s3_endpoint",
        "s3_access_key",
        "s3_secret_key",
        "luigid_url",
        "luigid_password",
        "risk_api_url",
    ]
    for name in ("services.json", "postgresql.password"):
        assert stat.S_IMODE((running_home / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(running_home.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)
    for name in ("postgresql/data", "s3", "log", "luigid", "risk"):
        assert stat.S_IMODE((running_home / name).stat().st_mode) == 0o700


def test_no_secret_is_in_a_command_line_a_log_or_the_output(home: Path) -> None:
    code, output, errors = outcome(command(home, "up"))
    assert (code, errors) == (0, "")
    shown = output + errors + "".join(map(str, outcome(command(home, "status"))))
    shown += "".join(" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"]))
    shown += "".join(log.read_text() for log in (home / "log").iterdir())
    assert str(home) in shown
    for secret in secrets_of(home):
        assert len(secret) >= 20
        assert secret not in shown


def test_the_services_listen_on_this_machine_alone(running_home: Path) -> None:
    listening = {
        connection.laddr.ip
        for pid in pids(running_home).values()
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_a_second_start_starts_nothing(running_home: Path) -> None:
    before = pids(running_home)
    assert None not in before.values()
    assert [service.state for service in services.up(running_home)] == ["running"] * 4
    assert pids(running_home) == before


def test_the_services_outlive_the_command(home: Path) -> None:
    code, output, errors = outcome(command(home, "up", start_new_session=True))
    assert (code, errors) == (0, "")
    assert [line.split()[:2] for line in output.splitlines()] == [
        ["postgresql", "started"],
        ["s3", "started"],
        ["luigid", "started"],
        ["risk", "started"],
    ]
    assert all_run(home)
    assert len({os.getsid(pid) for pid in pids(home).values() if pid}) == 4


def test_status_tells_by_its_exit_code_whether_all_run(home: Path) -> None:
    code, output, _ = outcome(command(home, "status"))
    assert (code, output.count("stopped")) == (3, 4)
    assert not home.exists()
    services.up(home)
    code, output, _ = outcome(command(home, "status"))
    assert (code, output.count("running")) == (0, 4)
    os.kill(pids(home)["s3"] or 0, signal.SIGKILL)
    code, output, _ = outcome(command(home, "status"))
    assert (code, output.count("running")) == (3, 3)


def test_a_stop_keeps_data_and_addresses(home: Path) -> None:
    services.up(home)
    kept = (home / "services.json").read_text()
    query(home, "create table kept as select 1 as one")
    s3(home).put_object(Bucket="ocean-lake", Key="a/kept", Body=b"one")
    assert outcome(command(home, "down"))[0] == 0
    assert [service.state for service in services.down(home)] == ["stopped"] * 4
    assert processes_naming(home) == []
    services.up(home)
    assert (home / "services.json").read_text() == kept
    assert query(home, "select one from kept") == (1,)
    assert s3(home).get_object(Bucket="ocean-lake", Key="a/kept")["Body"].read() == b"one"
    assert "was not properly shut down" not in (home / "log/postgresql.log").read_text()


@pytest.mark.parametrize("name", ["postgresql", "s3", "luigid", "risk"])
def test_a_killed_service_comes_back_with_its_data(home: Path, name: str) -> None:
    services.up(home)
    query(home, "create table kept as select 1 as one")
    s3(home).put_object(Bucket="ocean-lake", Key="kept", Body=b"one")
    before = pids(home)
    os.kill(before[name] or 0, signal.SIGKILL)
    services.up(home)
    after = pids(home)
    assert {service for service in after if after[service] != before[service]} == {name}
    assert query(home, "select one from kept") == (1,)
    assert s3(home).get_object(Bucket="ocean-lake", Key="kept")["Body"].read() == b"one"


def test_a_busy_backend_of_a_killed_server_does_not_stop_the_next_one(home: Path) -> None:
    services.up(home)
    query(home, "create table kept as select 1 as one")
    connection = psycopg2.connect(access(home)["warehouse_url"])
    backend = connection.info.backend_pid

    def be_busy() -> None:
        with connection.cursor() as cursor, pytest.raises(psycopg2.OperationalError):
            cursor.execute("select count(*) from generate_series(1, 1e12)")

    client = threading.Thread(target=be_busy)
    client.start()
    while query(home, f"select state from pg_stat_activity where pid = {backend}") != ("active",):
        pass
    os.kill(pids(home)["postgresql"] or 0, signal.SIGKILL)
    services.up(home)
    client.join()
    connection.close()
    assert query(home, "select one from kept") == (1,)


def test_a_frozen_service_is_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Luigid, "stop_signals", ((signal.SIGKILL, 10),))  # it would not hear a polite one
    services.up(home)
    before = pids(home)
    os.kill(before["luigid"] or 0, signal.SIGSTOP)
    services.up(home)
    assert all_run(home)
    assert pids(home)["luigid"] != before["luigid"]


def test_a_stale_pid_file_whose_pid_is_another_program_does_not_stop_the_start(home: Path) -> None:
    services.up(home)
    pid_file = home / "postgresql/data/postmaster.pid"
    lines = pid_file.read_text().splitlines()
    os.kill(int(lines[0]), signal.SIGKILL)
    services.down(home)
    owner = pid_file.parent.stat()
    identity: dict[str, Any] = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    stranger = subprocess.Popen(["sleep", "1000"], cwd="/", **identity)
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        services.up(home)
        assert all_run(home)
        services.down(home)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_two_starts_at_once_are_one(home: Path) -> None:
    starts = [command(home, "up") for _ in range(3)]
    outcomes = [outcome(start) for start in starts]
    assert [(code, errors) for code, _, errors in outcomes] == [(0, "")] * 3
    assert sorted(output.count("started") for _, output, _ in outcomes) == [0, 0, 4]
    assert len(processes_naming(home)) == 4
    assert all_run(home)


@pytest.mark.parametrize(
    "trace",
    [
        "lock",
        "services.json",
        "postgresql/new-*/data",
        "postgresql/data",
        "log/postgresql.log",
        "log/s3.log",
        "log/luigid.log",
        "log/risk.log",
    ],
)
def test_a_start_killed_at_any_stage_is_finished_by_the_next(home: Path, trace: str) -> None:
    start = command(home, "up")
    while not list(home.glob(trace)):
        assert start.poll() is None
    start.kill()
    start.communicate()
    services.up(home)
    assert all_run(home)
    assert len(processes_naming(home)) == 4
    assert query(home, "select 1", "operational_url") == (1,)
    assert query(home, "select 1", "warehouse_url") == (1,)


def test_a_port_of_somebody_else_is_avoided(home: Path) -> None:
    preferred = [service.preferred_port for service in services.SERVICES]
    with taken(*preferred):
        services.up(home)
        assert not set(ports(home)) & set(preferred)
        assert all_run(home)
    before = pids(home)
    services.up(home)
    assert pids(home) == before


def test_a_kept_port_that_was_taken_meanwhile_is_given_up(home: Path) -> None:
    services.up(home)
    services.down(home)
    before = ports(home)
    with taken(*before):
        services.up(home)
        assert not set(ports(home)) & set(before)
        assert query(home, "select 1") == (1,)
        assert s3(home).list_buckets()["Buckets"]


def test_two_homes_run_side_by_side(running_home: Path) -> None:
    with fresh_home() as one, fresh_home() as other:
        with ThreadPoolExecutor() as pool:  # at once, so that they race for the ports
            outcomes = list(pool.map(outcome, [command(home, "up") for home in (one, other)]))
        assert [code for code, *_ in outcomes] == [0, 0]
        assert len({*ports(one), *ports(other), *ports(running_home)}) == 12
        services.down(one)
        assert all_run(other)
        assert all_run(running_home)


def test_any_character_may_be_in_the_path() -> None:
    with fresh_home('OCEAN é home\'s; $HOME "quoted" #1') as home:
        assert outcome(command(home, "up"))[0] == 0
        assert all_run(home)
        assert query(home, "select 1") == (1,)
        s3(home).put_object(Bucket="ocean-lake", Key="clé/ü x", Body=b"one")
        assert (home / "s3/ocean-lake/clé/ü x").read_bytes() == b"one"
        before = pids(home)
        services.up(home)
        assert pids(home) == before


def test_a_lost_services_file_gets_new_secrets_for_the_old_data(home: Path) -> None:
    services.up(home)
    query(home, "create table kept as select 1 as one")
    lost = access(home)
    (home / "services.json").unlink()
    services.up(home)
    assert query(home, "select one from kept") == (1,)
    assert access(home)["s3_secret_key"] != lost["s3_secret_key"]
    assert s3(home).list_buckets()["Buckets"]


@pytest.mark.parametrize("running", [True, False])
def test_a_services_file_from_before_the_risk_scores_gets_what_is_missing(home: Path, running: bool) -> None:
    services.up(home)
    if running:
        os.kill(pids(home)["risk"] or 0, signal.SIGKILL)
    else:
        services.down(home)
    kept, before = access(home), pids(home)
    del kept["risk_api_url"]
    (home / "services.json").write_text(json.dumps(kept))
    assert [service.state for service in services.up(home)] == [*["running" if running else "started"] * 3, "started"]
    url = access(home).pop("risk_api_url")
    assert access(home) == {**kept, "risk_api_url": url}
    assert risk_scores(url) == (200, [])
    assert not running or {name for name, pid in pids(home).items() if pid != before[name]} == {"risk"}


def test_services_from_before_the_dashboards_get_what_is_missing(home: Path) -> None:
    services.up(home)
    query(home, "create table kept as select 1 as one")
    kept = access(home)
    for name in ("bi_reader_url", "superset_metadata_url"):
        del kept[name]
    (home / "services.json").write_text(json.dumps(kept))
    assert {service.state for service in services.up(home)} == {"started"}
    assert query(home, "select current_user", "bi_reader_url") == ("bi_reader",)
    assert query(home, "select current_user", "superset_metadata_url") == ("superset",)
    assert query(home, "select one from kept") == (1,)


def test_a_luigid_from_before_it_had_a_password_is_replaced(home: Path) -> None:
    services.up(home)
    kept = access(home)
    os.kill(pids(home)["luigid"] or 0, signal.SIGKILL)
    del kept["luigid_password"]
    (home / "services.json").write_text(json.dumps(kept))
    script, port = Path(sys.executable).parent / "luigid", str(urlsplit(kept["luigid_url"]).port)
    old = subprocess.Popen(
        [sys.executable, script, "--port", port, "--state-path", home / "luigid/state.pickle"],
        env={**os.environ, "OCEAN_TASK_HISTORY": str(home / "luigid/history.db")},
        stderr=subprocess.DEVNULL,
    )
    assert {service.state for service in services.up(home)} == {"started"}
    old.wait(10)
    assert luigid(home).graph() == {}
    assert urllib3.request("POST", f"{kept['luigid_url']}/api/graph").status == 401


# A server as it was when one role had source and warehouse; it has a database beside them, too.
ONE_ROLE = {
    "oceanrecords": "drop owned by etl_extract",
    "warehouse": """
        drop owned by bi_analyst;
        drop schema analyst cascade;
        alter table dwh.dim_address disable row level security;
        alter table dwh.fact_order disable row level security;
        alter table dwh.fact_order_line disable row level security;
        reassign owned by etl_load to ocean;
        drop owned by etl_load;
        alter default privileges for role ocean in schema mart grant select on tables to bi_reader;
        delete from etl.marker where update_id like 'CreateWarehouse(%';
        drop role etl_extract, etl_load, bi_analyst;
        grant pg_read_all_stats to ocean;
    """,
    "postgres": "create database theirs owner ocean",
}
OWNED = """
select count(*) from (
    select relowner from pg_class
    union all select nspowner from pg_namespace
    union all select defaclrole from pg_default_acl
) as object (owner)
where owner = 'ocean'::regrole
"""


def test_a_warehouse_from_when_one_role_had_everything_is_handed_over_as_it_is(home: Path) -> None:
    services.up(home)
    embedded(home, **SIMULATED).load(BEFORE)
    checksum = embedded(home).checksum()
    for database, statements in ONE_ROLE.items():
        with closing(psycopg2.connect(admin_url(home), dbname=database)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(statements)
    kept = access(home)
    url = kept.pop("simulator_url")
    del kept["bi_analyst_url"]
    kept |= {"operational_url": url, "warehouse_url": url.replace("/oceanrecords", "/warehouse")}
    assert query_url(kept["warehouse_url"], OWNED) != (0,)
    (home / "services.json").write_text(json.dumps(kept))

    assert {state.state for state in services.up(home)} == {"started"}
    assert {state.state for state in services.up(home)} == {"running"}
    assert access(home)["simulator_url"] == url
    assert query(home, OWNED) == (0,)
    owners = "select array_agg(datname || ' ' || datdba::regrole order by datname) from pg_database where datallowconn"
    assert query(home, owners) == (
        [
            "oceanrecords ocean",
            "postgres postgres",
            "superset superset",
            "template1 postgres",
            "theirs ocean",
            "warehouse etl_load",
        ],
    )
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        query_url(kept["warehouse_url"], "select")
    assert query(home, "select pg_has_role('ocean', 'pg_read_all_stats', 'member')") == (False,)

    world = embedded(home, **SIMULATED)
    world.luigi("CreateWarehouse")  # the views of the mart went with the schema that was dropped above
    assert world.checksum() == checksum
    world.load(BEFORE)
    world.load(BEFORE + dt.timedelta(days=1))
    assert world.checksum() != checksum
    assert query(home, "select count(*) > 0 from mart.kpi_monthly", "bi_reader_url") == (True,)
    assert query(home, "select count(*) > 0 from dim_customer where email = 'masked'", "bi_analyst_url") == (True,)


def test_dashboards_without_their_environment_say_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(superset, "PYTHON", home / "nowhere/python")
    with pytest.raises(ServiceFailed, match=r"nowhere/python does not exist; install .* `make dashboards`"):
        services.dashboards(home)
    assert all_run(home)


def test_a_spoiled_services_file_is_named(home: Path) -> None:
    home.mkdir(mode=0o711)
    spoiled = home / "services.json"
    spoiled.write_text("{}")
    with pytest.raises(ServiceFailed, match=r"cannot read .*services\.json, because"):
        services.up(home)
    assert spoiled.read_text() == "{}"
    spoiled.unlink()


def test_a_server_that_does_not_start_says_why(home: Path) -> None:
    services.up(home)
    services.down(home)
    version = home / "postgresql/data/PG_VERSION"
    version.rename(version.with_name("hidden"))
    code, output, errors = outcome(command(home, "up"))
    assert (code, output) == (1, "")
    assert errors.startswith("cannot start postgresql at 127.0.0.1:")
    assert "is not a valid data directory" in errors
    assert "Traceback" not in errors
    version.with_name("hidden").rename(version)
    services.up(home)
    assert all_run(home)


@contextmanager
def killed_without_its_wal(home: Path, monkeypatch: pytest.MonkeyPatch, starts: int) -> Iterator[list[int]]:
    """A server that was killed, whose write-ahead log is missing at so many starts; yields the starts."""
    os.kill(pids(home)["postgresql"] or 0, signal.SIGKILL)
    wal, hidden = home / "postgresql/data/pg_wal", home / "postgresql/data/hidden"
    launch, made = PostgreSQL.launch, list[int]()

    def counted(self: PostgreSQL) -> "subprocess.Popen[bytes]":
        made.append(self.port)
        if len(made) == 1:
            wal.rename(hidden)
        if len(made) == starts + 1:
            hidden.rename(wal)
        return launch(self)

    with monkeypatch.context() as patch:
        patch.setattr(PostgreSQL, "launch", counted)
        yield made


def test_a_server_that_does_not_recover_at_once_is_started_again_and_its_log_is_kept(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    services.up(home)
    query(home, "create table kept as select 1 as one")
    with killed_without_its_wal(home, monkeypatch, 1) as starts:
        services.up(home)
    assert len(starts) == 2
    assert query(home, "select one from kept") == (1,)
    kept = home / "log/postgresql.log.unrecovered"
    assert "startup process failure" in kept.read_text()
    [said] = [message for message in caplog.messages if "did not recover" in message]
    assert 'FATAL: required WAL directory "pg_wal" does not exist' in said
    assert str(kept) in said

    with (
        killed_without_its_wal(home, monkeypatch, START_ATTEMPTS) as starts,
        pytest.raises(ServiceFailed, match='required WAL directory "pg_wal" does not exist'),
    ):
        services.up(home)
    assert len(starts) == START_ATTEMPTS


def test_a_server_that_lets_nobody_in_is_not_waited_for_and_says_why(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.up(home)
    services.down(home)
    monkeypatch.setattr(service, "SECONDS_TO_START", 60)
    hba, password = home / "postgresql/data/pg_hba.conf", home / "postgresql.password"
    rules, secret = hba.read_text(), password.read_text()
    for rule, said in (
        ("all postgres", r"it lets nobody in: .*rejects connection"),
        ("warehouse etl_load", "as warehouse_url of services.json says, because .*rejects connection"),
    ):
        hba.write_text(f"host {rule} 127.0.0.1/32 reject\n{rules}")
        with pytest.raises(ServiceFailed, match=said):
            services.up(home)
    hba.write_text(rules)
    password.write_text("wrong")
    with pytest.raises(ServiceFailed, match=r"it lets nobody in: .*password authentication failed"):
        services.up(home)
    password.write_text(secret)
    services.up(home)
    assert all_run(home)


def test_a_lost_password_of_the_owner_is_said(home: Path) -> None:
    services.up(home)
    services.down(home)
    (home / "postgresql.password").unlink()
    with pytest.raises(ServiceFailed, match="is lost"):
        services.up(home)
    assert processes_naming(home) == []


def test_the_services_do_not_hold_the_lock(running_home: Path) -> None:
    lock = (running_home / "lock").resolve()
    for pid in pids(running_home).values():
        assert lock not in {Path(file.path) for file in psutil.Process(pid).open_files()}


@as_root
def test_as_root_the_server_is_another_user(running_home: Path) -> None:
    server = psutil.Process(pids(running_home)["postgresql"])
    user = pwd.getpwuid(server.uids().real)
    assert user.pw_uid != 0
    assert set(server.gids()) == {user.pw_gid}
    status = Path(f"/proc/{server.pid}/status").read_text()
    assert "\nGroups:\t \n" in status


@as_root
def test_as_root_the_modes_of_parent_folders_stay() -> None:
    with fresh_home() as home:
        before = [folder.stat().st_mode for folder in home.parents]
        services.up(home)
        assert [folder.stat().st_mode for folder in home.parents] == before


@as_root
def test_as_root_a_home_that_others_may_not_enter_is_refused() -> None:
    with fresh_home("closed/home") as home:
        home.parent.mkdir(mode=0o700)
        with pytest.raises(ServiceFailed, match=r"may not enter .*; set OCEAN_HOME"):
            services.up(home)
        assert stat.S_IMODE(home.parent.stat().st_mode) == 0o700
        assert not home.exists()


@as_root
def test_as_root_programs_that_others_may_not_enter_are_copied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    package = postgresql_programs.wheel()
    for part in (package, package.with_name(package.name + ".libs")):
        shutil.copytree(part, closed / part.name, symlinks=True)
    (closed / package.name / postgresql_programs.PROGRAMS).chmod(0o700)  # as under a umask of 077
    monkeypatch.setattr(postgresql_programs, "wheel", lambda: closed / package.name)
    services.up(home)
    assert all_run(home)
    assert psutil.Process(pids(home)["postgresql"]).cmdline()[0].startswith(str(home))
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_another_user
def test_an_ordinary_user_needs_no_privilege(home: Path) -> None:
    user = pwd.getpwnam("nobody")
    home.mkdir(mode=0o700)
    os.chown(home, user.pw_uid, user.pw_gid)
    identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "umask": 0o077}
    code, _, errors = outcome(command(home, "up", **identity))
    assert (code, errors) == (0, "")
    assert {psutil.Process(pid).uids().real for pid in pids(home).values()} == {user.pw_uid}
    assert outcome(command(home, "status", **identity))[0] == 0
    assert outcome(command(home, "down", **identity))[0] == 0
    assert processes_naming(home) == []


@as_another_user
def test_a_home_that_cannot_be_written_is_named(home: Path) -> None:
    home.mkdir(mode=0o755)
    code, _, errors = outcome(command(home, "up", user="nobody", extra_groups=[]))
    assert code == 1
    assert errors.startswith(f"cannot keep the services' state under {home}, because")


def test_a_strict_umask_changes_nothing(home: Path) -> None:
    assert outcome(command(home, "up", umask=0o077))[0] == 0
    assert all_run(home)
