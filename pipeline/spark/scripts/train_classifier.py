r"""Trains the classifier of reviews, and measures it on unseen reviews.

spark-submit --py-files classifiers.py,models.py,review_text.py train_classifier.py \
    --input PATH --output DIR [--lexicon FILE...]

Reads labelled reviews (CSV, header review_str,positive; true or false) from a file or a folder of *.csv files and
writes below --output:

    model/        the fitted Spark ML pipeline: from `words` to `prediction`, 1 for positive
    metrics.json  results on the held-out reviews, of the model, the keyword rule and, with --lexicon, the lexicon

The model is trained on all usable reviews. What is measured is a model of the same kind that has not seen the held-out
ones: metrics.json has the reviews that each was trained on as `trained_on` and `measured_model_trained_on`.

The model is tf-idf over the stems of words and over pairs of them, each review scaled to length 1, and a logistic
regression. A hash of its text decides whether a review is held out. So equal reviews are on the same side, and a
review stays on its side when others are added.
"""

# spark-submit puts the modules beside this one on the path at run time. So mypy does not know their types.
# mypy: disable-error-code="import-not-found, no-any-return"

from __future__ import annotations

import argparse
import json
import math
from concurrent.futures import ThreadPoolExecutor

from classifiers import by_model, keyword, lexicon
from models import digest, stages
from pyspark.errors import AnalysisException
from pyspark.ml import Pipeline, PipelineModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from review_text import clean, refuse, session, words

HELD_OUT = 5  # one review in this many
BINS = 10  # of the probability


def main() -> None:
    """Reads the reviews, trains, measures and writes."""
    options = _options()
    spark = session("train the classifier of reviews")
    usable, refused = read(spark, options.input)
    usable = usable.withColumn("words", words(F.col("cleaned"))).cache()
    seen, held_out = usable.filter(~F.col("held_out")), usable.filter(F.col("held_out"))
    counts = {(row.held_out, row.label): row["count"] for row in usable.groupBy("held_out", "label").count().collect()}
    if len(counts) < 4:
        refuse(
            f"train on {options.input}",
            f"of its {sum(counts.values()) + refused} rows {refused} have no text or are neither true nor false, and "
            "the others are too few, or all of one kind",
            "give it reviews of both kinds, some hundreds at least",
        )
    with ThreadPoolExecutor(2) as threads:  # a fit uses one core
        shipped, of_seen = threads.map(train, (usable, seen))
    shipped.write().overwrite().save(f"{options.output}/model")
    answers = {
        "trained": by_model(of_seen, held_out).cache(),
        "keyword": keyword(held_out),
        **({"lexicon": lexicon(held_out, options.lexicon)} if options.lexicon else {}),
    }
    metrics = {
        "rows": sum(counts.values()),
        "refused_rows": refused,
        "trained_on": sum(counts.values()),
        "measured_model_trained_on": sum(count for (held, _), count in counts.items() if not held),
        "held_out": {name: measured(rows) for name, rows in answers.items()},
        "calibration": calibration(answers["trained"]),
    }
    save(spark, metrics, f"{options.output}/metrics.json")
    print(f"the SHA-256 of the model is {digest(spark, f'{options.output}/model')}", flush=True)
    for name, figures in metrics["held_out"].items():
        print(f"{name}: {figures['accuracy']:.3f} of {figures['rows']:,} held-out reviews are right", flush=True)


def read(spark: SparkSession, path: str) -> tuple[DataFrame, int]:
    """Cleaned text, label and side of each usable row, and the number of the other rows."""
    spark.conf.set("spark.sql.csv.parser.columnPruning.enabled", "false")
    try:
        rows = spark.read.csv(
            path,
            schema="review_str string, positive string, _corrupt_record string",
            header=True,
            multiLine=True,
            escape='"',
            columnNameOfCorruptRecord="_corrupt_record",
        ).cache()
        every = rows.count()
    except AnalysisException:
        refuse(f"train on {path}", "there is no such file or folder", "correct --input")
    text = clean(F.coalesce("review_str", F.lit("")))
    side = F.conv(F.substring(F.sha2(text, 256), 1, 8), 16, 10).cast("bigint") % HELD_OUT == 0
    usable = (
        rows.filter(F.col("_corrupt_record").isNull() & (text != ""))
        .withColumn("label", F.lower(F.trim("positive")).cast("boolean").cast("double"))
        .filter(F.lower(F.trim("positive")).isin("true", "false"))
        .select(text.alias("cleaned"), "label", side.alias("held_out"))
    )
    return usable, every - usable.count()


