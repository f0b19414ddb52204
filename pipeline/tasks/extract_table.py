"""Source -> lake."""

import datetime as dt
import logging
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import luigi

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import clock, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import lake
from pipeline.source import bounds, extract, instants, layout, zones
from pipeline.source.log import positions, reader, windows
from pipeline.source.log.positions import Bound
from pipeline.source.log.windows import Window
from pipeline.tasks.base import DatedTask, marker_of, retried
from pipeline.tasks.copy_source import CopySource
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.locked_source import LOG, locked_source, require_log
from pipeline.tasks.runtime import under_way
from pipeline.tasks.runtime.targets import LakeObject, Marker
from pipeline.tasks.simulate import simulated_business

logger = logging.getLogger("luigi-interface")


class ChooseBound(DatedTask):
    """Fixes the one instant up to which all tables of a date are extracted.

    Of a date under way that is now, once more for each command. Dates that were left under way come first.

    luigi --module pipeline ChooseBound --date 2026-11-19 --local-scheduler
    """

    def requires(self) -> Iterable[luigi.Task]:
        """The warehouse too, which remembers from the first extract on which database the source is."""
        left = [] if settings().from_lake else under_way.left_before(self.date)
        first = [CreateWarehouse(), *simulated_business(self.date)]
        if settings().reads_log:
            return [*first, CopySource(self.date), *map(ExtractLog, left)]
        return [*first, *(ExtractTable(date, table) for date in left for table in SOURCE_TABLES)]

    def output(self) -> LakeObject:
        return LakeObject(bounds.key_of(self.date, under_way.until(self.date)))

    @retried
    def run(self) -> None:
        if settings().reads_log:
            self._choose_position()
            return
        with locked_source(f"bound {self.date}") as source:
            end, until = self._end(), under_way.until(self.date)
            bound = bounds.choose(source, lake(), self.date, end, settings().watermark_lag, until)
        self.say(f"up to {bound}")
        if not until and instants.instant(bound) < end:
            logger.warning(
                "%s is extracted up to %s: a transaction of the source has been open since then. "
                "What is missing comes with a later date.",
                self.date,
                bound,
            )

    def _choose_position(self) -> None:
        with locked_source(LOG) as source:
            log = require_log(source)
            last = positions.last_window(lake(), log, settings().operational_url)
            end = instants.end_of(self.date)
            # Where the date ended is looked for window by window: of a long backlog these are read at once.
            while not settings().simulate and log.clock >= end and last.end + positions.MOST_BYTES < log.flush:
                to = last.end + positions.MOST_BYTES
                if positions.first_commit_after(source, settings().log_slot, last.end, to, end):
                    break
                last = read_log(source, self, positions.bound(log, to, end))[-1]
            positions.choose(source, lake(), self.date, under_way.until(self.date), log, last.end, settings())

    def _end(self) -> dt.datetime:
        """The end of the date. If business is simulated, at most the end of the last day that is over."""
        end = instants.end_of(self.date)
        if settings().simulate:
            end = min(end, instants.end_of(clock.today() - dt.timedelta(days=1)))
        return end


class WindowOfDate(NamedTuple):
    """Up to where all tables of a date are extracted, and up to when they were before, while it was under way."""

    bound: str
    untils: list[str]


