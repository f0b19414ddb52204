r"""Loads the star schema on the lake: extracts to stage, dimensions, facts and aggregates, as tables of Iceberg.

spark-submit --py-files lake_tables.py,lake_files.py,lake_changes.py,lake_stage.py,lake_star.py,lake_mart.py,\
lake_checks.py,lake_publish.py load_star.py --lake DIR --plan NAME --plan-sha256 HASH --report DIR

The plan (JSON) says what there is: files with their hashes, tables with their columns, and each select in Spark's
words. The script knows none of it by itself. Each table is written by commits that say what it holds, so that another
run after a kill goes on where it stopped, and a run for what is loaded writes nothing. What was done is written to
--report as JSON.
"""

# spark-submit puts the modules beside this one on the path at run time. So mypy does not know their types.
# mypy: disable-error-code="import-not-found, no-any-return"

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lake_checks import check
from lake_mart import Mart
from lake_publish import publish
from lake_stage import Stage
from lake_star import Star
from lake_tables import BATCH, Refused, Table, differing, read_csv, worked_out
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

SETTINGS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
}
# To compile each query, and to plan it again half-way, takes longer than to run it on few rows.
OF_FEW_ROWS = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
}
AT_ONCE = 4
FEWEST_HOURS = 24  # Iceberg removes no younger files: a writer may not have committed them yet


def main() -> None:
    """Runs the plan."""
    options = _options()
    builder = SparkSession.builder.appName("load star")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    [(text,)] = spark.read.text(f"{options.lake}/{options.plan}/plan.json", wholetext=True).collect()
    # Others can write to the lake, and the plan says what is run.
    if hashlib.sha256(text.encode()).hexdigest() != options.plan_sha256:
        print("cannot load the star, because its plan is not the one that was made; run the same command again")
        sys.exit(1)
    plan = json.loads(text)
    plan["lake"] = options.lake
    if password := os.environ.pop("CATALOG_PASSWORD", ""):
        spark.conf.set(f"spark.sql.catalog.{plan['catalog']}.jdbc.password", password)
    spark.sql(f"use {plan['catalog']}")
    try:
        report = load(spark, plan, options.report)
    except Refused as refused:
        print(refused, flush=True)
        sys.exit(1)
    lines = spark.createDataFrame([(json.dumps(report),)], "report string").coalesce(1)
    lines.write.mode("overwrite").text(f"{options.report}/report")


def load(spark: SparkSession, plan: Mapping[str, Any], target: str) -> dict[str, Any]:
    """Loads what the plan names, and writes what PostgreSQL shows of it below a folder; returns what was done."""
    plan = {**plan, "is_small": _rows(spark, plan) < plan["few_rows"]}
    if plan["is_small"]:
        for name, value in OF_FEW_ROWS.items():
            spark.conf.set(name, value)
    if plan["work"] == "rebuild":
        for name in [*plan["stage"].values(), *plan["declared"]]:
            for table in (name, f"{name}_version"):
                spark.sql(f"drop table if exists {table} purge")
    create(spark, plan)
    plan = {**plan, "batch": _next_batch(spark, plan)}
    report: dict[str, Any] = {"rows": {}, "rejected": {}, "compared": {}, "published": {}}

    steps = sum(len(plan[of]) for of in ("tables", "feeds", "dimensions", "facts")) + 1

    def told(name: str, work: Callable[[], int]) -> None:
        report["rows"][name] = rows = work()
        print(f"{len(report['rows'])} of {steps}: {name}, {rows:,} rows", flush=True)

    def stage(table: Mapping[str, Any]) -> None:
        one = Stage(spark, plan, table)
        told(f"stage.{table['short']}", one.load)
        report["rejected"][table["short"]] = one.files.rejected

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(stage, plan["tables"]))
        list(pool.map(lambda feed: told(f"stage.{feed['name']}", lambda: take_feed(spark, plan, feed)), plan["feeds"]))
    star = Star(spark, plan)

    def load_dimension(dimension: Mapping[str, Any]) -> None:
        told(f"dwh.{dimension['name']}", lambda: star.load_dimension(dimension))
        star.count_members(dimension)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(load_dimension, plan["dimensions"]))
        list(pool.map(lambda fact: told(f"dwh.{fact['name']}", lambda: star.load_fact(fact)), plan["facts"]))
    told("mart", Mart(spark, plan).keep)
    if plan["work"] == "maintain":
        upkeep(spark, plan)
    report["checks"], report["checked"] = check(spark, plan["checks"], AT_ONCE)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        published = pool.map(lambda table: publish(spark, table, f"{target}/published"), plan["published"])
        report["published"] = {table["name"]: one for table, one in zip(plan["published"], published) if one}
    for name, select in plan["compared"].items():
        report["compared"][name] = [list(row) for row in spark.sql(select).collect()]
    return report


