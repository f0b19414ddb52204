"""The models of reviews that `benchmarks.classifiers` compares.

Each candidate learns from rows with `words` and `label`, and gives what adds `rawPrediction` to rows with `words`.
"""

import math
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import (
    IDF,
    CountVectorizer,
    ElementwiseProduct,
    HashingTF,
    NGram,
    Normalizer,
    SQLTransformer,
    VectorAssembler,
)
from pyspark.ml.linalg import DenseVector
from pyspark.ml.stat import Summarizer
from pyspark.sql import DataFrame

from pipeline.spark.job import SCRIPTS

# As spark-submit has them found.
sys.path.insert(0, str(SCRIPTS))
models, review_text, train_classifier = map(import_module, ("models", "review_text", "train_classifier"))

Tell = Callable[[DataFrame], DataFrame]

MOST_TERMS = 1 << 20
# Runs of two to five characters within each word, which has a blank at both ends.
CHARACTERS = """
    select *, flatten(transform(words, word -> flatten(transform(sequence(2, 5), size -> transform(
        sequence(1, greatest(length(word) + 3 - size, 1)),
        place -> substring(concat(' ', word, ' '), place, size)
    ))))) as characters from __THIS__
"""


def _grams(column: str, longest: int) -> list[Any]:
    """The stages that make `terms` of a list of words: these, and runs of up to `longest` of them."""
    runs = [NGram(n=size, inputCol=column, outputCol=f"runs_{size}") for size in range(2, longest + 1)]
    listed = ", ".join([column, *(stage.getOutputCol() for stage in runs)])
    return [SQLTransformer(statement=models.STEMS), *runs, SQLTransformer(statement=_CONCAT.format(listed))]


_CONCAT = "select *, concat({}) as terms from __THIS__"


def _tf_idf(column: str, features: str) -> list[Any]:
    """The stages of binary tf-idf, each review scaled to length 1."""
    return [
        HashingTF(numFeatures=models.FEATURES, binary=True, inputCol=column, outputCol=f"counted_{column}"),
        IDF(inputCol=f"counted_{column}", outputCol=f"weighed_{column}"),
        Normalizer(inputCol=f"weighed_{column}", outputCol=features),
    ]


def tf_idf(rows: DataFrame, column: str, longest: int, regularization: float) -> Tell:
    """Logistic regression on tf-idf."""
    return _with_regression([*_grams(column, longest), *_tf_idf("terms", "features")], rows, regularization)


def characters(rows: DataFrame, regularization: float) -> Tell:
    """Logistic regression on tf-idf of runs of characters within words."""
    stages = [SQLTransformer(statement=CHARACTERS), *_tf_idf("characters", "features")]
    return _with_regression(stages, rows, regularization)


def bayes(rows: DataFrame, column: str, longest: int, regularization: float) -> Tell:
    """Logistic regression on terms that are weighed by their log-count ratios."""
    found = _weighed(rows, _grams(column, longest), "terms", "features")
    return _with_regression(found, rows, regularization)


def both(rows: DataFrame, regularization: float) -> Tell:
    """The same of stems and pairs beside runs of characters, each of the two scaled to length 1."""
    terms = _weighed(rows, _grams("stems", 2), "terms", "weighed_terms")
    runs = _weighed(rows, [SQLTransformer(statement=CHARACTERS)], "characters", "weighed_runs")
    scaled = [
        Normalizer(inputCol="weighed_terms", outputCol="of_terms"),
        Normalizer(inputCol="weighed_runs", outputCol="of_runs"),
        VectorAssembler(inputCols=["of_terms", "of_runs"], outputCol="features"),
    ]
    return _with_regression([*terms, *runs, *scaled], rows, regularization)


def _weighed(rows: DataFrame, before: list[Any], column: str, features: str) -> list[Any]:
    """The stages that count the terms of a column and weigh them by the log-count ratios of these rows.

    Wang & Manning, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification" (2012), section 2.1. Every
    term is taken to be in one review more of each kind. Terms are counted by name: hashed, a term that was never seen
    would often get the ratio of another one.
    """
    counts = f"counted_{column}"
    counter = CountVectorizer(vocabSize=MOST_TERMS, binary=True, inputCol=column, outputCol=counts)
    stages = Pipeline(stages=[*before, counter]).fit(rows).stages
    counted = PipelineModel(stages).transform(rows)
    summed = counted.groupBy("label").agg(Summarizer.metrics("sum").summary(counted[counts]).alias("found")).collect()
    count = {row.label: [1 + value for value in row.found.sum.toArray().tolist()] for row in summed}
    shift = math.log(math.fsum(count[0.0])) - math.log(math.fsum(count[1.0]))
    ratios = [math.log(p) - math.log(q) + shift for p, q in zip(count[1.0], count[0.0], strict=True)]
    return [*stages, ElementwiseProduct(scalingVec=DenseVector(ratios), inputCol=counts, outputCol=features)]


def _with_regression(stages: list[Any], rows: DataFrame, regularization: float) -> Tell:
    """The regression on what the stages make, fitted as train_classifier.py does."""
    first = Pipeline(stages=stages).fit(rows)
    weighed = first.transform(rows).select("features", "label").localCheckpoint()
    regression = LogisticRegression(regParam=regularization, maxIter=models.ITERATIONS, standardization=False)
    return PipelineModel([first, regression.fit(weighed)]).transform


# What ships comes first: the others are compared with it.
CANDIDATES: dict[str, Callable[[DataFrame], Tell]] = {
    "shipped": lambda rows: train_classifier.train(rows).transform,
    "less-regularized": lambda rows: tf_idf(rows, "stems", 2, 3e-6),
    "nb-words-2": lambda rows: bayes(rows, "words", 2, 1.7e-4),
    "nb-words-3": lambda rows: bayes(rows, "words", 3, 1.7e-4),
    "nb-stems-2": lambda rows: bayes(rows, "stems", 2, 1.7e-4),
    "nb-stems-3": lambda rows: bayes(rows, "stems", 3, 1.7e-4),
    "characters": lambda rows: characters(rows, 2e-5),
    "nb-stems-and-characters": lambda rows: both(rows, 2e-5),
}
