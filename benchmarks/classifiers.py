"""`python -m benchmarks.classifiers --labelled FILE`: which model of reviews is worth its place.

Compares candidates by repeated five-fold cross-validation on the reviews that training does not hold out, each with the
very functions and pipelines of Spark that ship. Prints the mean accuracy of each, its paired difference to the first
one, and the standard errors of both. Folds share most of what they learn from, so the errors are those of the corrected
resampled t-test (Nadeau & Bengio, "Inference for the Generalization Error", 2003): the variance over all folds times
1/J + 1/4, of J folds, and not times 1/J. A difference of less than two of its standard errors is none.

Prints too by which factor the log-odds of each candidate have the least log loss on what it has not learned from. That
of the first one is SHARPENED in pipeline/spark/scripts/models.py.

With --held-out the named candidates are measured on the held-out reviews too. Do this once, after the decision.

    .venv/bin/python -m benchmarks.classifiers --labelled labelled.csv --repeats 4 --candidates shipped stems-nb
"""

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.review_candidates import CANDIDATES, Tell, review_text, train_classifier
from benchmarks.sharpness import Answer, log_loss, sharpest
from pipeline.operations import summary
from pipeline.spark.java import java_home

FOLDS = 5


def main() -> None:
    """Compares the candidates and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labelled", required=True, help="CSV file with the header review_str,positive")
    parser.add_argument("--repeats", type=int, default=2, help="of the five folds")
    parser.add_argument("--candidates", nargs="+", choices=CANDIDATES, default=list(CANDIDATES), help="the first leads")
    parser.add_argument("--held-out", action="store_true", help="measure on the held-out reviews at the end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _session(Path(folder)) as spark:
        rows = _rows(spark, options.labelled)
        seen = rows.filter("not held_out")
        found: dict[str, list[float]] = {name: [] for name in options.candidates}
        took: dict[str, list[float]] = {name: [] for name in options.candidates}
        answers: dict[str, list[Answer]] = {name: [] for name in options.candidates}
        for learned, unseen in _folds(seen, options.repeats):
            for name in options.candidates:
                start = time.perf_counter()
                told = _answers(CANDIDATES[name](learned), unseen)
                took[name].append(time.perf_counter() - start)
                found[name].append(_accuracy(told))
                answers[name] += told
            if len(took[name]) > 1:  # one fold has no error
                print(f"{len(took[name])} folds\n{_table(found, took)}\n", flush=True)
        for name, told in answers.items():
            factor = sharpest(told)
            losses = f"{log_loss(told, 1):.4f} as they are, {log_loss(told, factor):.4f} times {factor:.3f}"
            print(f"{name}: the log loss of its log-odds is {losses}", flush=True)
        if options.held_out:
            for name in options.candidates:
                right = _accuracy(_answers(CANDIDATES[name](seen), rows.filter("held_out")))
                print(f"{name}: {right:.4f} of the held-out reviews are right", flush=True)


@contextmanager
def _session(folder: Path) -> Iterator[SparkSession]:
    settings = {
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
        "spark.local.dir": str(folder),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
    options = " ".join(f"--conf {name}={value}" for name, value in settings.items())
    os.environ["PYSPARK_SUBMIT_ARGS"] = f"--master local[2] --driver-memory 1g {options} pyspark-shell"
    os.environ["JAVA_HOME"] = str(java_home(folder))
    session: SparkSession = review_text.session("compare classifiers")
    session.conf.set("spark.sql.shuffle.partitions", "1")
    yield session
    session.stop()


def _rows(spark: SparkSession, path: str) -> DataFrame:
    """The usable reviews as training reads them, in one partition and one order."""
    usable: DataFrame = train_classifier.read(spark, path)[0]
    words = review_text.words(usable["cleaned"])
    return usable.withColumn("words", words).repartition(1).sortWithinPartitions("cleaned", "label").localCheckpoint()


def _folds(seen: DataFrame, repeats: int) -> Iterator[tuple[DataFrame, DataFrame]]:
    """What is learned from and what is not, of each fold of each repeat. Equal reviews are in the same fold."""
    for repeat in range(repeats):
        fold = f"cast(conv(substring(sha2(concat('{repeat}|', cleaned), 256), 1, 8), 16, 10) as bigint) % {FOLDS}"
        for number in range(FOLDS):
            yield seen.filter(f"{fold} <> {number}").localCheckpoint(), seen.filter(f"{fold} = {number}")


def _answers(tell: Tell, rows: DataFrame) -> list[Answer]:
    """The log-odds that each review is positive, and whether it is."""
    log_odds = vector_to_array(F.col("rawPrediction"))[1].alias("log_odds")
    return [(row.log_odds, row.label == 1) for row in tell(rows).select(log_odds, "label").collect()]


def _accuracy(answers: Sequence[Answer]) -> float:
    return statistics.mean((log_odds >= 0) == truth for log_odds, truth in answers)


def corrected_error(results: Sequence[float]) -> float:
    """The standard error of the mean of results of folds, by Nadeau & Bengio (2003).

    >>> round(corrected_error([0.7, 0.8, 0.75, 0.85, 0.7]), 4)
    0.0437
    """
    return statistics.stdev(results) * math.sqrt(1 / len(results) + 1 / (FOLDS - 1))


def _table(found: dict[str, list[float]], took: dict[str, list[float]]) -> str:
    first = next(iter(found.values()))
    lines = []
    for name, results in found.items():
        beside = [one - other for one, other in zip(results, first, strict=True)]
        mean, difference = statistics.mean(results), statistics.mean(beside)
        lines.append(
            [
                name,
                f"{mean:.4f}",
                f"{corrected_error(results):.4f}",
                f"{difference:+.4f}",
                f"{corrected_error(beside):.4f}",
                f"{statistics.median(took[name]):.1f}",
            ]
        )
    header = ["candidate", "accuracy", "error", "difference", "its error", "seconds a fold"]
    return summary.table(header, lines)


if __name__ == "__main__":
    main()
