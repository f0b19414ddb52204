r"""Classifies reviews as positive or not.

spark-submit --py-files classifiers.py,models.py,review_text.py classify_reviews.py \
    --input DIR --output DIR --classifier NAME

Reads the CSV files (header cid,review_str; RFC 4180) in the folders date=YYYY-MM-DD below --input and writes Parquet to
folders of the same names below --output:

    cid bigint, positive_review boolean, review_id string, classifier string, positive_probability double

`positive_probability` is NULL unless the classifier is `trained`. Rows without a number as cid, or with another number
of columns, are left out. Each date that is read is written again, other dates stay. The same reviews give the same rows
in the same order, on any master and for any order of files.
"""

# spark-submit puts the modules beside this one on the path at run time. So mypy does not know their types.
# mypy: disable-error-code="import-not-found, no-any-return"

from __future__ import annotations

import argparse

from classifiers import keyword, lexicon, trained
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, Observation, SparkSession, Window
from pyspark.sql import functions as F
from review_text import clean, refuse, session

DATES = "date=[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
LONGEST_REVIEW = 1_000_000  # characters; a quote that is never closed must not fill the memory
ROWS_IN_A_FILE = 2_000_000


def main() -> None:
    """Reads, classifies and writes the reviews."""
    options = _options()
    spark = session("classify reviews")
    found = read(spark, options.input)
    if found is None:
        print("no reviews", flush=True)
        return
    seen = Observation("seen")
    rows = found.observe(seen, F.count(F.lit(1)).alias("rows"))
    write(identified(classified(rows, options)), options)
    print(f"{seen.get['rows']:,} reviews classified by {options.classifier}", flush=True)


def read(spark: SparkSession, folder: str) -> DataFrame | None:
    """cid, review_str and date of each well-formed row; None if there is no folder of a date."""
    # A row with too many columns shows only if all columns are parsed.
    spark.conf.set("spark.sql.csv.parser.columnPruning.enabled", "false")
    try:
        # The base path makes `date` a column with the value in the folder's name.
        rows = spark.read.option("basePath", folder).csv(
            f"{folder}/{DATES}",
            schema="cid bigint, review_str string, date string",
            header=True,
            multiLine=True,
            escape='"',
            mode="DROPMALFORMED",
            maxCharsPerColumn=LONGEST_REVIEW,
            pathGlobFilter="*.csv",
        )
    except AnalysisException as error:
        if "PATH_NOT_FOUND" in str(error):
            return None
        raise
    return rows


def classified(rows: DataFrame, options: argparse.Namespace) -> DataFrame:
    """The rows with positive_review and positive_probability, by the classifier in the options."""
    rows = rows.withColumn("cleaned", clean(F.coalesce("review_str", F.lit(""))))
    if options.classifier == "trained":
        return trained(rows, options.model, options.model_sha256)
    if options.classifier == "lexicon":
        return lexicon(rows, options.lexicon)
    return keyword(rows)


def identified(rows: DataFrame) -> DataFrame:
    """The rows with review_id: the hash of date, cid, text, and n for the nth of rows that are equal in these.

    Hashes the text before rows are brought together by date, so that no text is moved. The SHA-256 of
    date|cid|text is hashed again with |n after it.
    """
    hashed = rows.select(
        "date", "cid", "positive_review", "positive_probability", _hash("date", "cid", "review_str").alias("hash")
    )
    alike = Window.partitionBy("date", "hash").orderBy("cid")
    return (
        hashed.repartition("date")  # the window needs the same partitions: one exchange for both
        .withColumn("n", F.row_number().over(alike))
        .withColumn("review_id", _hash("hash", "n"))
    )


def write(rows: DataFrame, options: argparse.Namespace) -> None:
    """Writes one file for each date, unless it is huge, with rows in the order of their ids."""
    classifier = F.lit(options.classifier).alias("classifier")
    (
        rows.select("cid", "positive_review", "review_id", classifier, "positive_probability", "date")
        .sortWithinPartitions("date", "review_id")
        .write.partitionBy("date")
        .mode("overwrite")
        .option("maxRecordsPerFile", ROWS_IN_A_FILE)
        .parquet(options.output)
    )


def _hash(*columns: str) -> Column:
    return F.sha2(F.concat_ws("|", *(F.coalesce(F.col(column).cast("string"), F.lit("")) for column in columns)), 256)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Says of each review whether it is positive.")
    parser.add_argument("--input", required=True, help="folder of date=YYYY-MM-DD folders with CSV files")
    parser.add_argument("--output", required=True, help="folder for Parquet files")
    parser.add_argument("--classifier", required=True, choices=["keyword", "lexicon", "trained"])
    parser.add_argument("--lexicon", nargs="+", help="files of word and score, or emoji and meaning; for lexicon")
    parser.add_argument("--model", help="folder model/ that train_classifier.py wrote; for trained")
    parser.add_argument("--model-sha256", help="the hash of the model that train_classifier.py printed; for trained")
    options = parser.parse_args()
    for needed in {"lexicon": ["lexicon"], "trained": ["model", "model-sha256"]}.get(options.classifier, []):
        if not getattr(options, needed.replace("-", "_")):
            refuse(f"classify by {options.classifier}", f"--{needed} is missing", f"name it with --{needed}")
    return options


if __name__ == "__main__":
    main()
