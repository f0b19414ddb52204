"""One extract from the lake into its stage table: delta first, then the newest row of each key wins."""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

from pipeline import postgres
from pipeline import sql as files
from pipeline.catalog import SourceTable
from pipeline.columns import (
    BATCH,
    DELETED,
    Column,
    Fault,
    create_table,
    existing_columns,
    faults,
    follow,
    primary_key,
)
from pipeline.compressed import Source
from pipeline.errors import BadExtract, TooManyRejected
from pipeline.extract import (
    REPAIRS,
    SUCCESS,
    Metadata,
    beside,
    folder,
    folders,
    instant,
    metadata,
    metadata_in,
    missing,
)
from pipeline.lake import Lake
from pipeline.postgres import Cursor, identifiers, qualified, sql
from pipeline.rejected import LONGEST

CSV = "format csv, header match, encoding 'UTF8'"
# Where COPY stopped, of its words that also quote the value.
LINE = re.compile(r"^COPY [^\n]*, line (\d+)", re.MULTILINE)
DELETED_KEYS = "deleted.json"  # of a repair: the keys that the source does not have any more


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


def load_repairs(cursor: Cursor, lake: Lake, table: SourceTable, max_rejected: float) -> int:
    """Loads all repairs of a table on the lake, oldest first, for a stage table made anew; returns their rows."""
    return sum(load_repair(cursor, lake, table, where, max_rejected).rows for where in repairs(lake, table))


def repairs(lake: Lake, table: SourceTable) -> list[str]:
    """The folders of a table's finished repairs in the order in which they were made, whichever dates they were for."""
    found = [file.key for file in lake.objects(f"{REPAIRS}/{table.name}")]
    finished = [key.removesuffix(f"/{SUCCESS}") for key in found if key.endswith(SUCCESS)]
    return sorted(finished, key=lambda where: where.rpartition("/at=")[2])


def load_repair(cursor: Cursor, lake: Lake, table: SourceTable, where: str, max_rejected: float) -> "Loaded":
    """Loads the repair in a folder of the lake. A rerun changes nothing. Raises what `Load` raises."""
    found = metadata_in(lake, where)
    if found is None:
        raise missing(lake, where, "ReconcileSource --repair")
    load = Load(cursor, lake, table, found, max_rejected, repair=where)
    loaded = load.run()
    keys = json.loads(beside(lake, where, DELETED_KEYS) or b"[]")
    deleted = mark_deleted(cursor, table, keys, found, load.batch) if keys else 0
    return replace(loaded, rows=loaded.rows + deleted, changed=loaded.changed + deleted)


def mark_deleted(cursor: Cursor, table: SourceTable, keys: list[list[Any]], found: Metadata, batch: int) -> int:
    """Marks rows of stage whose keys a repair did not find in the source; returns how many were not marked yet.

    A row that was written after the repair's window is there again, and is left alone.
    """
    cursor.execute(
        sql.SQL(
            "update {stage} as stage set {deleted} = {extracted}, {batch_column} = {batch} "
            "from jsonb_to_recordset({keys}) as gone ({declared}) "
            "where ({stage_key}) = ({gone_key}) and {deleted} is null and {watermark} < {end}"
        ).format(
            stage=qualified(f"stage.{table.short}"),
            deleted=sql.Identifier(DELETED),
            extracted=sql.Literal(found.extracted_at),
            batch_column=sql.Identifier(BATCH),
            batch=sql.Literal(batch),
            keys=sql.Literal(json.dumps([dict(zip(table.key, key, strict=True)) for key in keys])),
            declared=sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
                for column in found.columns
                if column.name in table.key
            ),
            stage_key=identifiers(table.key, "stage"),
            gone_key=identifiers(table.key, "gone"),
            watermark=sql.Identifier("stage", table.watermark),
            end=sql.Literal(found.to_watermark),
        )
    )
    marked = cursor.rowcount
    if marked:
        cursor.execute("update etl.stage_batch set last_batch = %s where table_name = %s", (batch, table.short))
    return marked


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


