"""The trained classifiers of reviews on the lake, and their hashes in the warehouse.

A model is a program: Spark makes objects of the classes that its files name. So the warehouse keeps the hash of each
trained model, and no other is used. A writer of the lake alone cannot bring another model.
"""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pipeline.feeds.review_jobs import train
from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import ConfigError
from pipeline.kernel.postgres import Cursor
from pipeline.lake import forms, seals
from pipeline.lake.objects import Lake
from pipeline.operations.summary import table
from pipeline.spark import Say, engine

MODELS = "models/review_classifier"
CURRENT = f"{MODELS}/current.json"
AT_ONCE = 8  # files that are on their way from the lake
AGAIN = "train it again with TrainReviewClassifier"


@dataclass(frozen=True)
class Model:
    """The folder of a model on the lake, and the hash that its files must have; both empty: no model."""

    folder: str = ""
    sha256: str = ""


def name_of(labelled: bytes) -> str:
    """The name of a model, from its training data."""
    return hashlib.sha256(labelled).hexdigest()[:12]


def current(lake: Lake) -> str:
    """The folder of the model in use; empty if there is none. Raises BadExtract if it is no folder of a model."""
    text = seals.read_small(lake, CURRENT)
    return "" if text is None else str(seals.parse(lake, CURRENT, text, forms.CURRENT_MODEL, AGAIN)["model"])


def known(cursor: Cursor) -> dict[str, str]:
    """The hash of each trained model, by the model's name; empty if there is no warehouse yet."""
    if postgres.value(cursor, "select to_regclass('etl.review_model') is null"):
        return {}
    return dict(postgres.rows(cursor, "select model, sha256 from etl.review_model"))


def remember(cursor: Cursor, models: Mapping[str, str]) -> None:
    """Keeps the hashes of models in the warehouse, in place of earlier ones."""
    for name, sha256 in models.items():
        cursor.execute(REMEMBER, (name, sha256))


def trusted(lake: Lake, models: Mapping[str, str]) -> Model:
    """The model in use with its known hash; no model if none is in use.

    Raises ConfigError for an unknown model.
    """
    folder = current(lake)
    if not folder:
        return Model()
    sha256 = models.get(folder.rpartition("/")[2])
    if sha256 is None:
        raise ConfigError(f"use the model {lake.url}/{folder}", "the warehouse does not know it", AGAIN)
    return Model(folder, sha256)


def digest(lake: Lake, folder: str) -> str:
    """The hash over names and contents of a model's files, as the Spark scripts compute it (spark/models.py)."""
    root = f"{folder}/model"
    with ThreadPoolExecutor(AT_ONCE) as pool:
        lines = pool.map(lambda entry: _line(lake, root, entry.key), lake.objects(root))
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _line(lake: Lake, root: str, key: str) -> str:
    sha256 = hashlib.sha256()
    if body := lake.open(key):
        with closing(body):
            while data := body.read(1 << 20):
                sha256.update(data)
    return f"{key.removeprefix(f'{root}/')} {sha256.hexdigest()}\n"


def train_classifier(lake: Lake, settings: Settings, labelled: bytes, say: Say) -> tuple[str, dict[str, Any]]:
    """Trains on a labelled CSV file; returns the name of the model that is then on the lake, and its metrics."""
    name = name_of(labelled)
    lake.delete(entry.key for entry in lake.objects(f"{MODELS}/{name}"))
    lake.write(f"work/train/{name}/labelled.csv", labelled)
    engine(settings, lake).run(train(f"train-{name}", f"work/train/{name}", f"{MODELS}/{name}"), say)
    lake.delete([f"work/train/{name}/labelled.csv"])
    key = f"{MODELS}/{name}/metrics.json"
    return name, seals.parse(lake, key, seals.read_small(lake, key) or b"", forms.METRICS, AGAIN)


def use(lake: Lake, name: str) -> None:
    """Makes a model the one in use."""
    lake.write(CURRENT, json.dumps({"model": f"{MODELS}/{name}"}).encode())


def report(metrics: dict[str, Any]) -> str:
    """The metrics of a training as tables: each classifier on the reviews that were held out, and the calibration."""
    lines = []
    for name, found in metrics["held_out"].items():
        counts = found["confusion_matrix"]
        shares = [_figure(found[share]) for share in ("accuracy", "precision", "recall")]
        lines.append([name, *shares, *(f"{count:,}" for count in counts.values())])
    header = ["classifier", "accuracy", "precision", "recall", *(name.replace("_", " ") for name in counts)]
    made = f"trained on {metrics['trained_on']:,} reviews; {metrics['refused_rows']:,} rows refused"
    seen = f"measured on {found['rows']:,} of them, with a model of the {metrics['measured_model_trained_on']:,} others"
    return f"\n{made}\n{seen}\n{table(header, lines)}\n{_calibration(metrics['calibration'])}"


def _calibration(found: dict[str, Any]) -> str:
    lines = [
        [
            f"{each['from']:.1f} to {each['to']:.1f}",
            f"{each['reviews']:,}",
            _figure(each["mean_probability"]),
            _figure(each["share_positive"]),
        ]
        for each in found["bins"]
    ]
    said = f"Brier score {found['brier_score']:.3f}, expected calibration error {found['expected_error']:.3f}"
    return f"\n{said}\n{table(['probability', 'reviews', 'mean', 'share positive'], lines)}"


def _figure(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


REMEMBER = """
insert into etl.review_model (model, sha256) values (%s, %s)
on conflict (model) do update set sha256 = excluded.sha256, trained_ts = excluded.trained_ts
"""
