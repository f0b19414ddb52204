"""Reads source, lake and warehouse into DuckDB. Instants become UTC without a zone, numbers exact decimals."""

# Runs in an environment of its own, whose types mypy does not know.
# mypy: ignore-errors

from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_httpfs
import duckdb_extension_postgres_scanner

# The tables of the source contract, and their keys.
KEYS = {
    "states": ("state_code",),
    "addresses": ("address_id",),
    "customers": ("customer_id",),
    "customers_addresses": ("customer_id", "address_id"),
    "suppliers": ("supplier_id",),
    "product_types": ("product_type_id",),
    "product_subtypes": ("product_subtype_id",),
    "products": ("product_id",),
    "payment_methods": ("payment_method_id",),
    "order_statuses": ("order_status_id",),
    "orders": ("order_id",),
    "order_lines": ("order_id", "line_number"),
}
# What is compared as it is; anything else as its text.
PLAIN = {"bigint", "integer", "smallint", "boolean", "date", "double precision", "timestamp without time zone"}
SCHEMAS = ("stage", "dwh", "mart", "etl")
# Of the warehouse: what nothing here looks at.
UNREAD = {"etl.task_run", "etl.migration", "etl.watermark", "mart.task_run", "mart.step_day", "mart.load_day"}
UNREAD |= {"stage.user_purchase", "mart.kpi_run", "mart.sales_outlook", "dwh.user_behavior_metric"}


def literal(text: str) -> str:
    """A text as a literal of SQL. What the lake calls a file may hold a quote."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name as SQL quotes it. What the source calls a column may be anything."""
    return '"' + name.replace('"', '""') + '"'


class Database:
    """DuckDB in memory, with the extensions that its packages bring."""

    def __init__(self) -> None:
        self._connection = duckdb.connect()
        for package in (duckdb_extension_httpfs, duckdb_extension_postgres_scanner):
            [file] = Path(str(package.__file__)).parent.rglob("*.duckdb_extension")
            self.run(f"load '{file}'")
        self.run("set TimeZone = 'UTC'")
        self._secrets: set[str] = set()
        self.counted = 0
        self.run("create table left_out (name varchar, why varchar)")

    def run(self, statement: str, arguments: Any = None) -> Any:
        """Runs a statement."""
        return self._connection.execute(statement, arguments)

    def rows(self, query: str, arguments: Any = None) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return list(self.run(query, arguments).fetchall())

    def leave_out(self, name: str, why: str) -> None:
        """Says that checks whose names begin so make no sense here."""
        self.run("insert into left_out values (?, ?)", [name, why])

    def hide(self, secret: str) -> str:
        """Remembers a secret, so that no error shows it; returns it as a literal."""
        self._secrets.add(secret)
        return literal(secret)

    def without_secrets(self, text: str) -> str:
        """A text in which they are hidden."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "...")
        return text

    def take(self, name: str, query: str) -> None:
        """Makes a table of a query, and counts its rows."""
        self.run(f"create table {name} as {query}")
        self.counted += self.rows(f"select count(*) from {name}")[0][0]


def read_source(database: Database, url: str) -> None:
    """Takes the tables of the source, as they are now."""
    database.run(f"attach {database.hide(url)} as source_server (type postgres, read_only)")
    database.run("create schema source")
    known = _columns(database, "source_server", ("ops",))
    for table in KEYS:
        _take(database, "source_server", f"ops.{table}", f"source.{table}", known[f"ops.{table}"])
    database.run("detach source_server")


def read_warehouse(database: Database, url: str) -> None:
    """Takes the tables and views of the warehouse, all as of one instant."""
    database.run(f"attach {database.hide(url)} as warehouse_server (type postgres, read_only)")
    for schema in SCHEMAS:
        database.run(f"create schema {schema}")
    known = _columns(database, "warehouse_server", SCHEMAS)
    database.run("begin")
    for relation, columns in known.items():
        if relation not in UNREAD:
            _take(database, "warehouse_server", relation, relation, columns)
    database.run("commit")
    database.run("detach warehouse_server")
    for table in KEYS:  # one that no load ever filled is empty
        if f"stage.{table}" not in known:
            raise LookupError(f"there is no stage.{table}; load a date first")
    if database.rows("select 1 from etl.stage_batch where is_on_lake = true"):
        raise LookupError("its star is on the lake alone, which this cannot read")
    is_behind = " union all ".join(
        f"select 1 from mart.{name}" for name in ("refill", "order_before", "line_before", "customer_before")
    )
    if database.rows(f"{is_behind} limit 1"):
        for name in ("mart", "kpi"):
            database.leave_out(name, "the mart has not counted what was written since; run DailyWarehouseLoad again")


def _columns(database: Database, server: str, schemas: tuple[str, ...]) -> dict[str, list[tuple[str, str]]]:
    """Names and types of the columns of each relation."""
    query = (
        "select table_schema || '.' || table_name, column_name, data_type from information_schema.columns "
        f"where table_schema in ({', '.join(map(literal, schemas))}) order by ordinal_position"
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for relation, column, kind in database.rows(f"select * from postgres_query('{server}', {literal(query)})"):
        found.setdefault(relation, []).append((column, kind))
    return found


def _take(database: Database, server: str, relation: str, into: str, columns: list[tuple[str, str]]) -> None:
    """Takes a relation of a server."""
    chosen = ", ".join(_read(name, kind) for name, kind in columns)
    schema, _, table = relation.partition(".")
    query = f"select {chosen} from {quoted(schema)}.{quoted(table)}"
    database.take(into, f"select * from postgres_query('{server}', {literal(query)})")


def _read(name: str, kind: str) -> str:
    """A column in PostgreSQL's words, as what DuckDB compares exactly."""
    column = quoted(name)
    if kind in PLAIN:
        return column
    if kind == "numeric":
        return f"{column}::numeric(28, 6) as {column}"
    if kind == "timestamp with time zone":
        return f"{column} at time zone 'UTC' as {column}"
    return f"{column}::text as {column}"


