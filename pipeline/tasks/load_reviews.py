"""Reviews: lake -> Spark -> lake -> stage."""

import datetime as dt
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import luigi

from pipeline.feeds import landing, review_models, reviews, staging
from pipeline.feeds.landing import Delivery
from pipeline.feeds.staging import Part
from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import ConfigError
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import Lake, lake
from pipeline.lake.parquet import ParquetCsv
from pipeline.tasks.base import OceanTask, WaitingTask, held_back, retried, show
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.load_feed import DeliveredTask, classified, deliveries, list_again
from pipeline.tasks.runtime.day_parameter import day_parameter
from pipeline.tasks.simulate import simulated_feeds
from pipeline.vendors.declared_feeds import REVIEWS

CLASSIFIERS = ("auto", "keyword", "lexicon", "trained")
# The columns of the Parquet files; the date is in the names of their folders.
SCHEMA = {
    "review_id": "string",
    "cid": "int64",
    "positive_review": "bool",
    "classifier": "string",
    "positive_probability": "double",
}
LATER = ("positive_probability",)  # an earlier version wrote files without it
COLUMNS = (*SCHEMA, "review_date")


class ClassifyReviews(WaitingTask):
    """Classifies the reviews that were delivered up to a date and are not classified yet, in one Spark application.

    Starts no Spark without reviews. `--classifier` classifies the date's own reviews again if another classifier did
    it before; auto takes review_classifier of luigi.cfg. A failure is held back.

    luigi --module pipeline ClassifyReviews --date 2026-11-19 --local-scheduler
    """

    layer, table = "extract", REVIEWS.name

    # Of several dates that are ready at once Luigi runs the newest, which covers all of them.
    date = day_parameter(batch_method=max, description="the day whose reviews are classified, YYYY-MM-DD (UTC)")
    classifier = luigi.ChoiceParameter(choices=CLASSIFIERS, default="auto", description="what tells good from bad")

    def requires(self) -> Iterable[luigi.Task]:
        return [CreateWarehouse(), *simulated_feeds(self.date)]

    def complete(self) -> bool:
        return all(task.complete() for task in self.requires()) and not self._missing()

    @held_back
    def run(self) -> None:
        list_again()
        # Two processes at once: the second one waits and finds the work done.
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            locks.lock_session(cursor, "classify reviews")
            missing = landing.well_named(self._missing())
            if missing:
                models = review_models.known(cursor)
                parts = reviews.classify_deliveries(lake(), settings(), missing, self._chosen, models, self.say)
                self.rows = sum(part.rows for part in parts)
                self.say(f"{self.rows:,} reviews of {len(parts)} dates classified", 100)
        list_again()
        landing.refuse_others(lake(), deliveries(REVIEWS, self.date))

    def _missing(self) -> list[Delivery]:
        delivered = deliveries(REVIEWS, self.date)
        return reviews.unclassified(classified(), delivered, self.date, self._chosen) if delivered else []

    @property
    def _chosen(self) -> str | None:
        chosen = settings().review_classifier if self.classifier == "auto" else self.classifier
        return None if chosen == "auto" else chosen


class LoadReviews(DeliveredTask):
    """Loads the reviews up to a date that are classified and not loaded as they are now into stage.

    luigi --module pipeline LoadReviews --date 2026-11-19 --local-scheduler
    """

    feed = REVIEWS.name

    def requires(self) -> Iterable[luigi.Task]:
        return [CreateWarehouse(), ClassifyReviews(self.date)]

    def complete(self) -> bool:
        """Whether all that is delivered is classified, and loaded as it was classified last."""
        if not super().complete():
            return False
        if not deliveries(self.declared, self.date):
            return True
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            return not self._unloaded(staging.versions(cursor, self.feed))

    def _unloaded(self, loaded: dict[dt.date, str]) -> dict[dt.date, reviews.Classified]:
        return {
            date: found
            for date, found in sorted(classified().items())
            if found.version and date <= self.date and loaded.get(date) != found.version
        }

    def load(self, cursor: Cursor, loaded: dict[dt.date, str]) -> tuple[Sequence[Part], int]:
        done = self._unloaded(loaded)
        if not done:
            return [], 0
        parts = [reviews.part(lake(), date, found.version) for date, found in done.items()]
        named = [(key, {"review_date": str(date)}) for date, found in done.items() for key in found.files]
        staging.fill(cursor, self.feed, COLUMNS, ParquetCsv(lake(), named, SCHEMA, list(COLUMNS), LATER))
        return parts, staging.finish(cursor, self.feed, parts)


class TrainReviewClassifier(OceanTask):
    """Trains the classifier `trained` on labelled reviews. Later classifications use it.

    The file is CSV with the header review_str,positive (true or false). The results on unseen reviews are printed and
    kept beside the model. The warehouse keeps the hash of the model, and a model with another hash is not used.

    luigi --module pipeline TrainReviewClassifier --labelled reviews.csv --local-scheduler
    """

    labelled = luigi.Parameter(description="the labelled reviews: a path, or s3://bucket/key")

    def requires(self) -> luigi.Task:
        return CreateWarehouse()

    def complete(self) -> bool:
        """Whether the model in use was trained on this file, and is as it was trained."""
        folder = review_models.current(lake())
        if folder.rpartition("/")[2] != review_models.name_of(self._read()):
            return False
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            known = review_models.known(cursor)
        return known.get(folder.rpartition("/")[2]) == review_models.digest(lake(), folder)

    @retried
    def run(self) -> None:
        say = functools.partial(show, self)
        name, metrics = review_models.train_classifier(lake(), settings(), self._read(), say)
        sha256 = review_models.digest(lake(), f"{review_models.MODELS}/{name}")
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            review_models.remember(cursor, {name: sha256})
        review_models.use(lake(), name)
        print(review_models.report(metrics), flush=True)

    def _read(self) -> bytes:
        if self.labelled.startswith("s3://"):
            parts = urlsplit(self.labelled)
            found = Lake(f"s3://{parts.netloc}", settings().s3).read(parts.path.lstrip("/"))
        else:
            found = _file(self.labelled)
        if found is None:
            raise ConfigError(
                f"read {self.labelled}", "it is not there", "give --labelled a CSV file with review_str,positive"
            )
        return found


def _file(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None
