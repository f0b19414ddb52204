"""The files of extracts and repairs: their rows as values, whole and as they were written, and which cannot be kept.

Shipped beside the script that imports it (spark-submit --py-files).
"""

# spark-submit puts the modules beside this one on the path at run time. So mypy does not know their types.
# mypy: disable-error-code="import-not-found, no-any-return"

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lake_tables import Refused, Table, quoted, read_csv, worked_out
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

PLACE, LINE, REASON, RAW = "etl_place", "ctid", "etl_reason", "etl_raw"
LONGEST_ROW = 1000
TYPES = {
    "id": "bigint",
    "int": "int",
    "amount": "decimal(27, 9)",
    "instant": "timestamp",
    "date": "date",
    "flag": "boolean",
    "text": "string",
}
WORDS = {
    "id": "a whole number",
    "int": "a whole number of 32 bits",
    "amount": "an exact number of at most 18 digits and 9 decimals",
    "instant": "an instant from 1900-01-01 to 9999-12-30",
    "date": "a date from 0001-01-01 to 9999-12-31",
    "flag": "true or false",
}
LIMITS = {
    "instant": "{0} >= timestamp '1900-01-01 00:00:00' and {0} < timestamp '9999-12-31 00:00:00'",
    "date": "{0} between date '0001-01-01' and date '9999-12-31'",
    "amount": "not {1} rlike '[.][0-9]{{9}}[0-9]*[1-9]'",
}


# Of an extract, repair or window, in the path of its file.
FOLDER = r"^.*/((?:extract/[a-z_.]+/date=|repair/[a-z_.]+/date=|log/window=)[^/]*(?:/[a-z]+=[^/]*)*)/[^/]*$"
# The columns that changes have before those of the table.
HALF = "cast(conv(split_part(etl_lsn, '/', {0}), 16, 10) as bigint)"
OF_LOG = {
    "etl_op": "etl_op",
    "etl_lsn": f"{HALF.format(1)} * 4294967296 + {HALF.format(2)}",
    "etl_ts": "cast(etl_ts as timestamp)",
    "etl_seq": "cast(etl_seq as int)",
    "etl_unchanged": "coalesce(from_json(etl_unchanged, 'array<string>'), array())",
    "etl_old_key": "from_json(etl_old_key, 'array<string>')",
}


GONE = "array_union({0}, if(etl_op = 'U', array({1}), cast(array() as array<string>)))"


