"""Lake -> stage -> dwh."""

import datetime as dt
from collections.abc import Iterable
from functools import cache

import luigi

from pipeline.catalog import DIMENSIONS, FACTS, FEEDS, SOURCE_TABLES, VENDOR_FEEDS, source_of
from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import lake
from pipeline.source import layout
from pipeline.source.log import lsn, positions, windows
from pipeline.stage import loads, log_loads, merge, order, repairs, taken
from pipeline.star import dwh, queue
from pipeline.tasks.base import MarkedTask, held_back, retried
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.extract_table import ExtractLog, ExtractTable, window_of
from pipeline.tasks.load_feed import DeliveredTask, LoadFeed, LoadPartnerOrders
from pipeline.tasks.load_reviews import LoadReviews
from pipeline.tasks.load_risk_scores import LoadRiskScores
from pipeline.tasks.runtime import under_way
from pipeline.trust import turns

# Feeds that are loaded by a task of their own: one that needs more, and one that had it before there was LoadFeed.
OWN_TASKS: dict[str, type[DeliveredTask]] = {task.feed: task for task in (LoadReviews, LoadPartnerOrders)}


def feed_task(feed: str, date: dt.date) -> DeliveredTask:
    """The task that loads the stage table of a vendor's feed."""
    own = OWN_TASKS.get(feed)
    return own(date) if own else LoadFeed(date, feed)


class LoadStage(MarkedTask):
    """Loads one extract into its stage table. The newest row of each key wins.

    With `star = lake` it takes note of the extract, which LoadLakeStar loads.

    luigi --module pipeline LoadStage --table ops.orders --date 2026-11-19 --local-scheduler
    """

    table = luigi.ChoiceParameter(choices=list(SOURCE_TABLES), description="the source table, schema.table")
    layer = "stage"

    @property
    def is_long(self) -> bool:
        return SOURCE_TABLES[self.table].is_busy

    def chain(self) -> Iterable[str]:
        return [self.table]

    def requires(self) -> Iterable[luigi.Task]:
        extract = ExtractLog(self.date) if _loads_changes() else ExtractTable(self.date, self.table)
        return [CreateWarehouse(), extract]

    def _found(self) -> tuple[layout.Metadata, bool]:
        """The extract to load, and whether it is new. A date under way without new rows has the extract before."""
        until = under_way.until(self.date)
        found = ExtractTable(self.date, self.table).found or layout.metadata(lake(), self.table, self.date, until)
        if found:
            return found, True
        if not until:
            raise layout.missing(lake(), layout.folder(self.table, self.date), "ExtractTable")
        table = SOURCE_TABLES[self.table]
        return loads.newest(lake(), table, self.date, window_of(self.date, until).untils), False

    @retried
    def run(self) -> None:
        with self.transaction() as cursor:
            # By name, not by table: at the first load there is no table yet.
            locks.lock(cursor, f"stage.{SOURCE_TABLES[self.table].short}")
            if self.marker.exists_in(cursor):
                return
            loaded = self._load_changes(cursor) if _loads_changes() else self._load_extracts(cursor)
            self.marker.touch(cursor)
        self.rows, self.bytes = sum(load.changed for load in loaded), sum(load.bytes for load in loaded)
        rows, rejected = sum(load.rows for load in loaded), sum(load.rejected for load in loaded)
        if settings().lakehouse.is_alone:
            self.say(f"{rows:,} rows are for the star on the lake", 100)
        else:
            self.say(f"{self.rows:,} of {rows:,} rows newer, {rejected:,} rejected", 100)

    def _load_extracts(self, cursor: Cursor) -> list[merge.Loaded]:
        """Loads extracts by watermark, and repairs."""
        table, (found, is_new) = SOURCE_TABLES[self.table], self._found()
        loaded = []
        made = _repairs().get(table.name, [])
        for each in loads.unloaded(cursor, lake(), table, found, made, is_new=is_new):
            loaded.append(self._load(cursor, each))
            is_own = is_new and each is found  # its marker comes last
            if not is_own and not order.is_repair(each):
                LoadStage(each.day, self.table).marker_at(layout.until_of(each.folder)).touch(cursor)
        if not is_new and not settings().from_lake:
            loads.note_nothing_new(cursor, table, window_of(self.date, under_way.until(self.date)).bound)
        return loaded

    def _load_changes(self, cursor: Cursor) -> list[merge.Loaded]:
        """Loads first copies, windows of the log and repairs."""
        bound = positions.chosen(lake(), self.date, under_way.until(self.date))
        # Without one it is a rebuild whose newest date was extracted by watermark.
        return self.load_up_to(cursor, bound.end if bound else lsn.LAST, bound.clock if bound else None)

    def load_up_to(self, cursor: Cursor, position: int, clock: str | None = None) -> list[merge.Loaded]:
        """Loads first copies, windows and repairs up to a position of the log, at which the source's clock was `clock`.

        The caller holds the lock of stage.
        """
        table, made = SOURCE_TABLES[self.table], _repairs().get(self.table, [])
        found = log_loads.unloaded(cursor, lake(), table, position, self._newest_extract, made)
        loaded = [self._load(cursor, each) for each in found.extracts]
        log_loads.note(cursor, table, found.end, clock or found.clock)
        # Of a rejected row stage keeps what was before, and later changes may rest on it.
        if found.is_owed or any(each.has_other_columns or each.rejected for each in loaded):
            turns.owe(cursor, turns.COMPARISON, [table.name])
        return loaded

    def _newest_extract(self) -> layout.Metadata:
        """The last extract of the table by its watermark, or its first copy, of whatever date a killed command was."""
        found = layout.finished(lake(), self.table)
        if not found:
            raise layout.missing(lake(), layout.folder(self.table, self.date), "CopySource")
        now = layout.place_of(layout.folder(self.table, self.date, under_way.until(self.date)))
        earlier = [where for where in found if layout.place_of(where) <= now]
        where = max(earlier, key=layout.place_of) if earlier else min(found, key=layout.place_of)
        newest = layout.metadata_in(lake(), where)
        assert newest
        return newest

    def _load(self, cursor: Cursor, each: layout.Metadata) -> merge.Loaded:
        def progress(received: int) -> None:
            share = received / each.bytes
            rows = round(each.rows * share)
            self.say(f"{each.date}: {received:,} bytes", 100 * share, every=1, rows=rows, of=each.rows)

        table = SOURCE_TABLES[self.table]
        if settings().lakehouse.is_alone:
            return taken.note(cursor, lake(), table, each)
        taken.require(cursor, table, on_lake=False)
        return loads.load(cursor, lake(), table, each, settings().allowance, progress)


