"""The warehouse's own tables: creates missing ones, and upgrades those of earlier versions in place.

The files under warehouse/ddl define the tables. The contracts under pipeline/vendors define the stage tables of
feeds. Both create missing tables and columns. Any other change of an existing table is a numbered file under
warehouse/migrations. Each migration runs once in a warehouse, in order.
"""

from typing import Any

from pipeline import kpis
from pipeline.catalog import DIMENSIONS, FACTS, LAYERS, VENDOR_FEEDS, tasks
from pipeline.kernel import locks, new_columns, postgres, sql_files
from pipeline.kernel.errors import CannotUpgrade, ConfigError
from pipeline.kernel.postgres import Cursor, sql
from pipeline.star import watermarks
from pipeline.vendors import stage_table

MIGRATIONS = "migrations"


def version(*, is_alone: bool = False, **variables: Any) -> str:
    """A short hash of all that `create` would run."""
    made = {"feeds": _feed_tables(), "tasks": tasks(is_alone=is_alone), "facts": [*FACTS]}
    return sql_files.digest(MIGRATIONS, "ddl", **made, **kpis.expressions(), **kpis.texts(), **variables)


def create(cursor: Cursor, *, is_alone: bool = False, **variables: Any) -> list[str]:
    """Brings the warehouse to this version, in the caller's transaction; returns the applied migrations.

    `is_alone`: the star is on the lake alone, whose load then counts as that of dwh.
    Records all migrations of a new warehouse as not applied, because it needs none. A rerun makes the views again and
    changes nothing else.

    Raises CannotUpgrade if the warehouse has a migration that is missing or different here. Raises ConfigError in a
    database that cannot hold every text.
    """
    _require_utf8(cursor)
    is_new = postgres.value(cursor, "select to_regclass('etl.marker') is null")
    migrations = pending(cursor)
    _wait_for_loads(cursor)
    for path in [] if is_new else migrations:
        cursor.execute(sql_files.statement(path))
    variables |= {"task_layers": _task_layers(is_alone=is_alone), "facts": _relation([(name,) for name in FACTS])}
    variables |= {name: sql.SQL(expression) for name, expression in kpis.expressions().items()} | kpis.texts()
    for path in sql_files.files("ddl"):
        for table in new_columns.add(cursor, sql_files.read(path)):
            if table.startswith("dwh."):  # whose next load fills the column for all rows
                watermarks.forget(cursor, table.removeprefix("dwh."))
        cursor.execute(sql_files.statement(path, **variables))
    for ddl in _feed_tables():
        list(new_columns.add(cursor, ddl))  # NULL in the rows of earlier files
        cursor.execute(sql.SQL(ddl))
    for path in migrations:
        cursor.execute(
            "insert into etl.migration (number, name, sha256, is_applied) values (%s, %s, %s, %s)",
            (_number(path), _name(path), sql_files.sha256(path), not is_new),
        )
    return [] if is_new else [_name(path) for path in migrations]


def pending(cursor: Cursor) -> list[str]:
    """The files of the migrations that a warehouse has not been through, in their order. Raises CannotUpgrade."""
    files = {_number(path): path for path in sql_files.files(MIGRATIONS)}
    for number, name, sha256 in _recorded(cursor):
        path = files.pop(number, None)
        if path is None:
            raise CannotUpgrade(
                "use the warehouse",
                f"a later version, which has the migration {name}, has upgraded it",
                "use that version, or restore the backup that was taken before the upgrade",
            )
        if sql_files.sha256(path) != sha256:
            raise CannotUpgrade(
                "upgrade the warehouse",
                f"the migration {name} is not what it was when the warehouse went through it",
                f"put warehouse/{path}.sql back as it was, and write a new migration for what is to change",
            )
    return list(files.values())


def _feed_tables() -> list[str]:
    """What creates the stage tables of feeds whose rows are kept as they come."""
    return [stage_table.ddl(feed) for feed in VENDOR_FEEDS.values() if not feed.made_key]


def _task_layers(*, is_alone: bool) -> sql.Composed:
    """The layers of the tasks as a relation, each layer with its place before its name."""
    moving = tasks(is_alone=is_alone).items()
    return _relation([(task, f"{LAYERS.index(moves.layer) + 1} {moves.layer}") for task, moves in moving])


def _relation(rows: list[tuple[str, ...]]) -> sql.Composed:
    """Rows as a relation."""
    listed = (sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, row))) for row in rows)
    return sql.SQL("(values {})").format(sql.SQL(", ").join(listed))


def _require_utf8(cursor: Cursor) -> None:
    """Returns in a database that holds every text a source may have. In others a load would blame its good extract."""
    [(database, encoding)] = postgres.rows(cursor, "select current_database(), current_setting('server_encoding')")
    if encoding != "UTF8":
        raise ConfigError(
            f"create the warehouse in the database {database}",
            f"its encoding is {encoding}, which does not hold every text of the source",
            "create a database with `encoding 'UTF8' template template0`, and name it in WAREHOUSE_URL",
        )


def _wait_for_loads(cursor: Cursor) -> None:
    """Locks the existing tables of dwh in the order of the loads, so that the DDL does not wait in another order."""
    for name in (*DIMENSIONS, *FACTS):
        if postgres.value(cursor, "select to_regclass(%s) is not null", (f"dwh.{name}",)):
            locks.lock_tables(cursor, f"dwh.{name}")


def _recorded(cursor: Cursor) -> list[tuple[int, str, str]]:
    """Number, name and hash of the migrations that the warehouse has been through."""
    if postgres.value(cursor, "select to_regclass('etl.migration') is null"):
        return []
    return postgres.rows(cursor, "select number, name, sha256 from etl.migration order by number")


def _number(path: str) -> int:
    """`migrations/0002_what_changes` -> 2."""
    return int(_name(path).split("_", 1)[0])


def _name(path: str) -> str:
    return path.removeprefix(f"{MIGRATIONS}/")
