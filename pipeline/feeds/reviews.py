"""Reviews on the lake: the classified dates, and the input and output of a classification.

    landing/movie_review/date=D/*.csv     the vendor's files
    work/movie_review/date=D/reviews.csv  their valid rows, for the engine, while it runs
    stage/movie_review/date=D/*.parquet   the classified reviews
    stage/movie_review/date=D/_SUCCESS-<version>
    models/review_classifier/<hash>/      a trained model with its metrics (review_models.py)

The version of a date depends on its files and on the classifier. So one listing shows which dates to classify.
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pipeline.feeds.clean_csv import write_csv
from pipeline.feeds.landing import Delivery, read
from pipeline.feeds.review_jobs import classify
from pipeline.feeds.review_models import Model, trusted
from pipeline.feeds.staging import Part, check_rejected
from pipeline.feeds.vendor_csv import accepted
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import ConfigError
from pipeline.kernel.rejected import Allowance, Rejected, Rejections
from pipeline.lake import forms, seals
from pipeline.lake.forms import date_of
from pipeline.lake.objects import Lake
from pipeline.spark import Say, engine
from pipeline.vendors.declared_feeds import REVIEWS

STAGE = f"stage/{REVIEWS.name}"
WORK = f"work/{REVIEWS.name}"
AT_ONCE = 8  # deliveries that are on their way to or from the lake
OF_A_DATE = re.compile(
    rf"{STAGE}/date=(?P<date>\d{{4}}-\d\d-\d\d)/(?:_SUCCESS-(?P<version>[0-9a-f]+-[a-z]+)|[\w.=-]+\.parquet)", re.ASCII
)


@dataclass
class Classified:
    """A classified date: its version, empty while it is not finished, and its Parquet files."""

    version: str = ""
    files: list[str] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """That of the files it came from."""
        return self.version.partition("-")[0]

    @property
    def classifier(self) -> str:
        """The classifier of the date."""
        return self.version.partition("-")[2]


def classified(lake: Lake) -> dict[dt.date, Classified]:
    """The classified dates, by one listing."""
    found: dict[dt.date, Classified] = {}
    for entry in lake.objects(STAGE):
        match = OF_A_DATE.fullmatch(entry.key)
        date = date_of(match["date"]) if match else None
        if match and date:
            of_date = found.setdefault(date, Classified())
            if match["version"]:
                of_date.version = match["version"]
            else:
                of_date.files.append(entry.key)
    return found


def unclassified(
    done: Mapping[dt.date, Classified], deliveries: Sequence[Delivery], date: dt.date, classifier: str | None = None
) -> list[Delivery]:
    """The deliveries whose files are not classified as they are now, and that of `date` if by another classifier."""
    missing = []
    for delivery in deliveries:
        found = done.get(delivery.date, Classified())
        by_another = delivery.date == date and classifier not in (None, found.classifier)
        if found.fingerprint != delivery.fingerprint or by_another:
            missing.append(delivery)
    return missing


def classify_deliveries(
    lake: Lake,
    settings: Settings,
    deliveries: Sequence[Delivery],
    classifier: str | None,
    models: Mapping[str, str],
    say: Say,
) -> list[Part]:
    """Classifies deliveries in one application; `classifier` None is the trained one if there is a model.

    `models` are the hashes of the models that the warehouse knows. A rerun after a kill begins again, and on EMR finds
    the steps of the run before it. Raises TooManyRejected, SparkFailed, and ConfigError for the classifier `trained`
    without a model, or with one that is not known.
    """
    model = trusted(lake, models) if classifier in (None, "trained") else Model()
    classifier = classifier or ("trained" if model.folder else "lexicon")
    if classifier == "trained" and not model.folder:
        raise ConfigError(
            "classify reviews with a trained model", "there is none on the lake", "run TrainReviewClassifier first"
        )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = list(pool.map(lambda delivery: _clean(lake, delivery, settings.allowance), deliveries))
    # From here on nothing vouches for the contents of these folders.
    lake.delete(_leftovers(lake, parts))
    wanted = [part for part in parts if part.rows]
    name = f"classify-reviews-{_hash((classifier, model.folder, [(str(part.date), part.version) for part in wanted]))}"
    dates = tuple(str(part.date) for part in wanted)
    if wanted:
        say(f"{sum(part.rows for part in wanted):,} reviews of {len(wanted)} dates, by {classifier}")
        engine(settings, lake).run(classify(name, WORK, dates, STAGE, classifier, model.folder, model.sha256), say)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda part: _mark(lake, part, classifier), parts))
    lake.delete(_clean_copy(part.date) for part in parts)
    return parts


def _mark(lake: Lake, part: Part, classifier: str) -> None:
    body = {"rows": part.rows, "rejected": [rejected.record for rejected in part.rejected]}
    lake.write(f"{STAGE}/date={part.date}/_SUCCESS-{part.version}-{classifier}", json.dumps(body).encode())


def part(lake: Lake, date: dt.date, version: str) -> Part:
    """The output of the classification of a date."""
    key = f"{STAGE}/date={date}/_SUCCESS-{version}"
    body = seals.parse(lake, key, seals.read_small(lake, key) or b"", forms.CLASSIFIED)
    return Part(date, version, body["rows"], [Rejected(**rejected) for rejected in body["rejected"]])


def _clean(lake: Lake, delivery: Delivery, allowance: Allowance) -> Part:
    """Copies the valid rows of a delivery to the folder that the engine reads."""
    rejected = Rejections(REVIEWS.name, delivery.date)
    with lake.upload(_clean_copy(delivery.date)) as copy:
        rows = write_csv(REVIEWS, accepted(read(lake, delivery), rejected.append), copy)
    found = Part(delivery.date, delivery.fingerprint, rows, rejected)
    check_rejected(REVIEWS.name, found, allowance)
    return found


def _clean_copy(date: dt.date) -> str:
    return f"{WORK}/date={date}/reviews.csv"


def _leftovers(lake: Lake, parts: Sequence[Part]) -> list[str]:
    """The markers of these dates, and all files of those that have no review left."""
    dates = {str(part.date): part.rows for part in parts}
    keys = [entry.key for entry in lake.objects(STAGE)]
    return [
        key
        for key in keys
        if (match := OF_A_DATE.fullmatch(key))
        and match["date"] in dates
        and (match["version"] or not dates[match["date"]])
    ]


def _hash(of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:12]
