"""Each SQL file of the warehouse has cases, and PostgreSQL gives what they say."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from support import sql_cases
from support.feeds_world import settings_of
from support.loads import create_source, create_warehouse, extract_date, load_stages
from support.shop import date
from support.sql_cases import Case, Rows, shown
from support.world import Worlds

from pipeline.kernel import postgres, sql_files
from pipeline.kernel.postgres import Cursor, Error, identifiers, sql

FOLDERS = ("work", "checks", "write", "reconcile")
FILES = [path for folder in FOLDERS for path in sql_files.files(folder)]
CASES = [case for path in FILES for case in sql_cases.cases(path)]

TYPES = {"bigint", "integer", "numeric", "boolean", "text", "date", "timestamp", "timestamptz", "interval"}

# A case states what it is about alone: no column has to be filled, and what no load may write can be there for a check
# to find. Keys stay.
LOOSEN = """
do $$
declare
    change text;
begin
    for change in
        select format('alter table %s drop constraint %I', conrelid::regclass, conname)
        from pg_constraint where contype = 'c' and connamespace::regnamespace::text in ('dwh', 'mart', 'etl', 'stage')
        union all
        select format('alter table %s alter column %I drop not null', attrelid::regclass, attname)
        from pg_attribute
        inner join pg_class on pg_attribute.attrelid = pg_class.oid and pg_class.relkind = 'r'
        left join pg_index on pg_class.oid = pg_index.indrelid and pg_index.indisprimary
        where
            relnamespace::regnamespace::text in ('dwh', 'mart', 'etl', 'stage')
            and attnum > 0 and attnotnull and attidentity = '' and attnum <> all(coalesce(indkey::int2[], '{}'))
        union all
        select format('truncate %s', oid::regclass) from pg_class
        where relkind = 'r' and relnamespace::regnamespace::text in ('dwh', 'mart', 'etl', 'stage')
    loop
        execute change;
    end loop;
