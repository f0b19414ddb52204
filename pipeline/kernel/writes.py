"""How the rows of a select are written: the statements of warehouse/write/, for any table.

A select says what; it is a file under warehouse/work/. Each function works in the caller's transaction and returns how
many rows it wrote.
"""

from collections.abc import Iterable, Sequence

from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.kernel.sql_files import statement

# All but the surrogate key, which PostgreSQL draws.
COLUMNS = """
select attname from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped and attidentity = '' order by attnum
"""


def columns_of(cursor: Cursor, table: str) -> list[str]:
    """The columns of a table that a load writes, in their order; `table` is schema.name."""
    return [name for (name,) in postgres.rows(cursor, COLUMNS, (table,))]


def insert(cursor: Cursor, table: str, columns: Iterable[str], select: sql.Composable) -> int:
    """Inserts all rows of a select. A rerun inserts them again."""
    return _run(cursor, "insert", table, select, columns=identifiers(columns))


def insert_missing(cursor: Cursor, table: str, columns: Iterable[str], select: sql.Composable) -> int:
    """Inserts the rows of a select whose key is not there. A rerun changes nothing."""
    return _run(cursor, "insert_missing", table, select, columns=identifiers(columns))


def merge(
    cursor: Cursor,
    table: str,
    key: Sequence[str],
    columns: Sequence[str],
    select: sql.Composable,
    *,
    ignored: Sequence[str] = (),
    wins: sql.Composable | None = None,
    guard: sql.Composable | None = None,
) -> int:
    """Inserts the rows of a select, or replaces those of the same key where anything is different.

    Columns in `ignored` make no difference. `wins` is a condition on `old` and `excluded` in place of a difference;
    `guard` is one that must hold as well. A rerun changes nothing.
    """
    others = [name for name in columns if name not in key]
    compared = [name for name in others if name not in ignored]
    differs = sql.SQL("({}) is distinct from ({})").format(
        identifiers(compared, "old"), identifiers(compared, "excluded")
    )
    return _run(
        cursor,
        "merge",
        table,
        select,
        columns=identifiers(columns),
        key=identifiers(key),
        changes=_assign(others, "excluded"),
        wins=sql.SQL("{} and {}").format(wins or differs, guard) if guard else wins or differs,
    )


def not_of(alias: str, batches: list[int]) -> sql.Composable:
    """The condition that a row was written by none of some batches."""
    return sql.SQL("not {} = any({}::bigint[])").format(sql.Identifier(alias, "etl_batch"), sql.Literal(batches))


def delete(cursor: Cursor, table: str, key: Sequence[str], select: sql.Composable) -> int:
    """Deletes the rows whose key a select gives. A rerun deletes nothing."""
    return _run(cursor, "delete", table, select, same_key=_same_key(key, "old", "gone"))


def temporary(cursor: Cursor, name: str, select: sql.Composable) -> int:
    """Keeps the rows of a select as a temporary table of this transaction, in place of an earlier one."""
    table = sql.Identifier(name)
    cursor.execute(sql.SQL("drop table if exists pg_temp.{}").format(table))
    cursor.execute(statement("write/temporary_table", table=table, select=select))
    rows = cursor.rowcount
    cursor.execute(sql.SQL("analyze {}").format(table))
    return rows


def work_table(cursor: Cursor, name: str, key: Sequence[str], select: sql.Composable) -> None:
    """Makes `work.<name>`, in place of an earlier one: the rows of a select that `dwh.<name>` does not hold so."""
    columns, work = columns_of(cursor, f"dwh.{name}"), qualified(f"work.{name}")
    cursor.execute(sql.SQL("drop table if exists {}").format(work))
    cursor.execute(
        statement(
            "write/work_table",
            work=work,
            dwh=qualified(f"dwh.{name}"),
            select=select,
            first_key=sql.Identifier(key[0]),
            same_key=_same_key(key, "new", "old"),
            new=identifiers(columns, "new"),
            old=identifiers(columns, "old"),
        )
    )


def apply_work(cursor: Cursor, name: str, key: Sequence[str]) -> tuple[int, int]:
    """Applies `work.<name>` to `dwh.<name>`; returns how many rows were inserted, and how many updated."""
    columns = columns_of(cursor, f"dwh.{name}")
    relations = {"work": qualified(f"work.{name}"), "dwh": qualified(f"dwh.{name}")}
    changes = _assign([column for column in columns if column not in key], "new")
    cursor.execute(
        statement("write/update_from_work", **relations, changes=changes, same_key=_same_key(key, "new", "old"))
    )
    updated = cursor.rowcount
    cursor.execute(statement("write/insert_from_work", **relations, columns=identifiers(columns)))
    return cursor.rowcount, updated


def add(cursor: Cursor, table: str, key: Sequence[str], measures: Sequence[str], differences: sql.Composable) -> int:
    """Adds differences to the sums of an aggregate. A rerun adds them again."""
    return _run(
        cursor,
        "add",
        table,
        differences,
        columns=identifiers((*key, *measures)),
        key=identifiers(key),
        changes=sql.SQL(" or ").join(sql.SQL("{} <> '0'").format(sql.Identifier(name)) for name in measures),
        sums=sql.SQL(", ").join(
            sql.SQL("{0} = total.{0} + excluded.{0}").format(sql.Identifier(name)) for name in measures
        ),
    )


def moved(cursor: Cursor) -> int | None:
    """A count of the rows of the warehouse that this session writes; None where the server does not count.

    What a transaction wrote, by whatever statement, is the difference of two calls in it: the count may begin with rows
    of the transactions before. Notes of loads are left out, and so is what lies in delta and work.
    """
    found: int | None = postgres.value(cursor, MOVED, {"schemas": list(MOVED_IN), "notes": list(NOTES)})
    return found


MOVED_IN = ("stage", "dwh", "mart", "etl")
# What a load that is run again notes again: that it was done, what it has read, that something was looked at.
NOTES = ("etl.marker", "etl.watermark", "etl.stage_batch", "etl.stage_load", "mart.data_version")
MOVED = """
select
    case when current_setting('track_counts')::boolean then
        coalesce(sum(
            pg_stat_get_xact_tuples_inserted(pg_class.oid)
            + pg_stat_get_xact_tuples_updated(pg_class.oid)
            + pg_stat_get_xact_tuples_deleted(pg_class.oid)
        ), 0)::bigint
    end
from pg_class inner join pg_namespace on relnamespace = pg_namespace.oid
where nspname = any(%(schemas)s) and relkind = 'r' and nspname || '.' || relname <> all(%(notes)s)
"""


def _same_key(key: Iterable[str], left: str, right: str) -> sql.Composed:
    """The condition that two relations have the same key."""
    return sql.SQL(" and ").join(
        sql.SQL("{} = {}").format(sql.Identifier(left, name), sql.Identifier(right, name)) for name in key
    )


def _assign(columns: Iterable[str], source: str) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier(source, name)) for name in columns
    )


def _run(cursor: Cursor, write: str, table: str, select: sql.Composable, **more: sql.Composable) -> int:
    cursor.execute(statement(f"write/{write}", table=qualified(table), select=select, **more))
    return cursor.rowcount
