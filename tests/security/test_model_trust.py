"""A model on the lake is no program of whoever writes there; and Spark is told nothing that it need not know."""

import datetime as dt
import io
import json
import os
import pickle
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from lake_attacks import MODEL, plant_model
from support import shop
from support.feeds_world import deliver_reviews, run, settings_of
from support.loads import create_warehouse
from support.world import World, Worlds

from pipeline.feeds import review_models, reviews
from pipeline.kernel import postgres
from pipeline.kernel.config import S3
from pipeline.kernel.errors import BadExtract, ConfigError, SparkFailed
from pipeline.kernel.streams import Closable
from pipeline.lake import folders
from pipeline.lake.objects import Lake, Object
from pipeline.spark import local
from pipeline.spark.job import Engine, Job
from pipeline.spark.local import LocalEngine
from pipeline.tasks.load_reviews import ClassifyReviews, TrainReviewClassifier
from pipeline.vendors.declared_feeds import REVIEWS

SPARK = {"OCEAN_SPARK_MASTER": "local[1]", "OCEAN_SPARK_DRIVER_MEMORY": "700m"}
LABELLED = b"review_str,positive\ngood,true\nbad,false\n"
NAME = review_models.name_of(LABELLED)
SECONDS = 60


@pytest.fixture(scope="module")
def opened(worlds: Worlds) -> World:
    """A warehouse without a row, and a review that is not classified."""
    world = worlds.new().where(**SPARK)
    with settings_of(world):
        create_warehouse(world)
    deliver_reviews(world, 1, (1, "good"))
    return world


@pytest.fixture
def canary(opened: World, tmp_path: Path) -> Iterator[Path]:
    """A file that a hostile model, which is the one in use, would make everybody's to write."""
    tmp_path.joinpath("canary").touch(0o600)
    plant_model(opened.lake, str(tmp_path / "canary"))
    yield tmp_path / "canary"
    opened.warehouse("delete from etl.review_model")
    opened.lake.delete([file.key for file in opened.lake.objects(review_models.MODELS)])


@pytest.fixture
def warmly(warm: Callable[[Lake], Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    """Reviews are classified in the Spark of this process."""
    monkeypatch.setattr(reviews, "engine", lambda _, lake: warm(lake))


def is_untouched(canary: Path) -> bool:
    return stat.S_IMODE(canary.stat().st_mode) == 0o600


def test_a_model_that_the_warehouse_does_not_know_is_not_even_fetched(opened: World, canary: Path) -> None:
    failure = run(opened, ClassifyReviews(shop.date(1)))
    assert is_untouched(canary)
    assert isinstance(failure, ConfigError)
    assert f"{MODEL}, because the warehouse does not know it; train it again with TrainReviewClassifier" in str(failure)


@pytest.mark.usefixtures("warmly")
def test_files_in_the_place_of_a_known_model_are_not_loaded(opened: World, canary: Path) -> None:
    know(opened, MODEL.rpartition("/")[2], "0" * 64)
    failure = run(opened, ClassifyReviews(shop.date(1)))
    assert is_untouched(canary)
    assert isinstance(failure, SparkFailed)
    assert "its files are not those that were trained" in str(failure)
    assert reviews.classified(opened.lake) == {}


@pytest.mark.usefixtures("warmly")
def test_a_known_model_of_other_stages_than_we_train_is_not_loaded(opened: World, canary: Path) -> None:
    know(opened, MODEL.rpartition("/")[2], review_models.digest(opened.lake, MODEL))
    failure = run(opened, ClassifyReviews(shop.date(1)))
    assert is_untouched(canary)
    assert isinstance(failure, SparkFailed)
    assert "its parts are not those of a trained model" in str(failure)


def know(world: World, name: str, sha256: str) -> None:
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        review_models.remember(cursor, {name: sha256})


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"model": model}).encode()
        for model in (
            "work/x",
            "../0123456789ab",
            "/etc",
            "s3://b/x",
            f"{MODEL}/../../x",
            f"{MODEL}\n",
            "",
            None,
            [MODEL],
        )
    ]
    + [b"", b"{}", b"[]", json.dumps({"model": MODEL, "more": 1}).encode()],
)
def test_the_model_in_use_is_one_of_our_folder(opened: World, text: bytes) -> None:
    opened.lake.write(review_models.CURRENT, text)
    with pytest.raises(BadExtract, match=r"current\.json, because .*TrainReviewClassifier"):
        review_models.current(opened.lake)
    opened.lake.delete([review_models.CURRENT])


