"""A source that many sessions write to while its log is read, and while readers and loads are killed.

Stage then is as the source, and the lake has each change once, in the transactions and in the order of the source.
"""

import csv
import io
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from random import Random

import psycopg2
from support.shop import at, date
from support.world import World

from faults.disturbed import FAULTS, SECONDS, Tally, kill_command
from faults.log_statements import ONE_OF_EACH
from faults.log_writers import KEYS, Change, Writers, noted, watch
from pipeline.lake.compressed import Source
from pipeline.source.log import windows

KILLS, KILLS_OF_COPY = max(4, FAULTS * 2 // 5), max(2, FAULTS // 5)
OPERATIONS = 30  # of each writer, beside a load
ROUNDS_OF_A_DATE = 4
CRASHES_AFTER = 5  # rounds
SHORTEST = 0.2  # seconds before a load is killed
# Operation, whether a value did not come because it did not change, whether the key was another one before.
KINDS = {("I", False, False), ("D", False, False), ("T", False, False), ("K", False, False)}
KINDS |= {("U", is_unchanged, has_old_key) for is_unchanged in (False, True) for has_old_key in (False, True)}


def test_the_lake_has_each_change_once_and_stage_is_as_the_source(logged: World, tally: Tally) -> None:
    watch(logged)
    loads = Loads(logged, tally)
    loads.run("products")  # the first copy
    begin = last_end(logged)
    with Writers(logged, "each change once") as writers:
        for number in range(KILLS):
            writers.add_column = writers.add_column or number == KILLS // 2
            loads.disturbed(writers)
            if number % CRASHES_AFTER == 1:
                loads.quiet()
                assert_same_rows(logged, without="fee")
                crash_source(logged)
    logged.source(ONE_OF_EACH)
    loads.quiet()
    assert_same_rows(logged, without="fee")
    found = on_lake(logged, begin)
    assert {(row["etl_op"], bool(row["etl_unchanged"]), bool(row["etl_old_key"])) for _, row in found} == KINDS
    assert Counter(by_transaction(found)) == Counter(noted(logged))
    loads.repair()
    assert_same_rows(logged)


def test_a_first_copy_of_a_source_that_is_written_to_ends_in_the_same_rows(logged: World, tally: Tally) -> None:
    watch(logged)
    loads = Loads(logged, tally)
    with Writers(logged, "first copy") as writers:
        for _ in range(KILLS_OF_COPY):
            loads.disturbed(writers)
    loads.quiet()
    assert_same_rows(logged)


class Loads:
    """Loads of one table after the other, and now and then of the next date, each up to another instant."""

    def __init__(self, world: World, tally: Tally) -> None:
        self.world, self.tally = world, tally
        self.chance, self.number, self.longest = Random("loads of the log"), 0, 3 * SHORTEST

    def disturbed(self, writers: Writers) -> None:
        """A load that is killed while sessions write, unless it is quicker."""
        end = writers.begin(OPERATIONS)
        try:
            self._run_and_kill()
        finally:
            end()

    def _run_and_kill(self) -> None:
        self._next(again=self.chance.random() < 0.3)
        process = self._at.start(*self._words(self.chance.choice(list(KEYS))))
        seconds = self.chance.uniform(SHORTEST, self.longest)
        try:
            output, _ = process.communicate(timeout=seconds)
            assert process.returncode == 0, output
            self.longest *= 0.9
        except subprocess.TimeoutExpired:
            self.tally.count("faults", kill_command(process))
            self.longest *= 1.1

    def quiet(self) -> None:
        """Loads all tables."""
        self._next()
        for table in KEYS:
            self._at.luigi(*self._words(table))
            self.tally.count("reruns")

    def run(self, table: str) -> None:
        """Loads a table."""
        self._at.luigi(*self._words(table))

    def repair(self) -> None:
        """What a load does where a table has other columns."""
        self._next()
        words = ("ReconcileSource", "--date", str(self._date), "--repair", "--allow-deletes")
        self._at.luigi(*words)

    def _next(self, *, again: bool = False) -> None:
        self.number += not again

    @property
    def _date(self) -> object:
        return date(1 + self.number // ROUNDS_OF_A_DATE)

    @property
    def _at(self) -> World:
        return self.world.at(at(1 + self.number // ROUNDS_OF_A_DATE, 8 + self.number % ROUNDS_OF_A_DATE))

    def _words(self, table: str) -> Sequence[str]:
        return "LoadStage", "--table", f"ops.{table}", "--date", str(self._date)


def crash_source(world: World) -> None:
    """Kills a session, for which the server drops all of them and recovers.

    Its slots then stand where they did at the last checkpoint: what was read since comes again.
    """
    with (
        closing(psycopg2.connect(world.simulator_url)) as killed,
        closing(psycopg2.connect(world.simulator_url)) as other,
    ):
        os.kill(killed.info.backend_pid, signal.SIGKILL)
        wait_until(lambda: not answers(other))
    wait_until(lambda: can_connect(world))


def wait_until(condition: Callable[[], bool]) -> None:
    """Returns once a condition holds."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.02)


def answers(connection: psycopg2.extensions.connection) -> bool:
    """Whether a session is still there."""
    try:
        connection.cursor().execute("select 1")
    except (psycopg2.OperationalError, psycopg2.InterfaceError):
        return False
    return True


def can_connect(world: World) -> bool:
    """Whether the source takes sessions."""
    try:
        psycopg2.connect(world.simulator_url).close()
    except psycopg2.OperationalError:
        return False
    return True


def last_end(world: World) -> int:
    """Up to where the lake has the log."""
    return windows.ends(world.lake)[-1]


def on_lake(world: World, after: int) -> list[tuple[str, dict[str, str]]]:
    """The changes in the windows after a position, each with its table."""
    read = (windows.read(world.lake, end) for end in windows.ends(world.lake, after))
    files = ((f"{window.folder}/{file.data}", file.table) for window in read for file in window.files)
    return [(table.removeprefix("ops."), row) for key, table in files for row in rows_of(world, key)]


def by_transaction(found: list[tuple[str, dict[str, str]]]) -> list[tuple[Change, ...]]:
    """The changes of each transaction, in the order of the log."""
    transactions: dict[str, list[tuple[int, Change]]] = {}
    for table, row in found:
        key = () if row["etl_op"] == "T" else tuple(row[name] for name in KEYS[table])
        transactions.setdefault(row["etl_lsn"], []).append((int(row["etl_seq"]), (row["etl_op"], table, key)))
    return [tuple(change for _, change in sorted(changes)) for changes in transactions.values()]


def rows_of(world: World, key: str) -> list[dict[str, str]]:
    """The rows of a file on the lake."""
    body = world.lake.open(key)
    assert body is not None
    plain = Source(body, lambda _: None).decompressor(key)
    data = b""
    while part := plain.read(1 << 20):
        data += part
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def assert_same_rows(world: World, without: str = "") -> None:
    """Compares all tables, row by row."""
    for table, key in KEYS.items():
        query = (
            "select column_name::text from information_schema.columns where table_schema = 'ops' and table_name = %s"
        )
        names = ", ".join(name for (name,) in world.source(query, (table,)) if name != without)
        columns = f"select {names} from {{}}.{table} {{}} order by {', '.join(key)}"
        source = world.source(columns.format("ops", ""))
        stage = world.warehouse(columns.format("stage", "where etl_deleted_ts is null"))
        assert stage == source, table
