"""One extract from the lake into its stage table: delta first, then the newest row of each key wins."""

import gzip
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, cast

import zstandard

from pipeline import postgres
from pipeline.catalog import SourceTable
from pipeline.columns import BATCH, Column, create_table, existing_columns, follow, primary_key
from pipeline.errors import BadExtract, ServiceDown, TooManyRejected
from pipeline.extract import Metadata, folder, folders, instant, metadata
from pipeline.lake import Lake
from pipeline.postgres import Cursor, Readable, identifiers, qualified, sql

CSV = "format csv, header match"


def unloaded(cursor: Cursor, lake: Lake, table: SourceTable, found: Metadata) -> list[Metadata]:
    """The extracts that bring stage up to the end of `found`: it, and before it those that were never loaded.

    Usually `found` begins where stage ends, and nothing is looked for. Raises BadExtract when what lies between is
    not on the lake.
    """
    wanted = [found]
    if _begins_in_stage(cursor, table, found):
        return wanted
    for day in reversed(lake.dates(folders(table.name))):
        earlier = metadata(lake, table.name, day) if day < found.day else None
        if earlier is not None:
            if instant(earlier.to_watermark) < instant(wanted[0].from_watermark):
                break
            wanted.insert(0, earlier)
            if _begins_in_stage(cursor, table, earlier):
                return wanted
    raise BadExtract(
        f"load {table.name} of {found.date}",
        f"it begins at {wanted[0].from_watermark}, stage ends before, and no extract on {lake.url} lies between",
        "bring the missing folders back, or set LAKE_URL to an empty place to extract everything anew",
    )


def _begins_in_stage(cursor: Cursor, table: SourceTable, found: Metadata) -> bool:
    query = "select coalesce(max(loaded_to), '-infinity') >= %s from etl.stage_batch where table_name = %s"
    begins: bool = postgres.value(cursor, query, (found.from_watermark, table.short))
    return begins


@dataclass(frozen=True)
class Loaded:
    """What a load did: rows that the extract brought, rows that were new or newer, rows rejected, bytes read."""

    rows: int
    changed: int
    rejected: int
    bytes: int


def load(
    cursor: Cursor,
    lake: Lake,
    table: SourceTable,
    found: Metadata,
    max_rejected: float,
    progress: Callable[[int], None] = lambda _: None,
) -> Loaded:
    """Loads one extract in the caller's transaction, which holds the lock on the stage table.

    A row wins over the one in stage when its watermark is newer, so a replay or an older extract changes nothing.
    Where the catalogue names a history column, every value that was ever seen is kept beside stage, late ones too.
    Rows without a key or watermark go to etl.rejected_row.

    Raises BadExtract when the data is not what its metadata says, SchemaDrift when stage cannot take the source's
    types, TooManyRejected above the share `max_rejected`.
    """
    existing = existing_columns(cursor, f"stage.{table.short}")
    if existing:
        _follow_source(cursor, table, existing, found)
    # Drawn under the lock, so that the order of batches is the order of commits.
    batch: int = postgres.value(cursor, "select nextval('etl.batch')")
    if existing:
        loaded = _load_through_delta(cursor, lake, table, found, batch, max_rejected, progress)
    else:
        loaded = _load_first(cursor, lake, table, found, batch, max_rejected, progress)
    cursor.execute(
        NOTE,
        {
            "table": table.short,
            "batch": batch,
            "changed": loaded.changed > 0,
            "from": found.from_watermark,
            "to": found.to_watermark,
        },
    )
    return loaded


# Where an extract begins after the end of stage, there is a gap, and stage ends where it did.
NOTE = """
insert into etl.stage_batch as known (table_name, first_batch, last_batch, loaded_to)
values (
    %(table)s, %(batch)s, %(batch)s,
    case when %(from)s::timestamptz = '-infinity' then %(to)s::timestamptz else '-infinity' end
)
on conflict (table_name) do update set
    last_batch = case when %(changed)s then excluded.last_batch else known.last_batch end,
    loaded_to = case
        when %(from)s::timestamptz <= known.loaded_to then greatest(known.loaded_to, %(to)s::timestamptz)
        else known.loaded_to
    end
"""


def _load_first(
    cursor: Cursor,
    lake: Lake,
    table: SourceTable,
    found: Metadata,
    batch: int,
    max_rejected: float,
    progress: Callable[[int], None],
) -> Loaded:
    cursor.execute("savepoint straight")
    if _load_straight(cursor, lake, table, found, batch, progress):
        return Loaded(found.rows, found.rows, 0, found.bytes)
    cursor.execute("rollback to savepoint straight")
    cursor.execute(create_table("stage", table, found.columns))
    _finish_stage(cursor, table, batch)
    return _load_through_delta(cursor, lake, table, found, batch, max_rejected, progress)


