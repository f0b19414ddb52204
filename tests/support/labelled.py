"""Labelled reviews of our own: those of the simulated vendor, which knows the customers' opinions."""

import csv
import io
from random import Random

from pipeline.generators.review_texts import write_review

COUNT = 250
ROWS = [(review.text, str(review.positive).lower()) for review in map(write_review, [Random(7)] * COUNT)]


def labelled(rows: list[tuple[str, str]] = ROWS) -> str:
    """A CSV file of labelled reviews."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("review_str", "positive"), *rows])
    return text.getvalue()
