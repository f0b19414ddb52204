"""The star on the lake: Spark builds it from the same extracts, as tables of Iceberg."""

import datetime as dt
import re
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import luigi

from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES, VENDOR_FEEDS
from pipeline.kernel import clock, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import ConfigError, StarsDiffer
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import lake
from pipeline.lakehouse import progress
from pipeline.spark import Say
from pipeline.tasks.base import DatedTask, MarkedTask, OceanTask, retried, show
from pipeline.tasks.check_warehouse import refuse
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.load_mart import LoadMart
from pipeline.tasks.load_risk_scores import LoadRiskScores
from pipeline.tasks.load_table import LoadDimension, LoadFact, LoadStage, feed_task
from pipeline.trust import checks

if TYPE_CHECKING:
    from pipeline.lakehouse.load import Report

MAINTAIN_AFTER = 20  # loads: reading then takes twice as long


class LoadLakeStar(MarkedTask):
    """Brings the star on the lake up to a date, with whatever else stage has: one application of Spark.

    With `star = lake` it also runs the checks there, and takes the mart, the queue, rejected rows and results of the
    checks over into PostgreSQL. A check of severity error that finds a row fails it. A rerun finds nothing to do, and
    starts no Spark. After a kill at any instant the next run goes on.

    luigi --module pipeline LoadLakeStar --date 2026-11-19 --local-scheduler
    """

    layer, table = "lake", "star"

    @classmethod
    def wanted(cls, date: dt.date) -> list["LoadLakeStar"]:
        """The task of a date, if luigi.cfg asks for the star on the lake."""
        return [cls(date)] if settings().lakehouse.has_star else []

    @property
    def is_long(self) -> bool:
        return True

    def requires(self) -> Iterable[luigi.Task]:
        return [
            *(LoadStage(self.date, table) for table in SOURCE_TABLES),
            *(feed_task(name, self.date) for name in VENDOR_FEEDS),
            *LoadRiskScores.wanted(self.date),
        ]

    def complete(self) -> bool:
        """Whether it was loaded and found right, and nothing has come to stage since."""
        if not super().complete():
            return False
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            is_wrong = settings().lakehouse.is_alone and checks.is_whole_owed(cursor, self.date)
            return not is_wrong and progress.is_current(cursor, settings())

    @retried
    def run(self) -> None:
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            is_done = progress.is_current(cursor, settings()) and not self._are_checks_due(cursor)
        report = None if is_done else run_job(_saying(self), date=self.date)
        self.rows = sum(report.rows.values()) if report else 0
        with self.transaction() as cursor:
            self.marker.touch(cursor)
        self.say(f"{self.rows:,} rows written, {sum(report.rejected.values()) if report else 0:,} rejected", 100)

    def _are_checks_due(self, cursor: Cursor) -> bool:
        """Whether the star has to be checked, although nothing came: an error was found, or it is a check's turn."""
        if not settings().lakehouse.is_alone:
            return False
        due = checks.due(cursor, self.date, settings().check_whole_days)
        return checks.is_whole_owed(cursor, self.date) or bool(due)


class RebuildLakeStar(OceanTask):
    """Drops the star on the lake and builds it again from all that stage has taken in.

    luigi --module pipeline RebuildLakeStar --local-scheduler
    """

    def requires(self) -> luigi.Task:
        return CreateWarehouse()

    def complete(self) -> bool:
        """Never: whoever asks for it wants it done."""
        return False

    @retried
    def run(self) -> None:
        run_job(_saying(self), work="rebuild")


class MaintainLakeStar(MarkedTask):
    """Writes the small files of many loads together, and removes old commits and files that nobody needs.

    It first loads what the lake lacks. DailyWarehouseLoad requires it after every 20 loads. The rows stay as they are.

    luigi --module pipeline MaintainLakeStar --date 2026-11-19 --local-scheduler
    """

    layer, table = "lake", "files"

    @classmethod
    def due(cls, date: dt.date) -> list["MaintainLakeStar"]:
        """The task of a date, if so many loads were made since the last one."""
        if not LoadLakeStar.wanted(date) or not CreateWarehouse().complete():
            return []
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            return [cls(date)] if postgres.value(cursor, LOADS_SINCE) >= MAINTAIN_AFTER else []

    def requires(self) -> luigi.Task:
        return LoadLakeStar(self.date)

    @retried
    def run(self) -> None:
        run_job(_saying(self), work="maintain")
        with self.transaction() as cursor:
            self.marker.touch(cursor)


LOADS_SINCE = """
select count(*) from etl.marker
where target_table = 'lake.star' and inserted > coalesce(
    (select max(inserted) from etl.marker where target_table = 'lake.files'), '-infinity'
)
"""


class ReconcileStar(DatedTask):
    """Compares the two stars, row by row, by natural keys; fails if they differ.

    luigi --module pipeline ReconcileStar --date 2026-11-19 --local-scheduler
    """

    def requires(self) -> Iterable[luigi.Task]:
        return [
            LoadLakeStar(self.date),
            *(LoadDimension(self.date, table) for table in DIMENSIONS),
            *(LoadFact(self.date, table) for table in FACTS),
            LoadMart(self.date),
        ]

    def complete(self) -> bool:
        """Never: whoever asks for it wants it done."""
        return False

    @retried
    def run(self) -> None:
        require_sqlglot()
        from pipeline.lakehouse import compare

        report = run_job(_saying(self), compared=compare.selects(settings().lakehouse.prefix))
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            found = compare.compare(cursor, report.compared)
        for each in found:
            print(f"{each.table:<20}{each.postgresql:>14,}{each.lake:>14,}  {'same' if each.is_equal else 'DIFFERENT'}")
        if different := [each.table for each in found if not each.is_equal]:
            raise StarsDiffer(
                f"find both stars equal on {self.date}",
                f"{', '.join(different)} differ",
                "run RebuildLakeStar; if they differ again, report it",
            )


def run_job(say: Say, date: dt.date | None = None, **what: Any) -> "Report":
    """Runs the load of the star on the lake, as `load.load` does, and raises what that raises.

    Raises ChecksFailed too, if checks of severity error found rows.
    """
    require_sqlglot()
    from pipeline.lakehouse.load import load

    report = load(settings(), lake(), say, date=date, **what)
    refuse([result for result in report.results if result.is_error], date or clock.today())
    return report


def require_sqlglot() -> None:
    """Returns if sqlglot is there, which nothing but the star on the lake needs, and so nothing else imports."""
    if find_spec("sqlglot") is None:
        raise ConfigError("load the star on the lake", "sqlglot is not installed", "install it with `make lakehouse`")


def _saying(task: OceanTask) -> Say:
    """Shows what the job says, and how far it is where it counts its steps."""

    def say(message: str) -> None:
        found = STEP.search(message)
        show(task, message, 100 * int(found[1]) / int(found[2]) if found else None)

    return say


STEP = re.compile(r"\b(\d+) of (\d+): ")