@dataclass(frozen=True)
class Load:
    """The load of one extract in the caller's transaction, which holds the lock on the stage table.

    A row wins over the one in stage when its watermark is newer, so a replay or an older extract changes nothing.
    Where the catalogue names a history column, every value that was ever seen is kept beside stage, late ones too.
    Rows that cannot be kept go to etl.rejected_row.

    `repair` is the folder of a repair, where the extract is one: its rows win over those of the same age too.
    """

    cursor: Cursor
    lake: Lake
    table: SourceTable
    found: Metadata
    max_rejected: float
    progress: Callable[[int], None] = lambda _: None
    repair: str | None = None

    def run(self) -> Loaded:
        """Loads the extract; `progress` is told the bytes received so far.

        Raises BadExtract when the data is not what its metadata says, SchemaDrift when stage cannot take the
        source's types, TooManyRejected above the share `max_rejected`.
        """
        existing = existing_columns(self.cursor, f"stage.{self.table.short}")
        if existing:
            self._follow_source(existing)
            loaded = self._through_delta()
        else:
            loaded = self._first()
        self.cursor.execute(
            NOTE,
            {
                "table": self.table.short,
                "batch": self.batch,
                "changed": loaded.changed > 0,
                "from": self.found.from_watermark,
                "to": self.found.to_watermark,
            },
        )
        return loaded

    @cached_property
    def batch(self) -> int:
        """The number of this load: drawn under the lock, so that the order of batches is the order of commits."""
        number: int = postgres.value(self.cursor, "select nextval('etl.batch')")
        return number

    @property
    def stage(self) -> sql.Composable:
        """The stage table, quoted."""
        return qualified(f"stage.{self.table.short}")

    @property
    def delta(self) -> sql.Composable:
        """The delta table, quoted."""
        return qualified(f"delta.{self.table.short}")

    def _follow_source(self, existing: Sequence[Column]) -> None:
        statements = follow(f"stage.{self.table.short}", existing, self.found.columns, add=True)
        if self.table.history:
            history = f"stage.{self.table.short}_version"
            statements += follow(history, existing_columns(self.cursor, history), self.found.columns, add=False)
        for statement in statements:
            self.cursor.execute(statement)

    def _first(self) -> Loaded:
        """Makes the stage table and fills it, without a detour where that is possible."""
        self.cursor.execute("savepoint straight")
        if self._straight():
            return Loaded(self.found.rows, self.found.rows, 0, self.found.bytes)
        self.cursor.execute("rollback to savepoint straight")
        self.cursor.execute(create_table("stage", self.table, self.found.columns))
        self._finish_stage()
        return self._through_delta()

    def _straight(self) -> bool:
        """Fills a new stage table without a detour; false where the extract needs the checks of the longer way.

        A table made in the same transaction takes frozen rows, and its key is built once at the end.
        """
        self.cursor.execute(create_table("stage", self.table, self.found.columns))
        try:
            self._copy(self.stage, f"{CSV}, freeze")
            self._finish_stage()
        except (postgres.errors.UniqueViolation, postgres.errors.NotNullViolation):
            return False
        if any_faulty(self.cursor, self.stage, self._faults):
            return False
        self._keep_history(self.stage)
        return True

    def _finish_stage(self) -> None:
        """Key, batch column and its index, history. A column added with a constant is not written to any row."""
        batch_column, batch = sql.Identifier(BATCH), sql.Literal(self.batch)
        for statement in (
            primary_key("stage", self.table),
            sql.SQL("alter table {} add column {} bigint not null default {}").format(self.stage, batch_column, batch),
            sql.SQL("alter table {} alter column {} drop default").format(self.stage, batch_column),
            sql.SQL("alter table {} add column {} timestamptz").format(self.stage, sql.Identifier(DELETED)),
            # Later loads are small beside the first: what they changed is found without looking at the rest.
            sql.SQL("create index on {} ({}) where {} > {}").format(self.stage, batch_column, batch_column, batch),
        ):
            self.cursor.execute(statement)
        if self.table.history:
            self.cursor.execute(
                sql.SQL("create table {} as select {}, {} as {} from {} with no data").format(
                    self._history, self._history_columns, batch, batch_column, self.stage
                )
            )
            self.cursor.execute(
                sql.SQL("alter table {} add primary key ({})").format(
                    self._history, identifiers((*self.table.key, self.table.watermark))
                )
            )
        # A small sample: what plans need of a stage table is its size.
        self.cursor.execute("set local default_statistics_target = 10")
        self.cursor.execute(sql.SQL("analyze {}").format(self.stage))

    def _through_delta(self) -> Loaded:
        if not self.found.rows:
            return Loaded(0, 0, 0, 0)
        self.cursor.execute(sql.SQL("drop table if exists {}").format(self.delta))
        self.cursor.execute(create_table("delta", self.table, self.found.columns))
        self._copy(self.delta, CSV)
        reasons = self._reject() if any_faulty(self.cursor, self.delta, self._faults) else Counter[str]()
        names = [column.name for column in self.found.columns]
        others = [name for name in (*names, BATCH) if name not in self.table.key]
        self.cursor.execute(
            sql.SQL(
                "insert into {stage} as stage ({columns}, {batch_column}) "
                # One row per key, the newest, should an extract hold a key twice; of equally new ones the later line.
                "select distinct on ({key}) {columns}, {batch} from {delta} "
                "order by {key}, {watermark} desc, ctid desc "
                "on conflict ({key}) do update set {changes} where stage.{watermark} {older} excluded.{watermark}"
            ).format(
                older=sql.SQL("<=" if self.repair else "<"),
                stage=self.stage,
                columns=identifiers(names),
                batch_column=sql.Identifier(BATCH),
                batch=sql.Literal(self.batch),
                key=identifiers(self.table.key),
                delta=self.delta,
                watermark=sql.Identifier(self.table.watermark),
                # A row that comes back is not deleted: its mark is that of the row that would be inserted, none.
                changes=sql.SQL(", ").join(
                    sql.SQL("{} = excluded.{}").format(sql.Identifier(name), sql.Identifier(name))
                    for name in (*others, DELETED)
                ),
            )
        )
        newer = self.cursor.rowcount
        # Looked for where something is missing: usually each row of a new extract is a key of its own.
        if not reasons and newer < self.found.rows and self._has_rivals():
            reasons = self._reject()
        check_rejected(self.table, self.found, reasons, self.max_rejected)
        seen = self._keep_history(self.delta)
        return Loaded(self.found.rows, max(newer, seen), reasons.total(), self.found.bytes)

    @cached_property
    def _faults(self) -> list[Fault]:
        """Why a row cannot be kept, whatever the other rows are."""
        found = faults(self.table, self.found.columns)
        types = {column.name: column.type for column in self.found.columns}
        key = self.table.key[0]
        if types[key] in ("smallint", "integer", "bigint", "numeric"):
            found.append((sql.SQL("{} = -1").format(sql.Identifier(key)), f"{key} -1 is the unknown member's"))
        return found

    def _reject(self) -> Counter[str]:
        """Moves the rows of delta that cannot be kept to etl.rejected_row."""
        found = self._faults
        if self._has_rivals():
            rival = sql.SQL(
                "(candidate.*)::text <> first_value((candidate.*)::text) over "
                "(partition by {key}, {watermark} order by candidate.ctid desc)"
            ).format(key=identifiers(self.table.key), watermark=sql.Identifier(self.table.watermark))
            found = [
                *found,
                (rival, f"a later row has the same {' and '.join(self.table.key)} and {self.table.watermark}"),
            ]
        where = self.repair or folder(self.table.name, self.found.day)
        return reject(self.cursor, self.delta, self.table, self.found, found, where)

    def _has_rivals(self) -> bool:
        """Whether delta holds rows of the same key that are equally new."""
        query = sql.SQL("select exists (select from {} group by {}, {} having count(*) > 1)")
        by = identifiers(self.table.key), sql.Identifier(self.table.watermark)
        exists: bool = postgres.value(self.cursor, query.format(self.delta, *by))
        return exists

    @property
    def _history(self) -> sql.Composable:
        return sql.Identifier("stage", f"{self.table.short}_version")

    @property
    def _history_columns(self) -> sql.Composable:
        return identifiers((*self.table.key, self.table.watermark, cast(str, self.table.history)))

    def _keep_history(self, seen: sql.Composable) -> int:
        """Keeps each value of the history column with the instant from which it was seen; returns how many are new."""
        if not self.table.history:
            return 0
        if self.repair:
            return self._keep_repaired_history()
        self.cursor.execute(
            sql.SQL("insert into {} select {}, {} from {} on conflict do nothing").format(
                self._history, self._history_columns, sql.Literal(self.batch), seen
            )
        )
        return self.cursor.rowcount

    def _keep_repaired_history(self) -> int:
        """The same of a repair. A value that took the place of another without saying when holds from its end on."""
        key, watermark = identifiers(self.table.key), sql.Identifier(self.table.watermark)
        self.cursor.execute(
            sql.SQL(
                "insert into {history} "
                "select {key}, case when known.{value} is null then seen.{watermark} else {end} end, "
                "seen.{value}, {batch} from {delta} as seen left join {history} as known using ({key}, {watermark}) "
                "where known.{value} is distinct from seen.{value} on conflict do nothing"
            ).format(
                history=self._history,
                key=key,
                watermark=watermark,
                value=sql.Identifier(cast(str, self.table.history)),
                end=sql.Literal(self.found.to_watermark),
                batch=sql.Literal(self.batch),
                delta=self.delta,
            )
        )
        return self.cursor.rowcount

    def _copy(self, target: sql.Composable, options: str) -> None:
        where = self.repair or folder(self.table.name, self.found.day)
        copy(self.cursor, self.lake, where, self.found, target, options, self.progress)