def create(spark: SparkSession, plan: Mapping[str, Any]) -> None:
    """Creates what is missing, and the unknown members."""
    for namespace in plan["namespaces"]:
        spark.sql(f"create namespace if not exists {namespace}")
    for name, declared in plan["declared"].items():
        table = Table(spark, name)
        table.create(declared["columns"], declared["partition"], is_large=declared["is_large"])
        # Not only of a new table: a kill may have come in between.
        if declared["unknown"] and table.snapshot() is None:
            values = ", ".join(
                f"cast({declared['unknown'].get(column, 'null')} as {kind}) as `{column}`"
                for column, kind in declared["columns"].items()
            )
            table.append(spark.sql(f"select {values}"), {})


def take_feed(spark: SparkSession, plan: Mapping[str, Any], feed: Mapping[str, Any]) -> int:
    """Takes in the changed rows of a feed's stage table in PostgreSQL, which checked them."""
    table = Table(spark, plan["stage"][feed["name"]], feed["key"])
    written = 0
    for file in feed["files"]:
        texts = read_csv(spark, [f"{plan['lake']}/{file['path']}"], list(feed["columns"]))
        rows = texts.selectExpr(*(f"cast(`{name}` as {kind}) as `{name}`" for name, kind in feed["columns"].items()))
        new = worked_out(differing(rows, table.rows(), feed["key"]).withColumn(BATCH, F.lit(plan["batch"])), plan)
        count = new.count()
        if count:
            table.merge(new, {"batch": plan["batch"]})
        written += count
        new.unpersist()
    return written


def upkeep(spark: SparkSession, plan: Mapping[str, Any]) -> None:
    """Writes small files together, and removes what no reader of the last days needs; the rows stay as they are."""
    before = (F.current_timestamp() - F.expr(f"interval {plan['keep_hours']} hours")).cast("string")
    [(until,)] = spark.range(1).select(before).collect()
    versions = [f"{name}_version" for name in plan["stage"].values()]
    for name in [*plan["stage"].values(), *versions, *plan["declared"]]:
        table = Table(spark, name)
        if not table.exists() or table.snapshot() is None:
            continue
        mark = table.mark()
        options = "options => map('delete-file-threshold', '1', 'min-input-files', '5')"
        call = f"call {plan['catalog']}.system"
        spark.sql(f"{call}.rewrite_data_files(table => '{name}', {options})").collect()
        # What these commits wrote together has no mark, and older ones go.
        table.append(table.rows().limit(0), mark)
        kept = f"older_than => timestamp '{until}', retain_last => 2"
        spark.sql(f"{call}.expire_snapshots(table => '{name}', {kept})").collect()
        if plan["keep_hours"] >= FEWEST_HOURS:
            _remove_orphans(spark, f"{call}.remove_orphan_files(table => '{name}', older_than => timestamp '{until}')")
    Mart(spark, plan).note_counted()


def _remove_orphans(spark: SparkSession, call: str) -> None:
    """Removes files that no commit names. It lists them by Hadoop's file system, which a catalog can do without."""
    try:
        spark.sql(call).collect()
    except Exception as error:
        print(f"{call}: left out, because {str(error).splitlines()[0]}", flush=True)


def _rows(spark: SparkSession, plan: Mapping[str, Any]) -> int:
    """About how many rows a load may look at: those of stage, and those that come."""
    tables = (Table(spark, name) for name in plan["stage"].values())
    files = (file for table in plan["tables"] for file in table["files"].values())
    return sum(table.count() for table in tables if table.exists()) + sum(file["rows"] for file in files)


def _next_batch(spark: SparkSession, plan: Mapping[str, Any]) -> int:
    """The number of this load: above all before, also if PostgreSQL, which draws it, began again."""
    tables = (Table(spark, name) for name in plan["stage"].values())
    return max([plan["batch"], *(table.mark().get("batch", -1) + 1 for table in tables if table.exists())])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lake", required=True, help="the folder or URL of the lake")
    parser.add_argument("--plan", required=True, help="the folder of plan.json there")
    parser.add_argument("--plan-sha256", required=True, help="its hash")
    parser.add_argument("--report", required=True, help="the folder for the report, JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
