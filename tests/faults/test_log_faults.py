"""What goes wrong while a source's log is read, and transactions that no window foresees: stage is as the source."""

import os
import re
import signal
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import psutil
import psycopg2
import pytest
from psycopg2.extensions import connection as Connection
from support.commands import kill
from support.log_steps import clock, extract, load, require_same, slot_of
from support.shop import add_order, add_product, at, date, update
from support.world import World

from faults.disturbed import FAULTS, SECONDS, Tally, pid_of, wait_for
from faults.proxy import Fault, running_proxy
from pipeline import services, source_log
from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres, retries
from pipeline.kernel.errors import OceanError, StatementLost, TransactionOpen
from pipeline.kernel.postgres import Cursor
from pipeline.kernel.streams import Writable
from pipeline.lake.objects import Lake
from pipeline.source import layout
from pipeline.source.log import reader, slot, snapshot, windows
from pipeline.source.log.pgoutput import Decoder
from pipeline.tasks.reconcile_source import ReconcileSource
from pipeline.trust import turns

HUGE = 3_000 * FAULTS  # rows
IS_NIGHTLY = FAULTS > 10
CUTS = [1, 99] if IS_NIGHTLY else [1]  # 99: until all tries are used up
STATES = "insert into ops.states (state_code, name) select {0} || i, 'State ' || i from generate_series(1, {1}) as i"
COUNT_STATES = "select count(*) from stage.states"
SLOTS = "select slot_name::text from pg_replication_slots where database = current_database()"


class Killed(BaseException):
    """The process is gone."""


def trade(world: World, day: int) -> None:
    """Changes of a day, of each kind."""
    add_product(world, 10 * day, day, at(day))
    add_order(world, 10 * day, at(day), 1, 10 * day)
    add_order(world, 10 * day + 1, at(day), 1)
    update(world, "products", {"product_id": 1}, at(day), unit_price=day)
    world.source("delete from ops.order_lines where order_id = %s", (10 * day + 1,))
    world.source("update ops.products set sku = 'moved', product_id = 10 * %s + 1 where product_id = 999", (day,))


def insert_states(world: World, mark: str, rows: int) -> None:
    """Many rows in one transaction."""
    world.source(STATES.format(f"'{mark}'", rows))


def owner(world: World) -> Connection:
    """A session of the shop that leaves its transactions open."""
    return psycopg2.connect(world.simulator_url)


def test_a_source_killed_among_the_rows_of_a_huge_transaction_costs_nothing(
    logged: World, log_server: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    load(1)
    insert_states(logged, "h", HUGE)
    trade(logged, 2)
    read, rows = Decoder.write, iter(range(HUGE))

    def write(self: Decoder, data: bytes, /) -> int:
        if next(rows, None) == HUGE // 10:
            os.kill(pid_of(log_server, "source"), signal.SIGKILL)
            services.up(log_server)
            tally.count("faults")
        return read(self, data)

    monkeypatch.setattr(Decoder, "write", write)
    load(2)
    assert tally.counts["faults"] == 1
    require_same(logged)
    trade(logged, 3)
    load(3)
    require_same(logged)


COPIES = {
    "log": rb"pg_logical_slot_peek_binary_changes",
    "first_copy": rb'^Q.*copy \(select .* from "ops"\."states"',
}


@pytest.mark.parametrize("what", COPIES)
@pytest.mark.parametrize("times", CUTS)
def test_a_connection_that_is_cut_among_the_rows_costs_nothing(
    logged: World, enter: Callable[[World], World], monkeypatch: pytest.MonkeyPatch, what: str, times: int, tally: Tally
) -> None:
    rows = 2000
    if what == "log":
        load(1)
    insert_states(logged, "c", rows)
    trade(logged, 2)
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.1)
    monkeypatch.setattr(retries, "JITTER", 0)
    parts = urlsplit(logged.operational_url)
    with running_proxy((str(parts.hostname), int(parts.port or 0))) as proxy:
        after = Random(f"{what} {times}").randrange(10 * rows)
        fault = Fault(re.compile(COPIES[what], re.S), "cut", after, "down", times=times)
        proxy.faults.append(fault)
        enter(logged.where(OPERATIONAL_URL=proxy.through(logged.operational_url)))
        if times == 1:
            extract(2)
        else:
            with pytest.raises(StatementLost):
                extract(2)
    assert fault.hits == 1 if times == 1 else fault.hits > 1
    tally.count("faults", fault.hits)
    enter(logged)
    trade(logged, 3)
    load(3)
    require_same(logged)


