"""The mart on the lake: aggregates of months are counted again where something changed, small ones from a whole table.

Shipped beside the script that imports it (spark-submit --py-files).
"""

# spark-submit puts the modules beside this one on the path at run time. So mypy does not know their types.
# mypy: disable-error-code="import-not-found, no-any-return"

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

from lake_tables import Table, first_day, month_of, worked_out
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F


class Mart:
    """The aggregates. `plan` says what they are and which tables they count."""

    def __init__(self, spark: SparkSession, plan: Mapping[str, Any]) -> None:
        self.spark, self.plan, self.mart = spark, plan, plan["mart"]

    def keep(self) -> int:
        """Brings the mart up to date; returns how many months were counted and how many tables made again.

        Each table has a mark of its own: the commits of the tables that it was made of.
        """
        return sum(map(self._keep_months, self.mart["groups"])) + sum(map(self._keep_whole, self.mart["whole"]))

    def _keep_whole(self, table: Mapping[str, Any]) -> int:
        """Makes a table again if the one that it is made of has changed."""
        counted = self._counted([table["reads"]])
        own = self._table(table)
        if own.mark().get("counted") == counted:
            return 0
        own.overwrite(self._rows(table), F.lit(True), {"counted": counted})
        return 1

    def _keep_months(self, group: Mapping[str, Any]) -> int:
        """Counts again the months in which something changed that some aggregates count."""
        counted = self._counted(group["counted"])
        behind = [each for each in group["aggregates"] if self._table(each).mark().get("counted") != counted]
        if not behind:
            return 0
        # After a kill some may be behind the others: the months of the oldest are those of all.
        marks: list[dict[str, Any]] = []
        for mark in (self._table(each).mark() for each in behind):
            marks += [] if mark in marks else [mark]
        months = sorted({month for mark in marks for month in self._months(group, mark)})
        self._count(behind, months, {"counted": counted}, has_lines=self.mart["lines"] in counted)
        return len(months)

    def note_counted(self) -> None:
        """Notes that nothing is to be counted again, after commits that changed no row."""
        for group in self.mart["groups"]:
            for aggregate in group["aggregates"]:
                self._table(aggregate).note({"counted": self._counted(group["counted"])})
        for table in self.mart["whole"]:
            self._table(table).note({"counted": self._counted([table["reads"]])})

    def _counted(self, tables: list[str]) -> dict[str, int | None]:
        return {name: Table(self.spark, name).snapshot() for name in tables}

    def _table(self, aggregate: Mapping[str, Any]) -> Table:
        return Table(self.spark, aggregate["table"], aggregate["key"])

    def _months(self, group: Mapping[str, Any], mark: Mapping[str, Any]) -> set[str]:
        """The months, as YYYY-MM-01, that changed since a mark."""
        before: Mapping[str, Any] = mark.get("counted", {})
        order, line = (Table(self.spark, self.mart[name]) for name in ("orders", "lines"))
        # An earlier version counted other tables.
        is_known = before.keys() == set(group["counted"])
        if not is_known or any(not self._knows(name, snapshot) for name, snapshot in before.items()):
            found = order.rows().selectExpr("cast(date_trunc('month', ordered_ts) as date)").distinct().collect()
            return {str(month) for (month,) in found}
        months = set(self._written(order, before))
        if line.name in before:
            # The first possible one of each month, 20261100; below 0 that of the unknown day.
            keys = self._written(line, before)
            months |= {month_of(key) for key in keys if key > 0}
        return set(map(first_day, months)) | self._moved(group["movers"], before)

    def _knows(self, name: str, snapshot: int | None) -> bool:
        """Whether a table still has the commit, so that what came after it can be told."""
        if snapshot is None:
            return False
        return Table(self.spark, name).sequence_number(snapshot) is not None

    def _written(self, table: Table, before: Mapping[str, Any]) -> list[int]:
        """The partitions into which a table was written since a commit, which it knows."""
        return [value for value in table.partitions_since(before[table.name]) or [] if value is not None]

    def _moved(self, movers: Mapping[str, Any], before: Mapping[str, Any]) -> set[str]:
        """The months of the facts of members that count for another country, score or subtype since a commit."""
        found: set[str] = set()
        for name, member in movers.items():
            snapshot = before[name]
            if snapshot == Table(self.spark, name).snapshot():
                continue
            old = self.spark.sql(f"select * from {name} version as of {snapshot}")
            key, by, fact, month = member["key"], member["by"], member["fact"], member["month"]
            new = self.spark.table(name).select(key, F.col(by).alias("now"))
            moved = worked_out(old.join(new, key).where(f"not `{by}` <=> now").select(key), self.plan)
            if moved.limit(1).count():
                months = self.spark.table(fact).join(F.broadcast(moved), key).selectExpr(month).distinct().collect()
                found |= {str(each) for (each,) in months if each is not None}
            moved.unpersist()
        return found

    def _count(
        self, aggregates: list[Mapping[str, Any]], months: list[str], mark: dict[str, Any], *, has_lines: bool
    ) -> None:
        if not months:
            for aggregate in aggregates:
                self._table(aggregate).note(mark)
            return
        for view, select in self.mart["nothing_before"].items():
            self.spark.sql(select).createOrReplaceTempView(view)
        quarters = sorted({_quarter(month) for month in months})
        orders = (
            self.spark.table(self.mart["orders"]).where(_any_of("ordered_ts", quarters, 3)).withColumn("sign", F.lit(1))
        )
        orders.createOrReplaceTempView("given_orders")
        of_quarters = worked_out(self.spark.sql(self.mart["counted_order"]), self.plan)
        listed = ", ".join(f"date '{month}'" for month in months)
        of_quarters.where(f"month in ({listed})").createOrReplaceTempView("counted_order")
        products = self._count_products(months) if has_lines else None
        for aggregate in aggregates:
            is_of_quarters = aggregate["by"] == "quarter"
            given = of_quarters if is_of_quarters else self.spark.table("counted_order")
            given.createOrReplaceTempView("given_orders")
            spans = quarters if is_of_quarters else months
            replaced = reduce(
                lambda one, other: one | other, (F.col(aggregate["by"]) == F.lit(each).cast("date") for each in spans)
            )
            self._table(aggregate).overwrite(self._rows(aggregate), replaced, mark)
        if products is not None:
            products.unpersist()
        of_quarters.unpersist()

    def _count_products(self, months: list[str]) -> DataFrame:
        """Makes counted_product of the lines of some months, whose orders are in counted_order."""
        digits = (month[:7].replace("-", "") for month in months)
        keys = " or ".join(f"ordered_date_key between {each}01 and {each}31" for each in digits)
        lines = self.spark.table(self.mart["lines"]).where(keys).withColumn("sign", F.lit(1))
        lines.createOrReplaceTempView("given_lines")
        self.spark.sql(self.mart["counted_line"]).createOrReplaceTempView("counted_line")
        products = worked_out(self.spark.sql(self.mart["counted_product"]), self.plan)
        products.createOrReplaceTempView("counted_product")
        return products

    def _rows(self, table: Mapping[str, Any]) -> DataFrame:
        """What the select of a table gives, in the types of its columns."""
        casts = (f"cast(`{name}` as {kind}) as `{name}`" for name, kind in table["columns"].items())
        return self.spark.sql(table["select"]).selectExpr(*casts)


def _quarter(month: str) -> str:
    return f"{month[:4]}-{(int(month[5:7]) - 1) // 3 * 3 + 1:02}-01"


def _any_of(column: str, starts: list[str], months: int) -> str:
    """A condition with literal bounds for some months or quarters."""
    spans = (
        f"({column} >= timestamp '{start} 00:00:00' and {column} < timestamp '{_after(start, months)} 00:00:00')"
        for start in starts
    )
    return " or ".join(spans)


def _after(start: str, months: int) -> str:
    number = int(start[:4]) * 12 + int(start[5:7]) - 1 + months
    return f"{number // 12:04}-{number % 12 + 1:02}-01"
