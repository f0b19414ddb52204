"""Lake -> stage -> dwh."""

import logging
from collections.abc import Iterable

import luigi

from pipeline import dwh, extract, postgres, stage
from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES, source_of
from pipeline.config import settings
from pipeline.errors import BadExtract, OceanError
from pipeline.lake import lake
from pipeline.tasks.base import MarkedTask
from pipeline.tasks.create import CreateWarehouse
from pipeline.tasks.extract import ExtractTable

logger = logging.getLogger("luigi-interface")


class LoadStage(MarkedTask):
    """Loads one extract into its stage table, where the newest row of each key wins.

    luigi --module pipeline LoadStage --table ops.orders --date 2026-11-19 --local-scheduler
    """

    table = luigi.ChoiceParameter(choices=list(SOURCE_TABLES), description="the source table, schema.table")
    layer = "stage"

    def chain(self) -> Iterable[str]:
        return [self.table]

    def requires(self) -> Iterable[luigi.Task]:
        return [CreateWarehouse(), ExtractTable(self.date, self.table)]

    def run(self) -> None:
        table = SOURCE_TABLES[self.table]
        found = extract.metadata(lake(), self.table, self.date)
        if found is None:
            where = f"{lake().url}/{extract.folder(self.table, self.date)}"
            raise BadExtract(f"load {where}", "its extract is not finished", "run ExtractTable for it first")

        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            # By name, not by table: at the first load there is no table yet.
            postgres.lock(cursor, f"stage.{table.short}")
            if self.marker.exists_in(cursor):
                return
            loads = []
            for each in stage.unloaded(cursor, lake(), table, found):

                def progress(received: int, each: extract.Metadata = each) -> None:
                    self.say(f"{each.date}: {received:,} bytes", 100 * received / each.bytes, every=1)

                loads.append(stage.Load(cursor, lake(), table, each, settings().max_rejected, progress).run())
                LoadStage(each.day, self.table).marker.touch(cursor)
        self.rows, self.bytes = sum(load.changed for load in loads), sum(load.bytes for load in loads)
        rejected = sum(load.rejected for load in loads)
        self.say(f"{self.rows:,} of {sum(load.rows for load in loads):,} rows newer, {rejected:,} rejected", 100)


class LoadDimension(MarkedTask):
    """Brings one dimension up to date with stage.

    A failure is logged and recorded, and ends this task without its marker: the facts go on with unknown members,
    and DailyWarehouseLoad fails in the end. The next run of the date, or of a later one, tries again.

    luigi --module pipeline LoadDimension --table dim_product --date 2026-11-19 --local-scheduler
    """

    table = luigi.ChoiceParameter(choices=list(DIMENSIONS), description="the dimension")
    layer = "dwh"

    def chain(self) -> Iterable[str]:
        return map(source_of, DIMENSIONS[self.table].sources)

    def requires(self) -> Iterable[luigi.Task]:
        return [LoadStage(self.date, table) for table in self.chain()]

    def run(self) -> None:
        try:
            with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
                dwh.lock(cursor, f"dwh.{self.table}")
                if self.marker.exists_in(cursor):
                    return
                written = dwh.load_dimension(cursor, DIMENSIONS[self.table])
                self.marker.touch(cursor)
        except Exception as error:
            self.error = error
            known = isinstance(error, OceanError)
            logger.error("dwh.%s was not loaded: %s", self.table, error, exc_info=not known)
            self.say(f"failed: {error}")
            return
        self.rows = written.rows
        self.say(f"{written.inserted:,} rows inserted, {written.updated:,} updated", 100)


class LoadFact(MarkedTask):
    """Brings one fact table up to date with stage and dimensions, and heals facts whose dimension came late.

    luigi --module pipeline LoadFact --table fact_order --date 2026-11-19 --local-scheduler
    """

    table = luigi.ChoiceParameter(choices=list(FACTS), description="the fact table")
    layer = "dwh"

    def requires(self) -> Iterable[luigi.Task]:
        stages = [LoadStage(self.date, source_of(name)) for name in FACTS[self.table].sources]
        return [*stages, *self._dimensions()]

    def _dimensions(self) -> list[LoadDimension]:
        return [LoadDimension(self.date, name) for name in FACTS[self.table].dimensions]

    def complete(self) -> bool:
        """Whether fact and dimensions were loaded, and nothing has come since that may heal a row in the queue."""
        if not self.marker.exists() or not all(dimension.complete() for dimension in self._dimensions()):
            return False
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            return not dwh.can_heal(cursor, FACTS[self.table], self.marker.update_id)

    def run(self) -> None:
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            dwh.lock(cursor, f"dwh.{self.table}")
            if self.marker.exists_in(cursor) and not dwh.can_heal(cursor, FACTS[self.table], self.marker.update_id):
                return
            written = dwh.load_fact(cursor, FACTS[self.table])
            self.marker.touch(cursor)
        self.rows = written.rows
        self.say(f"{written.inserted:,} rows inserted, {written.updated:,} updated", 100)
