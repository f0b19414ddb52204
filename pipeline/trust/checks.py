"""Checks of the warehouse: each is a select in warehouse/checks/ of rows that must not exist.

The head of a file has the severity (error or warn) and a title that names the rows. It also says whether the check runs
only if the whole warehouse is checked. A check reads facts and products as the relations :fact_order and so on. These
are the rows that the newest load of each wrote or, when it is the turn of the check, the whole tables.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from pipeline.catalog import DIMENSIONS, FACTS
from pipeline.kernel import plans, postgres
from pipeline.kernel import sql_files as files
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.operations.state import ERROR
from pipeline.trust import turns

# The relations that a check reads as :<name>: the columns that identify the rows of a load, and the tables of work that
# hold these rows. A change of a part changes the whole.
WRITTEN = {
    **{fact.name: (fact.key, (fact.name, *fact.parts)) for fact in FACTS.values()},
    **{each.name: (each.versions_of, (each.name,)) for each in DIMENSIONS.values() if each.versions_of},
}


@dataclass(frozen=True)
class Check:
    """A check by the name of its file; `title` names the rows that it finds, `reads` the relations that it reads.

    `whole`: it runs only if the whole warehouse is checked.
    """

    name: str
    severity: str
    whole: bool
    title: str
    reads: tuple[str, ...]

    @property
    def takes_turns(self) -> bool:
        """Whether it does not look at everything with each load anyway."""
        return self.whole or any(f":{name}" in self.reads for name in WRITTEN)

    @property
    def layer(self) -> str:
        """The last layer of the warehouse that it reads: mart or dwh."""
        return "mart" if any(table.startswith("mart.") for table in self.reads) else "dwh"

    @property
    def place(self) -> int:
        """The place in the catalogue of the largest fact that it reads; facts are there by their size."""
        tables = {table.removeprefix(":").removeprefix("dwh.") for table in self.reads}
        return next((place for place, fact in enumerate(FACTS) if fact in tables), len(FACTS))


@dataclass(frozen=True)
class Result:
    """How many rows a check found, and a query that shows them."""

    check: Check
    failures: int
    query: str

    @property
    def is_error(self) -> bool:
        """Whether it found rows that must not be there."""
        return bool(self.failures) and self.check.severity == ERROR


@cache
def checks() -> tuple[Check, ...]:
    """All checks, in the order of their names."""
    found = []
    for path in files.files("checks"):
        head = files.head(path)
        found.append(Check(path.removeprefix("checks/"), head.severity, head.whole, head.title, head.reads))
    return tuple(found)


@cache
def by_weight() -> tuple[str, ...]:
    """The checks that take turns, those of the largest tables first."""
    return tuple(check.name for check in sorted(checks(), key=lambda check: check.place) if check.takes_turns)


def of(*layers: str) -> tuple[str, ...]:
    """The names of the checks of these layers."""
    return tuple(check.name for check in checks() if check.layer in layers)


def due(cursor: Cursor, date: dt.date, days: int) -> list[str]:
    """The checks whose turn it is on a date to look at the whole warehouse, each once within so many days."""
    return turns.due(by_weight(), date, days, turns.passes(cursor, turns.CHECK))


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


def run(cursor: Cursor, date: dt.date, *, names: Collection[str], whole: Collection[str]) -> list[Result]:
    """Runs the named checks for a date's load. Replaces their earlier results of the date in etl.check_result.

    Looks at the rows that the newest loads wrote. Checks named in `whole` look at all rows, and etl.whole_pass keeps
    whether they passed; one of severity warn always passes.
    """
    plans.prefer_merging(cursor)
    # The mart is kept at the same time, and takes longer: it gets the other cores.
    cursor.execute("set local max_parallel_workers_per_gather = 0")
    everything: dict[str, sql.Composable] = {name: qualified(f"dwh.{name}") for name in WRITTEN}
    everything["members"] = _unknown_members()
    chosen = [check for check in checks() if check.name in names and (check.name in whole or not check.whole)]
    written = dict(everything)
    if any(check.takes_turns and check.name not in whole for check in chosen):
        written |= {name: _written(cursor, name) for name in WRITTEN}
    forget(cursor, date, names)
    results = []
    for check in chosen:
        is_whole = check.name in whole or not check.takes_turns
        select = files.statement(f"checks/{check.name}", date=date, **(everything if is_whole else written))
        failures = postgres.value(cursor, sql.SQL("select count(*) from ({}) as failing").format(select))
        query = files.statement(f"checks/{check.name}", date=date, **everything).as_string(cursor)
        results.append(note(cursor, date, check, query, failures, whole=is_whole))
    return results


def forget(cursor: Cursor, date: dt.date, names: Collection[str]) -> None:
    """Removes earlier results of a date."""
    cursor.execute("delete from etl.check_result where load_date = %s and check_name = any(%s)", (date, list(names)))


def note(cursor: Cursor, date: dt.date, check: Check, query: str, failures: int, *, whole: bool) -> Result:
    """Keeps the result of a check, and whether it passed if it looked at the whole warehouse."""
    cursor.execute(
        "insert into etl.check_result (check_name, severity, whole, load_date, failures, query) "
        "values (%s, %s, %s, %s, %s, %s)",
        (check.name, check.severity, whole, date, failures, query),
    )
    if whole:
        turns.note(cursor, turns.CHECK, check.name, date, passed=check.severity != ERROR or not failures)
    return Result(check, failures, query)


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