def any_faulty(cursor: Cursor, rows: sql.Composable, found: Sequence[Fault]) -> bool:
    """Whether a table holds rows that cannot be kept."""
    if not found:
        return False
    conditions = sql.SQL(" or ").join(condition for condition, _ in found)
    exists: bool = postgres.value(cursor, sql.SQL("select exists (select from {} where {})").format(rows, conditions))
    return exists


def reject(
    cursor: Cursor, delta: sql.Composable, table: SourceTable, found: Metadata, why: Sequence[Fault], where: str
) -> Counter[str]:
    """Moves the rows of delta that cannot be kept to etl.rejected_row, and counts those that are new there by reason.

    `where` is the folder of the extract. Of several reasons a row bears the first.
    """
    cases = sql.SQL(" ").join(sql.SQL("when {} then {}").format(fault, sql.Literal(words)) for fault, words in why)
    variables = {
        "delta": delta,
        "reason": sql.SQL("case {} end").format(cases),
        "source": table.name,
        "date": found.date,
        "file": f"{where}/{found.data}",
        "longest": LONGEST,
    }
    return Counter(dict(postgres.rows(cursor, files.statement("work/stage_rejected_row", **variables))))


def check_rejected(table: SourceTable, found: Metadata, reasons: Counter[str], max_rejected: float) -> None:
    """Raises TooManyRejected when more than that share of an extract's rows cannot be kept."""
    if reasons.total() > max_rejected * found.rows:
        raise TooManyRejected(
            f"load {table.name} of {found.date}",
            f"{reasons.total()} of {found.rows} rows cannot be kept ({'; '.join(sorted(reasons))})",
            "mend the source, or raise max_rejected in luigi.cfg",
        )


