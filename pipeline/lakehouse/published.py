"""What PostgreSQL has of a star that is on the lake alone: the mart, what waits, and what was rejected.

A job writes the rows that changed since the commits that `etl.lake_published` knows. `take` puts them in the place of
the old ones, in the transaction that notes the new commits. So a killed copy is made again.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres, writes
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.lake.objects import Lake
from pipeline.lakehouse.plan import BY_SPAN, MART, Names
from pipeline.star import mart

QUEUE, REJECTED = "etl.reprocessing_queue", "etl.rejected_row"
# JSON escapes control characters, so that these cannot be in it.
JSON_LINES = r"format csv, quote e'\x01', delimiter e'\x02'"


def wanted(cursor: Cursor, names: Names) -> list[dict[str, Any]]:
    """What a job is told of the tables to write out."""
    commits = known(cursor)
    spans = {f"mart.{name}": each.span for name, each in BY_SPAN.items()}
    return [
        {
            "name": name,
            "table": names.of(name),
            "where": "resolved_ts is null" if name == QUEUE else "true",
            "span": spans.get(name, ""),
            "known": commits.get(name),
        }
        for name in (*(f"mart.{each}" for each in MART), QUEUE, REJECTED)
    ]


def take(
    cursor: Cursor, lake: Lake, folder: str, told: Sequence[Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Takes over what a job wrote below a folder of the lake, and notes the commits. A rerun changes nothing.

    Takes the tables that the job was told of: what it reports lies where others may write. Returns the source tables of
    which rows are newly rejected.
    """
    rejected: list[str] = []
    for name in (table["name"] for table in told if table["name"] in found):
        written = found[name]
        _fetch(cursor, lake, f"{folder}/{name}")
        if name == QUEUE:
            for statement in OF_QUEUE:
                cursor.execute(statement)
        elif name == REJECTED:
            cursor.execute(REJECTED_GONE, {"sources": list(SOURCE_TABLES)})
            rejected = [source for (source,) in postgres.rows(cursor, REJECTED_NEW)]
        elif table := mart.WHOLE.get(name.removeprefix("mart.")):
            _merge(cursor, name, table[0])
        else:
            _replace(cursor, name, written["spans"], written["present"])
        note(cursor, name, written["snapshot"])
    return rejected


def known(cursor: Cursor) -> dict[str, int | None]:
    """The commits that were noted, by table or check."""
    return dict(postgres.rows(cursor, "select table_name, snapshot from etl.lake_published"))


def note(cursor: Cursor, name: str, snapshot: int | None) -> None:
    """Remembers the commit of a table on the lake up to which PostgreSQL has taken it over or checked it."""
    cursor.execute(NOTE, (name, snapshot))


def _fetch(cursor: Cursor, lake: Lake, folder: str) -> None:
    """Brings the rows in the files of a folder into the temporary table `published`."""
    cursor.execute("drop table if exists pg_temp.published; create temporary table published (line jsonb not null)")
    for key in (entry.key for entry in lake.objects(folder) if "/part-" in entry.key):
        body = lake.open(key)
        assert body is not None
        with closing(body):
            postgres.copy_in(cursor, sql.Identifier("published"), ["line"], body, JSON_LINES)
    cursor.execute("analyze published")


def _merge(cursor: Cursor, name: str, key: Sequence[str]) -> None:
    """Makes a small table the fetched rows, and writes those alone that differ."""
    columns = writes.columns_of(cursor, name)
    rows = _rows(name, columns)
    gone = sql.SQL("select {0} from {1} except select {0} from ({2}) as fetched").format(
        identifiers(key), qualified(name), rows
    )
    writes.delete(cursor, name, key, gone)
    writes.merge(cursor, name, key, columns, rows)


def _replace(cursor: Cursor, name: str, spans: list[str] | None, present: list[str] | None) -> None:
    """Puts the fetched rows in the place of those of some months or quarters, or of all."""
    table, column = qualified(name), BY_SPAN[name.removeprefix("mart.")].span
    gone: sql.Composable = sql.SQL("true")
    if spans is not None:
        gone = sql.SQL("{0} = any({1}::date[]) or {0} <> all({2}::date[])").format(
            sql.Identifier(column), sql.Literal(spans), sql.Literal(present)
        )
    cursor.execute(sql.SQL("delete from {} where {}").format(table, gone))
    columns = writes.columns_of(cursor, name)
    writes.insert(cursor, name, columns, _rows(name, columns))


def _rows(name: str, columns: Sequence[str]) -> sql.Composed:
    """Selects the fetched rows as rows of a table."""
    return sql.SQL("select {} from published, jsonb_populate_record(null::{}, published.line)").format(
        identifiers(columns), qualified(name)
    )


GIVEN = """
with given as (select shown.* from published, jsonb_populate_record(null::{}, published.line) as shown)
"""
OF_QUEUE = (
    f"""
    {GIVEN.format(QUEUE)}
    update etl.reprocessing_queue as known set resolved_ts = now()
    where resolved_ts is null and not exists (
        select from given
        where (given.fact_table, given.business_key, given.dimension)
            = (known.fact_table, known.business_key, known.dimension)
    )
    """,
    f"""
    {GIVEN.format(QUEUE)}
    insert into etl.reprocessing_queue as known
    (fact_table, business_key, dimension, queued_ts, attempts, dimension_key)
    select fact_table, business_key, dimension, queued_ts, attempts, dimension_key from given
    where not exists (
        select from etl.reprocessing_queue as same
        where
            (same.fact_table, same.business_key, same.dimension, same.queued_ts, same.attempts)
                = (given.fact_table, given.business_key, given.dimension, given.queued_ts, given.attempts)
            and same.dimension_key is not distinct from given.dimension_key and same.resolved_ts is null
    )
    on conflict (fact_table, business_key, dimension) where resolved_ts is null
    do update set
        queued_ts = excluded.queued_ts, attempts = excluded.attempts, dimension_key = excluded.dimension_key
    """,
)
SAME_REJECTED = (
    "(given.source, given.file, given.line, given.reason) = (known.source, known.file, known.line, known.reason)"
)
REJECTED_GONE = f"""
{GIVEN.format(REJECTED)}
delete from etl.rejected_row as known
where source = any(%(sources)s) and not exists (select from given where {SAME_REJECTED})
"""
REJECTED_NEW = f"""
{GIVEN.format(REJECTED)},
added as (
    insert into etl.rejected_row (source, date, line, reason, row, file, rejected_ts, row_key)
    select source, date, line, reason, row, file, rejected_ts, row_key from given
    where not exists (select from etl.rejected_row as known where {SAME_REJECTED})
    returning source
)
select distinct source from added
"""
NOTE = """
insert into etl.lake_published (table_name, snapshot) values (%s, %s)
on conflict (table_name) do update set snapshot = excluded.snapshot
"""
