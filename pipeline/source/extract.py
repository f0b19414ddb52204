"""One table of the source, the rows that changed in a window, as a folder of files on the lake.

    extract/<schema>.<table>/date=YYYY-MM-DD/
        data.csv.zst  metadata.json  create_delta.sql  create_stage.sql  _SUCCESS (last)

Nothing on the lake is believed because it can be read: `metadata.json` has the hash of the data, `_SUCCESS` those of
the files beside it, and `_SUCCESS` and the bound of a date have their own.

A window is half-open, `from <= updated_ts < to`. `from` is the `to` of the table's previous extract; `to` is one
bound for all tables of a date, below which no row can still appear in the source.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.catalog import SOURCE_TABLES, USER_PURCHASE, SourceTable
from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import BadExtract, SourceUnsafe
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.lake import forms, seals
from pipeline.lake.compressed import Sink
from pipeline.lake.objects import Lake
from pipeline.source.columns import EARLIEST, END, Column, are_of, create_table, read_columns

Bytes = bytes  # the class below has a field of that name
BEGINNING = "-infinity"
SUCCESS = "_SUCCESS"
METADATA = "metadata.json"
# What a database says that keeps texts of other encodings than its own, as one of SQL_ASCII may.
NOT_UTF8 = (postgres.errors.CharacterNotInRepertoire, postgres.errors.UntranslatableCharacter)
FOLDER = "extract"
BOUNDS = f"{FOLDER}/bound"
TABLES = {**SOURCE_TABLES, USER_PURCHASE.name: USER_PURCHASE}
# What our extracts are called in pg_stat_activity: they only read, so no bound has to wait for them.
PURPOSE = "extract"


@dataclass(frozen=True)
class Metadata:
    """What `metadata.json` says of an extract. Instants are ISO 8601 in UTC, or -infinity."""

    table: str
    date: str
    columns: list[Column]
    primary_key: list[str]
    watermark_column: str
    from_watermark: str
    to_watermark: str
    data: str
    rows: int
    bytes: int
    sha256: str
    extracted_at: str
    condition: str | None = None

    @property
    def day(self) -> dt.date:
        """The date as such."""
        return dt.date.fromisoformat(self.date)

    def to_json(self) -> "Bytes":
        """The content of the file."""
        return json.dumps(asdict(self), indent=1).encode()

    @classmethod
    def form(cls, found: Any) -> "Metadata":
        """The reverse of `to_json`, for `forms.parse`; raises ValueError for what no extract writes."""
        is_purchases = isinstance(found, dict) and found.get("table") == USER_PURCHASE.name
        fields = (forms.METADATA_OF_PURCHASES if is_purchases else forms.METADATA)(found)
        return cls(**fields | {"columns": [Column(**column) for column in fields["columns"]]})


def folders(table: str) -> str:
    """Where the extracts of a table lie on the lake."""
    return f"{FOLDER}/{table}"


def folder(table: str, date: dt.date) -> str:
    """Where the extract of a table and date lies on the lake."""
    return f"{folders(table)}/date={date}"


def metadata(lake: Lake, table: str, date: dt.date) -> Metadata | None:
    """What a finished extract says of itself; None where there is none."""
    return metadata_in(lake, folder(table, date))


def metadata_in(lake: Lake, where: str) -> Metadata | None:
    """The same by its folder."""
    text = beside(lake, where, METADATA)
    if text is None:
        return None
    key = f"{where}/{METADATA}"
    found: Metadata = seals.parse(lake, key, text, Metadata.form)
    if f"/{found.table}/date={found.date}" not in where:
        raise seals.foreign(lake, key, f"it holds the extract of {found.table} of {found.date}")
    if not are_of(TABLES[found.table], found.columns):
        raise seals.foreign(lake, key, "its columns are not those of an extract")
    if where.startswith(f"{FOLDER}/"):  # a repair goes as far as stage did when it was made, whatever its date
        _require_within(lake, key, found.day, found.to_watermark)
    return found


def beside(lake: Lake, where: str, name: str) -> "Bytes | None":
    """A small file of a finished extract, as it was written; None where the extract is not finished.

    An extract of an earlier version, whose `_SUCCESS` does not know the file, is believed. Raises BadExtract.
    """
    status = seals.read(lake, f"{where}/{SUCCESS}", forms.SUCCESS)
    if status is None:
        return None
    text = seals.read_small(lake, f"{where}/{name}")
    if text is None:
        raise BadExtract(f"read {lake.url}/{where}", f"it has _SUCCESS but no {name}", "delete the folder and rerun")
    if status.get("sha256", {}).get(name) not in (None, seals.digest(text)):
        raise seals.foreign(lake, f"{where}/{name}")
    return text


def missing(lake: Lake, where: str, task: str) -> BadExtract:
    """The error of whoever wants to load an extract that is not finished."""
    return BadExtract(f"load {lake.url}/{where}", "its extract is not finished", f"run {task} for it first")


def end_of(date: dt.date) -> dt.datetime:
    """The instant at which a date is over."""
    return dt.datetime.combine(date + dt.timedelta(days=1), dt.time(), dt.UTC)


def choose_bound(cursor: Cursor, lake: Lake, date: dt.date, end: dt.datetime, lag: dt.timedelta) -> str:
    """Fixes the common `to` of all tables of a date, and returns it.

    It is `end`, but below the start of every transaction of the source that can still commit, and never below the
    bound of an earlier date nor beyond the end of the date. A rerun finds the bound that was chosen first.

    Raises SourceUnsafe where the source does not show when its open transactions began.
    """
    chosen = _bound(lake, date)
    if chosen is None:
        floor = _latest(lake, BOUNDS, date, lambda day: _bound(lake, day)) or BEGINNING
        chosen = _safe(cursor, min(end, end_of(date)), lag, floor)
        lake.write(bound_key(date), seals.seal({"date": str(date), "to_watermark": chosen}))
    return chosen


def bound_key(date: dt.date) -> str:
    """Where the bound of a date lies on the lake."""
    return f"{BOUNDS}/date={date}/bound.json"


def bound(lake: Lake, date: dt.date) -> str:
    """The common `to` of all tables of a date. Raises BadExtract when none was chosen."""
    chosen = _bound(lake, date)
    if chosen is None:
        raise BadExtract(f"extract the tables of {date}", "no bound was chosen", "run ChooseBound for the date first")
    return chosen


def _bound(lake: Lake, date: dt.date) -> str | None:
    return _to_watermark(lake, bound_key(date), forms.BOUND, date)


def _end(lake: Lake, table: str, date: dt.date) -> str | None:
    """Up to where a finished extract goes."""
    return _to_watermark(lake, f"{folder(table, date)}/{SUCCESS}", forms.SUCCESS, date)


def _to_watermark(lake: Lake, key: str, form: forms.Form, date: dt.date) -> str | None:
    fields = seals.read(lake, key, form)
    if fields is None:
        return None
    to = str(fields["to_watermark"])
    _require_within(lake, key, date, to)
    return to


def _require_within(lake: Lake, key: str, date: dt.date, to: str) -> None:
    """Raises BadExtract for a date that is said to be extracted beyond its end: all later ones would begin there."""
    if instant(to) - dt.datetime.combine(date, dt.time(), dt.UTC) > dt.timedelta(days=1):
        raise seals.foreign(lake, key, f"it says that {date} is extracted up to {to}, which is beyond its end")


def extract(
    cursor: Cursor,
    lake: Lake,
    table: SourceTable,
    date: dt.date,
    to: str,
    settings: Settings,
    progress: Callable[[int], None] = lambda _: None,
) -> Metadata:
    """Writes one table's extract up to `to` and returns its metadata; `progress` is told the bytes sent so far.

    The caller sees to it that no other process extracts the same table and date. Memory does not grow with the
    table. Before `_SUCCESS` nothing counts, so a rerun after a kill writes the folder anew.

    Raises SchemaDrift when the source's columns are not what the warehouse needs, BadExtract when its texts are not.
    """
    begin = _latest(lake, folders(table.name), date, lambda day: _end(lake, table.name, day)) or BEGINNING
    return write(cursor, lake, table, folder(table.name, date), date, (begin, to), settings, progress)


def write(
    cursor: Cursor,
    lake: Lake,
    table: SourceTable,
    where: str,
    date: dt.date,
    window: tuple[str, str],
    settings: Settings,
    progress: Callable[[int], None] = lambda _: None,
    condition: str | None = None,
    keys: sql.Composable | None = None,
    more: "Mapping[str, Bytes] | None" = None,
) -> Metadata:
    """Writes the rows of a window to the folder `where`, as `extract` does, and `more` files beside them.

    Of these only what `condition` takes, which the metadata repeats, and only those with one of `keys`.
    """
    begin, to = window
    _speak_utf8(cursor)
    columns = read_columns(cursor, table)
    data = f"data.csv.{settings.compression}"
    with lake.upload(f"{where}/{data}") as upload:
        sink = Sink(upload, progress)
        with sink.compressor(data) as compressor:
            try:
                rows = postgres.copy_out(cursor, _window(table, columns, begin, to, condition, keys), compressor)
            except NOT_UTF8:
                raise BadExtract(
                    f"extract {table.name}",
                    "it holds a text that cannot be written in UTF-8",
                    "mend the text in the source, or give the source a view of that name that does",
                ) from None
    found = Metadata(
        table=table.name,
        date=str(date),
        columns=columns,
        primary_key=list(table.key),
        watermark_column=table.watermark,
        from_watermark=begin,
        to_watermark=to,
        data=data,
        rows=rows,
        bytes=sink.bytes,
        sha256=sink.digest,
        extracted_at=dt.datetime.now(dt.UTC).isoformat(),
        condition=condition,
    )
    ddl = {schema: create_table(schema, table, columns).as_string(cursor).encode() for schema in ("delta", "stage")}
    files = {f"create_{schema}.sql": text for schema, text in ddl.items()} | {METADATA: found.to_json(), **(more or {})}
    lake.write_all({f"{where}/{name}": text for name, text in files.items()})
    digests = {name: seals.digest(text) for name, text in files.items()}
    lake.write(f"{where}/{SUCCESS}", seals.seal({"status": "done", "to_watermark": to, "sha256": digests}))
    return found


def _speak_utf8(cursor: Cursor) -> None:
    """Has the source hand out its texts in UTF-8, whatever its database is encoded in."""
    cursor.connection.set_client_encoding("UTF8")
    # psycopg2 takes its word for what was set before, and an idle connection was reset since.
    if cursor.connection.get_parameter_status("client_encoding") != "UTF8":
        cursor.execute("set client_encoding to 'UTF8'")


def _window(
    table: SourceTable,
    columns: list[Column],
    begin: str,
    to: str,
    condition: str | None,
    keys: sql.Composable | None,
) -> sql.Composable:
    """The query of an extract. Rows whose watermark no window ever covers come along, to be rejected by name."""
    unknown = any(column.name == table.watermark and column.nullable for column in columns)
    return sql.SQL(
        "select {columns} from {table} where (({watermark} >= {begin} and ({watermark} < {to} or {watermark} >= {end}))"
        " or {watermark} < {earliest}{unknown}){condition}{keys}"
    ).format(
        columns=identifiers(column.name for column in columns),
        table=qualified(table.name),
        watermark=sql.Identifier(table.watermark),
        begin=sql.Literal(begin),
        to=sql.Literal(to),
        earliest=sql.Literal(EARLIEST),
        end=sql.Literal(END),
        unknown=sql.SQL(" or {} is null").format(sql.Identifier(table.watermark)) if unknown else sql.SQL(""),
        condition=sql.SQL(f" and {condition}" if condition else ""),
        keys=sql.SQL(" and ({}) in ({})").format(identifiers(table.key), keys) if keys else sql.SQL(""),
    )


def _latest(lake: Lake, where: str, date: dt.date, find: Callable[[dt.date], Any]) -> Any:
    """What `find` finds for the nearest earlier date; usually that is yesterday, and then nothing is listed."""
    yesterday = date - dt.timedelta(days=1)
    found = find(yesterday)
    if found is None:
        for day in reversed(lake.dates(where)):
            if day < yesterday and (found := find(day)) is not None:
                break
    return found


def _safe(cursor: Cursor, end: dt.datetime, lag: dt.timedelta, floor: str) -> str:
    """The newest bound up to `end` below which every row is visible, but not below `floor`.

    A row's updated_ts is at the earliest the start of its transaction (now()). What was open at an earlier extract
    had begun after that extract's bound. So `floor` is safe whatever is open, and it is all that is known of a
    prepared transaction: PostgreSQL remembers when one was prepared, not when it began.
    """
    if postgres.value(cursor, "select pg_is_in_recovery()"):
        raise SourceUnsafe(
            "choose how far to extract",
            "the source is a standby, which does not show the open transactions of its primary",
            "point OPERATIONAL_URL at the primary",
        )
    # The clock first: a transaction that begins after this reading begins after the bound.
    now = postgres.value(cursor, "select clock_timestamp()")
    hidden = postgres.value(cursor, HIDDEN_TRANSACTIONS)
    if hidden:
        raise SourceUnsafe(
            "choose how far to extract",
            f"{hidden} open transactions do not show when they began",
            "grant pg_read_all_stats to the role in OPERATIONAL_URL, and leave track_activities on",
        )
    oldest = postgres.value(cursor, OLDEST_TRANSACTION, {"own": f"oceanrecords {PURPOSE}"})
    # After the sessions: a transaction that is prepared in between was still one of them.
    if postgres.value(cursor, "select count(*) from pg_prepared_xacts where database = current_database()"):
        return floor
    safe: str = min(end, min(now, oldest or now) - lag).astimezone(dt.UTC).isoformat()
    return max(safe, floor, key=instant)


def instant(text: str) -> dt.datetime:
    """A watermark as an instant; the beginning is before all others, and those of purchases are in UTC."""
    found = dt.datetime.min if text == BEGINNING else dt.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


# Neither an autovacuum worker nor a sender of WAL writes rows, and an autovacuum may run for hours.
OLDEST_TRANSACTION = """
select min(xact_start) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and application_name <> %(own)s
and backend_type not in ('autovacuum worker', 'walsender')
"""
# A role without pg_read_all_stats sees that another role's session is in a transaction, but not since when; nor does
# anybody of a session that switched track_activities off.
HIDDEN_TRANSACTIONS = """
select count(*) from pg_stat_activity as activity
where datname = current_database() and (query = '<insufficient privilege>' or state = 'disabled') and exists (
    select from pg_locks where pg_locks.pid = activity.pid and pg_locks.locktype = 'virtualxid'
)
"""