def _follow_source(cursor: Cursor, table: SourceTable, existing: Sequence[Column], found: Metadata) -> None:
    statements = follow(f"stage.{table.short}", existing, found.columns, add=True)
    if table.history:
        history = f"stage.{table.short}_version"
        statements += follow(history, existing_columns(cursor, history), found.columns, add=False)
    for statement in statements:
        cursor.execute(statement)


def _load_straight(
    cursor: Cursor, lake: Lake, table: SourceTable, found: Metadata, batch: int, progress: Callable[[int], None]
) -> bool:
    """Fills a new stage table without a detour; false where the extract needs the checks of the longer way.

    A table made in the same transaction takes frozen rows, and its key is built once at the end.
    """
    cursor.execute(create_table("stage", table, found.columns))
    _copy(cursor, lake, table, found, qualified(f"stage.{table.short}"), f"{CSV}, freeze", progress)
    try:
        _finish_stage(cursor, table, batch)
    except (postgres.errors.UniqueViolation, postgres.errors.NotNullViolation):
        return False
    if _has_rejections(cursor, table, found):
        return False
    _keep_history(cursor, table, "stage", batch)
    return True


def _finish_stage(cursor: Cursor, table: SourceTable, batch: int) -> None:
    """Key, batch column and its index. A column added with a constant is not written to any row."""
    name = qualified(f"stage.{table.short}")
    cursor.execute(primary_key("stage", table))
    cursor.execute(
        sql.SQL("alter table {} add column {} bigint not null default {}").format(
            name, sql.Identifier(BATCH), sql.Literal(batch)
        )
    )
    cursor.execute(sql.SQL("alter table {} alter column {} drop default").format(name, sql.Identifier(BATCH)))
    # Later loads are small beside the first: what they changed is found without looking at the rest.
    cursor.execute(
        sql.SQL("create index on {} ({}) where {} > {}").format(
            name, sql.Identifier(BATCH), sql.Identifier(BATCH), sql.Literal(batch)
        )
    )
    if table.history:
        cursor.execute(
            sql.SQL("create table {} as select {}, {} as {} from {} with no data").format(
                _history(table), _history_columns(table), sql.Literal(batch), sql.Identifier(BATCH), name
            )
        )
        cursor.execute(
            sql.SQL("alter table {} add primary key ({})").format(
                _history(table), identifiers((*table.key, table.watermark))
            )
        )
    # A small sample: what plans need of a stage table is its size.
    cursor.execute("set local default_statistics_target = 10")
    cursor.execute(sql.SQL("analyze {}").format(name))


def _load_through_delta(
    cursor: Cursor,
    lake: Lake,
    table: SourceTable,
    found: Metadata,
    batch: int,
    max_rejected: float,
    progress: Callable[[int], None],
) -> Loaded:
    if not found.rows:
        return Loaded(0, 0, 0, 0)
    delta = qualified(f"delta.{table.short}")
    cursor.execute(sql.SQL("drop table if exists {}").format(delta))
    cursor.execute(create_table("delta", table, found.columns))
    _copy(cursor, lake, table, found, delta, CSV, progress)
    rejected = _reject(cursor, table, found, max_rejected)
    names = [column.name for column in found.columns]
    others = [name for name in (*names, BATCH) if name not in table.key]
    cursor.execute(
        sql.SQL(
            "insert into {stage} as stage ({columns}, {batch_column}) "
            # One row per key, the newest, should an extract hold a key twice.
            "select distinct on ({key}) {columns}, {batch} from {delta} order by {key}, {watermark} desc "
            "on conflict ({key}) do update set {changes} where stage.{watermark} < excluded.{watermark}"
        ).format(
            stage=qualified(f"stage.{table.short}"),
            columns=identifiers(names),
            batch_column=sql.Identifier(BATCH),
            batch=sql.Literal(batch),
            key=identifiers(table.key),
            delta=delta,
            watermark=sql.Identifier(table.watermark),
            changes=sql.SQL(", ").join(
                sql.SQL("{} = excluded.{}").format(sql.Identifier(name), sql.Identifier(name)) for name in others
            ),
        )
    )
    newer = cursor.rowcount
    seen = _keep_history(cursor, table, "delta", batch)
    return Loaded(found.rows, max(newer, seen), rejected, found.bytes)


def _has_rejections(cursor: Cursor, table: SourceTable, found: Metadata) -> bool:
    """Whether a stage table holds rows that cannot be kept."""
    conditions = sql.SQL(" or ").join(condition for condition, _ in _reasons(table, found))
    query = sql.SQL("select exists (select from {} where {})").format(qualified(f"stage.{table.short}"), conditions)
    exists: bool = postgres.value(cursor, query)
    return exists


