"""Each SQL file of the warehouse has cases, and PostgreSQL gives what they say."""

from collections.abc import Mapping
from typing import Any

import pytest
from support import sql_cases
from support.sql_cases import Case, Rows, shown
from support.sql_in_postgresql import fetched, filled, make, prepare, relation

from pipeline.kernel import postgres, sql_files
from pipeline.kernel.postgres import Cursor, Error, sql

FOLDERS = ("work", "checks", "write", "reconcile")
FILES = [path for folder in FOLDERS for path in sql_files.files(folder)]
CASES = [case for path in FILES for case in sql_cases.cases(path)]

TYPES = {"bigint", "integer", "numeric", "double precision", "boolean", "text", "date", "timestamp"}
TYPES |= {"timestamptz", "interval"}


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


def types_of(cursor: Cursor, table: str) -> list[tuple[Any, ...]]:
    """The columns of a table and their types."""
    query = "select attname, atttypid::regtype::text from pg_attribute where attrelid = %s::regclass and attnum > 0"
    return postgres.rows(cursor, query, (table,))