class Files:
    """The files of one source table. `table` is its part of the plan; `rejected` counts rows that could not be kept."""

    def __init__(self, spark: SparkSession, plan: Mapping[str, Any], table: Mapping[str, Any]) -> None:
        self.spark, self.plan, self.table = spark, plan, table
        self.key: list[str] = table["key"]
        self.columns: dict[str, str] = table["columns"]
        self.files: Mapping[str, Any] = table["files"]
        self.places = {folder: place for place, folder in enumerate(table["folders"])}
        self.rejected = 0

    def rows(self, folders: Sequence[str]) -> tuple[DataFrame, bool]:
        """The rows of files that can be kept, and whether each is a key of its own; the others are rejected.

        Raises Refused for a file that is not what its metadata says.
        """
        rows = worked_out(self._read(folders), self.plan)
        counts = self._counts(rows, folders)
        is_unique = rows.groupBy(*self.key).count().where("count > 1").limit(1).count() == 0
        if is_unique and not any(bad for _, _, bad, _ in counts):
            return rows, True
        return self._without_rejected(self._judged(rows), {place: first for place, _, _, first in counts}), is_unique

    def changes(self, folders: Sequence[str]) -> DataFrame:
        """The changes in windows of the log, each with why it cannot be kept as far as that is known."""
        rows = worked_out(self._read(folders), self.plan)
        self._firsts = {place: first for place, _, _, first in self._counts(rows, folders)}
        return rows

    def without_rejected(self, changes: DataFrame) -> DataFrame:
        """The changes that can be kept; the others are rejected, and their rows stay as they were before."""
        return self._without_rejected(changes, self._firsts)

    def row_key(self) -> Column:
        """The key of a row as etl.rejected_row has it."""
        texts = (F.to_json(F.array(name)).substr(F.lit(2), F.length(F.to_json(F.array(name))) - 2) for name in self.key)
        return F.concat(F.lit("["), F.concat_ws(", ", *texts), F.lit("]"))

    def was_rejected(self, rows: DataFrame) -> DataFrame | None:
        """The keys of rows of which one was rejected before; None if none was."""
        known = self.spark.table(self.plan["rejected"]).where(F.col("source") == self.table["name"])
        if not known.limit(1).count():
            return None
        found = rows.select(self.row_key().alias("row_key")).distinct()
        return worked_out(found.join(known, "row_key", "left_semi"), self.plan)

    def forget_rejected(self, rows: DataFrame) -> None:
        """Removes from etl.rejected_row what a repair brought again."""
        keys = self.was_rejected(rows)
        if keys is not None and keys.limit(1).count():
            view = f"repaired_{self.table['short']}"
            keys.createOrReplaceTempView(view)
            self.spark.sql(
                f"delete from {self.plan['rejected']} where source = '{self.table['name']}' "
                f"and row_key in (select row_key from {view})"
            )

    def _counts(self, rows: DataFrame, folders: Sequence[str]) -> list[Any]:
        """For each file its place, its rows, those with a fault, and the number of its first line."""
        found = rows.groupBy(PLACE).agg(F.count(F.lit(1)), F.count(REASON), F.min(f"{LINE}.line")).collect()
        self._require_whole({self.table["folders"][place]: count for place, count, _, _ in found}, folders)
        return list(found)

    def _read(self, folders: Sequence[str]) -> DataFrame:
        """The rows of files as text and as values, each with its file, its line and why it cannot be kept."""
        parts = [(folder, part) for folder in folders for part in self.files[folder]["parts"]]
        found = None
        for (names, zoned), group in itertools.groupby(parts, lambda each: (each[1]["columns"], each[1]["zoned"])):
            these = list(group)
            paths = [f"{self.plan['lake']}/{folder}/{part['data']}" for folder, part in these]
            _require_hashes(self.spark, list(zip(paths, (part["sha256"] for _, part in these))))
            rows = self._typed(read_csv(self.spark, paths, names), [folder for folder, _ in these], zoned)
            found = rows if found is None else found.unionByName(rows)
        assert found is not None
        return found

    def _typed(self, raw: DataFrame, folders: Sequence[str], zoned: Mapping[str, str]) -> DataFrame:
        places = F.create_map(*(F.lit(each) for folder in folders for each in (folder, self.places[folder])))
        folder = F.regexp_extract(F.input_file_name(), FOLDER, 1)
        values = {name: _value(f"`{name}`", kind) for name, kind in self.columns.items()}
        is_of_log = OF_LOG.keys() <= set(raw.columns)
        of_log = OF_LOG if is_of_log else {}
        # A column that the source has no more stays as it was in the rows that the log changes.
        gone = ", ".join(f"'{name}'" for name in self.columns if name not in raw.columns)
        if gone:
            values |= {name: f"cast(null as {TYPES[self.columns[name]]})" for name in values if name not in raw.columns}
            of_log = {**of_log, "etl_unchanged": GONE.format(OF_LOG["etl_unchanged"], gone)}
        faults = [F.when(F.expr(condition), F.lit(words)) for condition, words in self._faults(raw.columns)]
        rows = raw.select(
            places[folder].alias(PLACE),
            F.monotonically_increasing_id().alias("line"),
            F.struct(*(F.col(quoted(name)) for name in raw.columns)).alias("raw"),
            *(
                F.to_utc_timestamp(F.expr(value), F.lit(zoned[name])).alias(name)
                if name in zoned
                else F.expr(value).alias(name)
                for name, value in {**values, **of_log}.items()
            ),
        )
        return rows.select(
            PLACE,
            # Of rows with the same key and time the first file's last line is kept.
            F.struct((-F.col(PLACE)).alias("place"), F.col("line")).alias(LINE),
            *self.columns,
            *of_log,
            F.coalesce(*faults).alias(REASON),
            F.when(F.coalesce(*faults).isNotNull(), F.to_json("raw")).alias(RAW),
        )

    def _faults(self, columns: Sequence[str]) -> list[tuple[str, str]]:
        """Conditions of rows with these columns that cannot be kept, and the words for each."""
        is_of_log = OF_LOG.keys() <= set(columns)
        found = [
            # The log may leave out a value that did not change.
            (
                f"raw.`{name}` is null" + (f" and not array_contains(etl_unchanged, '{name}')" if is_of_log else ""),
                words,
            )
            for name, words in ((name, f"{name} is missing") for name in self.table["required"])
        ]
        for name, kind in self.columns.items():
            if name not in columns:
                continue
            if kind in WORDS:
                is_fine = f"`{name}` is not null" + (
                    f" and {LIMITS[kind].format(f'`{name}`', f'raw.`{name}`')}" if kind in LIMITS else ""
                )
                found.append((f"raw.`{name}` is not null and not ({is_fine})", f"{name} is not {WORDS[kind]}"))
            if name == self.table["label"]:
                longest = self.table["longest_label"]
                found.append((f"length(`{name}`) > {longest}", f"{name} is longer than {longest} characters"))
        if self.columns[self.key[0]] in ("id", "int"):
            found.append((f"`{self.key[0]}` = -1", f"{self.key[0]} -1 is the unknown member's"))
        return [(f"etl_op in ('I', 'U') and {condition}", words) for condition, words in found] if is_of_log else found

    def _require_whole(self, counted: Mapping[str, int], folders: Sequence[str]) -> None:
        """Returns if each file has the rows that its metadata tells of."""
        for folder in folders:
            if counted.get(folder, 0) != self.files[folder]["rows"]:
                raise Refused(
                    f"cannot load {folder}, because it has {counted.get(folder, 0)} rows and its metadata says "
                    f"{self.files[folder]['rows']}; bring the file back from the versions of the bucket"
                )

    def _without_rejected(self, judged: DataFrame, firsts: Mapping[int, int]) -> DataFrame:
        """The rows that can be kept; the others go to etl.rejected_row."""
        self._reject(judged.where(f"{REASON} is not null"), firsts)
        return judged.where(f"{REASON} is null")

    def _require_few(self, folder: str, count: int) -> None:
        """Returns if no more rows of a file are rejected than may be."""
        told = self.files[folder]
        if told["most_rejected"] is not None and count > told["most_rejected"]:
            raise Refused(
                f"cannot load {folder}, because {count} of its {told['rows']} rows cannot be kept; fix them in the "
                "source, run this once with OCEAN_MAX_REJECTED=1 to load the rest, then run ReconcileSource --repair"
            )

    def _judged(self, rows: DataFrame) -> DataFrame:
        """Rows of which a later line has the same key and time cannot be kept either."""
        watermark = self.table["watermark"]
        values = F.struct(*self.columns)
        alike = Window.partitionBy(*self.key, watermark, PLACE, F.isnull(REASON)).orderBy(F.desc(LINE))
        rival = f"a later row has the same {' and '.join(self.key)} and {watermark}"
        is_rival = F.isnull(REASON) & ~values.eqNullSafe(F.first(values).over(alike))
        judged = rows.withColumn(REASON, F.when(is_rival, F.lit(rival)).otherwise(F.col(REASON)))
        return judged.withColumn(RAW, F.when(F.col(REASON).isNotNull(), F.coalesce(RAW, F.to_json(values))))

    def _reject(self, bad: DataFrame, firsts: Mapping[int, int]) -> None:
        """Keeps rows in etl.rejected_row, each once. Raises Refused where they are more than the plan allows."""
        places = [place for (place,) in bad.select(PLACE).distinct().collect()]
        if not places:
            return
        names = F.create_map(*(F.lit(each) for place in places for each in (place, self.table["folders"][place])))
        told = {place: self.files[self.table["folders"][place]] for place in places}
        dates = F.create_map(*(F.lit(each) for place in places for each in (place, told[place]["date"])))
        first = F.create_map(*(F.lit(each) for place in places for each in (place, firsts[place])))
        file = names[F.col(PLACE)]
        rejected = Table(self.spark, self.plan["rejected"], ["source", "file", "line", "reason"])
        found = bad.select(
            F.lit(self.table["name"]).alias("source"),
            dates[F.col(PLACE)].cast("date").alias("date"),
            (F.col(f"{LINE}.line") - first[F.col(PLACE)] + 2).alias("line"),  # the header is line 1
            F.col(REASON).alias("reason"),
            F.substring(RAW, 1, LONGEST_ROW).alias("row"),
            file.alias("file"),
            F.current_timestamp().alias("rejected_ts"),
            self.row_key().alias("row_key"),
        )
        new = worked_out(found.join(rejected.rows().select(rejected.key), rejected.key, "left_anti"), self.plan)
        for folder, count in new.groupBy("file").count().collect():
            self._require_few(folder, count)
            self.rejected += count
        if self.rejected:
            rejected.append(new, {})


def _value(name: str, kind: str) -> str:
    """The value of a text; NULL of one that is none of this kind."""
    if kind == "text":
        return name
    if kind in ("id", "int"):  # a whole number may come from a column that has decimals
        return f"try_cast(regexp_replace({name}, '[.]0*$', '') as {TYPES[kind]})"
    return f"try_cast({name} as {TYPES[kind]})"


def _require_hashes(spark: SparkSession, files: Sequence[tuple[str, str]]) -> None:
    """Returns if each file has the SHA-256 that its metadata tells."""
    jvm: Any = spark.sparkContext._jvm
    configuration = spark.sparkContext._jsc.hadoopConfiguration()

    def require(file: tuple[str, str]) -> None:
        path = jvm.org.apache.hadoop.fs.Path(file[0])
        stream = path.getFileSystem(configuration).open(path)
        try:
            found = jvm.org.apache.commons.codec.digest.DigestUtils.sha256Hex(stream)
        finally:
            stream.close()
        if found != file[1]:
            raise Refused(
                f"cannot load {file[0]}, because it is not the file that its metadata describes; "
                "bring it back from the versions of the bucket"
            )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(require, files))
