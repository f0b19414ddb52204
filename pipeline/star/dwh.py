"""Stage to star schema: what changed is cleaned and keyed in work, then written to dwh.

Each function works in the caller's transaction, after `postgres.lock_tables`. The select of each table is in
warehouse/work/.
"""

from dataclasses import dataclass

from pipeline.catalog import Dimension, Fact
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.kernel.sql_files import statement
from pipeline.star import moves

BEGINNING = 0  # a watermark before every batch


@dataclass(frozen=True)
class Written:
    """Rows of dwh that a load inserted and updated."""

    inserted: int
    updated: int

    @property
    def rows(self) -> int:
        """All rows written."""
        return self.inserted + self.updated


NOTHING = Written(0, 0)


def load_dimension(cursor: Cursor, dimension: Dimension) -> Written:
    """Brings a dimension up to date with stage: new members in, attributes overwritten, prices versioned.

    Costs what changed since the dimension last read its stage tables. A rerun finds nothing to do.
    """
    after, newest = _watermarks(cursor, dimension)
    if after == newest:
        return NOTHING
    select = statement(f"work/dimension/{dimension.name}", **{f"{table}_after": batch for table, batch in after.items()})
    if _is_empty(cursor, dimension):
        written = _insert_all(cursor, dimension, select)
    else:
        _work(cursor, dimension, select)
        if dimension.name == "dim_product":
            # The load of the lines has to have ended: one that still runs may hold rows keyed by the old versions.
            postgres.lock_tables(cursor, "dwh.fact_order_line")
            cursor.execute(statement("work/queue/reopened_order_line"))
        moves.notice_moves(cursor, dimension)
        written = _write(cursor, dimension)
    _set_watermarks(cursor, dimension, newest)
    return written


def load_fact(cursor: Cursor, fact: Fact) -> Written:
    """Brings a fact table up to date with stage and dimensions, and the reprocessing queue with it.

    Looks at what changed since it last read stage and at what waits in the queue. A key whose dimension has no row is
    -1, and the row is queued; once the dimension has it, the key is set and the queue's row closed. A rerun finds
    nothing to do but to look at the queue again.
    """
    after, newest = _watermarks(cursor, fact)
    written = _first_load(cursor, fact) if _is_empty(cursor, fact) else _daily_load(cursor, fact, after)
    _set_watermarks(cursor, fact, newest)
    return written


def rebuild_fact(cursor: Cursor, fact: Fact) -> int:
    """Empties a fact table and fills it from stage; returns its rows. Nobody can read it until the caller commits."""
    cursor.execute(sql.SQL("truncate {}").format(qualified(f"dwh.{fact.name}")))
    forget_read(cursor, fact.name)
    return load_fact(cursor, fact).rows


def forget_read(cursor: Cursor, target: str) -> None:
    """Has the next load of a dimension or fact read all of its stage tables again."""
    cursor.execute("delete from etl.watermark where split_part(table_name, '.', 1) = %s", (target,))


def can_heal(cursor: Cursor, fact: Fact, update_id: str) -> bool:
    """Whether a dimension for which rows wait in the queue was loaded after the fact's load called `update_id`."""
    found: bool = postgres.value(cursor, CAN_HEAL, {"fact": fact.name, "update_id": update_id})
    return found


def has_news(cursor: Cursor, target: Dimension | Fact) -> bool:
    """Whether a dimension or fact has not yet read everything that is in its stage tables."""
    after, newest = _watermarks(cursor, target)
    return after != newest


def is_waiting(cursor: Cursor, fact: Fact) -> bool:
    """Whether rows of the fact wait in the queue."""
    query = "select exists (select from etl.reprocessing_queue where fact_table = %s and resolved_ts is null)"
    found: bool = postgres.value(cursor, query, (fact.name,))
    return found


CAN_HEAL = """
select exists (
    select from etl.reprocessing_queue as queue
    inner join etl.marker as dimension on dimension.target_table = 'dwh.' || queue.dimension
    where queue.fact_table = %(fact)s and queue.resolved_ts is null
    and dimension.inserted > (select inserted from etl.marker where update_id = %(update_id)s)
)
"""


def _first_load(cursor: Cursor, fact: Fact) -> Written:
    """Fills an empty fact table straight from stage."""
    table = qualified(f"dwh.{fact.name}")
    # With millions of groups sorting beats hashing, all the more as stage lies in the order of its key.
    cursor.execute("set local enable_hashagg = off")
    select = statement(f"work/fact/{fact.name}", **{name: qualified(f"stage.{name}") for name in fact.sources})
    written = _insert_all(cursor, fact, select)
    cursor.execute("set local enable_hashagg = on")
    if fact.before:
        moves.ask_for_refill(cursor, f"{fact.name} was filled")
    _queue(cursor, fact, changed=table)
    return written


def _daily_load(cursor: Cursor, fact: Fact, after: dict[str, int]) -> Written:
    changed = statement(f"work/fact/{fact.changed}", fact=fact.name, **{f"{name}_after": after[name] for name in after})
    cursor.execute(sql.SQL("create temporary table changed on commit drop as {}").format(changed))
    if not cursor.rowcount:
        return NOTHING
    cursor.execute("analyze changed")
    select = statement(f"work/fact/{fact.name}", **{name: _of_changed(fact, name) for name in fact.sources})
    written = write_fact(cursor, fact, select)
    if fact.name == "fact_review":
        cursor.execute(statement("work/fact/deleted_review"))
    _queue(cursor, fact, changed=sql.SQL("changed"))
    return written