def die_at(patch: pytest.MonkeyPatch, key: str) -> None:
    """Makes this process die when it is about to write a file of the lake."""
    write = Lake.write

    def writing(lake: Lake, name: str, data: bytes) -> None:
        if re.search(key, name):
            raise Killed
        write(lake, name, data)

    patch.setattr(Lake, "write", writing)


WRITTEN = ["log/window=.*/_SUCCESS", "extract/ops.products/.*/_SUCCESS"]
WRITTEN += ["log/slot=", "log/window=.*/metadata", "bound.json"] if IS_NIGHTLY else []


@pytest.mark.parametrize("key", WRITTEN)
def test_a_first_copy_that_dies_is_gone_on_with(logged: World, key: str, tally: Tally) -> None:
    trade(logged, 1)
    with pytest.MonkeyPatch.context() as patch:
        die_at(patch, key)
        with pytest.raises(Killed):
            extract(1)
    tally.count("faults")
    trade(logged, 2)
    load(2)
    require_same(logged)


def test_a_killed_first_copy_goes_on_with_the_tables_that_are_left(logged: World, tally: Tally) -> None:
    trade(logged, 1)
    parts = urlsplit(logged.operational_url)
    with running_proxy((str(parts.hostname), int(parts.port or 0))) as proxy:
        proxy.faults.append(Fault(re.compile(COPIES["first_copy"], re.S), "silent", 0, "down"))
        through = logged.where(OPERATIONAL_URL=proxy.through(logged.operational_url))
        process = through.at(at(1, 20)).start("CopySource", "--date", str(date(1)))
        wait_for(lambda: layout.finished(logged.lake, "ops.orders"), process)
        kill(process)
    tally.count("faults")
    before = layout.finished(logged.lake, "ops.orders")
    assert not layout.finished(logged.lake, "ops.states")
    trade(logged, 2)
    load(2)
    assert layout.finished(logged.lake, "ops.orders") == before
    require_same(logged)