end
$$
"""


@pytest.fixture(scope="module")
def warehouse_of_cases(worlds: Worlds) -> str:
    """The URL of a warehouse with all tables that every warehouse has once it has loaded, and not a row."""
    world = worlds.new()
    with settings_of(world):
        create_source(world)
        create_warehouse(world)
        extract_date(world, date(1))
        load_stages(world, date(1))
    world.warehouse(LOOSEN)
    return world.warehouse_url


@pytest.fixture
def cursor(warehouse_of_cases: str) -> Iterator[Cursor]:
    """A cursor in a transaction of which nothing stays, in a time zone that no statement depends on."""
    connection = postgres.connect(warehouse_of_cases, "warehouse")
    with connection.cursor() as found:
        found.execute("set timezone = 'Asia/Tokyo'")
        yield found
    connection.close()


def test_every_sql_file_has_cases_and_every_case_a_file() -> None:
    assert sql_cases.paths() == sorted(FILES)


@pytest.mark.parametrize("path", FILES)
def test_the_names_of_cases_tell_them_apart(path: str) -> None:
    names = [case.name for case in sql_cases.cases(path)]
    assert names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("path", sql_files.files("checks"))
def test_a_check_has_a_case_in_which_it_finds_the_fault_and_one_without(path: str) -> None:
    assert {bool(case.rows) for case in sql_cases.cases(path)} == {True, False}


@pytest.mark.parametrize("path", [path for path in FILES if sql_files.head(path).kind == "write"])
def test_the_cases_of_a_write_compare_tables_and_say_what_a_rerun_does(path: str) -> None:
    assert all(case.after for case in sql_cases.cases(path))
    assert any(case.again for case in sql_cases.cases(path))


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith(("work/", "checks/"))])
def test_the_cases_of_a_select_name_what_any_engine_knows(path: str) -> None:
    for case in sql_cases.cases(path):
        tables = {**sql_cases.common_tables(), **case.tables}
        types = {kind for declared in tables.values() for column, kind in declared.items() if column != "like"}
        assert types <= TYPES, case
        assert not [value for value in case.variables.values() if isinstance(value, dict) and "sql" in value], case


@pytest.mark.parametrize("path", [path for path in FILES if sql_files.head(path).kind == "select"])
def test_a_select_is_compared_in_all_of_its_columns(path: str, cursor: Cursor) -> None:
    assert all(case.rows is not None for case in sql_cases.cases(path))
    stated = {name for case in sql_cases.cases(path) for row in case.rows or () for name in row}
    case = sql_cases.cases(path)[0]
    prepare(cursor, case)
    cursor.execute(filled(case))
    assert {column.name for column in cursor.description or ()} == stated


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Case, cursor: Cursor) -> None:
    prepare(cursor, case)
    run(cursor, case, case.rows, case.after)
    if case.again == "fails":
        with pytest.raises(Error):
            cursor.execute(filled(case))
    elif case.again == "same":
        run(cursor, case, case.rows, case.after)
    elif case.again:
        run(cursor, case, None, case.again)


@pytest.mark.parametrize("name", ["counted_order", "counted_line", "counted_product", "replaced_day"])
def test_a_table_that_several_cases_make_is_what_its_select_gives(name: str, cursor: Cursor) -> None:
    [path] = [path for path in FILES if path.endswith(f"/{name}")]
    case = sql_cases.cases(path)[0]
    prepare(cursor, case)
    cursor.execute(sql.SQL("create temporary table given as {}").format(filled(case)))
    make(cursor, "declared", sql_cases.common_tables()[name])
    assert types_of(cursor, "given") == types_of(cursor, "declared")


def run(cursor: Cursor, case: Case, rows: Rows | None, after: Mapping[str, Rows]) -> None:
    """Runs the statement of a case, and compares what it gives and what tables then hold."""
    cursor.execute(filled(case))
    if rows is not None:
        found, expected = shown(fetched(cursor), rows)
        if case.count is not None:
            assert len(found) == case.count
            found = [row for row in found if row in expected]
        assert found == expected
    for table, rows_after in after.items():
        cursor.execute(sql.SQL("select * from {}").format(relation(table)))
        found, expected = shown(fetched(cursor), rows_after)
        assert found == expected, table


def prepare(cursor: Cursor, case: Case) -> None:
    """Makes the tables of a case that are not there, and fills those that have rows."""
    used = {*sql_files.head(case.path).reads, *case.given}
    common = {name: columns for name, columns in sql_cases.common_tables().items() if name in used}
    for name, columns in {**common, **case.tables}.items():
        make(cursor, name, columns)
    for name, rows in case.given.items():
        for row in rows:
            cursor.execute(
                sql.SQL("insert into {} ({}) values ({})").format(
                    relation(name), identifiers(row), sql.SQL(", ").join(map(sql.Literal, row.values()))
                )
            )


def make(cursor: Cursor, name: str, declared: Mapping[str, str]) -> None:
    """Makes a table of columns with these types, a temporary one where the name has no schema."""
    types = {column: kind for column, kind in declared.items() if column != "like"}
    chosen = [sql.SQL("null::{} as {}").format(sql.SQL(kind), sql.Identifier(column)) for column, kind in types.items()]
    like = declared.get("like")
    cursor.execute(
        sql.SQL("create {} table {} as select {} {} {} with no data").format(
            sql.SQL("" if "." in name else "temporary"),
            relation(name),
            sql.SQL("source.*," if like else ""),
            sql.SQL(", ").join(chosen),
            sql.SQL("from {} as source").format(relation(like)) if like else sql.SQL(""),
        )
    )


def filled(case: Case) -> sql.Composed:
    """The statement of a case with its variables filled in."""
    return sql_files.statement(case.path, **{name: variable(value) for name, value in case.variables.items()})


def variable(value: Any) -> Any:
    """What a variable of a case is for PostgreSQL."""
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    made: dict[str, Any] = {
        "relation": relation,
        "columns": identifiers,
        "list": lambda values: sql.SQL(", ").join(map(sql.Literal, values)),
        "sql": sql.SQL,
    }
    return made[kind](content)


def relation(name: str) -> sql.Identifier:
    """A table by its name, with a schema or without."""
    return sql.Identifier(*name.split("."))


def fetched(cursor: Cursor) -> list[dict[str, Any]]:
    """The rows of the last statement by the names of their columns."""
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def types_of(cursor: Cursor, table: str) -> list[tuple[Any, ...]]:
    """The columns of a table and their types."""
    query = "select attname, atttypid::regtype::text from pg_attribute where attrelid = %s::regclass and attnum > 0"
    return postgres.rows(cursor, query, (table,))
