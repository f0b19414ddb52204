"""Checks of loaded rows."""

from collections.abc import Iterable

import luigi

from pipeline.catalog import DIMENSIONS, FACTS, Dimension, Fact
from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import ChecksFailed
from pipeline.star import dwh
from pipeline.tasks.base import MarkedTask, logger, retried
from pipeline.tasks.load_mart import LoadMart
from pipeline.tasks.load_table import LoadDimension, LoadFact
from pipeline.trust import checks
from pipeline.trust.checks import ERROR, Result

# The tables that checks read: facts, and the versions that they are keyed to. In the order of locks.
CHECKED: list[Dimension | Fact] = [*(each for each in DIMENSIONS.values() if each.versions_of), *FACTS.values()]


class CheckWarehouse(MarkedTask):
    """Checks the rows that the load of a date wrote. After check_whole_days it checks the whole warehouse.

    Keeps the results in etl.check_result. A check of severity error that finds a row fails the task, and with it the
    date; one of severity warn is logged. A date that failed is checked as a whole until it passes, because later loads
    hide its rows. Nothing is checked while a dimension is not loaded or another load is under way.

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
        if missing:
            self.say(f"not checked, because {', '.join(missing)} could not be loaded")
            return
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            # All checks see the instant from which on nobody writes these tables.
            cursor.execute("set transaction isolation level repeatable read")
            locks.lock_tables(cursor, *(f"dwh.{target.name}" for target in CHECKED))
            if any(dwh.has_news(cursor, target) for target in CHECKED):
                self.say("not checked, because another load is under way; it checks what it wrote")
                return
            days = settings().check_whole_days
            whole = (
                self.whole
                or checks.is_whole_owed(cursor, self.date)
                or (days > 0 and checks.is_whole_due(cursor, self.date, days))
            )
            results = checks.run(cursor, self.date, whole=whole)
            failed = [result for result in results if result.failures]
            if not any(result.check.severity == ERROR for result in failed):
                self.marker.touch(cursor)
        self.rows = sum(result.failures for result in failed)
        for result in failed:
            logger.warning("%s: %s %s", result.check.severity, f"{result.failures:,}", result.check.title)
        self.say(f"{len(results)} checks, {len(failed)} found rows", 100)
        _refuse([result for result in failed if result.check.severity == ERROR], self)


def _refuse(failed: list[Result], task: CheckWarehouse) -> None:
    if failed:
        raise ChecksFailed(
            f"call the load of {task.date} right",
            "; ".join(f"{result.check.name} found {result.failures:,} {result.check.title}" for result in failed),
            f"see the rows with the queries in etl.check_result (load_date {task.date}, failures > 0), fix the cause "
            "and run the same command again",
        )
