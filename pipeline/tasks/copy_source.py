"""The source, as it is where its log begins -> lake."""

import datetime as dt
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager

import luigi

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import LogUnreadable
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import lake
from pipeline.source import bounds, extract, instants, layout
from pipeline.source.instants import BEGINNING
from pipeline.source.log import lsn, positions, publication, reader, slot, snapshot, windows
from pipeline.source.log.slot import Log
from pipeline.source.log.snapshot import Snapshot
from pipeline.tasks.base import DatedTask, retried
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.locked_source import LOG, locked_source, require_log
from pipeline.tasks.runtime import under_way
from pipeline.tasks.simulate import simulated_business

COPIES = 2  # tables that are copied at once
SECONDS_BETWEEN_MESSAGES = 1.0


class CopySource(DatedTask):
    """Copies all tables of the source once, as they are where its log begins. Creates the slot if there is none.

    Tables without an extract are copied; a warehouse that was loaded by watermarks has one of each already, and is
    compared with the source by its next loads. A rerun copies the tables that are not finished, as they are at a later
    position, from which on the log is theirs.

    luigi --module pipeline CopySource --date 2026-11-19 --local-scheduler

    Raises LogUnreadable.
    """

    layer, table = "extract", "copies"

    def requires(self) -> Iterable[luigi.Task]:
        return [CreateWarehouse(), *simulated_business(self.date)]

    def complete(self) -> bool:
        """Whether the warehouse has all tables, or the lake has their copies and a log."""
        if settings().from_lake:
            return True
        if not CreateWarehouse().complete():
            return False
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            if postgres.value(cursor, HAS_ALL, {"tables": [table.short for table in SOURCE_TABLES.values()]}):
                return True
        return _has_log() and not _uncopied()

    @property
    def is_long(self) -> bool:
        return True

    @retried
    def run(self) -> None:
        with locked_source(LOG) as source, ExitStack() as stack:
            log = slot.read(source, settings().log_slot)
            if _has_log():
                require_log(source)  # of a slot that is gone only `source prepare` makes a new one
            else:
                _publish(source)
            taken = stack.enter_context(log_begun(log, self.date))
            if tables := _uncopied():
                self._copy(source, tables, log, taken or stack.enter_context(snapshot.temporary(settings(), "copying")))

    def _copy(self, source: Cursor, tables: list[str], log: Log, taken: Snapshot) -> None:
        """Copies tables side by side, all as of one snapshot: a row has no value that the log tells of later."""
        to = min(log.clock, instants.end_of(self.date)).isoformat()
        window = extract.Window(BEGINNING, to, to_lsn=lsn.text(taken.position))
        expected, so_far = extract.expected_rows(source, tables), dict.fromkeys(tables, 0)
        with ThreadPoolExecutor(COPIES) as pool:
            copies = [pool.submit(self._copy_table, window, taken, so_far, name) for name in tables]
            while (seen := wait(copies, SECONDS_BETWEEN_MESSAGES, FIRST_EXCEPTION)).not_done:
                if any(copy.exception() for copy in seen.done):
                    pool.shutdown(cancel_futures=True)  # those that have not begun
                    break
                rows = sum(so_far.values())
                self.say(f"{rows:,} rows of {len(tables)} tables so far", rows=rows, of=expected)
        copied = [copy.result() for copy in copies]
        self.rows, self.bytes = sum(each.rows for each in copied), sum(each.bytes for each in copied)
        self.say(f"{self.rows:,} rows of {len(tables)} tables, {self.bytes:,} bytes", 100)

    def _copy_table(
        self, window: extract.Window, taken: Snapshot, so_far: dict[str, int], name: str
    ) -> layout.Metadata:
        def progress(_sent: int, rows: int, _expected: int | None) -> None:
            so_far[name] = rows

        where = layout.folder(name, self.date, under_way.until(self.date))
        with (
            postgres.session(settings().operational_url, "operational", purpose=bounds.PURPOSE) as source,
            snapshot.seen(source, taken),
        ):
            return extract.write(source, lake(), SOURCE_TABLES[name], where, self.date, window, settings(), progress)


@contextmanager
def log_begun(log: Log, date: dt.date) -> Iterator[Snapshot | None]:
    """Creates the slot if there is none, and notes on the lake where the log begins if that is not there.

    Gives the snapshot of the source where a new slot begins, for as long as the block lasts. The caller holds the lock
    of the log, and has published the tables. Raises LogUnreadable.
    """
    name, url, zone = settings().log_slot, settings().operational_url, settings().source_zone
    if log.confirmed is None:
        _require_beyond(log)
        with ExitStack() as stack:
            with windows.claimed(lake(), name):
                taken = stack.enter_context(snapshot.of_new_slot(url, name))
            reader.begin(lake(), date, taken.position, log, zone)
            yield taken
        return
    if _has_log():
        positions.last_window(lake(), log, url)
    else:
        windows.require_claimed(lake(), name)
        reader.begin(lake(), date, log.confirmed, log, zone)
    yield None


def _require_beyond(log: Log) -> None:
    """Returns if a log that begins now is at higher positions than what was loaded. Raises LogUnreadable."""
    with postgres.session(settings().warehouse_url, "warehouse") as warehouse:
        is_made = postgres.value(warehouse, "select to_regclass('etl.stage_batch') is not null")
        loaded = postgres.value(warehouse, "select max(loaded_lsn)::text from etl.stage_batch") if is_made else None
    reached = max([*windows.ends(lake(), log.flush), lsn.number(loaded or "0/0")])
    if reached > log.flush:
        raise LogUnreadable(
            "begin with the source's log",
            f"it stands at {lsn.text(log.flush)}, and another one was read up to {lsn.text(reached)}: nothing would "
            "tell their positions apart",
            "run the same command again once this log is beyond that (after a write `select pg_switch_wal()` moves it "
            "on by up to 16 MB); or set LAKE_URL and WAREHOUSE_URL to empty places to begin again",
        )


def _has_log() -> bool:
    """Whether a log begins on the lake; a window that a killed command has begun to write does not count."""
    return bool(windows.ends(lake()))


def _uncopied() -> list[str]:
    """The tables of which the lake has no extract."""
    return [name for name in SOURCE_TABLES if not layout.finished(lake(), name)]


def _publish(source: Cursor) -> None:
    """Publishes the tables of a simulated shop, as its owner; those of another source are for its owner to publish."""
    if settings().simulate:
        with postgres.session(settings().simulator_url, "simulator") as owner:
            publication.create(owner)
    publication.require(source)


HAS_ALL = """
select count(loaded_lsn) = cardinality(%(tables)s::text[]) from etl.stage_batch where table_name = any(%(tables)s)
"""
