"""Tables of Iceberg, each written together with a mark that tells what it holds.

Shipped beside the script that imports it (spark-submit --py-files): Python 3.9, Spark 3.5, Iceberg 1.7 and later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from pyspark import StorageLevel
from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

# Stage's own columns: the load that wrote a row last, and since when the source does not have it any more.
BATCH, DELETED = "etl_batch", "etl_deleted_ts"
MARK = "oceanrecords.mark"
# What no file of ours holds: without it a quoted empty text would be read as NULL.
NEVER = "\x01"
# Numbers are looked for in ranges of this width; a change of more places than these looks at the whole table.
WIDTH, MOST_PLACES, MOST_RANGES = 1000, 20_000, 40
PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    # Small enough that the rows of a day are found without reading the rest.
    "write.target-file-size-bytes": str(64 << 20),
    "write.parquet.row-group-size-bytes": str(16 << 20),
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}
# A few changed rows do not write a file of many again, but a list of the rows that are gone.
OF_LARGE = {f"write.{change}.mode": "merge-on-read" for change in ("delete", "update", "merge")}


class Table:
    """A table of the catalog. `name` is `namespace.table`; `key` are the columns that its rows are merged by."""

    def __init__(self, spark: SparkSession, name: str, key: Iterable[str] = ()) -> None:
        self.spark, self.name, self.key = spark, name, list(key)

    def create(self, columns: Mapping[str, str], partition: str = "", *, is_large: bool = False) -> None:
        """Creates the table if it is missing, and adds missing columns."""
        if not self.exists():
            declared = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
            properties = {**PROPERTIES, **(OF_LARGE if is_large else {})}
            listed = ", ".join(f"'{name}' = '{value}'" for name, value in properties.items())
            by = f"partitioned by ({partition})" if partition else ""
            self.spark.sql(f"create table {self.name} ({declared}) using iceberg {by} tblproperties ({listed})")
            return
        known = self.rows().columns
        missing = [name for name in columns if name not in known]
        for name in missing:
            self.spark.sql(f"alter table {self.name} add column `{name}` {columns[name]}")
        if missing:
            self.note({})  # the next load fills it for all rows

    def exists(self) -> bool:
        """Whether the catalog has it."""
        return self.spark.catalog.tableExists(self.name)

    def rows(self) -> DataFrame:
        """Its rows."""
        return self.spark.table(self.name)

    def is_empty(self) -> bool:
        """Whether no commit has left rows in it."""
        return self.count() == 0

    def count(self) -> int:
        """How many rows its files have, those too that are marked as gone: asked of the catalog, without a job."""
        snapshot = self._iceberg().currentSnapshot()
        return 0 if snapshot is None else int(snapshot.summary().get("total-records") or 0)

    def near(self, rows: DataFrame) -> DataFrame:
        """Its rows among which those with the keys of others are: without the files that cannot hold them."""
        return self.rows().where(bounds(rows, self.key[0]).format(f"`{self.key[0]}`"))

    def mark(self) -> dict[str, Any]:
        """What its newest commit with a mark said; empty where none did."""
        table = self._iceberg()
        snapshot = table.currentSnapshot()
        while snapshot is not None:
            found = snapshot.summary().get(MARK)
            if found is not None:
                marked: dict[str, Any] = _checked(json.loads(found), self.name)
                return marked
            parent = snapshot.parentId()
            snapshot = table.snapshot(parent) if parent is not None else None
        return {}

    def snapshot(self) -> int | None:
        """The number of the newest commit."""
        found = self._iceberg().currentSnapshot()
        return None if found is None else int(found.snapshotId())

    def sequence_number(self, snapshot: int) -> int | None:
        """The place of a commit among those of the table; None if it is known no more."""
        found = self._iceberg().snapshot(snapshot)
        return None if found is None else int(found.sequenceNumber())

    def partitions_since(self, snapshot: int) -> list[Any] | None:
        """The partitions into which somebody wrote since a commit; None if it is known no more.

        Of a table without partitions it is one, None, if somebody wrote at all.
        """
        since = self.sequence_number(snapshot)
        if since is None:
            return None
        place = "data_file.partition.*" if self._iceberg().spec().isPartitioned() else "null"
        found = self.spark.sql(f"select distinct {place} from {self.name}.all_entries where sequence_number > {since}")
        return [value for (value,) in found.collect()]

    def append(self, rows: DataFrame, mark: Mapping[str, Any]) -> None:
        """Adds rows and commits the mark with them."""
        self._writer(rows, mark).append()

    def note(self, mark: Mapping[str, Any]) -> None:
        """Commits a mark alone."""
        if mark != self.mark():
            self.append(self.rows().limit(0), mark)

    def overwrite(self, rows: DataFrame, condition: Any, mark: Mapping[str, Any]) -> None:
        """Replaces the rows under a condition, which is one of partitions, and commits the mark with them."""
        self._writer(rows, mark).overwrite(condition)

    def merge(self, rows: DataFrame, mark: Mapping[str, Any], bounds: str = "", delete: str = "") -> None:
        """Inserts rows, or updates those with their key, and commits the mark with them.

        Rows are looked for under the condition `bounds`, in which `{0}` stands for the first column of the key. Rows
        with the column `delete` are deleted.
        """
        view = f"merged_{self.name.replace('.', '_')}"
        # A merge reads its rows twice, and takes none whose making is not certain to give the same again.
        rows.localCheckpoint().createOrReplaceTempView(view)
        columns = [name for name in rows.columns if name != delete]
        on = " and ".join(
            [
                *(f"old.`{name}` = new.`{name}`" for name in self.key),
                *([bounds.format(f"old.`{self.key[0]}`")] if bounds else []),
            ]
        )
        gone = f"when matched and new.`{delete}` then delete" if delete else ""
        matched = f"when matched then update set {', '.join(f'old.`{name}` = new.`{name}`' for name in columns)}"
        listed = ", ".join(f"`{name}`" for name in columns)
        given = ", ".join(f"new.`{name}`" for name in columns)
        missed = (
            f"when not matched {f'and not new.`{delete}`' if delete else ''} then insert ({listed}) values ({given})"
        )
        statement = f"merge into {self.name} as old using {view} as new on {on} {gone} {matched} {missed}"
        self._marked(mark, lambda: self.spark.sql(statement))

    def _writer(self, rows: DataFrame, mark: Mapping[str, Any]) -> Any:
        return rows.writeTo(self.name).option(f"snapshot-property.{MARK}", json.dumps(mark, sort_keys=True))

    def _marked(self, mark: Mapping[str, Any], write: Callable[[], Any]) -> None:
        """Runs a statement whose commit gets the mark: SQL has no word for it."""
        context = self.spark.sparkContext
        ensure_callback_server_started(context._gateway)  # type: ignore[no-untyped-call]
        jvm: Any = context._jvm
        properties = jvm.java.util.HashMap()
        properties.put(MARK, json.dumps(mark, sort_keys=True))
        error = jvm.java.lang.Class.forName("java.lang.RuntimeException")
        jvm.org.apache.iceberg.spark.CommitMetadata.withCommitProperties(properties, _Call(write), error)

    def _iceberg(self) -> Any:
        jvm: Any = self.spark.sparkContext._jvm
        return jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(self.spark._jsparkSession, self.name)


class _Call:
    """A function of Python as Java's Callable."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call

    def call(self) -> None:
        self._call()

    class Java:
        implements: ClassVar = ["java.util.concurrent.Callable"]