def test_a_reader_that_dies_before_or_after_a_window_is_finished_writes_it_again_or_not_at_all(
    logged: World, tally: Tally
) -> None:
    load(1)
    for day, key in enumerate(["log/window=.*/metadata", "log/window=.*/_SUCCESS"], 2):
        trade(logged, day)
        with pytest.MonkeyPatch.context() as patch:
            die_at(patch, key)
            with pytest.raises(Killed):
                extract(day)
        load(day)
        require_same(logged)
        tally.count("faults")
    trade(logged, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slot, "advance", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            extract(4)
    before = windows.ends(logged.lake)
    load(4)
    assert windows.ends(logged.lake)[: len(before)] == before
    require_same(logged)


def test_a_transaction_that_stays_open_over_loads_comes_when_it_commits(logged: World) -> None:
    add_order(logged, 1, at(1), 1)
    load(1)
    with closing(owner(logged)) as late:
        cursor = late.cursor()
        cursor.execute("update ops.products set name = 'Late', updated_ts = '2020-01-01' where product_id = 1")
        cursor.execute(STATES.format("'l'", 10))
        cursor.execute("delete from ops.order_lines where order_id = 1")
        for day in (2, 3):
            trade_without_locks(logged, day)
            load(day)
        assert logged.warehouse("select count(*) from stage.states") == [(1,)]
        late.commit()
    load(4)
    require_same(logged)


def trade_without_locks(world: World, day: int) -> None:
    """Changes of a day that wait for nobody."""
    add_product(world, 10 * day, day, at(day))


def test_a_backlog_is_cut_into_windows_and_a_transaction_never_is(
    logged: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(1)
    begun = len(windows.ends(logged.lake))
    for number in range(10):
        insert_states(logged, f"n{number}-", 10)
    insert_states(logged, "h", 500)
    trade(logged, 2)
    monkeypatch.setattr(reader, "MOST_BYTES", 1999)
    begins = begins_of_reading(logged, monkeypatch)
    load(2)
    found = [windows.read(logged.lake, end) for end in windows.ends(logged.lake)[begun:]]
    assert len(found) > 20
    assert all(before.end == after.begin for before, after in pairwise(found))
    rows = [file.rows for window in found for file in window.files if file.table == "ops.states"]
    assert (sum(rows), max(rows)) == (600, 500)
    assert begins == [window.begin for window in found]
    require_same(logged)


def begins_of_reading(world: World, monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Fills with where the slot stands whenever the source decodes its log from there: each byte once is enough."""
    begins, read = [], slot.copy

    def copy(cursor: Cursor, name: str, end: int, sink: Writable) -> None:
        begins.append(slot.read(cursor, slot_of(world)).confirmed)
        read(cursor, name, end, sink)

    monkeypatch.setattr(slot, "copy", copy)
    return begins


@pytest.mark.parametrize("create", [lambda: load(1), source_log.prepare], ids=["load", "prepare"])
def test_a_slot_that_waits_for_a_prepared_transaction_gives_up_by_name_and_leaves_nothing(
    logged: World, monkeypatch: pytest.MonkeyPatch, create: Callable[[], object]
) -> None:
    add_order(logged, 1, at(1), 1)
    monkeypatch.setattr(snapshot, "SECONDS_TO_WAIT", 1)
    prepare(logged, "early")
    try:
        words = "a transaction of the source has been open for more than 1 s, perhaps a prepared one; end it"
        with pytest.raises(TransactionOpen, match=words):
            create()
        assert logged.source(SLOTS) == []
        assert not logged.lake.exists(f"log/slot={slot_of(logged)}")  # what comes to be called so is somebody else's
    finally:
        logged.source("commit prepared 'early'")
    load(1)
    require_same(logged)


def test_a_slot_that_another_process_is_creating_is_left_to_it(logged: World) -> None:
    load(1)
    with postgres.transaction(logged.warehouse_url, "tests") as cursor:
        turns.owe(cursor, turns.COMPARISON, SOURCE_TABLES)
    trade(logged, 2)
    with snapshot.of_new_slot(logged.operational_url, f"{slot_of(logged)}_comparing", is_temporary=True):
        load(2)  # compares nothing
        with pytest.raises(TransactionOpen, match="another session is creating it"), clock(2) as day:
            ReconcileSource(day).run()
    require_same(logged)


def prepare(world: World, name: str) -> None:
    """Prepares a transaction in which a product changes, and states come."""
    with closing(owner(world)) as session:
        cursor = session.cursor()
        cursor.execute("update ops.products set name = 'Prepared' where product_id = 1")
        cursor.execute(STATES.format(f"'{name}'", 3))
        cursor.execute(f"prepare transaction '{name}'")
        session.commit()


def test_a_prepared_transaction_comes_with_its_commit_and_one_that_is_rolled_back_never(logged: World) -> None:
    load(1)
    prepare(logged, "two")
    for day in (2, 3):
        trade_without_locks(logged, day)
        load(day)
    logged.source("commit prepared 'two'")
    prepare(logged, "none")
    load(4)
    logged.source("rollback prepared 'none'")
    load(5)
    assert logged.warehouse(COUNT_STATES) == [(4,)]
    require_same(logged)


@pytest.mark.parametrize("dates", [(1, 2), (2, 2)] if IS_NIGHTLY else [(1, 2)])
def test_of_two_machines_the_one_that_is_left_brings_the_log(
    logged: World, dates: tuple[int, int], tally: Tally
) -> None:
    trade(logged, 1)
    trade(logged, 2)
    machines = [
        logged.at(at(2, 20)).start("DailyWarehouseLoad", "--date", str(date(day)), "--no-lock") for day in dates
    ]
    wait_for(lambda: logged.source(SLOTS), machines[0])
    kill(machines[0])
    tally.count("faults", machines[0].returncode != 0)
    output, _ = machines[1].communicate(timeout=SECONDS)
    assert machines[1].returncode == 0, output
    trade(logged, 3)
    load(3)
    require_same(logged)


def test_a_lake_without_room_fails_the_window_by_name_and_the_next_run_writes_it(
    logged: World, log_server: Path, enter: Callable[[World], World], tally: Tally
) -> None:
    load(1)
    enter(logged.where(OCEAN_RETRIES="0", OCEAN_RECONCILE_DAYS="0"))
    for number in range(20):
        insert_states(logged, f"f{number}-", 500)
    server = psutil.Process(pid_of(log_server, "s3"))
    server.rlimit(psutil.RLIMIT_FSIZE, (1000, -1))
    try:
        with pytest.raises(OceanError, match=r"cannot use the lake s3://\S+ on S3 at .* because it answered 500"):
            extract(2)
    finally:
        server.rlimit(psutil.RLIMIT_FSIZE, (-1, -1))
    tally.count("faults")
    load(2)
    trade(logged, 3)
    load(3)
    require_same(logged)
