"""Extracts and repairs of the source into tables of stage: the newest row of each key, and each value of a history.

Shipped beside the script that imports it (spark-submit --py-files).
"""

# spark-submit puts the modules beside this one on the path at run time. So mypy does not know their types.
# mypy: disable-error-code="import-not-found, no-any-return"

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from lake_changes import Changes
from lake_files import LINE, PLACE, TYPES, Files
from lake_tables import BATCH, DELETED, Refused, Table, bounds, differing, worked_out
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F


class Stage:
    """The load of one source table. `table` is its part of the plan."""

    def __init__(self, spark: SparkSession, plan: Mapping[str, Any], table: Mapping[str, Any]) -> None:
        self.spark, self.plan, self.table = spark, plan, table
        self.batch: int = plan["batch"]
        self.key: list[str] = table["key"]
        self.columns: dict[str, str] = table["columns"]
        self.files = Files(spark, plan, table)
        self.changes = Changes(spark, plan, table, self.files)
        self.told: Mapping[str, Any] = table["files"]

    def load(self) -> int:
        """Brings the table up to the end of its folders; returns how many rows are new or newer."""
        stage = self.stage("")
        marked = stage.mark()
        done = marked.get("folders", 0)
        folders = self.table["folders"]
        is_next = marked.get("sha256") == _digest(folders[:done]) or not done
        if lacking := [folder for folder in folders[done if is_next else 0 :] if folder not in self.told]:
            raise Refused(
                f"cannot load {lacking[0]}, because {stage.name} is at another place than the warehouse remembers; "
                "run RebuildLakeStar"
            )
        if is_next:
            return self._fold(stage, self.history(""), folders[done:], done)
        return self._again(stage)

    def stage(self, suffix: str) -> Table:
        """The table, made if it is missing."""
        stage = Table(self.spark, f"{self.table['stage']}{suffix}", self.key)
        types = {name: TYPES[kind] for name, kind in self.columns.items()}
        stage.create({**types, BATCH: "bigint", DELETED: "timestamp"}, is_large=self.table["is_large"])
        return stage

    def history(self, suffix: str) -> Table | None:
        """The table of the values of its history column."""
        value = self.table["history"]
        if not value:
            return None
        watermark = self.table["watermark"]
        history = Table(self.spark, f"{self.table['stage']}_version{suffix}", [*self.key, watermark])
        types = {name: TYPES[self.columns[name]] for name in (*self.key, watermark, value)}
        history.create({**types, BATCH: "bigint"})
        return history

    def _again(self, stage: Table) -> int:
        """Loads all folders in their order beside the table, because one came late, and takes over what differs."""
        history = self.history("")
        for table in (stage, *([history] if history else [])):
            self.spark.sql(f"drop table if exists {table.name}__again purge")
        again, history_again = self.stage("__again"), self.history("__again")
        self._fold(again, history_again, self.table["folders"], 0)
        if history and history_again:
            self._take_over_history(history, history_again)
        new = differing(again.rows().drop(BATCH), stage.rows(), self.key).withColumn(BATCH, F.lit(self.batch))
        changed = self._write(stage, new, {**again.mark(), "batch": stage.mark().get("batch", -1)})
        for table in (again, *([history_again] if history_again else [])):
            self.spark.sql(f"drop table {table.name} purge")
        return changed

    def _take_over_history(self, history: Table, again: Table) -> None:
        """Also removes values that another order of repairs did not give; their rows count as changed."""
        value = [*history.key, self.table["history"]]
        new, old = again.rows().select(value), history.rows().select(value)
        touched = new.exceptAll(old).union(old.exceptAll(new)).select(self.key).distinct()
        rows = again.rows().drop(BATCH).join(touched, self.key).withColumn(BATCH, F.lit(self.batch))
        gone = old.join(touched, self.key).join(new, history.key, "left_anti")
        gone = gone.withColumn(BATCH, F.lit(self.batch)).withColumn("gone", F.lit(True))
        changed = worked_out(rows.withColumn("gone", F.lit(False)).unionByName(gone), self.plan)
        if changed.limit(1).count():
            history.merge(changed, {"batch": self.batch}, delete="gone")

    def _fold(self, stage: Table, history: Table | None, folders: Sequence[str], done: int) -> int:
        """Loads folders in their order: those of a kind that follow each other at once, but each repair by itself."""
        changed = 0
        for kind, group in itertools.groupby(folders, lambda folder: self.told[folder]["kind"]):
            together = list(group)
            for part in [[folder] for folder in together] if kind == "repair" else [together]:
                done += len(part)
                changed += self._load(stage, history, part, done, kind)
        return changed

    def _load(self, stage: Table, history: Table | None, folders: list[str], done: int, kind: str) -> int:
        marked = stage.mark()
        position = max([marked.get("lsn", 0), *(self.told[folder].get("lsn", 0) for folder in folders)])
        mark = {"batch": marked.get("batch", -1), "lsn": position, **_loaded(self.table["folders"][:done])}
        written = [folder for folder in folders if self.told[folder]["rows"] or self.told[folder].get("deleted")]
        if not written:
            stage.note(mark)
            return 0
        if kind == "log":
            changes = self.changes.rows(stage, written, marked.get("lsn", 0))
            if history:
                self.changes.keep_history(history, stage, changes)
            return self._write(stage, self.changes.newest(stage, changes), mark)
        rows, is_unique = self.files.rows(written)
        if history:
            self._keep_history(history, rows, self.told[written[-1]] if kind == "repair" else None)
        newest = self._newest(rows, is_unique)
        if kind == "repair":
            self.files.forget_rejected(rows)
        return self._repair(stage, newest, written[0], mark) if kind == "repair" else self._extend(stage, newest, mark)

    def _newest(self, rows: DataFrame, is_unique: bool) -> DataFrame:
        """One row per key, for stage."""
        if is_unique:
            found = rows.select(*self.columns, F.lit(self.batch).alias(BATCH))
            return found.withColumn(DELETED, F.lit(None).cast("timestamp"))
        rows.createOrReplaceTempView(f"delta_{self.table['short']}")
        return self.spark.sql(self.table["newest"], args={"batch": self.batch})

    def _extend(self, stage: Table, newest: DataFrame, mark: dict[str, Any]) -> int:
        """Takes in an extract: a row whose watermark is newer wins."""
        if stage.is_empty():
            mark = {**mark, "batch": self.batch}
            stage.append(newest, mark)
            return stage.rows().count()
        newest = worked_out(newest, self.plan)
        where = self._bounds(newest)
        old = stage.rows().where(where.format(f"`{self.key[0]}`")).alias("old")
        on = F.expr(" and ".join(f"new.`{name}` = old.`{name}`" for name in self.key))
        watermark = self.table["watermark"]
        is_newer = f"old.`{self.key[0]}` is null or old.`{watermark}` < new.`{watermark}`"
        new = newest.alias("new").join(old, on, "left").where(is_newer).select("new.*")
        changed = self._write(stage, new, mark, where)
        newest.unpersist()
        return changed

    def _repair(self, stage: Table, newest: DataFrame, folder: str, mark: dict[str, Any]) -> int:
        """Takes in a repair: its rows win over those from before its bound; keys that it did not find are marked."""
        found = self.told[folder]
        watermark, until = self.table["watermark"], found["until"]
        before = f"`{watermark}` < timestamp '{until}'" if until else "true"
        old = stage.near(newest) if self.table["is_large"] else stage.rows()
        protected = old.where(f"not ({before})").select(self.key)
        new = differing(newest.drop(BATCH).join(protected, self.key, "left_anti"), old, self.key)
        new = new.withColumn(BATCH, F.lit(self.batch))
        if found["deleted"]:
            types = ", ".join(f"`{name}` {TYPES[self.columns[name]]}" for name in self.key)
            keys = self.spark.createDataFrame([tuple(key) for key in found["deleted"]], types)
            there = stage.near(keys) if self.table["is_large"] else stage.rows()
            gone = there.where(f"{DELETED} is null and {before}").join(keys, self.key)
            gone = gone.withColumn(DELETED, F.lit(found["extracted_at"]).cast("timestamp"))
            new = new.unionByName(gone.withColumn(BATCH, F.lit(self.batch)))
        return self._write(stage, new, mark)

    def _bounds(self, rows: DataFrame) -> str:
        """Where rows are looked for: a small table is read whole as quickly."""
        return bounds(rows, self.key[0]) if self.table["is_large"] else "true"

    def _write(self, stage: Table, new: DataFrame, mark: dict[str, Any], where: str = "") -> int:
        new = worked_out(new, self.plan)
        try:
            changed = new.count()
            if not changed:
                stage.note(mark)
                return 0
            stage.merge(new, {**mark, "batch": self.batch}, where or self._bounds(new))
            return changed
        finally:
            new.unpersist()

    def _keep_history(self, history: Table, rows: DataFrame, repair: Mapping[str, Any] | None) -> None:
        """Keeps each value with the instant from which it was seen; of one instant the last file's."""
        watermark = self.table["watermark"]
        last = F.row_number().over(Window.partitionBy(*self.key, watermark).orderBy(F.desc(PLACE), F.desc(LINE)))
        rows.withColumn("recency", last).where("recency = 1").createOrReplaceTempView(f"seen_{self.table['short']}")
        if repair:
            history.rows().createOrReplaceTempView(f"history_{self.table['short']}")
            statement, until = self.table["repaired_values"], repair["bound"]
            values = self.spark.sql(statement, args={"batch": self.batch, "until": until})
        else:
            values = self.spark.sql(self.table["seen_values"], args={"batch": self.batch})
        new = worked_out(differing(values, history.rows(), history.key), self.plan)
        if new.limit(1).count():
            history.merge(new, {"batch": self.batch})
        new.unpersist()


def _loaded(folders: Sequence[str]) -> dict[str, Any]:
    return {"folders": len(folders), "sha256": _digest(folders)}


def _digest(folders: Sequence[str]) -> str:
    """A hash of the names of folders in their order: whether these are the ones that a table was made of."""
    return hashlib.sha256("\n".join(folders).encode()).hexdigest()
