"""The three classifiers, which tell from the cleaned text of a review whether it is positive, and how sure they are.

Each adds `positive_review`, and `positive_probability` from 0 to 1, which is NULL where a classifier has none.

Shipped beside the scripts that import it (spark-submit --py-files).
"""

# spark-submit puts the modules beside this one on the path at run time. So mypy does not know their types.
# mypy: disable-error-code="import-not-found, no-any-return"

from __future__ import annotations

import json
import re
from zlib import crc32

from models import SHARPENED, open_model
from pyspark.errors import AnalysisException
from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from review_text import END, NEGATED_PREFIX, START, refuse, words

# The factor of a word's score after a negation: Hutto & Gilbert, VADER (2014), found -0.74 in how people rate texts.
NEGATED_SHARE = -0.74
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
BUCKETS = 4096
DIGITS = 6  # of a probability
LONGEST_WORD = 1_000_000


def keyword(rows: DataFrame) -> DataFrame:
    """The baseline: a review with the word "good" is positive."""
    return _without_probability(rows, F.col("cleaned").rlike(f"{START}good{END}"))


def lexicon(rows: DataFrame, files: list[str]) -> DataFrame:
    """A review is positive if the scores of its words add up to more than 0."""
    total = _total(scores(rows.sparkSession, files))
    return _without_probability(rows.withColumn("words", words(F.col("cleaned"))), total > 0)


def trained(rows: DataFrame, folder: str, sha256: str) -> DataFrame:
    """Uses the model in the folder, whose files must have that hash."""
    return by_model(open_model(rows.sparkSession, folder, sha256), rows.withColumn("words", words(F.col("cleaned"))))


def by_model(model: PipelineModel, rows: DataFrame) -> DataFrame:
    """What a model says of rows with `words`. A review is positive from a probability of 0.5 on, that included.

    The probability is that of the model's log-odds, sharpened. It is rounded before it is compared, so that the two
    agree wherever they are kept, and other machines and their last digits make no other rows.
    """
    log_odds = F.element_at(vector_to_array(F.col("rawPrediction")), 2)
    probability = F.round(1 / (1 + F.exp(-SHARPENED * log_odds)), DIGITS)
    rows = model.transform(rows).withColumn("positive_probability", probability)
    return rows.withColumn("positive_review", F.col("positive_probability") >= 0.5)


def _without_probability(rows: DataFrame, is_positive: Column) -> DataFrame:
    probability = F.lit(None).cast("double")
    return rows.withColumn("positive_review", is_positive).withColumn("positive_probability", probability)


def scores(spark: SparkSession, files: list[str]) -> dict[str, float]:
    """Words with their scores, from files with a word and its score, or an emoji and its meaning, on each line.

    Fields are separated by tabs. Fields after the second are not read. The score of an emoji is the sum of the scores
    in its meaning.
    """
    try:
        lines = [row.value.split("\t") for row in spark.read.text(files).collect()]
    except AnalysisException:
        refuse("read the lexicon", f"there is no file at {' or '.join(files)}", "correct --lexicon")
    known: dict[str, float] = {}
    meanings: dict[str, str] = {}
    for word, meaning, *_ in (line for line in lines if len(line) > 1):
        if NUMBER.fullmatch(meaning):
            known[word.lower()] = float(meaning)
        else:
            meanings[word.rstrip("\ufe0f")] = meaning
    for emoji, meaning in meanings.items():
        known[emoji] = round(sum(known.get(word, 0.0) for word in meaning.lower().split()), 4)
    if not any(known.values()):
        refuse("use the lexicon", f"there are no scores in {' or '.join(files)}", "correct --lexicon")
    return {word: score for word, score in known.items() if score}


def _total(score_of: dict[str, float]) -> Column:
    """The sum of the scores of the array `words`.

    Spark looks through a map entry by entry. So the words are spread by their CRC-32 over many small maps in an array.
    Spark makes the array once, from one literal: thousands of literals would take longer than the reviews.
    """
    buckets: list[dict[str, float]] = [{} for _ in range(BUCKETS)]
    for word, score in sorted(score_of.items()):
        buckets[crc32(word.encode()) % BUCKETS][word] = score
    table = F.from_json(F.lit(json.dumps(buckets)), "array<map<string, double>>")

    def add(total: Column, word: Column) -> Column:
        negated = word.startswith(NEGATED_PREFIX)
        bare = F.when(negated, F.substring(word, len(NEGATED_PREFIX) + 1, LONGEST_WORD)).otherwise(word)
        bucket = F.crc32(bare.cast("binary")) % BUCKETS + 1
        score = F.element_at(F.element_at(table, bucket.cast("int")), bare)
        return total + F.coalesce(score, F.lit(0.0)) * F.when(negated, NEGATED_SHARE).otherwise(1.0)

    return F.aggregate("words", F.lit(0.0), add)
