"""The embedded server that the source has for itself, so that its log can be extracted."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2.extras import LogicalReplicationConnection, PhysicalReplicationConnection
from support.databases import admin_url, login, run, source_admin_url
from support.world import OPENED, SIMULATED, World, Worlds, embedded, running_services, secrets_of

from pipeline import services
from pipeline.kernel import listener, postgres
from pipeline.kernel.errors import DatabaseError, OceanError, ServiceFailed
from pipeline.services.access import LOGINS, OPERATIONAL, WAREHOUSE, Access
from pipeline.services.source_postgresql import SourcePostgreSQL

OF_SOURCE = {name for name, (_, database) in LOGINS.items() if database == OPERATIONAL}
NAMES = ["postgresql", "source", "s3", "luigid", "risk"]


@pytest.fixture(scope="module")
def started_home() -> Iterator[Path]:
    with running_services(extraction="log") as home:
        yield home


@pytest.fixture
def home(started_home: Path) -> Path:
    """Services that a test may stop."""
    services.up(started_home)
    return started_home


@pytest.fixture
def source(log_home: Path) -> Iterator[World]:
    """An empty source and its warehouse."""
    made = Worlds(log_home, "of_source_server")
    yield made.new()
    made.drop()


def ports(home: Path) -> dict[str, int | None]:
    known = json.loads((home / "services.json").read_text())
    return {name: urlsplit(known[name]).port for name in LOGINS}


def roles(url: str) -> set[str]:
    return {role for (role,) in run(url, "select rolname from pg_roles where rolcanlogin and not rolsuper")}


def databases(url: str) -> set[str]:
    """Those of the pipeline; tests have others."""
    known = {database for _, database in LOGINS.values()}
    return known & {name for (name,) in run(url, "select datname from pg_database")}


def states(found: list[services.State]) -> dict[str, str]:
    return {state.name: state.state for state in found}


def may_log_in(url: str) -> bool:
    try:
        psycopg2.connect(url).close()
    except psycopg2.OperationalError:
        return False
    return True


def test_the_source_and_the_warehouse_have_a_server_each_with_its_own_roles(log_home: Path) -> None:
    at = ports(log_home)
    assert len({at[name] for name in OF_SOURCE}) == len({at[name] for name in LOGINS.keys() - OF_SOURCE}) == 1
    assert at["operational_url"] != at["warehouse_url"]
    assert states(services.status(log_home)) == dict.fromkeys(NAMES, "running")
    assert Access.read(log_home, {"source": 1}).ports["source"] == at["operational_url"]
    main, own = admin_url(log_home), source_admin_url(log_home)
    assert (databases(main), databases(own)) == ({WAREHOUSE, "superset"}, {OPERATIONAL})
    assert roles(own) == {"ocean", "etl_extract"}
    assert roles(main) == {role for role, _ in LOGINS.values()} - roles(own)
    assert run(main, "show wal_level") == [("minimal",)]
    assert run(own, "show wal_level") == [("logical",)]
    assert run(own, "show max_slot_wal_keep_size") == [("4GB",)]


def test_a_home_that_is_not_extracted_by_its_log_has_one_server(services_home: Path) -> None:
    assert len(set(ports(services_home).values())) == 1
    assert states(services.status(services_home)) == {name: "running" for name in NAMES if name != "source"}
    assert run(admin_url(services_home), "show wal_level") == [("minimal",)]
    assert not (services_home / "source").exists()


def test_a_source_elsewhere_needs_no_server_here(services_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCEAN_EXTRACTION", "log")
    monkeypatch.setenv("OPERATIONAL_URL", "postgresql://me@db.example.com/shop")
    assert "source" not in states(services.up(services_home))


def test_extraction_reads_the_log_from_the_snapshot_of_its_slot_on(source: World) -> None:
    source.source("create schema ops")
    source.source("create table ops.thing (thing_id integer primary key)")
    source.source("grant usage on schema ops to etl_extract")
    source.source("grant select on ops.thing to etl_extract")
    source.source("create publication things for table ops.thing")
    source.source("insert into ops.thing values (1)")
    with (
        closing(
            psycopg2.connect(source.operational_url, connection_factory=LogicalReplicationConnection)
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE_REPLICATION_SLOT things LOGICAL pgoutput (SNAPSHOT 'export')")
        [(_, point, snapshot, _)] = cursor.fetchall()
        source.source("insert into ops.thing values (2), (3)")
        with postgres.transaction(source.operational_url, "tests") as copying:
            copying.execute("set transaction isolation level repeatable read")
            copying.execute("set transaction snapshot %s", (snapshot,))
            assert postgres.rows(copying, "select thing_id from ops.thing") == [(1,)]
    assert [kind for kind, _ in peeked(source)] == [b"B", b"R", b"I", b"I", b"C"]
    [(end,)] = run(source.operational_url, "select pg_current_wal_flush_lsn()::text")
    run(source.operational_url, "select pg_replication_slot_advance('things', %s)", (end,))
    assert peeked(source) == []
    assert run(source.operational_url, "select %s::pg_lsn < %s::pg_lsn", (point, end)) == [(True,)]
    run(source.operational_url, "select pg_drop_replication_slot('things')")
    run(source.operational_url, "select pg_create_logical_replication_slot('things', 'pgoutput')")


def peeked(source: World) -> list[tuple[bytes, bytes]]:
    """Kind and content of each message in the log, by the reading of SQL."""
    found = run(
        source.operational_url,
        "select data from pg_logical_slot_peek_binary_changes('things', null, null, 'proto_version', '1',"
        " 'publication_names', 'things')",
    )
    return [(bytes(data)[:1], bytes(data)[1:]) for (data,) in found]


@pytest.mark.parametrize("role", ["etl_extract", "ocean", "postgres"])
def test_nobody_opens_a_connection_for_physical_replication(log_home: Path, role: str) -> None:
    url = {
        "etl_extract": login(log_home, "operational_url", OPERATIONAL),
        "ocean": login(log_home, "simulator_url", OPERATIONAL),
        "postgres": source_admin_url(log_home),
    }[role]
    with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry for replication connection"):
        psycopg2.connect(url, connection_factory=PhysicalReplicationConnection)


def test_extraction_alone_reads_a_log(log_home: Path) -> None:
    shop, warehouse = (login(log_home, name, LOGINS[name][1]) for name in ("simulator_url", "warehouse_url"))
    for url in (shop, warehouse):
        with pytest.raises(DatabaseError, match="42501"):
            run(url, "select pg_create_logical_replication_slot('mine', 'pgoutput')")
    with pytest.raises(psycopg2.OperationalError, match="permission denied to start WAL sender"):
        psycopg2.connect(shop, connection_factory=LogicalReplicationConnection)
    with pytest.raises(psycopg2.OperationalError, match='exceeds "max_wal_senders"'):
        psycopg2.connect(warehouse, connection_factory=LogicalReplicationConnection)


@pytest.fixture
def entered(home: Path, enter: Callable[[World], World]) -> Path:
    """The same services as those of the test's own process."""
    enter(embedded(home))
    return home