def copy(
    cursor: Cursor,
    lake: Lake,
    where: str,
    found: Metadata,
    target: sql.Composable,
    options: str = CSV,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Streams the data of the extract in the folder `where` into a table, and checks it against its metadata.

    Raises BadExtract, before anything commits, when it is not what was written.
    """
    key = f"{where}/{found.data}"

    def bad(because: str) -> BadExtract:
        do = "mend the source if it is like that there, delete the folder of that date on the lake and rerun"
        return BadExtract(f"load {lake.url}/{key}", because, do)

    body = lake.open(key)
    if body is None:
        raise bad("the file is not there")
    source = Source(body, progress)
    columns = [column.name for column in found.columns]
    try:
        rows = postgres.copy_in(cursor, target, columns, source.decompressor(key), options)
    except postgres.Error as error:
        if source.failure is not None:  # psycopg2 says no more than that reading failed
            raise source.failure from None
        # Either PostgreSQL refuses a row, or the bytes are not those that were written: only then blame the lake.
        source.drain()
        if source.digest != found.sha256:
            raise bad("its bytes are not those that were written") from error
        line = LINE.search(error.diag.context or "")
        if line and isinstance(error, postgres.errors.DataError):
            raise bad(f"PostgreSQL does not take its line {line[1]} ({type(error).__name__})") from error
        raise
    source.drain()
    if (rows, source.bytes, source.digest) != (found.rows, found.bytes, found.sha256):
        raise bad(f"its {rows} rows in {source.bytes} bytes are not those of its metadata")


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
