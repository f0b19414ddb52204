"""The checks of the warehouse on the lake: how many rows each finds that must not exist.

Shipped beside the script that imports it (spark-submit --py-files). The plan brings each check as a select in Spark's
words, of whole tables or of the views made here: the rows of the months into which somebody wrote.
"""

# spark-submit puts the modules beside this one on the path at run time. So mypy does not know their types.
# mypy: disable-error-code="import-not-found, no-any-return"

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lake_tables import Table
from pyspark.sql import SparkSession


def check(spark: SparkSession, plan: Mapping[str, Any], at_once: int) -> tuple[dict[str, int], dict[str, int | None]]:
    """Runs the checks; returns how many rows each finds, and the commits of the tables that were checked."""
    checked = {}
    for name, table in plan["written"].items():
        one = Table(spark, table["table"])
        checked[name] = one.snapshot()
        one.rows().where(_written(one, table)).createOrReplaceTempView(table["view"])
    for view, select in plan["nothing"].items():
        spark.sql(select).createOrReplaceTempView(view)

    def failures(select: str) -> int:
        return spark.sql(f"select count(*) from ({select})").collect()[0][0]

    with ThreadPoolExecutor(at_once) as pool:
        found = pool.map(failures, plan["selects"].values())
        return dict(zip(plan["selects"], found)), checked


def _written(one: Table, table: Mapping[str, Any]) -> str:
    """The condition of the rows in the partitions that were written since the commit `known`; unknown: of all rows."""
    since = None if table["known"] is None else one.partitions_since(table["known"])
    if since is None or (since and not table["condition"]):
        return "true"
    return (
        " or ".join(table["condition"].format(value=value, next=value + table["width"]) for value in since) or "false"
    )
