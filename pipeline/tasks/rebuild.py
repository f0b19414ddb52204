"""Doing loads over: of a date, of a table, or of everything from the lake."""

import datetime as dt
import functools
import os
from collections.abc import Callable

import luigi

from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES, SourceTable
from pipeline.feeds import purchases, review_models
from pipeline.kernel import config, locks, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import BadExtract, ConfigError, LoadIncomplete, WarehouseNotEmpty
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import lake
from pipeline.lakehouse import progress
from pipeline.source import bounds, identity, layout
from pipeline.source.log import positions, windows
from pipeline.stage import loads, log_loads, order
from pipeline.star import dwh, kept, mart, moves, schema, watermarks
from pipeline.tasks import rebuild_check
from pipeline.tasks.base import OceanTask, logger, retried, show
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.daily import DailyWarehouseLoad
from pipeline.tasks.load_risk_scores import LoadRiskScores
from pipeline.tasks.runtime import targets, under_way
from pipeline.tasks.runtime.day_parameter import day_parameter

SCHEMAS = ("delta", "stage", "work", "dwh", "mart", "etl")
MART = "mart"


class RebuildWarehouse(OceanTask):
    """Builds the warehouse from the lake alone, up to the newest date of which the lake has all extracts.

    Neither the source nor the risk-score service is asked. A star on the lake stays as it is. The result is the
    warehouse that the loads of these dates made, but for surrogate keys and the run log. First all that is to be loaded
    is read: one error names what cannot be loaded, and nothing is dropped. With --replace what is there is then
    dropped, in one transaction; readers see an empty warehouse until the first facts are in. A rerun after a failure
    needs --replace too.

    The new warehouse is not built beside the old one: statements name their schemas, and each task commits by itself.
    Where readers must not wait, build into an empty database that WAREHOUSE_URL names, which then replaces the other.

    luigi --module pipeline RebuildWarehouse --replace --local-scheduler

    Raises WarehouseNotEmpty without --replace, and BadExtract when the lake has nothing to build from, or what it has
    cannot be loaded.
    """

    replace = luigi.BoolParameter(description="drop the warehouse that is there")
    parallel = luigi.IntParameter(default=2, significant=False, description="how many tasks run at once")

    def complete(self) -> bool:
        """Never: whoever asks for it wants it done."""
        return False

    def run(self) -> None:
        os.environ["OCEAN_FROM_LAKE"] = "1"
        config.settings.cache_clear()
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            self._may_build(cursor)
        dates = _dates()
        rebuild_check.check(dates, functools.partial(show, self))
        self._empty()
        newest = dates[-1]
        show(self, f"loading up to {newest}")
        scores = [LoadRiskScores(date) for date in lake().dates(layout.folders(layout.SCORES)) if date < newest]
        # The tasks are those of every day. They are scheduled here, now that nothing in the warehouse calls them done.
        done = luigi.build(
            [*scores, DailyWarehouseLoad(newest)], local_scheduler=True, workers=self.parallel, log_level="WARNING"
        )
        if not done:
            raise LoadIncomplete(
                f"rebuild the warehouse up to {newest}",
                "a task failed (the reason is above and in etl.task_run)",
                f"fix the cause and run RebuildWarehouse --replace again, or DailyWarehouseLoad --date {newest}",
            )
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            for date in dates[:-1]:
                DailyWarehouseLoad(date).marker.touch(cursor)

    def _empty(self) -> None:
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            if self._may_build(cursor):
                return
            models, source, owner = review_models.known(cursor), identity.known(cursor), progress.owner(cursor)
            names = postgres.sql.SQL(", ").join(postgres.sql.Identifier(schema) for schema in SCHEMAS)
            cursor.execute(postgres.sql.SQL("drop schema if exists {} cascade").format(names))
            # What a model must be, and which source is the right one, the lake, which may hold others, must not say.
            schema.create(cursor, **CreateWarehouse.variables())
            review_models.remember(cursor, models)
            if source:
                identity.remember(cursor, source)
            if owner:
                progress.remember(cursor, owner)

    def _may_build(self, cursor: Cursor) -> bool:
        """Whether there is no warehouse. Raises WarehouseNotEmpty for one that may not be replaced."""
        is_empty: bool = postgres.value(cursor, "select to_regclass('etl.marker') is null")
        if not (is_empty or self.replace):
            raise WarehouseNotEmpty(
                "rebuild the warehouse",
                "there is one already",
                "give --replace to drop it, or name an empty database with WAREHOUSE_URL",
            )
        return is_empty