def test_what_listens_at_either_port_is_known(entered: Path) -> None:
    assert {name: listener.service_at("127.0.0.1", port or 0) for name, port in ports(entered).items()} == {
        name: "source" if name in OF_SOURCE else "postgresql" for name in LOGINS
    }
    assert listener.users("source", entered) == listener.users("postgresql", entered)


def test_a_source_that_went_down_by_itself_says_why_by_its_own_log(entered: Path) -> None:
    url = login(entered, "operational_url", OPERATIONAL)
    server = next(service for service in services._services(entered) if service.name == "source")
    server.down()
    server.log.write_text("2026-11-30 PANIC:  could not write to file: No space left on device\n")
    with pytest.raises(OceanError, match="the server's log ends with: PANIC: could not write to file"):
        postgres.connect(url, "operational")


def test_the_simulated_shop_trades_in_its_own_server(home: Path) -> None:
    world = embedded(home, **SIMULATED)
    world.luigi("SimulateBusinessDay", "--date", str(OPENED))
    assert run(login(home, "operational_url", OPERATIONAL), "select count(*) > 0 from ops.orders") == [(True,)]


def test_a_rerun_starts_nothing_and_a_home_keeps_its_server_whatever_the_setting_says(home: Path) -> None:
    run(login(home, "simulator_url", OPERATIONAL), "create table if not exists kept as select 1 as one")
    before, at = {state.name: state.pid for state in services.status(home)}, ports(home)
    assert states(services.up(home)) == dict.fromkeys(NAMES, "running")
    assert {state.name: state.pid for state in services.status(home)} == before
    assert states(services.down(home)) == dict.fromkeys(NAMES, "stopped")
    assert states(services.up(home)) == dict.fromkeys(NAMES, "started")
    assert ports(home) == at
    assert run(login(home, "simulator_url", OPERATIONAL), "select one from kept") == [(1,)]


