"""What PostgreSQL shows of the star on the lake: the mart, what waits and what was rejected, written out as JSON.

Shipped beside the script that imports it (spark-submit --py-files).
"""

# spark-submit puts the modules beside this one on the path at run time. So mypy does not know their types.
# mypy: disable-error-code="import-not-found, no-any-return"

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lake_tables import Table
from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def publish(spark: SparkSession, table: Mapping[str, Any], target: str) -> dict[str, Any] | None:
    """Writes the rows of a table that changed since the commit `known`, below the folder `target`.

    A table of months or quarters (`span` is their column) is written by these, any other one as a whole. Returns its
    commit now, the spans that were written (None: all) and those that it has; None where nothing changed.
    """
    one = Table(spark, table["table"])
    snapshot, known, span = one.snapshot(), table["known"], table["span"]
    # Without a commit there is nothing in it: of a star that was built again PostgreSQL may have other rows.
    if snapshot == known and snapshot is not None:
        return None
    rows = one.rows().where(table["where"])
    spans = present = None
    if span:
        found = spark.sql(f"select partition.`{span}` from {one.name}.partitions where record_count > 0")
        present = sorted(str(each) for (each,) in found.collect())
        since = None if known is None else one.partitions_since(known)
        if since is not None:
            spans = sorted({str(each) for each in since} & set(present))
            rows = rows.where(F.col(span).cast("string").isin(spans))
    # JSON has no instants: they are texts that PostgreSQL reads, with all their digits.
    texts = [
        F.concat(F.col(name).cast("string"), F.lit("+00")).alias(name) if kind == "timestamp" else F.col(name)
        for name, kind in rows.dtypes
    ]
    written = rows.select(F.to_json(F.struct(*texts)))
    written.coalesce(1).write.mode("overwrite").text(f"{target}/{table['name']}")
    return {"snapshot": snapshot, "spans": spans, "present": present}
