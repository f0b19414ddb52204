"""Checks of loaded rows."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence

import luigi

from pipeline.catalog import DIMENSIONS, FACTS, STAR, Fact
from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import ChecksFailed
from pipeline.kernel.postgres import Cursor
from pipeline.star import dwh, mart
from pipeline.tasks.base import MarkedTask, logger, retried
from pipeline.tasks.load_mart import LoadMart
from pipeline.tasks.load_table import LoadDimension, LoadFact
from pipeline.tasks.runtime.targets import Marker
from pipeline.trust import checks, turns
from pipeline.trust.checks import Result

# The tables that checks read: facts, and the versions that they are keyed to.
CHECKED = [target for target in STAR if isinstance(target, Fact) or target.versions_of]


class _Checks(MarkedTask):
    """Runs checks, keeps their results, and fails if one of severity error finds a row."""

    layer, table = "etl", "check_result"

    def names(self) -> Sequence[str]:
        """The checks that it runs."""
        raise NotImplementedError

    def whole_of(self, cursor: Cursor) -> Sequence[str]:
        """The checks that look at the whole warehouse."""
        raise NotImplementedError

    def hindrance(self, cursor: Cursor) -> str | None:
        """Why nothing can be checked now; None if everything can."""
        raise NotImplementedError

    @retried
    def run(self) -> None:
        self._check(self.whole_of, self.marker)

    def _check(self, whole_of: Callable[[Cursor], Sequence[str]], marker: Marker | None) -> None:
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            # All checks see the instant from which on nobody writes these tables, nor results.
            cursor.execute("set transaction isolation level repeatable read")
            locks.lock_tables(cursor, f"{self.layer}.{self.table}")
            locks.lock_tables(cursor, *(f"dwh.{target.name}" for target in CHECKED), shared=True)
            if because := self.hindrance(cursor):
                # The rows of this load are left to the next check of any date: the load itself counts as done.
                self._owe(cursor)
                self.say(f"not checked, because {because}; the next load makes up for it")
                return
            results = checks.run(cursor, self.date, names=self.names(), whole=whole_of(cursor))
            failed = [result for result in results if result.failures]
            if marker and not any(result.is_error for result in failed):
                marker.touch(cursor)
        self.rows = sum(result.failures for result in failed)
        for result in failed:
            logger.warning("%s: %s %s", result.check.severity, f"{result.failures:,}", result.check.title)
        self.say(f"{len(results)} checks, {len(failed)} found rows", 100)
        refuse([result for result in failed if result.is_error], self.date)

    def _owe(self, cursor: Cursor) -> None:
        turns.owe(cursor, turns.CHECK, [name for name in checks.by_weight() if name in self.names()])


class CheckWarehouse(_Checks):
    """Checks the rows that the load of a date wrote. Checks whose turn it is look at the whole warehouse.

    Each looks at the whole warehouse once within check_whole_days. Keeps the results in etl.check_result. A check of
    severity error that finds a row fails the task, and with it the date; one of severity warn is logged. A date that
    failed is checked as a whole until it passes, because later loads hide its rows. Nothing is checked while a
    dimension is not loaded or another load is under way; the next load then checks the whole warehouse. With --whole
    every check looks at the whole warehouse, and those of the mart run too.

    luigi --module pipeline CheckWarehouse --date 2026-11-19 --whole --local-scheduler
    """

    whole = luigi.BoolParameter(significant=False, description="check everything, whenever that was done before")

    def requires(self) -> Iterable[luigi.Task]:
        return [
            *(LoadFact(self.date, table) for table in FACTS),
            *self._dimensions(),
            *(LoadMart.wanted(self.date) if self.whole else []),
        ]

    def _dimensions(self) -> list[LoadDimension]:
        return [LoadDimension(self.date, table) for table in DIMENSIONS]

    def complete(self) -> bool:
        """Whether the date was checked as it is loaded now."""
        return not self.whole and super().complete() and all(task.complete() for task in self.requires())

    def names(self) -> Sequence[str]:
        return checks.of("dwh", "mart") if self.whole else checks.of("dwh")

    def whole_of(self, cursor: Cursor) -> Sequence[str]:
        if self.whole or checks.is_whole_owed(cursor, self.date):
            return checks.by_weight()
        return checks.due(cursor, self.date, settings().check_whole_days)

    def owe_unless_done(self) -> None:
        """Leaves the rows of the date to the next check of any date, unless they were checked.

        For a load that is no date's, whose rows take their place.
        """
        if not self.marker.exists():
            with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
                self._owe(cursor)

    def check_written(self) -> None:
        """Checks the rows that a load wrote which is no date's. Raises ChecksFailed."""
        self._check(lambda _: (), None)

    def hindrance(self, cursor: Cursor) -> str | None:
        missing = [dimension.table for dimension in self._dimensions() if not dimension.marker.exists()]
        if missing:
            return f"{', '.join(missing)} could not be loaded"
        has_news = any(dwh.has_news(cursor, target) for target in CHECKED)
        return "another load is under way" if has_news else None


class CheckMart(_Checks):
    """Compares the mart with the facts, if it is the turn of a check of the mart.

    The mart is kept while the rows of dwh are checked, so its own checks come later. Results and failures are as those
    of CheckWarehouse. Nothing is checked while the mart is behind the facts; the next load then makes up for it.

    luigi --module pipeline CheckMart --date 2026-11-19 --local-scheduler
    """

    @classmethod
    def due(cls, date: dt.date) -> list["CheckMart"]:
        """The task of a date, if it is the turn of a check."""
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            is_new = postgres.value(cursor, "select to_regclass('etl.whole_pass') is null")
            wanted = settings().check_whole_days > 0 if is_new else cls(date).whole_of(cursor)
        return [cls(date)] if wanted else []

    def requires(self) -> Iterable[luigi.Task]:
        return LoadMart.wanted(self.date) or LoadMart(self.date).requires()

    def complete(self) -> bool:
        """Never: it is asked for when it is due."""
        return False

    def names(self) -> Sequence[str]:
        return checks.of("mart")

    def whole_of(self, cursor: Cursor) -> Sequence[str]:
        due = checks.due(cursor, self.date, settings().check_whole_days)
        return [name for name in due if name in self.names()]

    def hindrance(self, cursor: Cursor) -> str | None:
        is_behind = settings().mart and not mart.is_current(cursor)
        return "the mart is behind the facts" if is_behind else None


def refuse(failed: Sequence[Result], date: dt.date) -> None:
    """Raises ChecksFailed if checks of severity error found rows."""
    if failed:
        raise ChecksFailed(
            f"call the load of {date} right",
            "; ".join(f"{result.check.name} found {result.failures:,} {result.check.title}" for result in failed),
            f"see the rows with the queries in etl.check_result (load_date {date}, failures > 0), fix the cause "
            "and run the same command again",
        )