def train(rows: DataFrame) -> PipelineModel:
    """The fitted pipeline; the same rows give the same model.

    Uses one partition in one order: sums of floating-point numbers depend on the order of their parts.
    """
    *counting, idf, normalizer, regression = stages()
    ordered = rows.repartition(1).sortWithinPartitions("cleaned", "label")
    # What follows reads these rows several times. To make stems of the words is most of that work.
    counted = PipelineModel(counting).transform(ordered).select("counts", "label").cache()
    learned = Pipeline(stages=[idf, normalizer, regression]).fit(counted)
    counted.unpersist()
    return PipelineModel([*counting, *learned.stages])


def measured(rows: DataFrame) -> dict[str, object]:
    """Accuracy, and precision and recall for positive, with the four counts behind them."""
    counted = rows.groupBy("label", "positive_review").count().collect()
    count = {(row.label == 1, row.positive_review): row["count"] for row in counted}
    right, wrong = count.get((True, True), 0), count.get((False, True), 0)
    missed, spared = count.get((True, False), 0), count.get((False, False), 0)
    total = right + wrong + missed + spared
    return {
        "rows": total,
        "accuracy": round((right + spared) / total, 4),
        "precision": round(right / (right + wrong), 4) if right + wrong else None,
        "recall": round(right / (right + missed), 4) if right + missed else None,
        "confusion_matrix": {
            "true_positive": right,
            "false_positive": wrong,
            "false_negative": missed,
            "true_negative": spared,
        },
    }


def calibration(rows: DataFrame) -> dict[str, object]:
    """How far `positive_probability` can be believed.

    Ten bins of the probability with the share of their reviews that are positive; the Brier score, the mean square of
    what a probability is off; and the expected calibration error, the mean distance of a bin's two figures. Guo et al.,
    "On Calibration of Modern Neural Networks" (2017), describe the latter.
    """
    probability = F.col("positive_probability")
    counted = (
        rows.groupBy(F.least(F.floor(probability * BINS), F.lit(BINS - 1)).alias("bin"))
        .agg(
            F.count(F.lit(1)).alias("reviews"),
            F.avg(probability).alias("mean"),
            F.avg("label").alias("share"),
            F.sum((probability - F.col("label")) ** 2).alias("squares"),
        )
        .collect()
    )
    of_bin = {row.bin: row for row in counted}
    total = sum(row.reviews for row in counted)
    return {
        "brier_score": round(math.fsum(row.squares for row in counted) / total, 4),
        "expected_error": round(math.fsum(row.reviews * abs(row.mean - row.share) for row in counted) / total, 4),
        "bins": [
            {
                "from": number / BINS,
                "to": (number + 1) / BINS,
                "reviews": of_bin[number].reviews if number in of_bin else 0,
                "mean_probability": round(of_bin[number].mean, 4) if number in of_bin else None,
                "share_positive": round(of_bin[number].share, 4) if number in of_bin else None,
            }
            for number in range(BINS)
        ],
    }


def save(spark: SparkSession, metrics: dict[str, object], path: str) -> None:
    """Writes JSON to any file system that Spark knows."""
    jvm = spark.sparkContext._jvm
    assert jvm is not None
    target = jvm.org.apache.hadoop.fs.Path(path)
    stream = target.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration()).create(target, True)
    try:
        stream.write(bytearray(json.dumps(metrics, indent=2).encode()))
    finally:
        stream.close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Trains the classifier of reviews, and measures it.")
    parser.add_argument("--input", required=True, help="labelled reviews: a CSV file, or a folder of them")
    parser.add_argument("--output", required=True, help="folder for model/ and metrics.json")
    parser.add_argument("--lexicon", nargs="+", help="files of the lexicon, to measure it too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
