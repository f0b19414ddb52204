"""Stage to star schema: changed rows are cleaned and keyed in work, then written to dwh.

Each function works in the caller's transaction, after `locks.lock_tables`. The select of each table is in
warehouse/work/.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from pipeline.catalog import Dimension, Fact
from pipeline.kernel import locks, plans, postgres, writes
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.kernel.sql_files import statement
from pipeline.star import indexes, kept, moves, queue, watermarks


@dataclass(frozen=True)
class Written:
    """Rows of dwh that a load inserted, updated and deleted."""

    inserted: int
    updated: int
    deleted: int = 0

    @property
    def rows(self) -> int:
        """All rows written."""
        return self.inserted + self.updated + self.deleted


NOTHING = Written(0, 0)
Say = Callable[[str], None]


def silent(_message: str) -> None:
    """Tells nobody."""


def load_dimension(cursor: Cursor, dimension: Dimension, say: Say = silent) -> Written:
    """Brings a dimension up to date with stage: new members in, attributes overwritten, prices versioned.

    Reads only the rows that changed since the dimension last read its stage tables. A rerun finds nothing to do. `say`
    is told the steps of a first load.
    """
    after, newest = watermarks.read(cursor, dimension.name, dimension.sources)
    if after == newest:
        return NOTHING
    batches = {f"{table}_after": batch for table, batch in after.items()}
    select = statement(f"work/dimension/{dimension.name}", instants=_instants(dimension, after), **batches)
    if _is_empty(cursor, dimension):
        written = _insert_all(cursor, dimension, select, say)
        if dimension.before:
            moves.ask_for_refill(cursor, f"{dimension.name} was filled")
        kept.all_labels(cursor, dimension)
    else:
        writes.work_table(cursor, dimension.name, dimension.key, select)
        for fact, reopened in dimension.reopens:
            # The load of the fact has to have ended: one that still runs may hold rows keyed by the old versions.
            locks.lock_tables(cursor, f"dwh.{fact}")
            indexes.build(cursor, fact)
            queue.reopen(cursor, fact, statement(f"work/queue/{reopened}"))
        moves.keep_before(cursor, dimension)
        written = _write(cursor, dimension)
        kept.written_labels(cursor, dimension)
    watermarks.note(cursor, dimension.name, newest)
    return written


def load_fact(cursor: Cursor, fact: Fact, say: Say = silent) -> Written:
    """Brings a fact table up to date with stage and dimensions, and the reprocessing queue with it.

    Looks at rows that changed since it last read stage, and at rows of the queue whose missing key has come. Sets a key
    to -1 and queues the row if the dimension has no row for it. Sets the key and closes the queue's row once the
    dimension has it. A rerun finds nothing to do. `say` is told the steps of a first load.
    """
    after, newest = watermarks.read(cursor, fact.name, fact.sources)
    arrived = queue.arrivals(cursor, fact)
    is_first = _is_empty(cursor, fact)
    written = _first_load(cursor, fact, say) if is_first else _daily_load(cursor, fact, after, arrived)
    watermarks.note(cursor, fact.name, newest)
    arrived.note(cursor, fact)
    return written


def rebuild_fact(cursor: Cursor, fact: Fact, say: Say = silent) -> int:
    """Empties a fact table and fills it from stage; returns its rows. Nobody can read it until the caller commits."""
    cursor.execute(sql.SQL("truncate {}").format(qualified(f"dwh.{fact.name}")))
    watermarks.forget(cursor, fact.name)
    return load_fact(cursor, fact, say).rows


def has_news(cursor: Cursor, target: Dimension | Fact) -> bool:
    """Whether the stage tables of a dimension or fact have rows that it has not read yet."""
    after, newest = watermarks.read(cursor, target.name, target.sources)
    return after != newest


def _instants(dimension: Dimension, after: dict[str, int]) -> sql.Composed:
    """The relation of the instants that feeds brought after these batches; a day counts as its midnight (UTC)."""
    selects: list[sql.Composable] = [sql.SQL("select null::timestamptz as instant where false")]
    for table, column in dimension.instants:
        changed = sql.SQL("select {}::timestamptz as instant from {} where etl_batch > {}")
        selects.append(changed.format(sql.Identifier(column), qualified(f"stage.{table}"), sql.Literal(after[table])))
    return sql.SQL("({})").format(sql.SQL(" union all ").join(selects))


def _first_load(cursor: Cursor, fact: Fact, say: Say) -> Written:
    """Fills an empty fact table straight from stage."""
    plans.prefer_merging(cursor)
    select = statement(f"work/fact/{fact.name}", **{name: qualified(f"stage.{name}") for name in fact.sources})
    written = _insert_all(cursor, fact, select, say)
    if fact.before:
        moves.ask_for_refill(cursor, f"{fact.name} was filled")
    say("counting what is kept of it")
    kept.fill(cursor, fact)
    say("looking for rows that wait for a dimension")
    queue.settle(cursor, fact, qualified(f"dwh.{fact.name}"), queue.every_row(fact))
    return written


def _daily_load(cursor: Cursor, fact: Fact, after: dict[str, int], arrived: queue.Arrivals) -> Written:
    writes.temporary(cursor, "due", queue.due(fact, arrived))
    batches = {f"{table}_after": batch for table, batch in after.items()}
    changed = statement(f"work/fact/{fact.changed}", due=sql.Identifier("due"), **batches)
    if not writes.temporary(cursor, "changed", changed):
        return NOTHING
    select = statement(f"work/fact/{fact.name}", **{name: _of_changed(fact, name) for name in fact.sources})
    written = write_fact(cursor, fact, select)
    if fact.deleted:
        gone = statement(f"work/fact/{fact.deleted}")
        kept.add(cursor, fact, -1, fact.key, gone)
        written = replace(written, deleted=writes.delete(cursor, f"dwh.{fact.name}", fact.key, gone))
    queue.settle(cursor, fact, sql.Identifier("changed"), queue.looked_at(fact))
    return written


def write_fact(cursor: Cursor, fact: Fact, select: sql.Composable) -> Written:
    """Writes the rows of a select that are new to a fact table or differ from it."""
    writes.work_table(cursor, fact.name, fact.key, select)
    moves.keep_before(cursor, fact)
    keys = sql.SQL("select {} from {}").format(identifiers(fact.key), qualified(f"work.{fact.name}"))
    kept.add(cursor, fact, -1, fact.key, keys)
    written = _write(cursor, fact)
    kept.add(cursor, fact, 1, fact.key, keys)
    return written


def _of_changed(fact: Fact, table: str) -> sql.Composed:
    return sql.SQL("(select stage_row.* from {} as stage_row inner join changed using ({}))").format(
        qualified(f"stage.{table}"), identifiers(fact.changed_by)
    )


def _write(cursor: Cursor, target: Dimension | Fact) -> Written:
    """Applies `work.<name>` to `dwh.<name>`."""
    return Written(*writes.apply_work(cursor, target.name, target.key))


def _insert_all(cursor: Cursor, target: Dimension | Fact, select: sql.Composable, say: Say) -> Written:
    """Fills an empty table straight from a select, without work. Builds its keys and indexes once at the end."""
    name = f"dwh.{target.name}"
    table = qualified(name)
    rebuild = indexes.drop(cursor, target.name)
    if isinstance(target, Fact):
        # It is empty. But into new files PostgreSQL writes without its log, where wal_level is minimal.
        cursor.execute(sql.SQL("truncate {}").format(table))
    say("filling it from stage")
    inserted = writes.insert(cursor, name, writes.columns_of(cursor, name), select)
    say(f"{inserted:,} rows; building the indexes")
    for create in rebuild:
        cursor.execute(create)
    # A small sample is quick, and enough for the loads that follow; autovacuum takes its own in time.
    cursor.execute("set local default_statistics_target = 10")
    cursor.execute(sql.SQL("analyze {}").format(table))
    return Written(inserted, 0)


def _is_empty(cursor: Cursor, target: Dimension | Fact) -> bool:
    """Whether a table has no row except the unknown member."""
    query = sql.SQL("select not exists (select from {} where {}::text <> '-1')")
    found: bool = postgres.value(cursor, query.format(qualified(f"dwh.{target.name}"), sql.Identifier(target.key[0])))
    return found