def write_fact(cursor: Cursor, fact: Fact, select: sql.Composable) -> Written:
    """Writes those rows of a select that a fact table does not hold like that."""
    _work(cursor, fact, select)
    moves.keep_before(cursor, fact)
    return _write(cursor, fact)


def _of_changed(fact: Fact, table: str) -> sql.Composed:
    return sql.SQL("(select stage_row.* from {} as stage_row inner join changed using ({}))").format(
        qualified(f"stage.{table}"), identifiers(fact.changed_by)
    )


def _queue(cursor: Cursor, fact: Fact, changed: sql.Composable) -> None:
    cursor.execute(
        sql.SQL("create temporary table missing on commit drop as {}").format(
            statement(f"work/queue/{fact.name}_missing", changed=changed)
        )
    )
    cursor.execute(statement("work/queue/reprocessing_queue", fact=fact.name))


def _work(cursor: Cursor, target: Dimension | Fact, select: sql.Composable) -> None:
    """Makes `work.<name>`: the rows of a select that dwh does not hold like that, each known as insert or update."""
    columns = _columns(cursor, target)
    cursor.execute(sql.SQL("drop table if exists {}").format(qualified(f"work.{target.name}")))
    cursor.execute(
        sql.SQL(
            "create unlogged table {work} as "
            "select new.*, old.{key} is not null as is_update from ({select}) as new "
            "left join {dwh} as old on {same_key} "
            "where old.{key} is null or ({new}) is distinct from ({old})"
        ).format(
            work=qualified(f"work.{target.name}"),
            dwh=qualified(f"dwh.{target.name}"),
            key=sql.Identifier(target.key[0]),
            select=select,
            same_key=_same_key(target, "new", "old"),
            new=identifiers(columns, "new"),
            old=identifiers(columns, "old"),
        )
    )


def _insert_all(cursor: Cursor, target: Dimension | Fact, select: sql.Composable) -> Written:
    """Fills an empty table straight from a select, without the detour by work; its keys are built once at the end."""
    table, columns = qualified(f"dwh.{target.name}"), identifiers(_columns(cursor, target))
    keys = [(sql.Identifier(name), sql.SQL(key)) for name, key in postgres.rows(cursor, KEYS, (f"dwh.{target.name}",))]
    for name, _ in keys:
        cursor.execute(sql.SQL("alter table {} drop constraint {}").format(table, name))
    cursor.execute(sql.SQL("insert into {} ({}) select {} from ({}) as new").format(table, columns, columns, select))
    inserted = cursor.rowcount
    for name, key in keys:
        cursor.execute(sql.SQL("alter table {} add constraint {} {}").format(table, name, key))
    # A small sample is quick, and enough for the loads that follow; autovacuum takes its own in time.
    cursor.execute("set local default_statistics_target = 10")
    cursor.execute(sql.SQL("analyze {}").format(table))
    return Written(inserted, 0)


KEYS = """
select conname, pg_get_constraintdef(oid) from pg_constraint
where conrelid = %s::regclass and contype in ('p', 'u') order by contype
"""


def _write(cursor: Cursor, target: Dimension | Fact) -> Written:
    """Applies `work.<name>` to `dwh.<name>`."""
    columns = _columns(cursor, target)
    work, dwh = qualified(f"work.{target.name}"), qualified(f"dwh.{target.name}")
    changes = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Identifier("work", column))
        for column in columns
        if column not in target.key
    )
    cursor.execute(
        sql.SQL("update {} as old set {} from {} as work where {} and work.is_update").format(
            dwh, changes, work, _same_key(target, "work", "old")
        )
    )
    updated = cursor.rowcount
    cursor.execute(
        sql.SQL("insert into {} ({}) select {} from {} where not is_update").format(
            dwh, identifiers(columns), identifiers(columns), work
        )
    )
    return Written(cursor.rowcount, updated)


def _columns(cursor: Cursor, target: Dimension | Fact) -> list[str]:
    """The columns that a load writes: all but the surrogate key, which PostgreSQL draws."""
    query = (
        "select attname from pg_attribute where attrelid = %s::regclass "
        "and attnum > 0 and not attisdropped and attidentity = '' order by attnum"
    )
    return [name for (name,) in postgres.rows(cursor, query, (f"dwh.{target.name}",))]


def _same_key(target: Dimension | Fact, left: str, right: str) -> sql.Composed:
    return sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name)) for name in target.key
    )


def _watermarks(cursor: Cursor, target: Dimension | Fact) -> tuple[dict[str, int], dict[str, int]]:
    """Per stage table: the batch up to which the target has read, and the newest one there is.

    The newest is looked up before the rows are read: a batch that comes between is read now and once more later.
    """
    query = (
        "select source, coalesce(watermark, %s), last_batch from unnest(%s) as source "
        "left join etl.watermark on watermark.table_name = %s || '.' || source "
        "left join etl.stage_batch on stage_batch.table_name = source"
    )
    found = postgres.rows(cursor, query, (BEGINNING, list(target.sources), target.name))
    return {name: after for name, after, _ in found}, {name: newest or after for name, after, newest in found}


def _set_watermarks(cursor: Cursor, target: Dimension | Fact, newest: dict[str, int]) -> None:
    for table, batch in newest.items():
        cursor.execute(
            "insert into etl.watermark values (%s, %s) "
            "on conflict (table_name) do update set watermark = excluded.watermark",
            (f"{target.name}.{table}", batch),
        )


def _is_empty(cursor: Cursor, target: Dimension | Fact) -> bool:
    """Whether a table has no row but the unknown member."""
    query = sql.SQL("select not exists (select from {} where {}::text <> '-1')")
    found: bool = postgres.value(cursor, query.format(qualified(f"dwh.{target.name}"), sql.Identifier(target.key[0])))
    return found
