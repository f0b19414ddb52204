"""Checks of loaded rows."""

from collections.abc import Iterable, Sequence

import luigi

from pipeline.catalog import DIMENSIONS, FACTS, Dimension, Fact
from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import ChecksFailed
from pipeline.kernel.postgres import Cursor
from pipeline.operations.state import ERROR
from pipeline.star import dwh
from pipeline.tasks.base import MarkedTask, logger, retried
from pipeline.tasks.load_mart import LoadMart
from pipeline.tasks.load_table import LoadDimension, LoadFact
from pipeline.trust import checks, turns
from pipeline.trust.checks import Result

# The tables that checks read: facts, and the versions that they are keyed to. In the order of locks.
CHECKED: list[Dimension | Fact] = [*(each for each in DIMENSIONS.values() if each.versions_of), *FACTS.values()]


class CheckWarehouse(MarkedTask):
    """Checks the rows that the load of a date wrote. Checks whose turn it is look at the whole warehouse.

    Each looks at the whole warehouse once within check_whole_days. Keeps the results in etl.check_result. A check of
    severity error that finds a row fails the task, and with it the date; one of severity warn is logged. A date that
    failed is checked as a whole until it passes, because later loads hide its rows. Nothing is checked while a
    dimension is not loaded or another load is under way; the next load then checks the whole warehouse.

    luigi --module pipeline CheckWarehouse --date 2026-11-19 --whole --local-scheduler
    """

    whole = luigi.BoolParameter(significant=False, description="check everything, whenever that was done before")
    layer, table = "etl", "check_result"

    def requires(self) -> Iterable[luigi.Task]:
        return [
            *(LoadFact(self.date, table) for table in FACTS),
            *self._dimensions(),
            *LoadMart.wanted(self.date),
        ]

    def _dimensions(self) -> list[LoadDimension]:
        return [LoadDimension(self.date, table) for table in DIMENSIONS]

    def complete(self) -> bool:
        """Whether the date was checked as it is loaded now."""
        return not self.whole and super().complete() and all(task.complete() for task in self.requires())

    @retried
    def run(self) -> None:
        missing = [dimension.table for dimension in self._dimensions() if not dimension.marker.exists()]
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            # All checks see the instant from which on nobody writes these tables.
            cursor.execute("set transaction isolation level repeatable read")
            locks.lock_tables(cursor, *(f"dwh.{target.name}" for target in CHECKED))
            if missing:
                self._leave_out(cursor, f"{', '.join(missing)} could not be loaded")
                return
            if any(dwh.has_news(cursor, target) for target in CHECKED):
                self._leave_out(cursor, "another load is under way")
                return
            results = checks.run(cursor, self.date, whole=self._whole(cursor))
            failed = [result for result in results if result.failures]
            if not any(result.check.severity == ERROR for result in failed):
                self.marker.touch(cursor)
        self.rows = sum(result.failures for result in failed)
        for result in failed:
            logger.warning("%s: %s %s", result.check.severity, f"{result.failures:,}", result.check.title)
        self.say(f"{len(results)} checks, {len(failed)} found rows", 100)
        _refuse([result for result in failed if result.check.severity == ERROR], self)

    def _whole(self, cursor: Cursor) -> Sequence[str]:
        """The checks that look at the whole warehouse."""
        if self.whole or checks.is_whole_owed(cursor, self.date):
            return checks.by_weight()
        return checks.due(cursor, self.date, settings().check_whole_days)

    def _leave_out(self, cursor: Cursor, because: str) -> None:
        """Leaves the rows of this load to the next check of any date: the load itself counts as done."""
        turns.owe(cursor, turns.CHECK, checks.by_weight())
        self.say(f"not checked, because {because}; the next load checks the whole warehouse")


def _refuse(failed: list[Result], task: CheckWarehouse) -> None:
    if failed:
        raise ChecksFailed(
            f"call the load of {task.date} right",
            "; ".join(f"{result.check.name} found {result.failures:,} {result.check.title}" for result in failed),
            f"see the rows with the queries in etl.check_result (load_date {task.date}, failures > 0), fix the cause "
            "and run the same command again",
        )
