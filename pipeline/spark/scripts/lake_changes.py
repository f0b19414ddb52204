"""Changes from the source's log into a table of stage: the last change of each key wins, in the order of the log.

Shipped beside the script that imports it (spark-submit --py-files). What they mean is said in the pipeline's own
pgoutput.py and changes.py, whose results these are.
"""

# spark-submit puts the modules beside this one on the path at run time. So mypy does not know their types.
# mypy: disable-error-code="import-not-found, no-any-return"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lake_files import REASON, Files
from lake_tables import BATCH, DELETED, Table, differing, worked_out
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

ORDER = ("etl_lsn", "etl_seq")
NONE = ""  # in place of the name of a column
UNKNOWN = "a value that did not change is not in the log, and stage has no row to take it from"


class Changes:
    """The load of the changes of one source table. `table` is its part of the plan."""

    def __init__(self, spark: SparkSession, plan: Mapping[str, Any], table: Mapping[str, Any], files: Files) -> None:
        self.spark, self.plan, self.table, self.files = spark, plan, table, files
        self.key: list[str] = table["key"]

    def rows(self, stage: Table, folders: Sequence[str], after: int) -> DataFrame:
        """The changes in windows from a position on that can be kept, with all their values; the others are rejected.

        A first copy may be as of a position within a window, and has the values of later changes.
        """
        found = self.files.changes(folders).where(F.col("etl_lsn") >= after)
        found = worked_out(found, self.plan)
        kinds = found.selectExpr("max(etl_op = 'T')", "max(size(etl_unchanged) > 0)").collect()[0]
        if kinds[0]:
            found = worked_out(self._truncated(stage, found), self.plan)
        if kinds[1]:
            found = self._filled(stage, self._forgotten(found))
        unknown = F.col("etl_op").isin("I", "U") & (F.size("etl_unchanged") > 0)
        found = found.withColumn(REASON, F.coalesce(F.when(unknown, F.lit(UNKNOWN)), REASON))
        return worked_out(self.files.without_rejected(worked_out(found, self.plan)), self.plan)

    def keep_history(self, history: Table, stage: Table, changes: DataFrame) -> None:
        """Keeps the value of each change with the instant at which it was made."""
        changes.createOrReplaceTempView(f"changes_{self.table['short']}")
        self._before(stage, changes).createOrReplaceTempView(f"before_{self.table['short']}")
        values = self.spark.sql(self.table["logged_values"], args={"batch": self.plan["batch"]})
        new = worked_out(differing(values, history.rows(), history.key), self.plan)
        if new.limit(1).count():
            history.merge(new, {"batch": self.plan["batch"]})

    def newest(self, stage: Table, changes: DataFrame) -> DataFrame:
        """The rows of stage that the changes give another form: written, or marked as deleted."""
        changes.createOrReplaceTempView(f"changes_{self.table['short']}")
        last = self.spark.sql(self.table["last_change"], args={"batch": self.plan["batch"]})
        before = self._before(stage, changes)
        new = differing(last.drop(BATCH), before, self.key)
        first = F.min_by("etl_ts", F.struct(*ORDER)).alias("gone_ts")
        only_gone = F.bool_and(F.col("etl_op").isin("D", "K")).alias("is_gone")
        gone = changes.groupBy(*self.key).agg(first, only_gone).where("is_gone").drop("is_gone")
        marked = before.where(f"{DELETED} is null").join(gone, self.key)
        marked = marked.withColumn(DELETED, F.col("gone_ts")).select(*new.columns)
        return new.unionByName(marked).withColumn(BATCH, F.lit(self.plan["batch"]))

    def _forgotten(self, changes: DataFrame) -> DataFrame:
        """Of a row that was rejected, stage has not the values that the log does not repeat."""
        keys = self.files.was_rejected(changes)
        if keys is None:
            return changes
        known = changes.withColumn("row_key", self.files.row_key()).join(
            keys.withColumn("was_rejected", F.lit(True)), "row_key", "left"
        )
        is_lost = F.col("was_rejected") & (F.size("etl_unchanged") > 0)
        unknown = F.when(is_lost, F.array_union("etl_unchanged", F.array(F.lit(NONE)))).otherwise(
            F.col("etl_unchanged")
        )
        return known.withColumn("etl_unchanged", unknown).drop("row_key", "was_rejected")

    def _before(self, stage: Table, changes: DataFrame) -> DataFrame:
        """The rows of stage among which those of the changes are."""
        return stage.near(changes) if self.table["is_large"] else stage.rows()

    def _truncated(self, stage: Table, changes: DataFrame) -> DataFrame:
        """Turns each TRUNCATE into the deletion of every key that the table had."""
        emptied = changes.where("etl_op = 'T'").select("etl_lsn", "etl_seq", "etl_ts")
        keys = [F.col(name) for name in self.key]
        old = stage.rows().where(f"{DELETED} is null").select(*keys, _first().alias("at"))
        new = changes.where("etl_op in ('I', 'U')").select(*keys, _place().alias("at"))
        known = old.unionByName(new)
        gone = emptied.join(known, _place() > F.col("at")).select(*ORDER, "etl_ts", *keys).distinct()
        rest = changes.where("etl_op <> 'T'")
        return rest.unionByName(gone.withColumn("etl_op", F.lit("D")), allowMissingColumns=True)

    def _filled(self, stage: Table, changes: DataFrame) -> DataFrame:
        """Fills in values that the log did not repeat, because they are stored out of line and did not change.

        Such a value is that of the row's change before, or that in stage; after a change of the key, that of the old
        key. The value of a changed key may itself come from a row that is filled, so the two take turns.
        """
        names = changes.select(F.explode("etl_unchanged").alias("name")).distinct().collect()
        for name in [name for (name,) in names if name in self.table["columns"]]:
            while True:
                changes = worked_out(self._of_the_key(stage, changes, name), self.plan)
                moved = self._of_the_old_key(stage, changes, name)
                if moved is None:
                    break
                changes = moved
        # Nobody reads the others.
        own = F.array(F.lit(NONE), *(F.lit(name) for name in self.table["columns"]))
        return changes.withColumn("etl_unchanged", F.array_intersect("etl_unchanged", own))

    def _of_the_key(self, stage: Table, changes: DataFrame, name: str) -> DataFrame:
        """A run is a value that is known, or of a new key, with the changes after it that did not repeat it."""
        is_unknown = F.coalesce(F.array_contains("etl_unchanged", name), F.lit(False))
        is_head = F.col("etl_old_key").isNotNull() | ~is_unknown
        before = Window.partitionBy(*self.key).orderBy(*ORDER).rowsBetween(Window.unboundedPreceding, 0)
        head = F.last(F.when(is_head, F.struct(F.col(name).alias("v"), is_unknown.alias("u"))), ignorenulls=True)
        headed = changes.withColumn("head", head.over(before))
        old = self._before(stage, changes).select(
            *self.key, F.struct(F.col(name).alias("v"), F.lit(False).alias("u")).alias("stage")
        )
        headed = headed.join(old, self.key, "left")
        found = F.coalesce("head", "stage")
        is_found = is_unknown & found.isNotNull() & ~found["u"]
        return _with(headed, name, is_found, found["v"]).drop("head", "stage")

    def _of_the_old_key(self, stage: Table, changes: DataFrame, name: str) -> DataFrame | None:
        """Fills rows with a new key from the old key's last change, or from stage; None if there is nothing to fill."""
        is_unknown = F.coalesce(F.array_contains("etl_unchanged", name), F.lit(False))
        moved = changes.where(is_unknown & F.col("etl_old_key").isNotNull())
        types = dict(stage.rows().dtypes)
        olds = [F.col("etl_old_key")[n].cast(types[key]).alias(f"old_{n}") for n, key in enumerate(self.key)]
        moved = moved.select(_place().alias("moved_at"), *olds)
        keys = [F.col(key).alias(f"old_{n}") for n, key in enumerate(self.key)]
        known = changes.where("etl_op in ('I', 'U')").select(
            *keys, _place().alias("at"), F.struct(F.col(name).alias("v"), is_unknown.alias("u")).alias("known")
        )
        in_stage = stage.rows().select(
            *keys, _first().alias("at"), F.struct(F.col(name).alias("v"), F.lit(False).alias("u")).alias("known")
        )
        joined = moved.join(known.unionByName(in_stage), [f"old_{n}" for n in range(len(self.key))])
        last = joined.where("at < moved_at").groupBy("moved_at").agg(F.max_by("known", "at").alias("known"))
        last = worked_out(last.where("not known.u"), self.plan)
        if not last.limit(1).count():
            return None
        found = changes.join(last, _place() == F.col("moved_at"), "left")
        return _with(found, name, F.col("known").isNotNull(), F.col("known.v")).drop("known", "moved_at")


def _with(rows: DataFrame, name: str, is_found: Column, value: Column) -> DataFrame:
    """The rows with a value where it was found, which is then no longer unknown."""
    left = F.array_remove("etl_unchanged", name)
    return rows.select(
        *(
            F.when(is_found, value).otherwise(F.col(each)).alias(each)
            if each == name
            else F.when(is_found, left).otherwise(F.col(each)).alias(each)
            if each == "etl_unchanged"
            else F.col(each)
            for each in rows.columns
        )
    )


def _first() -> Column:
    """The place of what was there before all changes."""
    return F.struct(F.lit(-1).cast("bigint").alias("etl_lsn"), F.lit(-1).alias("etl_seq"))


def _place() -> Column:
    return F.struct(*ORDER)