class Trains:
    """An engine that leaves a model of two files."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake

    def run(self, job: Job, _: Any) -> None:
        counts = dict.fromkeys(("true_positive", "false_positive", "false_negative", "true_negative"), 1)
        shares = dict.fromkeys(("accuracy", "precision", "recall"), 0.5)
        held_out = {name: {"rows": 4, "confusion_matrix": counts, **shares} for name in ("trained", "keyword")}
        metrics = {"rows": 8, "refused_rows": 0, "trained_on": 8, "measured_model_trained_on": 4, "held_out": held_out}
        empty = dict.fromkeys(("mean_probability", "share_positive"))
        bins = [{"from": n / 10, "to": (n + 1) / 10, "reviews": 0, **empty} for n in range(10)]
        metrics["calibration"] = {"brier_score": 0.25, "expected_error": 0.5, "bins": bins}
        self.lake.write(f"{job.target}/metrics.json", json.dumps(metrics).encode())
        for name in ("metadata/part-00000", "stages/0_SQLTransformer_1/metadata/part-00000"):
            self.lake.write(f"{job.target}/model/{name}", name.encode())


def test_what_was_trained_is_known_until_it_is_another_and_by_a_warehouse_that_was_built_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(review_models, "engine", lambda _, lake: Trains(lake))
    labelled = tmp_path / "labelled.csv"
    labelled.write_bytes(LABELLED)
    shop.open_shop(world)
    world.load(shop.date(1))
    task = TrainReviewClassifier(str(labelled))
    assert not task.complete()
    task.run()
    assert task.complete()
    known = world.rows("select model, sha256 from etl.review_model")
    assert {name for name, _ in known} == {NAME}

    world.luigi("RebuildWarehouse", "--replace")
    assert world.rows("select model, sha256 from etl.review_model") == known
    assert task.complete()
    assert world.rows("select count(*) from dwh.dim_customer") == {(2,)}

    world.lake.write(f"{review_models.MODELS}/{NAME}/model/stages/1_More_1/metadata/part-00000", b"{}")
    assert not task.complete()
    task.run()
    assert task.complete()
    # What somebody laid beside the files of a model is not taken for a part of it when it is trained.
    assert world.rows("select model, sha256 from etl.review_model") == known

    world.warehouse("delete from etl.review_model")
    assert not task.complete()
    with settings_of(world), pytest.raises(ConfigError, match="the warehouse does not know it"):
        review_models.trusted(world.lake, {})


class Planted(Lake):
    """A lake as S3 proper allows it: with keys that lead out of a folder."""

    def __init__(self, *keys: str) -> None:
        super().__init__("s3://bucket/lake", S3())
        self.keys, self.written = keys, list[str]()

    def objects(self, folder: str, after: str = "") -> list[Object]:
        return [Object(f"{folder}/{key}", 1, dt.datetime.now(dt.UTC)) for key in self.keys]

    def open(self, key: str) -> Closable | None:
        return io.BytesIO(b"x")

    def write(self, key: str, data: bytes) -> None:
        self.written.append(key)

    def delete(self, keys: Any) -> None:
        assert not list(keys)


OUTSIDE = ["../../evil", "..", "a/../../../evil", "/evil", "a//b", "./a", "a/.", "a\\..\\b", "a\0b", "a\nb", "\x1b[31m"]


@pytest.mark.parametrize("key", OUTSIDE)
def test_a_key_that_leads_out_of_the_scratch_folder_is_neither_fetched_nor_published(key: str, tmp_path: Path) -> None:
    lake = Planted("good", key)
    scratch = tmp_path / "deep/scratch"
    with pytest.raises(BadExtract, match="its name leads out of its folder") as caught:
        folders.fetch(lake, lake.objects("models"), scratch)
    assert str(caught.value).isprintable()
    with pytest.raises(BadExtract, match="its name leads out of its folder"):
        folders.publish(lake, "stage", {name: lambda key: lake.write(key, b"x") for name in ("good", key)})
    assert list(tmp_path.iterdir()) == []
    assert lake.written == []


TELLS = """
import json, os, sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
jvm, context = spark.sparkContext._jvm, spark.sparkContext
spark.range(100).repartition(4).count()
user = jvm.org.apache.hadoop.security.UserGroupInformation.getCurrentUser()
print("told", json.dumps({
    "python": dict(os.environ),
    "jvm": dict(jvm.System.getenv()),
    "pid": jvm.ProcessHandle.current().pid(),
    "tmp": jvm.System.getProperty("java.io.tmpdir"),
    "authenticates": context.getConf().get("spark.authenticate"),
    "secret": bytes(user.getCredentials().getSecretKey(jvm.org.apache.hadoop.io.Text("sparkCookie"))).decode(),
}), flush=True)
time.sleep(600)
"""
RUNS = """
import pickle, sys
engine, job = pickle.loads(bytes.fromhex(sys.argv[1]))
engine.run(job, lambda line: print(line, flush=True))
"""
SECRETS = {
    "WAREHOUSE_URL": "postgresql://etl_load:hunter2@127.0.0.1/w",
    "RISK_API_URL": "http://u:hunter2@127.0.0.1/",
    "AWS_ACCESS_KEY_ID": "hunter2",
    "AWS_SECRET_ACCESS_KEY": "hunter2",
    "OCEAN_ALERT_URL": "http://127.0.0.1/hunter2",
    "OCEAN_ANYTHING": "hunter2",
    "PGPASSWORD": "hunter2",
    "SOMEBODY_ELSES_TOKEN": "hunter2",
}


def test_spark_is_told_no_secret_authenticates_and_leaves_nothing_when_its_parent_is_told_to_stop(
    opened: World, tmp_path: Path
) -> None:
    temporary, script = tmp_path / "a blank", tmp_path / "tells.py"
    temporary.mkdir()
    script.write_text(TELLS)
    with settings_of(opened) as found:
        engine = LocalEngine(found.spark, opened.lake, tmp_path / "logs")
    job = Job("tell", script, (f"landing/{REVIEWS.name}",), "stage", ())
    words = pickle.dumps((engine, job)).hex()
    process = subprocess.Popen(
        [sys.executable, "-c", RUNS, words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **SECRETS, "TMPDIR": str(temporary)},
    )
    assert process.stdout is not None
    told = json.loads(next(line for line in process.stdout if "told" in line).partition("told ")[2])
    jvm = psutil.Process(told["pid"])
    relatives = [jvm, *jvm.children(recursive=True), *jvm.parents()[:1]]
    family = [each for each in relatives if each.status() != psutil.STATUS_ZOMBIE]
    arguments = " ".join(word for each in family for word in each.cmdline())
    counters = list(Path("/tmp").glob(f"hsperfdata_*/{jvm.pid}"))
    environments = " ".join(str(each.environ()) for each in family)

    process.send_signal(signal.SIGTERM)
    process.wait()
    wait_for(lambda: not psutil.pid_exists(told["pid"]) and not list(temporary.iterdir()))

    assert "hunter2" not in str((told["python"], told["jvm"])) + environments
    assert not {*told["jvm"], *told["python"]} & set(SECRETS)
    assert told["authenticates"] == "true"
    assert len(told["secret"]) >= 32
    assert told["secret"] not in arguments
    assert Path(told["tmp"]).is_relative_to(temporary)
    assert counters == []


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_a_standalone_cluster_has_the_secret_of_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: World
) -> None:
    monkeypatch.setenv("SPARK_CONF_DIR", "/etc/spark")
    monkeypatch.setattr(local, "java_home", lambda *_: Path("/java"))
    for master, where, is_ours in (("spark://spark.example:7077", "/etc/spark", False), ("local[2]", None, True)):
        with settings_of(opened.where(OCEAN_SPARK_MASTER=master)) as found:
            engine = LocalEngine(found.spark, opened.lake, tmp_path)
        scratch = tmp_path / master[:5]
        scratch.mkdir()
        assert engine._environment(scratch).get("SPARK_CONF_DIR") == where
        assert ("spark.authenticate" in engine._settings(scratch)) is is_ours
