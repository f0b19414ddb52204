"""Stage to star schema on the lake: dimensions, facts and the reprocessing queue, by the warehouse's own selects.

Shipped beside the script that imports it (spark-submit --py-files). The plan brings each select in Spark's words. Names
without a database in them are views that are made here, for each fact under its own name.
"""

# spark-submit puts the modules beside this one on the path at run time. So mypy does not know their types.
# mypy: disable-error-code="import-not-found, no-any-return"

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any

from lake_tables import Table, bounds, differing, worked_out
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

BEGINNING = -1
FEW_CHANGED = 1_000_000  # keys that each executor has room for
QUEUE_KEY = ["fact_table", "business_key", "dimension"]


class Star:
    """The load of the star schema. `plan` says what its tables are."""

    def __init__(self, spark: SparkSession, plan: Mapping[str, Any]) -> None:
        self.spark, self.plan = spark, plan
        self.queue = Table(spark, plan["queue"], QUEUE_KEY)
        self.alone = Lock()  # facts that are loaded side by side write the queue one after the other
        self.members: dict[str, int] = {}

    def newest(self, sources: list[str]) -> dict[str, int]:
        """The newest batch of each stage table."""
        found = {}
        for source in sources:
            name = self.plan["stage"][source]
            # A value of a history may be new without a new row.
            tables = [Table(self.spark, each) for each in (name, f"{name}_version")]
            found[source] = max(table.mark().get("batch", BEGINNING) for table in tables if table.exists())
        return found

    def load_dimension(self, dimension: Mapping[str, Any]) -> int:
        """Brings a dimension up to date with stage; returns how many rows were written."""
        table = Table(self.spark, dimension["table"], [dimension["surrogate"]])
        marked = table.mark()
        newest = self.newest(dimension["sources"])
        if marked.get("read") == newest:
            return 0
        after = {f"{source}_after": marked.get("read", {}).get(source, BEGINNING) for source in dimension["sources"]}
        rows = self.spark.sql(dimension["select"], args=after)
        new = worked_out(self._numbered(table, rows, dimension), self.plan)
        written = new.count()
        mark = {"read": newest}
        if written:
            new.createOrReplaceTempView(f"work_{dimension['name']}")
            for fact, reopened in dimension["reopens"].items():
                self._lines(new, table, reopened["fact"]).createOrReplaceTempView(f"lines_of_{dimension['name']}")
                with self.alone:
                    self._reopen(fact, self.spark.sql(reopened["select"]))
            table.merge(new, mark)
        else:
            table.note(mark)
        new.unpersist()
        return written

    def load_fact(self, fact: Mapping[str, Any]) -> int:
        """Brings a fact table and its part of the queue up to date; returns how many rows were written.

        The mark comes last: whatever ends the job before it, the next one looks at the same rows.
        """
        table = Table(self.spark, fact["table"], fact["key"])
        marked, newest = table.mark(), self.newest(fact["sources"])
        seen = {dimension["name"]: self.members[dimension["name"]] for dimension in fact["dimensions"]}
        due = worked_out(self._due(fact, marked.get("seen", {}), seen), self.plan)
        mark = {"read": newest, "seen": seen}
        if marked.get("read") == newest and not due.limit(1).count():
            if marked != mark:
                table.note(mark)
            return 0
        is_first = table.is_empty()
        written = self._first(fact, table) if is_first else self._daily(fact, table, marked.get("read", {}), due)
        if written is not None:
            with self.alone:
                self._settle(fact, due, is_first)
        table.note(mark)
        due.unpersist()
        return written or 0

    def _lines(self, new: DataFrame, table: Table, fact: str) -> DataFrame:
        """The rows of a fact among which those are that other versions may move: of their days, with literal bounds.

        A changed supplier moves those of all days.
        """
        old = table.rows().select("product_id", "product_key", "valid_from", "supplier_id")
        known = old.select("product_id").distinct()
        before = old.selectExpr("product_key", "valid_from as began", "supplier_id as supplied_by", "true as is_known")
        found = new.join(known, "product_id", "left_semi").join(before, "product_key", "left")
        day = "cast(date_format({0}(if(is_known is null or valid_from < began, {1}, null)), 'yyyyMMdd') as bigint)"
        first, last, resupplied = found.selectExpr(
            day.format("min", "valid_from"),
            day.format("max", "valid_to"),
            "count_if(is_known and not supplier_id <=> supplied_by)",
        ).collect()[0]
        rows = self.spark.table(fact)
        if resupplied:
            return rows
        return rows.where("false" if first is None else f"ordered_date_key between {first} and {last}")

    def _numbered(self, table: Table, rows: DataFrame, target: Mapping[str, Any]) -> DataFrame:
        """The rows that are new or differ; new members get the next surrogate keys."""
        number, key, old = target["surrogate"], target["key"], table.rows()
        if number in rows.columns and not target["is_versioned"]:  # days are their own keys
            return differing(rows, old, key)
        found = differing(rows, old, key, {} if target["is_versioned"] else {number: number})
        # New rows alone are numbered, in one task.
        last = old.agg(F.coalesce(F.max(number), F.lit(0))).collect()[0][0]
        order = [name for name in target["order"] if name in found.columns]
        place = F.row_number().over(Window.partitionBy(F.isnull(number)).orderBy(*order))
        return found.withColumn(number, F.coalesce(F.col(number), place + F.lit(max(last, 0))))

    def count_members(self, dimension: Mapping[str, Any]) -> None:
        """Notes a number that changes if a dimension gets new members: the newest key, or for days their number.

        Before facts are loaded, each of which asks for it.
        """
        measure = f"max(`{dimension['surrogate']}`)" if dimension["is_numbered"] else "count(1)"
        [(found,)] = self.spark.table(dimension["table"]).selectExpr(f"coalesce({measure}, 0)").collect()
        self.members[dimension["name"]] = found

    def _due(self, fact: Mapping[str, Any], known: Mapping[str, int], seen: Mapping[str, int]) -> DataFrame:
        """The business keys of waiting rows to look at: reopened, or with a member that has come."""
        found = self.spark.sql(fact["reopened"], args={"fact": fact["name"]})
        for dimension in fact["dimensions"]:
            name = dimension["name"]
            after = known.get(name, BEGINNING)
            if seen[name] == after:
                continue
            number = dimension["surrogate"]
            members = Table(self.spark, dimension["table"]).rows()
            if dimension["is_numbered"]:
                members = members.where(F.col(number) > after)
            members = members.select(F.col(dimension["member"]).cast("string").alias("dimension_key"))
            members.createOrReplaceTempView(f"members_{fact['name']}")
            found = found.union(self.spark.sql(fact["arrived"], args={"fact": fact["name"], "dimension": name}))
        return found.distinct()

    def _first(self, fact: Mapping[str, Any], table: Table) -> int:
        """Fills an empty fact table straight from stage."""
        for source in fact["sources"]:
            stage = Table(self.spark, self.plan["stage"][source]).rows()
            stage.createOrReplaceTempView(f"{source}_{fact['name']}")
        rows = self.spark.sql(fact["select"])
        if fact["surrogate"]:
            rows = self._numbered(table, rows, fact)
        table.append(rows, {})
        table.rows().createOrReplaceTempView(f"written_{fact['name']}")
        table.rows().createOrReplaceTempView(f"changed_{fact['name']}")
        return table.rows().count()

    def _daily(self, fact: Mapping[str, Any], table: Table, read: Mapping[str, int], due: DataFrame) -> int | None:
        """Looks at changed rows and those that are due; returns how many were written, None if there are none."""
        due.createOrReplaceTempView(f"due_{fact['name']}")
        after = {f"{source}_after": read.get(source, BEGINNING) for source in fact["sources"]}
        changed = worked_out(self.spark.sql(fact["changed"], args=after), self.plan)
        changed.createOrReplaceTempView(f"changed_{fact['name']}")
        first = fact["changed_by"][0]
        count = changed.count()
        if not count:
            return None
        where = bounds(changed, first)
        # All of a fact changed where a first load was killed half-way.
        asked = F.broadcast(changed) if count < FEW_CHANGED else changed
        for source in fact["sources"]:
            stage = Table(self.spark, self.plan["stage"][source]).rows().where(where.format(f"`{first}`"))
            stage = stage.join(asked, fact["changed_by"]).select(*stage.columns)
            stage.createOrReplaceTempView(f"{source}_{fact['name']}")
        old = table.rows().where(where.format(f"`{first}`"))
        rows = self.spark.sql(fact["select"])
        keep = {column: f"{column}_before" for column in fact["month_of"]}
        is_numbered = bool(fact["surrogate"])
        new = self._numbered(table, rows, fact) if is_numbered else differing(rows, old, fact["key"], keep)
        new = worked_out(new, self.plan)
        written = new.count()
        if written:
            rows = new.drop(*keep.values())
            table.merge(rows, table.mark(), f"{where} and {self._months(new, fact['month_of'])}")
        if fact["deleted"]:
            gone = self.spark.sql(fact["deleted"]).withColumn("gone", F.lit(True))
            gone = worked_out(gone.join(table.rows().select(fact["key"]), fact["key"], "left_semi"), self.plan)
            deleted = gone.count()
            if deleted:
                missing = [name for name in table.rows().columns if name not in gone.columns]
                full = table.rows().join(gone, fact["key"]).select(*fact["key"], *missing, "gone")
                table.merge(full, table.mark(), delete="gone")
            written += deleted
        table.rows().where(where.format(f"`{first}`")).createOrReplaceTempView(f"written_{fact['name']}")
        new.unpersist()
        return written

    def _months(self, new: DataFrame, columns: list[str]) -> str:
        """Literal bounds of the rows to be written, as they are and were: other months are passed over."""
        found = []
        for column in columns:
            both = (
                f"least(min(`{column}`), min(`{column}_before`))",
                f"greatest(max(`{column}`), max(`{column}_before`))",
            )
            first, last = new.selectExpr(*(f"cast({each} as string)" for each in both)).collect()[0]
            kind = dict(new.dtypes)[column]
            found.append(f"old.`{column}` between cast('{first}' as {kind}) and cast('{last}' as {kind})")
        return " and ".join(found) or "true"

    def _settle(self, fact: Mapping[str, Any], due: DataFrame, is_first: bool) -> None:
        """Updates the queue after a load of a fact: what waits, and what waits no more."""
        name = fact["name"]
        missing = worked_out(self.spark.sql(fact["missing"]), self.plan)
        mine = self._waiting(name)
        if not is_first:
            looked = self.spark.sql(fact["looked_at"]).union(due.select("business_key")).distinct()
            mine = mine.join(looked, "business_key", "left_semi")
        still_missing = missing.select(
            F.lit(name).alias("fact_table"),
            "business_key",
            "dimension",
            F.coalesce("dimension_key", F.lit("")).alias("missing_key"),
        )
        found = still_missing.join(mine, QUEUE_KEY, "full_outer")
        settled = found.select(
            *QUEUE_KEY,
            F.coalesce("queued_ts", F.current_timestamp()).alias("queued_ts"),
            F.when(F.col("missing_key").isNull(), F.col("attempts"))
            .otherwise(F.coalesce("attempts", F.lit(0)) + 1)
            .alias("attempts"),
            F.when(F.col("missing_key").isNull(), F.current_timestamp()).alias("resolved_ts"),
            F.coalesce("missing_key", "dimension_key").alias("dimension_key"),
        )
        self._queue(settled)
        missing.unpersist()

    def _reopen(self, fact: str, rows: DataFrame) -> None:
        """Makes the next load of a fact look at these rows, whether they are loaded or wait."""
        found = rows.distinct().withColumn("fact_table", F.lit(fact)).join(self._waiting(fact), QUEUE_KEY, "left")
        reopened = found.select(
            *QUEUE_KEY,
            F.coalesce("queued_ts", F.current_timestamp()).alias("queued_ts"),
            F.coalesce("attempts", F.lit(1)).alias("attempts"),
            F.lit(None).cast("timestamp").alias("resolved_ts"),
            F.lit(None).cast("string").alias("dimension_key"),
        )
        self._queue(reopened)

    def _waiting(self, fact: str) -> DataFrame:
        """The rows of a fact that wait."""
        return self.queue.rows().where((F.col("fact_table") == fact) & F.col("resolved_ts").isNull())

    def _queue(self, rows: DataFrame) -> None:
        """Writes rows of the queue, each in place of the one that waits."""
        rows = worked_out(rows, self.plan)
        if rows.limit(1).count():
            self.queue.merge(rows, {}, "old.resolved_ts is null")
        rows.unpersist()
