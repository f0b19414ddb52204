"""Transactions that somebody prepares and leaves: their locks outlive the session and the server."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
from support.databases import admin_url, login, run
from support.feeds_world import settings_of
from support.loads import create_warehouse
from support.shop import open_shop
from support.world import ROOT, World, Worlds, running_services

from pipeline import services
from pipeline.kernel import locks, postgres, waiting
from pipeline.services.access import LOGINS, WAREHOUSE

GID = "it's \x1b[31mmine"
LITERAL = "'{}'".format(GID.replace("'", "''"))
WARNING = 1


def prepare(url: str, statement: str) -> None:
    """Somebody prepares a transaction of this statement and goes away."""
    with closing(postgres.connect(url, "tests", autocommit=True)) as connection, connection.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute(statement)
        cursor.execute(f"prepare transaction {LITERAL}")


@contextmanager
def prepared(url: str, statement: str) -> Iterator[None]:
    """The same, and in the end it is rolled back."""
    prepare(url, statement)
    yield
    run(url, f"rollback prepared {LITERAL}")


@pytest.mark.parametrize("name", LOGINS)
def test_nobody_leaves_a_lock_behind(services_home: Path, name: str) -> None:
    with pytest.raises(postgres.Error, match="prepared transactions are disabled"):
        prepare(login(services_home, name, LOGINS[name][1]), "select from pg_class")


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_what_was_prepared_under_an_earlier_version_is_rolled_back_at_the_next_start(
    is_killed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with running_services(prepared_transactions=10) as home:
        loads = login(home, "warehouse_url", WAREHOUSE)
        run(loads, "create table kept as select 1 as one; grant select on kept to bi_reader")
        prepare(login(home, "bi_reader_url", WAREHOUSE), "select from kept")
        if is_killed:
            pid = services.status(home)[0].pid
            assert pid
            psutil.Process(pid).kill()
        else:
            services.down(home)
        services.up(home)
        assert run(
            loads, "select count(*)::int, current_setting('max_prepared_transactions') from pg_prepared_xacts"
        ) == [(0, "0")]
        run(loads, "begin; lock table kept in access exclusive mode nowait; commit")
        assert run(loads, "select one from kept") == [(1,)]
    assert f"rolled back the prepared transaction {GID!r} of role 'bi_reader' in warehouse" in caplog.text


@pytest.fixture(scope="module")
def preparing(preparing_home: Path) -> Iterator[World]:
    """A source and a warehouse on a server that lets everybody prepare transactions."""
    worlds = Worlds(preparing_home, "prepared")
    world = worlds.new()
    open_shop(world)
    with settings_of(world):
        create_warehouse(world)
    yield world
    worlds.drop()


@pytest.mark.parametrize(
    ("database", "role"), [("operational", "etl_extract"), ("warehouse", "etl_load")], ids=["source", "warehouse"]
)
def test_the_status_says_what_is_prepared_and_how_to_end_it(preparing: World, database: str, role: str) -> None:
    with prepared(getattr(preparing, f"{database}_url"), "select from pg_class"):
        code, shown, errors = preparing.status()
    assert code == WARNING, shown + errors
    assert f"warn: the {database} database has the prepared transaction {GID!r} of role '{role}', since 20" in shown
    assert "run rollback prepared 'it''s \\x1b[31mmine' there, as that role or a superuser" in shown


def test_a_load_that_waits_for_a_prepared_transaction_says_whose_it_is(
    preparing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SECONDS_SILENT", 0)
    monkeypatch.setattr(waiting, "SECONDS_BETWEEN", 0)
    told: list[str] = []

    def tell(message: str, *values: object) -> None:
        told.append(message % values)
        if len(told) == 1:
            run(preparing.warehouse_url, f"rollback prepared {LITERAL}")

    monkeypatch.setattr(locks.logger, "info", tell)
    prepare(preparing.warehouse_url, "lock table dwh.fact_order in share mode")
    with postgres.transaction(preparing.warehouse_url, "tests") as cursor:
        cursor.execute("set local lock_timeout = '1min'")  # where nothing is said, nobody ends it
        locks.lock_tables(cursor, "dwh.fact_order")
    said = f"waits for the lock dwh.fact_order: the prepared transaction {GID!r} of role 'etl_load' holds it, since 20"
    assert told[0].startswith(said)


def test_who_sets_up_a_server_that_allows_it_is_told_so(preparing: World) -> None:
    server = re.sub(r"//[^@]*@", "//hosted:x@", admin_url(preparing.home).removesuffix("postgres"))
    done = subprocess.run(
        [sys.executable, ROOT / "deploy/databases.py"],
        env={**os.environ, "ADMIN_URL": admin_url(preparing.home), "WAREHOUSE_URL": f"{server}hosted"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [refused] = [line for line in done.stdout.splitlines() if line.startswith("Not allowed here")]
    assert refused.endswith(": max_prepared_transactions = 0, it is 10")
