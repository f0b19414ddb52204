"""Reviews on the lake: which dates are classified, and what a classification starts from and leaves behind.

    landing/movie_review/date=D/*.csv     what the vendor delivered
    work/movie_review/date=D/reviews.csv  of it what can be kept, for the engine, while it runs
    stage/movie_review/date=D/*.parquet   what the classifier says
    stage/movie_review/date=D/_SUCCESS-<version>
    models/review_classifier/<hash>/      a trained model with its metrics; current.json names the one in use

The version of a date says from which files and by which classifier it came, so that one listing tells what is to do.
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.config import Settings
from pipeline.engines import Say, engine
from pipeline.engines.reviews import classify, train
from pipeline.errors import ConfigError
from pipeline.feeds import Part, check_rejected
from pipeline.lake import Lake
from pipeline.landing import REVIEWS, Delivery, accepted, read, write_csv
from pipeline.rejected import Rejected
from pipeline.summary import table

STAGE = f"stage/{REVIEWS.name}"
WORK = f"work/{REVIEWS.name}"
MODELS = "models/review_classifier"
CURRENT = f"{MODELS}/current.json"
AT_ONCE = 8  # deliveries that are on their way to or from the lake
OF_A_DATE = re.compile(
    rf"{STAGE}/date=(?P<date>\d{{4}}-\d\d-\d\d)/(?:_SUCCESS-(?P<version>[0-9a-f]+-[a-z]+)|[^/]+\.parquet)"
)


@dataclass
class Classified:
    """What there is of a date: its version, empty while it is not finished, and its Parquet files."""

    version: str = ""
    files: list[str] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """That of the files it came from."""
        return self.version.partition("-")[0]

    @property
    def classifier(self) -> str:
        """What classified it."""
        return self.version.partition("-")[2]


def classified(lake: Lake) -> dict[dt.date, Classified]:
    """What is classified, by date: one listing."""
    found: dict[dt.date, Classified] = {}
    for entry in lake.objects(STAGE):
        match = OF_A_DATE.fullmatch(entry.key)
        if match:
            of_date = found.setdefault(dt.date.fromisoformat(match["date"]), Classified())
            if match["version"]:
                of_date.version = match["version"]
            else:
                of_date.files.append(entry.key)
    return found


def unclassified(
    lake: Lake, deliveries: Sequence[Delivery], date: dt.date, classifier: str | None = None
) -> list[Delivery]:
    """The deliveries whose files are not classified as they are now, and that of `date` if by another classifier."""
    if not deliveries:
        return []
    done = classified(lake)
    missing = []
    for delivery in deliveries:
        found = done.get(delivery.date, Classified())
        by_another = delivery.date == date and classifier not in (None, found.classifier)
        if found.fingerprint != delivery.fingerprint or by_another:
            missing.append(delivery)
    return missing


def classify_deliveries(
    lake: Lake, settings: Settings, deliveries: Sequence[Delivery], classifier: str | None, say: Say
) -> list[Part]:
    """Classifies deliveries in one application; `classifier` None is the trained one where there is a model.

    A rerun after a kill begins anew, and on EMR finds the steps of the run before it. Raises TooManyRejected,
    SparkFailed, and ConfigError for the classifier `trained` without a model.
    """
    model = current_model(lake)
    classifier = classifier or ("trained" if model else "lexicon")
    if classifier == "trained" and not model:
        raise ConfigError(
            "classify reviews with a trained model", "there is none on the lake", "run TrainReviewClassifier first"
        )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = list(pool.map(lambda delivery: _clean(lake, delivery, settings.max_rejected), deliveries))
    # From here on nothing vouches for what these folders hold.
    lake.delete(_leftovers(lake, parts))
    wanted = [part for part in parts if part.rows]
    name = f"classify-reviews-{_hash((classifier, model, [(str(part.date), part.version) for part in wanted]))}"
    dates = tuple(str(part.date) for part in wanted)
    if wanted:
        say(f"{sum(part.rows for part in wanted):,} reviews of {len(wanted)} dates, by {classifier}")
        engine(settings, lake).run(classify(name, WORK, dates, STAGE, classifier, model), say)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda part: _mark(lake, part, classifier), parts))
    lake.delete(_clean_copy(part.date) for part in parts)
    return parts


def _mark(lake: Lake, part: Part, classifier: str) -> None:
    body = {"rows": part.rows, "rejected": [asdict(rejected) for rejected in part.rejected]}
    lake.write(f"{STAGE}/date={part.date}/_SUCCESS-{part.version}-{classifier}", json.dumps(body).encode())


def part(lake: Lake, date: dt.date, version: str) -> Part:
    """What was left of a date when it was classified."""
    body = json.loads(lake.read(f"{STAGE}/date={date}/_SUCCESS-{version}") or b"{}")
    return Part(date, version, body["rows"], [Rejected(**rejected) for rejected in body["rejected"]])


def train_classifier(lake: Lake, settings: Settings, labelled: bytes, say: Say) -> dict[str, Any]:
    """Trains on a labelled CSV file, makes the model the current one, and returns its metrics."""
    name = model_name(labelled)
    lake.write(f"work/train/{name}/labelled.csv", labelled)
    engine(settings, lake).run(train(f"train-{name}", f"work/train/{name}", f"{MODELS}/{name}"), say)
    metrics: dict[str, Any] = json.loads(lake.read(f"{MODELS}/{name}/metrics.json") or b"{}")
    lake.write(CURRENT, json.dumps({"model": f"{MODELS}/{name}"}).encode())
    lake.delete([f"work/train/{name}/labelled.csv"])
    return metrics


def report(metrics: dict[str, Any]) -> str:
    """The metrics of a training as a table: each classifier on the reviews that were held out."""
    lines = []
    for name, found in metrics["held_out"].items():
        counts = found["confusion_matrix"]
        shares = [
            "-" if found[share] is None else f"{found[share]:.3f}" for share in ("accuracy", "precision", "recall")
        ]
        lines.append([name, *shares, *(f"{count:,}" for count in counts.values())])
    header = ["classifier", "accuracy", "precision", "recall", *(name.replace("_", " ") for name in counts)]
    seen = f"trained on {metrics['trained_on']:,} reviews, measured on {found['rows']:,} others"
    return f"\n{seen}; {metrics['refused_rows']:,} rows refused\n{table(header, lines)}"


def model_name(labelled: bytes) -> str:
    """What a model is called: after what it was trained on."""
    return hashlib.sha256(labelled).hexdigest()[:12]


def current_model(lake: Lake) -> str:
    """The folder of the model in use; empty where there is none."""
    text = lake.read(CURRENT)
    return "" if text is None else json.loads(text)["model"]


def _clean(lake: Lake, delivery: Delivery, max_rejected: float) -> Part:
    """Copies what can be kept of a delivery to where the engine reads it."""
    rejected: list[Rejected] = []
    with lake.upload(_clean_copy(delivery.date)) as copy:
        rows = write_csv(REVIEWS, accepted(read(lake, delivery), rejected.append), copy)
    found = Part(delivery.date, delivery.fingerprint, rows, rejected)
    check_rejected(REVIEWS.name, found, max_rejected)
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
