"""Spark in the tests' own process, started once: there a job takes a second, and not the start of two JVMs."""

import io
import os
import runpy
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from pipeline.feeds.review_jobs import train
from pipeline.kernel.config import Spark
from pipeline.kernel.errors import SparkFailed
from pipeline.lake.objects import Lake
from pipeline.spark.java import java_home
from pipeline.spark.job import Job, Say
from pipeline.spark.local import LocalEngine
from support.labelled import labelled

if TYPE_CHECKING:  # importing it takes as long as many a test
    from pyspark.sql import SparkSession

SPARK = Spark(
    engine="local",
    master="local[2]",
    driver_memory="700m",
    emr_cluster="",
    emr_release="emr-7.9.0",
    emr_instance_type="m5.xlarge",
    emr_instances=3,
    emr_job_role="EMR_EC2_DefaultRole",
    emr_service_role="EMR_DefaultRole",
    emr_subnet="",
    emr_logs="s3://logs/emr",
)
# `make nightly` starts processes for each job, as users do.
WARM = os.environ.get("OCEAN_TEST_SPARK") != "processes"


MODEL = "models/first"
NOT_LABELLED = "review_str,positive\nneither,maybe\n,true\n  ,false\ntoo,many,true\n1\n"


@contextmanager
def running_session(folder: Path) -> Iterator["SparkSession"]:
    """A session as the scripts have it, in this process."""
    from support.shipped import review_text

    settings = {
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
        "spark.local.dir": str(folder),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
    options = " ".join(f"--conf {name}={value}" for name, value in settings.items())
    submit = f"--master {SPARK.master} --driver-memory {SPARK.driver_memory} {options} pyspark-shell"
    interrupt = signal.getsignal(signal.SIGINT)
    # Spark sets variables of its own, which no command that a test starts has.
    with patch.dict(os.environ, {"JAVA_HOME": str(java_home(folder)), "PYSPARK_SUBMIT_ARGS": submit}):
        found: SparkSession = review_text.session("tests")
    signal.signal(signal.SIGINT, interrupt)  # Spark has put a handler of its own there
    yield found
    found.stop()


def warm_engine(session: "SparkSession", lake: Lake, logs: Path) -> LocalEngine:
    """The local engine, whose scripts run in the session."""
    return _WarmEngine(session, lake, logs) if WARM else LocalEngine(SPARK, lake, logs)


class _WarmEngine(LocalEngine):
    """Is the local engine but for the process: fetching, arguments, publishing and clearing up are its own."""

    def __init__(self, session: "SparkSession", lake: Lake, logs: Path) -> None:
        super().__init__(SPARK, lake, logs)
        self.session = session

    def _submit(self, job: Job, scratch: Path, say: Say) -> None:
        command = self._command(job, scratch)
        script = command.index(str(scratch / "files" / job.script.name))
        with pytest.MonkeyPatch.context() as changed, redirect_stdout(io.StringIO()) as said:
            changed.setattr(sys, "argv", command[script:])
            try:
                runpy.run_path(command[script], run_name="__main__")
            except SystemExit as error:
                raise SparkFailed(f"finish the Spark job {job.name}", f"it {error}", "fix the cause") from None
            finally:
                self.session.catalog.clearCache()
        for line in said.getvalue().splitlines():
            say(f"{job.name}: {line}")


def train_model(engine: LocalEngine) -> None:
    """Trains MODEL on the labelled reviews and some rows that are none."""
    engine.lake.write("labelled/labelled.csv", labelled().encode())
    engine.lake.write("labelled/bad.csv", NOT_LABELLED.encode())
    engine.run(train("train", "labelled", MODEL), lambda _: None)
