"""Source against warehouse."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import luigi

from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES, SourceTable
from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import OceanError, SchemaDrift, SourceDiffers, StatementLost, TransactionOpen, Transient
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import lake
from pipeline.lakehouse import progress
from pipeline.source import bounds, identity, instants
from pipeline.source.columns import read_columns
from pipeline.source.log import lsn, positions, snapshot
from pipeline.source.log.snapshot import Snapshot
from pipeline.stage import log_loads, repairs, taken
from pipeline.star import dwh, mart, moves, watermarks
from pipeline.tasks.base import DatedTask, logger, retried
from pipeline.tasks.check_warehouse import CheckWarehouse
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.extract_table import read_log
from pipeline.tasks.load_lake_star import LoadLakeStar, require_sqlglot, run_job
from pipeline.tasks.load_table import LoadDimension, LoadFact, LoadStage
from pipeline.tasks.locked_source import LOG, locked_source, require_log
from pipeline.trust import deletions, differences, due, reconcile, repairing
from pipeline.trust.reconcile import IN_DWH, Difference


class ReconcileSource(DatedTask):
    """Compares source tables with stage, and stage with dwh, by counts and hashes, down to the keys that differ.

    Prints a table, keeps it in etl.reconciliation and the keys in etl.difference, and fails if anything differs. Leaves
    out rows that changed in the source since the load of the date. Where changes come from the source's log, it leaves
    out nothing: it first loads stage and dwh up to the position of a snapshot of the source. With --repair it extracts
    missing and changed rows again, keeps them on the lake, and loads them into stage and dwh. It marks rows that are
    gone from the source as deleted. Then it compares again. If more than max_deleted of a table would be marked, it
    repairs nothing and fails: --allow-deletes marks them all the same. Compares all tables; with --in-turn only those
    whose turn it is, so that each is compared once within reconcile_days.

    luigi --module pipeline ReconcileSource --date 2026-11-19 --repair --local-scheduler

    Raises SourceDiffers, TooManyDeleted and WrongSource.
    """

    repair = luigi.BoolParameter(description="extract the keys that differ again and load them, mark deleted ones")
    allow_deletes = luigi.BoolParameter(description="with --repair: mark rows as deleted however many they are")
    in_turn = luigi.BoolParameter(description="compare only the tables whose turn it is, as a load does")

    @classmethod
    def due(cls, date: dt.date) -> list[luigi.Task]:
        """The repair of a date, if it is the turn of a table."""
        # From the log it may show in this load that a table has other columns.
        is_due = settings().reads_log or cls._are_any(due.tables, date)
        return [cls(date, repair=True, in_turn=True)] if is_due else []

    @classmethod
    def due_in_round(cls, date: dt.date) -> list[luigi.Task]:
        """The same for one of the many loads of `follow`: what shows in this round is left to the next one."""
        return [cls(date, repair=True, in_turn=True)] if cls._are_any(due.tables_of_round, date) else []

    @staticmethod
    def _are_any(tables: Callable[[Cursor, dt.date, int], list[str]], date: dt.date) -> bool:
        """Whether the warehouse knows of tables to compare, if loads compare at all."""
        days = settings().reconcile_days
        if settings().from_lake or not (settings().reads_log or days):
            return False
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            is_new = postgres.value(cursor, "select to_regclass('etl.whole_pass') is null")
            return not is_new and bool(tables(cursor, date, days))

    def requires(self) -> Iterable[luigi.Task]:
        yield CreateWarehouse()
        yield from (LoadStage(self.date, table) for table in SOURCE_TABLES)
        if self.in_turn and settings().lakehouse.is_alone:
            yield LoadLakeStar(self.date)
        elif self.in_turn:
            # What the load is about to write is no difference.
            yield from (LoadDimension(self.date, table) for table in DIMENSIONS)
            yield from (LoadFact(self.date, table) for table in FACTS)

    def complete(self) -> bool:
        """Never: each run compares the present state."""
        return False

    @retried
    def run(self) -> None:
        tables = self._tables()
        if not tables:
            return
        self._taken = None  # of an earlier run of the same object
        if not settings().reads_log:
            self._reconcile(tables)
            return
        try:
            with snapshot.temporary(settings(), "comparing") as self._taken:
                self._load_up_to(self._taken)
                self._reconcile(tables)
        except TransactionOpen as error:
            if not self.in_turn:
                raise
            self.say(f"nothing is compared this time: {error}")

    def _reconcile(self, tables: Sequence[str]) -> None:
        found = self._compare_all(tables)
        if self.repair and not all(difference.is_none for difference in found):
            if not self.allow_deletes:
                # Before the first repair: it would lie on the lake, and in every warehouse that is built from it.
                with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
                    deletions.require_few(cursor, self.date, found, settings())
            for difference in found:
                self._repair(difference)
            if not settings().lakehouse.is_alone:  # there the comparison loads it first
                self._load_dwh()
            found = self._compare_all(tables)
        differing = [difference for difference in found if not difference.is_none]
        if self._drift:
            raise self._drift
        if differing:
            rejected = f"{settings().lakehouse.prefix if settings().lakehouse.is_alone else ''}etl.rejected_row"
            raise SourceDiffers(
                f"call the warehouse of {self.date} the same as its source",
                f"{', '.join(each.table.name for each in differing)} differ (the keys are in etl.difference)",
                differences.advice(self.date, differing, rejected, is_repair=self.repair),
            )

    # The source at one position of its log, where changes come from there.
    _taken: Snapshot | None = None
    # Why a table could not be compared: its columns cannot be used. The others were.
    _drift: SchemaDrift | None = None

    def _load_up_to(self, taken: Snapshot) -> None:
        """Loads all of stage up to a snapshot, and dwh from it: what the source has written since is no difference."""
        with locked_source(LOG) as source:
            log = require_log(source)
            # What a simulated shop does belongs to the date, whatever day it is.
            clock = min(log.clock, instants.end_of(self.date)) if settings().simulate else log.clock
            read_log(source, self, positions.bound(log, taken.position, clock))
        for name, table in SOURCE_TABLES.items():
            with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
                locks.lock(cursor, f"stage.{table.short}")
                LoadStage(self.date, name).load_up_to(cursor, taken.position)
        if settings().lakehouse.is_alone:
            self._load_dwh()
            return
        check = CheckWarehouse(self.date)
        check.owe_unless_done()
        try:
            self._load_dwh()
        except OceanError as error:
            # Such a failure does not stop a load. The tables behind which dwh is now are left out.
            if not self.in_turn or isinstance(error, Transient):
                raise
            logger.error("dwh was not loaded before the comparison: %s", error)
            return
        check.check_written()

    def _tables(self) -> list[str]:
        if not self.in_turn:
            return list(SOURCE_TABLES)
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            return due.tables(cursor, self.date, settings().reconcile_days)

    def _compare_all(self, tables: Sequence[str]) -> list[Difference]:
        found, self._drift = [], None
        if settings().lakehouse.is_alone:
            found = self._compare_lake([SOURCE_TABLES[table] for table in tables])
        else:
            for number, table in enumerate(tables):
                self.say(f"comparing {table}", 100 * number / len(tables))
                try:
                    found += self._compare(SOURCE_TABLES[table])
                except SchemaDrift as error:
                    self._drift = error
        self.rows = sum(difference.source_rows for difference in found)
        if found:
            report = differences.report(found, has_dwh=not settings().lakehouse.is_alone)
            print(f"\nSource and warehouse of {self.date}\n{report}\n", flush=True)
        return found

    def _compare(self, table: SourceTable) -> list[Difference]:
        """The difference of a table. In turn, nothing if another load is under way: the next turn comes soon enough."""
        with self._both(table) as (source, warehouse):
            target = IN_DWH.get(table.short)
            self._require_position(warehouse, table)
            if self.in_turn and target and dwh.has_news(warehouse, target):
                self.say(f"{table.name} is not compared, because another load is under way")
                return []
            is_exact = self._taken is not None
            found = reconcile.compare(source, warehouse, table, settings().source_zone, is_exact=is_exact)
            reconcile.keep(warehouse, self.date, found)
        return [found]

    def _compare_lake(self, tables: Sequence[SourceTable]) -> list[Difference]:
        """The differences of all tables from stage on the lake: one job of Spark loads and looks at all of them."""
        require_sqlglot()
        from pipeline.lakehouse import reconcile_lake

        usable, zone, prefix = [], settings().source_zone, settings().lakehouse.prefix
        with self._both(*tables) as (source, warehouse):
            for table in tables:
                self._require_position(warehouse, table)
                try:
                    read_columns(source, table)
                    usable.append(table)
                except SchemaDrift as error:
                    self._drift = error
            found = reconcile_lake.compare(
                source,
                warehouse,
                lambda selects: run_job(self.say, date=self.date, compared=selects).compared,
                usable,
                prefix,
                zone,
                is_exact=self._taken is not None,
            )
            for each in found:
                reconcile.keep(warehouse, self.date, each)
        return found

    def _require_position(self, warehouse: Cursor, table: SourceTable) -> None:
        if self._taken and log_loads.position(warehouse, table) != self._taken.position:
            raise StatementLost(
                f"compare {table.name} with the source",
                "another load brought it further meanwhile",
                "run the same command again while nothing else loads; stop `follow` for it",
            )

    def _repair(self, difference: Difference) -> None:
        table = difference.table
        with self._both(table) as (source, warehouse):
            bound = reconcile.loaded_to(warehouse, table)
            if bound and (difference.to_extract or difference.vanished):
                self.say(f"repairing {len(difference.to_extract) + len(difference.vanished):,} rows of {table.name}")
                at = lsn.text(self._taken.position) if self._taken else None
                made = repairing.extract_again(source, lake(), settings(), self.date, difference, bound, at)
                if settings().lakehouse.is_alone:
                    taken.note(warehouse, lake(), table, made)
                else:
                    repairs.load(warehouse, lake(), table, made)
                if difference.vanished:
                    deletions.note(warehouse, self.date, difference, was_allowed=self.allow_deletes)
        if difference.dwh_missing or difference.dwh_changed:
            # By itself: a load of dwh holds its table when it asks for stage, which a repair may have locked.
            with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
                watermarks.forget(cursor, IN_DWH[table.short].name)
                moves.ask_for_refill(cursor, f"{IN_DWH[table.short].name} was not as the loads left it")

    @contextmanager
    def _both(self, *tables: SourceTable) -> Iterator[tuple[Cursor, Cursor]]:
        """Source and warehouse, while no load of the tables runs. Raises WrongSource."""
        with (
            postgres.session(settings().operational_url, "operational", purpose=bounds.PURPOSE) as source,
            postgres.transaction(settings().warehouse_url, "warehouse") as warehouse,
        ):
            identity.require_known(source, warehouse, settings().new_source)
            for table in tables:
                locks.lock(warehouse, f"stage.{table.short}")
            with snapshot.seen(source, self._taken) if self._taken else nullcontext():
                yield source, warehouse

    def _load_dwh(self) -> None:
        """Dimensions, facts and mart, each in its transaction as their tasks do; or what the lake lacks."""
        self.say("loading dwh")
        if settings().lakehouse.is_alone:
            with postgres.session(settings().warehouse_url, "warehouse") as cursor:
                is_current = progress.is_current(cursor, settings())
            if not is_current:
                run_job(self.say, date=self.date)
            return
        for name, dimension in DIMENSIONS.items():
            self.say(f"loading dwh.{name}", every=1)
            with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
                locks.lock_tables(cursor, f"dwh.{name}")
                dwh.load_dimension(cursor, dimension)
        for name, fact in FACTS.items():
            self.say(f"loading dwh.{name}", every=1)
            with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
                locks.lock_tables(cursor, f"dwh.{name}")
                dwh.load_fact(cursor, fact)
        if settings().mart:
            with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
                mart.keep(cursor, self.say)