def quoted(name: str) -> str:
    """A column's name in SQL, whatever it is: a source may have any."""
    return "`{}`".format(name.replace("`", "``"))


def read_csv(spark: SparkSession, paths: list[str], names: list[str]) -> DataFrame:
    """The rows of CSV as PostgreSQL writes it, all columns as text."""
    return spark.read.csv(
        paths,
        schema=", ".join(f"{quoted(name)} string" for name in names),
        header=True,
        enforceSchema=False,
        multiLine=True,
        escape='"',
        nullValue=NEVER,
        mode="FAILFAST",
    )


def first_day(month: int) -> str:
    """The first day, YYYY-MM-01, of a month by its number since 1970, as Iceberg counts."""
    return f"{1970 + month // 12}-{month % 12 + 1:02}-01"


def month_of(day: int) -> int:
    """The number since 1970 of the month of a day, 20261100 or 20261131."""
    return (day // 10000 - 1970) * 12 + day // 100 % 100 - 1


def _checked(found: Any, name: str) -> Any:
    """A mark: names with numbers, hashes, or the same again. Tables lie where others may write."""
    if isinstance(found, dict) and all(isinstance(key, str) for key in found):
        return {key: _checked(value, name) for key, value in found.items()}
    if found is None or type(found) is int or (isinstance(found, str) and re.fullmatch("[0-9a-f]{64}", found)):
        return found
    raise Refused(f"cannot use {name}, because the mark of its last commit is not one of ours; run RebuildLakeStar")


class Refused(Exception):
    """Why the job cannot go on, in words for people."""


def worked_out(rows: DataFrame, plan: Mapping[str, Any]) -> DataFrame:
    """The rows, worked out once. Few are kept without how they were made, which would be planned again at each use."""
    return rows.localCheckpoint() if plan["is_small"] else rows.persist(StorageLevel.DISK_ONLY)


def differing(new: DataFrame, old: DataFrame, key: list[str], keep: Mapping[str, str] | None = None) -> DataFrame:
    """The rows that `old` does not hold in this form.

    `keep` names columns of the old row that are added to the new one, each with the name that it gets.
    """
    columns = [name for name in new.columns if name not in key and name in old.columns and name != BATCH]
    kept = [f"old.`{name}` as `{alias}`" for name, alias in (keep or {}).items()]
    on = " and ".join(f"new.`{name}` = old.`{name}`" for name in key)
    same = " and ".join([f"old.`{key[0]}` is not null", *(f"new.`{name}` <=> old.`{name}`" for name in columns)])
    joined = new.alias("new").join(old.alias("old"), on=F.expr(on), how="left").where(f"not ({same})")
    return joined.selectExpr(*(f"new.`{name}`" for name in new.columns), *kept)


def bounds(rows: DataFrame, column: str) -> str:
    """A condition with literals that holds for the values of a column, by which files are passed over.

    `{0}` in it stands for the column. Whole numbers that lie apart are in ranges of their own; texts have none.
    """
    kind = dict(rows.dtypes)[column]
    if kind not in ("bigint", "int"):
        return "true"
    found = rows.selectExpr(f"floor(`{column}` / {WIDTH}D) as place").distinct().limit(MOST_PLACES + 1).collect()
    places = sorted(int(place) for (place,) in found if place is not None)
    if not places or len(places) > MOST_PLACES:
        return "true" if places else "false"
    gaps = sorted((after - before for before, after in zip(places, places[1:])), reverse=True)
    widest = max(2, gaps[MOST_RANGES]) if len(gaps) > MOST_RANGES else 2
    spans = [[places[0], places[0]]]
    for place in places[1:]:
        if place - spans[-1][1] < widest:
            spans[-1][1] = place
        else:
            spans.append([place, place])
    listed = (f"{{0}} between {low * WIDTH} and {(high + 1) * WIDTH - 1}" for low, high in spans)
    return f"({' or '.join(listed)})"
