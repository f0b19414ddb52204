"""Checks of the warehouse: each is a select in warehouse/checks/ of rows that must not exist.

The head of a file has the severity (error or warn) and a title that names the rows. It also says whether the check runs
only if the whole warehouse is checked. A check reads facts and products as the relations :fact_order and so on. These
are the whole tables, or the rows that the newest load of each wrote.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cache

from pipeline.catalog import DIMENSIONS, FACTS
from pipeline.kernel import postgres
from pipeline.kernel import sql_files as files
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql

ERROR, WARN = "error", "warn"

# The relations that a check reads as :<name>: the columns that identify the rows of a load, and the tables of work that
# hold these rows. A change of a part changes the whole.
WRITTEN = {
    **{fact.name: (fact.key, (fact.name, *fact.parts)) for fact in FACTS.values()},
    **{each.name: (each.versions_of, (each.name,)) for each in DIMENSIONS.values() if each.versions_of},
}


@dataclass(frozen=True)
class Check:
    """A check by the name of its file; `title` names the rows that it finds."""

    name: str
    severity: str
    whole: bool
    title: str


@dataclass(frozen=True)
class Result:
    """How many rows a check found, and a query that shows them."""

    check: Check
    failures: int
    query: str


@cache
def checks() -> tuple[Check, ...]:
    """All checks, in the order of their names."""
    found = []
    for path in files.files("checks"):
        head = files.head(path)
        found.append(Check(path.removeprefix("checks/"), head.severity, head.whole, head.title))
    return tuple(found)


def is_whole_due(cursor: Cursor, date: dt.date, days: int) -> bool:
    """Whether no check of the whole warehouse has passed in the last `days` up to a date."""
    query = (
        "select not exists (select from etl.check_result where whole and load_date between %s and %s "
        "group by load_date having not bool_or(severity = 'error' and failures > 0))"
    )
    due: bool = postgres.value(cursor, query, (date - dt.timedelta(days=days - 1), date))
    return due


def is_whole_owed(cursor: Cursor, date: dt.date) -> bool:
    """Whether a date must be checked as a whole, because work may no longer hold the rows that its load wrote.

    Each load replaces the rows in work. So this is a date with an error that was found, or a date that was never
    checked if a later date was.
    """
    query = """
        select
            coalesce(bool_or(load_date = %(date)s and severity = 'error' and failures > 0), false)
            or (coalesce(bool_or(load_date > %(date)s), false) and not bool_or(load_date = %(date)s))
        from etl.check_result where load_date >= %(date)s
    """
    owed: bool = postgres.value(cursor, query, {"date": date})
    return owed


def run(cursor: Cursor, date: dt.date, *, whole: bool) -> list[Result]:
    """Runs the checks for a date's load. Replaces the earlier results of the date in etl.check_result.

    Looks at the rows that the newest loads wrote or, if `whole`, at all rows.
    """
    everything: dict[str, sql.Composable] = {name: qualified(f"dwh.{name}") for name in WRITTEN}
    everything["members"] = _unknown_members()
    relations = everything if whole else {**everything, **{name: _written(cursor, name) for name in WRITTEN}}
    cursor.execute("delete from etl.check_result where load_date = %s", (date,))
    results = []
    for check in checks():
        if check.whole and not whole:
            continue
        select = files.statement(f"checks/{check.name}", date=date, **relations)
        failures = postgres.value(cursor, sql.SQL("select count(*) from ({}) as failing").format(select))
        query = files.statement(f"checks/{check.name}", date=date, **everything).as_string(cursor)
        results.append(Result(check, failures, query))
        cursor.execute(
            "insert into etl.check_result (check_name, severity, whole, load_date, failures, query) "
            "values (%s, %s, %s, %s, %s, %s)",
            (check.name, check.severity, whole, date, failures, query),
        )
    return results


def _unknown_members() -> sql.Composed:
    """A relation of the dimensions, each with how many unknown members it has."""
    counts = (
        sql.SQL("select {} as dimension, count(*) as members from {} where {} = -1").format(
            sql.Literal(name), qualified(f"dwh.{name}"), sql.Identifier(f"{name.removeprefix('dim_')}_key")
        )
        for name in DIMENSIONS
    )
    return sql.SQL("({})").format(sql.SQL(" union all ").join(counts))


def _written(cursor: Cursor, name: str) -> sql.Composable:
    """A temporary table of the rows that the newest load wrote; without rows after a first load."""
    key, written = WRITTEN[name]
    table = qualified(f"dwh.{name}")
    keys = [
        sql.SQL("select {} from {}").format(identifiers(key), qualified(f"work.{each}"))
        for each in written
        if postgres.value(cursor, "select to_regclass(%s) is not null", (f"work.{each}",))
    ]
    if not keys:
        return sql.SQL("(select * from {} where false)").format(table)
    rows = sql.Identifier(f"written_{name}")
    cursor.execute(
        sql.SQL("create temporary table {} on commit drop as select * from {} where ({}) in ({})").format(
            rows, table, identifiers(key), sql.SQL(" union ").join(keys)
        )
    )
    cursor.execute(sql.SQL("analyze {}").format(rows))
    return rows