def test_a_killed_server_is_started_alone(home: Path) -> None:
    os.kill(next(state.pid or 0 for state in services.status(home) if state.name == "source"), signal.SIGKILL)
    assert states(services.up(home)) == dict.fromkeys(NAMES, "running") | {"source": "started"}


def test_a_rotation_renews_the_secrets_of_both_servers(home: Path) -> None:
    old = [login(home, name, database) for name, (_, database) in LOGINS.items()]
    before, owners = secrets_of(home), [admin_url(home), source_admin_url(home)]
    assert states(services.rotate(home)) == dict.fromkeys(NAMES, "started")
    assert not before & secrets_of(home)
    assert not [url for url in [*old, *owners] if may_log_in(url)]
    new = [login(home, name, database) for name, (_, database) in LOGINS.items()]
    assert all(may_log_in(url) for url in [*new, admin_url(home), source_admin_url(home)])
    assert not list(home.glob("*.next"))


def test_a_rotation_killed_in_the_server_is_brought_to_an_end(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, rename = secrets_of(home), Path.replace

    def die(path: Path, to: Path) -> Path:
        if path.name == "source.password.next":
            raise KeyboardInterrupt
        return rename(path, to)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            services.rotate(home)
    services.up(home)
    assert not before & secrets_of(home)
    assert all(may_log_in(login(home, name, database)) for name, (_, database) in LOGINS.items())
    assert not list(home.glob("*.next"))


def test_a_port_that_was_taken_is_given_up_with_the_passwords_of_this_server_alone(home: Path) -> None:
    at, old = ports(home), json.loads((home / "services.json").read_text())
    services.down(home)
    with socket.create_server(("127.0.0.1", at["operational_url"] or 0)):
        services.up(home)
        changed = {name for name, port in ports(home).items() if port != at[name]}
        new = json.loads((home / "services.json").read_text())
        assert changed == {name for name in LOGINS if old[name] != new[name]} == OF_SOURCE
        assert not {urlsplit(old[name]).password for name in OF_SOURCE} & {
            urlsplit(new[name]).password for name in LOGINS
        }
        assert all(may_log_in(new[name]) for name in LOGINS)


@pytest.fixture(scope="module")
def main_home() -> Iterator[Path]:
    """A home whose services were started for the other way of extraction."""
    with running_services() as found:
        yield found


def test_a_shop_that_shares_its_log_with_the_warehouse_is_not_extracted_from_it(
    main_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCEAN_EXTRACTION", "log")
    shop = login(main_home, "simulator_url", OPERATIONAL)
    run(shop, "create schema simulator")
    with pytest.raises(ServiceFailed) as refused:
        services.up(main_home)
    assert str(refused.value) == (
        "cannot extract the embedded shop from its log, because it lies in the warehouse's server, whose log it "
        "shares; set OCEAN_HOME to a new folder, or extraction to watermark"
    )
    assert not SourcePostgreSQL.is_in(main_home)
    monkeypatch.delenv("OCEAN_EXTRACTION")
    services.up(main_home)
    run(shop, "drop schema simulator")


def test_a_home_without_a_shop_gets_the_server_and_its_roles_leave_the_main_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OCEAN_EXTRACTION", "log")
    with running_services() as home:
        run(login(home, "warehouse_url", WAREHOUSE), "create table kept as select 1 as one")
        known = json.loads((home / "services.json").read_text())
        old: Any = [known[name] for name in OF_SOURCE]
        assert states(services.up(home))["source"] == "started"
        assert not [url for url in old if may_log_in(url)]
        assert run(login(home, "warehouse_url", WAREHOUSE), "select one from kept") == [(1,)]
        assert all(may_log_in(login(home, name, OPERATIONAL)) for name in OF_SOURCE)