@cache
def _loads_changes() -> bool:
    """Whether changes are loaded from windows of the log; a rebuild loads what the lake has."""
    return settings().reads_log or (settings().from_lake and bool(windows.ends(lake())))


@cache
def _repairs() -> dict[str, list[str]]:
    """The repairs on the lake by table, by one listing of this process. A later one comes with another run."""
    return repairs.all_folders(lake())


class LoadDimension(MarkedTask):
    """Brings one dimension up to date with stage. A failure is held back: the facts go on with unknown members.

    luigi --module pipeline LoadDimension --table dim_product --date 2026-11-19 --local-scheduler
    """

    table = luigi.ChoiceParameter(choices=list(DIMENSIONS), description="the dimension")
    layer = "dwh"

    def chain(self) -> Iterable[str]:
        return [source_of(table) for table in DIMENSIONS[self.table].sources if table not in FEEDS]

    def requires(self) -> Iterable[luigi.Task]:
        # Its feeds bring dim_date nothing that a fact would wait for, and may take long.
        return [*(LoadStage(self.date, table) for table in self.chain()), *self._scores()]

    def _scores(self) -> list[LoadRiskScores]:
        return LoadRiskScores.wanted(self.date) if LoadRiskScores.table in DIMENSIONS[self.table].sources else []

    def complete(self) -> bool:
        """Whether it was loaded, and with the scores of its date: these may have failed, and come by a later run."""
        if not super().complete():
            return False
        if not self._scores():
            return True
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            return self._is_done(cursor)

    def _is_done(self, cursor: Cursor) -> bool:
        return self.marker.exists_in(cursor) and all(
            postgres.value(cursor, WAS_AFTER, (self.marker.update_id, scores.marker.update_id))
            for scores in self._scores()
        )

    @held_back
    def run(self) -> None:
        with self.transaction() as cursor:
            locks.lock_tables(cursor, f"dwh.{self.table}")
            if self._is_done(cursor):
                return
            written = dwh.load_dimension(cursor, DIMENSIONS[self.table], self.say)
            self.marker.touch(cursor)
        self.rows = written.rows
        self.say(f"{written.inserted:,} rows inserted, {written.updated:,} updated", 100)


# Whether both of two loads were done, the second one before the first.
WAS_AFTER = """
select exists (
    select from etl.marker as later
    inner join etl.marker as earlier on later.inserted > earlier.inserted
    where later.update_id = %s and earlier.update_id = %s
)
"""


class LoadFact(MarkedTask):
    """Brings one fact table up to date with stage and dimensions, and heals facts whose dimension came late.

    luigi --module pipeline LoadFact --table fact_order --date 2026-11-19 --local-scheduler
    """

    table = luigi.ChoiceParameter(choices=list(FACTS), description="the fact table")
    layer = "dwh"

    @property
    def is_long(self) -> bool:
        return FACTS[self.table].is_busy

    def requires(self) -> Iterable[luigi.Task]:
        return [*self._stages(), *self._dimensions()]

    def _stages(self) -> list[luigi.Task]:
        """The tasks that load its stage tables."""
        return [
            feed_task(name, self.date) if name in VENDOR_FEEDS else LoadStage(self.date, source_of(name))
            for name in FACTS[self.table].sources
        ]

    def _dimensions(self) -> list[LoadDimension]:
        return [LoadDimension(self.date, name) for name in FACTS[self.table].dimensions]

    def complete(self) -> bool:
        """Whether fact and dimensions were loaded, and nothing has come since that may heal a row in the queue.

        A fact of a vendor's feed has nothing to do if nothing came and nothing waits.
        """
        feeds = [feed_task(name, self.date) for name in FACTS[self.table].sources if name in VENDOR_FEEDS]
        if feeds:
            if not all(feed.complete() for feed in feeds):
                return False
            with postgres.session(settings().warehouse_url, "warehouse") as cursor:
                if dwh.has_news(cursor, FACTS[self.table]):
                    return False
                if not queue.is_waiting(cursor, FACTS[self.table]):
                    return True
        if not self.marker.exists() or not all(dimension.complete() for dimension in self._dimensions()):
            return False
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            return not queue.can_heal(cursor, FACTS[self.table])

    @retried
    def run(self) -> None:
        with self.transaction() as cursor:
            locks.lock_tables(cursor, f"dwh.{self.table}")
            fact = FACTS[self.table]
            done = self.marker.exists_in(cursor) and not queue.can_heal(cursor, fact)
            if done and not dwh.has_news(cursor, fact):
                return
            written = dwh.load_fact(cursor, fact, self.say)
            self.marker.touch(cursor)
        self.rows = written.rows
        self.say(f"{written.inserted:,} rows inserted, {written.updated:,} updated, {written.deleted:,} deleted", 100)