def read_lake(
    database: Database, root: str, endpoint: str | None, login: tuple[str | None, str | None], region: str
) -> None:
    """Takes what the lake says of its extracts, and the rows of those that stage has taken in."""
    words = [f"region {literal(region)}"]
    if all(login):
        words += [f"key_id {database.hide(str(login[0]))}", f"secret {database.hide(str(login[1]))}"]
    else:
        words.append("provider credential_chain")
    if endpoint:
        scheme, _, host = endpoint.partition("://")
        words += [f"endpoint {literal(host)}", f"use_ssl {scheme == 'https'}", "url_style 'path'"]
    database.run(f"create secret (type s3, {', '.join(words)})")
    database.run("create schema lake")
    database.take("lake.file", f"select file[{len(root) + 2}:] as name from glob({literal(f'{root}/**')})")
    metadata = f"""
        select
            regexp_replace(filename[{len(root) + 2}:], '/metadata.json$', '') as folder,
            content ->> 'table' as name,
            (content ->> 'from_watermark') as from_watermark,
            (content ->> 'to_watermark')::timestamptz at time zone 'UTC' as to_watermark,
            content ->> 'data' as data, (content ->> 'rows')::bigint as rows, content ->> 'sha256' as sha256
        from read_text([{_list(database, root, "%/metadata.json")}])"""
    if not database.rows("select 1 from lake.file where name like 'extract/ops.%/metadata.json' limit 1"):
        raise LookupError("it has no extract; load a date first")
    database.take("lake.metadata", metadata)
    database.run("delete from lake.metadata where folder || '/_SUCCESS' not in (select name from lake.file)")
    _hash(database, root)
    _stage_of_lake(database, root)


def _list(database: Database, root: str, like: str) -> str:
    names = database.rows("select name from lake.file where name like ? and name not like 'log/%'", [like])
    return ", ".join(literal(f"{root}/{name}") for (name,) in names)


def _hash(database: Database, root: str) -> None:
    """Takes the hash of the data of each extract."""
    files = database.rows("select folder || '/' || data from lake.metadata where name like 'ops.%'")
    there = {name for (name,) in database.rows("select name from lake.file")}
    urls = ", ".join(literal(f"{root}/{name}") for (name,) in files if name in there)
    query = f"select filename[{len(root) + 2}:] as name, sha256(content) as sha256 from read_blob([{urls}])"
    database.take("lake.hashed", query)


def _stage_of_lake(database: Database, root: str) -> None:
    """Takes, by its own reading of the extracts, what stage must hold: of each key the newest row that was loaded."""
    database.run("create schema expected")
    broken = database.rows(
        "select distinct extract.name from lake.metadata as extract left join lake.hashed as read "
        "on extract.folder || '/' || extract.data = read.name "
        "where extract.name like 'ops.%' and extract.sha256 is distinct from read.sha256"
    )
    logs = database.rows("select count(*) from lake.file where name like 'log/%'")[0][0]
    repaired = {
        name for (name,) in database.rows("select distinct name from lake.metadata where folder like 'repair/%'")
    }
    for table, key in KEYS.items():
        is_broken = (f"ops.{table}",) in broken
        if logs or is_broken or f"ops.{table}" in repaired:
            why = "an extract is not as it was written" if is_broken else "it was repaired from the source"
            why = "changes come from the source's log" if logs else why
            database.leave_out(f"stage_of_lake {table}", why)
            if table == "products":
                database.leave_out("price_versions_of_lake", why)
        _read_rows(database, root, table, key, is_read=not is_broken)
    database.run(
        "create table expected.price as select distinct product_id, updated_ts, unit_price from lake.products_row"
    )


def _read_rows(database: Database, root: str, table: str, key: tuple[str, ...], *, is_read: bool) -> None:
    """Takes the rows of the extracts of a table, or none, and of each key the newest."""
    columns = database.rows(
        "select column_name, data_type from duckdb_columns() where schema_name = 'stage' and table_name = ? "
        "and column_name not like 'etl%' order by column_index",
        [table],
    )
    files = database.rows(
        "select folder || '/' || data from lake.metadata inner join etl.stage_batch as stage "
        "on name = 'ops.' || stage.table_name where stage.table_name = ? and folder like 'extract/%' and rows > 0 "
        "and to_watermark <= stage.loaded_to and folder || '/' || data in (select name from lake.file)",
        [table],
    )
    none = ", ".join(f"null::{kind} as {quoted(name)}" for name, kind in columns)
    query = f"select {none}, '' as filename where false"
    if files and is_read:
        urls = ", ".join(literal(f"{root}/{name}") for (name,) in files)
        cast = ", ".join(f"{_cast(quoted(name), kind)} as {quoted(name)}" for name, kind in columns)
        query = f"""
            select {cast}, filename from read_csv(
                [{urls}], header = true, all_varchar = true, filename = true, union_by_name = true, nullstr = '',
                allow_quoted_nulls = false, hive_partitioning = false, quote = '"', escape = '"', delim = ',')"""
    database.take(f"lake.{table}_row", query)
    by = ", ".join(key)
    newest = f"row_number() over (partition by {by} order by updated_ts desc, filename desc) = 1"
    database.run(f"create table expected.{table} as select * exclude filename from lake.{table}_row qualify {newest}")


def _cast(column: str, kind: str) -> str:
    """The text of a column in an extract as what stage has of it."""
    if kind == "TIMESTAMP":
        return f"{column}::timestamptz at time zone 'UTC'"
    return f"{column}::{kind}"