class ExtractTable(DatedTask):
    """Extracts the rows of one source table that changed up to the end of a date and were not extracted yet.

    luigi --module pipeline ExtractTable --table ops.orders --date 2026-11-19 --local-scheduler
    """

    table = luigi.ChoiceParameter(choices=list(SOURCE_TABLES), description="the source table, schema.table")
    layer = "extract"

    # The extracts of this process. The load that follows need not read their metadata again.
    found: layout.Metadata | None = None

    @property
    def is_long(self) -> bool:
        return SOURCE_TABLES[self.table].is_busy

    def chain(self) -> Iterable[str]:
        return [self.table]

    def requires(self) -> luigi.Task:
        return ChooseBound(self.date)

    def complete(self) -> bool:
        """Whether the extract is there. Looks up no table before the date has a bound.

        A date under way has no extract of a table without new rows.
        """
        if not ChooseBound(self.date).complete():
            return False
        if super().complete():
            return True
        return bool(under_way.until(self.date)) and (settings().from_lake or self._nothing_new.exists())

    @property
    def _nothing_new(self) -> Marker:
        return marker_of(self, f"{self.layer}.{SOURCE_TABLES[self.table].short}", under_way.until(self.date))

    def output(self) -> LakeObject:
        folder = layout.folder(self.table, self.date, under_way.until(self.date))
        return LakeObject(f"{folder}/{layout.SUCCESS}")

    @retried
    def run(self) -> None:
        # Two processes for the same date: the second one waits and finds the extract.
        with locked_source(f"extract {self.table} {self.date}") as source:
            if lake().exists(self.output().key):
                return
            until = under_way.until(self.date)
            bound, untils = window_of(self.date, until)
            self.found = extract.extract(
                source,
                lake(),
                SOURCE_TABLES[self.table],
                self.date,
                bound,
                settings(),
                self._progress,
                until=until,
                untils=untils,
            )
        if self.found is None:
            with postgres.transaction(settings().warehouse_url, "warehouse") as warehouse:
                self._nothing_new.touch(warehouse)
        elif words := zones.warning(SOURCE_TABLES[self.table], self.found, settings().source_zone):
            logger.warning("%s", words)
        self.rows, self.bytes = (self.found.rows, self.found.bytes) if self.found else (0, 0)
        self.say(f"{self.rows:,} rows, {self.bytes:,} bytes", 100)

    def _progress(self, sent: int, rows: int, expected: int | None) -> None:
        expected = expected if expected and expected > rows else None  # statistics may be old
        of = f" of about {expected:,}" if expected else ""
        self.say(f"{rows:,}{of} rows, {sent:,} bytes so far", every=1, rows=rows, of=expected)


class ExtractLog(DatedTask):
    """Extracts what the source's log has up to the bound of a date and was not extracted yet, of all tables.

    luigi --module pipeline ExtractLog --date 2026-11-19 --local-scheduler

    Raises LogUnreadable.
    """

    layer, table = "extract", "log"

    @property
    def is_long(self) -> bool:
        return True

    def requires(self) -> luigi.Task:
        return ChooseBound(self.date)

    def complete(self) -> bool:
        """Whether the windows on the lake go as far as the bound."""
        if settings().from_lake:
            return True
        if not ChooseBound(self.date).complete():
            return False
        bound = self._bound()
        return bound is None or bool(windows.ends(lake(), bound.end - 1))

    @retried
    def run(self) -> None:
        bound = self._bound()
        assert bound
        with locked_source(LOG) as source:
            found = read_log(source, self, bound)
        files = [file for window in found for file in window.files]
        self.rows, self.bytes = sum(file.rows for file in files), sum(file.bytes for file in files)
        self.say(f"{self.rows:,} changes, {self.bytes:,} bytes", 100)

    def _bound(self) -> Bound | None:
        return positions.chosen(lake(), self.date, under_way.until(self.date))


def read_log(source: Cursor, task: DatedTask, bound: Bound) -> list[Window]:
    """Brings the log up to a bound to the lake, for a task of a date that holds the lock of the log."""

    def progress(sent: int) -> None:
        task.say(f"{sent:,} bytes of a table so far", every=1)

    log = require_log(source)
    positions.require_reached(log, bound, task.date)
    last = positions.last_window(lake(), log, settings().operational_url)
    return reader.read(source, lake(), task.date, last, bound, settings(), progress)


def bound_of(date: dt.date) -> str:
    """The bound up to which this command extracts a date, once it is chosen."""
    return bounds.chosen(lake(), date, under_way.until(date))


@cache
def window_of(date: dt.date, until: str | None) -> WindowOfDate:
    """The window of all tables of a date, once its bound was chosen; read once by a process."""
    return WindowOfDate(bounds.chosen(lake(), date, until), bounds.untils(lake(), date, until))