class RebuildTable(OceanTask):
    """Builds one table again in one transaction: a stage table from the lake, a table of dwh from stage, or the mart.

    A fact table is emptied first; the keys of a dimension stay, its rows are compared with stage one by one. What
    follows from the table is brought up to date by the next load.

    luigi --module pipeline RebuildTable --table fact_order_line --local-scheduler
    """

    table = luigi.ChoiceParameter(choices=[*SOURCE_TABLES, *DIMENSIONS, *FACTS, MART], description="the table")

    def complete(self) -> bool:
        """Never: whoever asks for it wants it done."""
        return False

    @retried
    def run(self) -> None:
        if settings().lakehouse.is_alone:
            raise ConfigError(
                f"build {self.table} again in PostgreSQL", "with star = lake it is on the lake", "run RebuildLakeStar"
            )
        say = functools.partial(show, self)
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            if self.table in SOURCE_TABLES:
                rows = _rebuild_stage(cursor, SOURCE_TABLES[self.table], say)
            elif self.table in DIMENSIONS:
                locks.lock_tables(cursor, f"dwh.{self.table}")
                watermarks.forget(cursor, self.table)
                rows = dwh.load_dimension(cursor, DIMENSIONS[self.table], say).rows
            elif self.table == MART:
                moves.ask_for_refill(cursor, "somebody asked for it")
                rows = mart.keep(cursor, say)
                kept.fill_all(cursor)
            else:
                locks.lock_tables(cursor, f"dwh.{self.table}")
                rows = dwh.rebuild_fact(cursor, FACTS[self.table], say)
        show(self, f"{rows:,} rows written")
        logger.info("%s: %s rows written", self.table, f"{rows:,}")


class ClearDate(OceanTask):
    """Takes the markers of a date away, so that its load can be run again; with --downstream of all later dates too.

    Nothing that was loaded is changed. What the next load then writes is what is not in the warehouse as stage says:
    every dimension and fact reads all of stage again, and the mart counts again. Extracts stay as they are on the lake.

    luigi --module pipeline ClearDate --date 2026-11-19 --downstream --local-scheduler
    """

    date = day_parameter(description="the date, YYYY-MM-DD")
    downstream = luigi.BoolParameter(description="clear all later dates too")

    cleared: int | None = None

    def complete(self) -> bool:
        """Never before it was run: whoever asks for it wants it done."""
        return self.cleared is not None

    @retried
    def run(self) -> None:
        until = dt.date.max if self.downstream else self.date
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            span = "from etl.marker where load_date between %s and %s"
            if postgres.value(cursor, f"select exists (select {span})", (self.date, until)):
                # First the tables, as loads do, which then write their marker.
                watermarks.forget(cursor, *DIMENSIONS, *FACTS, purchases.METRIC)
                moves.ask_for_refill(cursor, f"{self.date} was cleared")
            cursor.execute(f"delete {span}", (self.date, until))
            self.cleared = cursor.rowcount
        targets.forget()
        logger.info("%s markers of %s%s were cleared", self.cleared, self.date, " and later" * self.downstream)


def _rebuild_stage(cursor: Cursor, table: SourceTable, say: Callable[[str, float], None]) -> int:
    """Loads all extracts and repairs of a table, in their order, into a new stage table; returns their rows.

    An extract that was loaded once is loaded again with all its rejected rows: max_rejected has let it pass before.
    """
    found, changes = loads.all_of(lake(), table), log_loads.all_of(lake(), table)
    if not found:
        raise BadExtract(
            f"rebuild stage.{table.short}",
            f"{lake().url} has no extract of {table.name}",
            "set LAKE_URL to the lake that the loads wrote",
        )
    locks.lock(cursor, f"stage.{table.short}")
    known = order.loaded(cursor, table)
    for name in ("stage_batch", "stage_load"):
        cursor.execute(
            postgres.sql.SQL("delete from {} where table_name = %s").format(postgres.qualified(f"etl.{name}")),
            (table.short,),
        )
    cursor.execute("delete from etl.rejected_row where source = %s", (table.name,))
    for name in (table.short, f"{table.short}_version"):
        cursor.execute(postgres.sql.SQL("drop table if exists {}").format(postgres.qualified(f"stage.{name}")))
    rows, extracts = 0, sorted(found + changes.extracts, key=order.place)
    for number, each in enumerate(extracts):
        say(f"loading {each.folder}", 100 * number / len(extracts))
        rows += loads.load(cursor, lake(), table, each, None if each.folder in known else settings().allowance).rows
    log_loads.note(cursor, table, changes.end, changes.clock)
    return rows


def _dates() -> list[dt.date]:
    """The dates of which the lake has the extracts of all tables, in order, and after them one that is under way.

    A date that was extracted from the log has them if the windows go as far as its bound.
    """
    finished = {found.key for found in lake().objects(layout.FOLDER)}  # one listing, however many dates there are
    dates = [
        date
        for date in lake().dates(layout.folders(next(iter(SOURCE_TABLES))))
        if all(f"{layout.folder(table, date)}/{layout.SUCCESS}" in finished for table in SOURCE_TABLES)
    ]
    known, end = lake().dates(bounds.BOUNDS), max(windows.ends(lake()), default=0)
    if end:
        of_log = {date: positions.chosen(lake(), date, under_way.until(date)) for date in known}
        dates = sorted({*dates, *(date for date, bound in of_log.items() if bound and bound.end <= end)})
    newest = dates[-1] if dates else dt.date.min
    # A first load that was killed has chosen a bound, and extracted some tables.
    has_all = bool(dates) or all(
        any(key.startswith(f"{layout.folders(table)}/") and key.endswith(f"/{layout.SUCCESS}") for key in finished)
        for table in SOURCE_TABLES
    )
    dates += [date for date in known if has_all and date > newest and under_way.until(date)]
    if not dates:
        raise BadExtract(
            "rebuild the warehouse",
            f"no date under {lake().url} has an extract of every table",
            "run DailyWarehouseLoad again if it was cut short, or set LAKE_URL to the lake that the loads wrote",
        )
    return dates
