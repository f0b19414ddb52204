"""The checks of a star that is on the lake alone: what a job runs, and its results, kept as those of PostgreSQL's."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pipeline.catalog import DIMENSIONS
from pipeline.kernel.errors import SparkFailed
from pipeline.kernel.postgres import Cursor
from pipeline.lakehouse import published
from pipeline.lakehouse.plan import Names
from pipeline.lakehouse.selects import for_spark
from pipeline.lakehouse.spark_sql import to_spark
from pipeline.trust import checks

# What reads PostgreSQL's own notes runs there. Its catalog has no keys of the lake's tables, which are merged by them.
IN_POSTGRESQL = ("volume_of_extracts",)
NOT_ON_THE_LAKE = ("primary_keys", *IN_POSTGRESQL)
# The mart on the lake is never behind the facts.
NOTHING = {f"mart.{name}": "select 1 as nothing where false" for name in ("line_before", "order_before", "refill")}
# How the partitions of a fact tell its months: by their number since 1970, or by their first possible day, 20261100.
PARTITIONED = {"fact_order": "months", "fact_order_line": "days"}
OF_MONTHS = {
    "fact_order": "(ordered_ts >= timestamp '{first} 00:00:00' and ordered_ts < timestamp '{next} 00:00:00')",
    "fact_order_line": "(ordered_date_key >= {key} and ordered_date_key < {key} + 100)",
}


def wanted(cursor: Cursor, names: Names, date: dt.date, days: int) -> dict[str, Any]:
    """What a job is told of the checks: each looks at what was written since the last one, or in its turn at all."""
    known = published.known(cursor)
    is_first = not all(known.get(_noted(name)) for name in checks.WRITTEN)
    owed = is_first or checks.is_whole_owed(cursor, date)
    whole = checks.by_weight() if owed else checks.due(cursor, date, days)
    chosen = [
        check
        for check in checks.checks()
        if check.name not in NOT_ON_THE_LAKE and (check.name in whole or not check.whole)
    ]
    views = {name: name.replace(".", "_") for name in NOTHING}

    def select(check: checks.Check, relations: Mapping[str, str]) -> str:
        return for_spark(f"checks/{check.name}", names.real(views), relations)

    everything = {name: f"dwh.{name}" for name in checks.WRITTEN} | {"members": _members()}
    written = everything | {name: f"checked_{name}" for name in checks.WRITTEN}
    return {
        "date": str(date),
        "whole": [check.name for check in chosen if check.name in whole or not check.takes_turns],
        "written": {name: _written(names, name, known) for name in checks.WRITTEN},
        "nothing": {views[name]: to_spark(select, lambda _: None) for name, select in NOTHING.items()},
        "selects": {check.name: select(check, everything if check.name in whole else written) for check in chosen},
        # For people, who have not the views of the job.
        "queries": {check.name: select(check, everything) for check in chosen},
    }


def none() -> dict[str, Any]:
    """What a job is told where PostgreSQL has the star too, and checks it there."""
    return {"date": "", "whole": [], "written": {}, "nothing": {}, "selects": {}, "queries": {}}


def note(
    cursor: Cursor, told: Mapping[str, Any], failures: Mapping[str, int], checked: Mapping[str, int | None]
) -> list[checks.Result]:
    """Keeps the results of a job in etl.check_result, in place of earlier ones of the date; returns them.

    Raises SparkFailed for a report that leaves a check out: it lies where others may write.
    """
    if not told["selects"]:
        return []
    if failures.keys() != told["selects"].keys() or checked.keys() != told["written"].keys():
        raise SparkFailed(
            "check the star on the lake", "the job's report is not of these checks", "run the same command again"
        )
    date = dt.date.fromisoformat(told["date"])
    checks.forget(cursor, date, [check.name for check in checks.checks()])
    results = [
        checks.note(cursor, date, check, told["queries"][name], failures[name], whole=name in told["whole"])
        for check in checks.checks()
        if (name := check.name) in failures
    ]
    for name, snapshot in checked.items():
        published.note(cursor, _noted(name), snapshot)
    return results + checks.run(cursor, date, names=IN_POSTGRESQL, whole=IN_POSTGRESQL)


def _noted(name: str) -> str:
    return f"checked dwh.{name}"


def _written(names: Names, name: str, known: Mapping[str, int | None]) -> dict[str, Any]:
    """The rows of the months into which somebody wrote the table, or what its rows sum up; else all."""
    _, parts = checks.WRITTEN[name]
    return {
        "table": names.of(f"dwh.{name}"),
        "view": f"checked_{name}",
        "known": known.get(_noted(name)),
        "condition": OF_MONTHS.get(name, ""),
        "written": [
            {"table": names.of(f"dwh.{part}"), "known": known.get(_noted(part)), "by": PARTITIONED.get(part, "")}
            for part in parts
        ],
    }


def _members() -> str:
    """A relation of the dimensions, each with how many unknown members it has."""
    counts = (
        f"select '{name}' as dimension, count(*) as members from dwh.{name} where {dimension.surrogate} = -1"
        for name, dimension in DIMENSIONS.items()
    )
    return f"({' union all '.join(counts)})"