def _reasons(table: SourceTable, found: Metadata) -> list[tuple[sql.Composable, str]]:
    """Why a row cannot be kept: conditions in SQL that may hold for some row, each with its words."""
    types = {column.name: column.type for column in found.columns}
    empty = [column.name for column in found.columns if column.nullable]
    reasons: list[tuple[sql.Composable, str]] = [
        (sql.SQL("{} is null").format(sql.Identifier(name)), f"{name} is missing")
        for name in table.required
        if name in empty
    ]
    key, *more = table.key
    if not more and types[key] in ("smallint", "integer", "bigint", "numeric"):
        reasons.append((sql.SQL("{} = -1").format(sql.Identifier(key)), f"{key} -1 is the unknown member's"))
    # A key of several columns that the source declares not null needs no look.
    return reasons or [(sql.SQL("false"), "")]


def _reject(cursor: Cursor, table: SourceTable, found: Metadata, max_rejected: float) -> int:
    """Moves the rows of delta that cannot be kept to etl.rejected_row, and returns how many there were."""
    rejected: dict[str, int] = {}
    for condition, reason in _reasons(table, found):
        cursor.execute(
            sql.SQL(
                "with gone as (delete from {delta} where {condition} returning *) "
                'insert into etl.rejected_row (source, date, reason, "row") '
                "select {source}, {date}, {reason}, to_jsonb(gone)::text from gone"
            ).format(
                delta=qualified(f"delta.{table.short}"),
                condition=condition,
                source=sql.Literal(table.name),
                date=sql.Literal(found.date),
                reason=sql.Literal(reason),
            )
        )
        rejected |= {reason: cursor.rowcount} if cursor.rowcount else {}
    total = sum(rejected.values())
    if total > max_rejected * found.rows:
        raise TooManyRejected(
            f"load {table.name} of {found.date}",
            f"{total} of {found.rows} rows cannot be kept ({'; '.join(rejected)})",
            "mend the source, or raise max_rejected in luigi.cfg",
        )
    return total


def _history(table: SourceTable) -> sql.Composable:
    return sql.Identifier("stage", f"{table.short}_version")


def _history_columns(table: SourceTable) -> sql.Composable:
    return identifiers((*table.key, table.watermark, cast(str, table.history)))


def _keep_history(cursor: Cursor, table: SourceTable, schema: str, batch: int) -> int:
    """Keeps each value of the history column with the instant from which it was seen; returns how many are new."""
    if not table.history:
        return 0
    cursor.execute(
        sql.SQL("insert into {} select {}, {} from {} on conflict do nothing").format(
            _history(table), _history_columns(table), sql.Literal(batch), sql.Identifier(schema, table.short)
        )
    )
    return cursor.rowcount


def _copy(
    cursor: Cursor,
    lake: Lake,
    table: SourceTable,
    found: Metadata,
    target: sql.Composable,
    options: str,
    progress: Callable[[int], None],
) -> None:
    """Streams the data of an extract into a table, and checks it against the metadata before anything commits."""
    where = f"{folder(table.name, found.day)}/{found.data}"
    body = lake.open(where)
    if body is None:
        raise _bad(lake, where, "the file is not there")
    source = _Hashed(body, progress)
    columns = [column.name for column in found.columns]
    try:
        rows = postgres.copy_in(cursor, target, columns, _decompressor(source, found.data), options)
    except postgres.Error as error:
        if source.failure is not None:  # psycopg2 says no more than that reading failed
            raise source.failure from None
        # Either PostgreSQL refuses a row, or the bytes are not those that were written: only then blame the lake.
        source.drain()
        if source.sha256.hexdigest() == found.sha256:
            raise
        raise _bad(lake, where, "its bytes are not those that were written") from error
    source.drain()
    if (rows, source.bytes, source.sha256.hexdigest()) != (found.rows, found.bytes, found.sha256):
        raise _bad(lake, where, f"its {rows} rows in {source.bytes} bytes are not those of its metadata")


def _bad(lake: Lake, where: str, because: str) -> BadExtract:
    return BadExtract(f"load {lake.url}/{where}", because, "delete the folder of that date on the lake and rerun")


class _Hashed:
    """Counts and hashes the bytes that are read through it."""

    def __init__(self, body: Readable, progress: Callable[[int], None]) -> None:
        self.body, self.progress = body, progress
        self.sha256, self.bytes = hashlib.sha256(), 0
        self.failure: ServiceDown | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            data = self.body.read(size)
        except ServiceDown as failure:
            self.failure = failure
            raise
        self.sha256.update(data)
        self.bytes += len(data)
        self.progress(self.bytes)
        return data

    def drain(self) -> None:
        """Reads what a decompressor left behind its end of the stream."""
        while self.read(1 << 20):
            pass


def _decompressor(source: _Hashed, name: str) -> Readable:
    if name.endswith(".zst"):
        return zstandard.ZstdDecompressor().stream_reader(cast(IO[bytes], source), read_across_frames=True)
    return cast(Readable, gzip.GzipFile(fileobj=cast(IO[bytes], source), mode="rb"))
