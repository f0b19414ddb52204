"""The local engine: what it does with Java, failing scripts, and kills."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from engine_support import new_lake, silent
from support.warm_spark import SPARK

from pipeline.kernel.errors import ConfigError, SparkFailed
from pipeline.lake.objects import Lake
from pipeline.spark.java import java_home
from pipeline.spark.job import Job
from pipeline.spark.local import LocalEngine

SECONDS = 60

STARTS_SPARK = """
import os, sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("java", spark.sparkContext._jvm.System.getProperty("java.version"), flush=True)
print("jvm", spark.sparkContext._jvm.ProcessHandle.current().pid(), flush=True)
"""
WAITS = STARTS_SPARK + "time.sleep(600)\n"
# The engine in a process of its own, to be killed.
RUNS = """
import pickle, sys
engine, job = pickle.loads(bytes.fromhex(sys.argv[1]))
engine.run(job, lambda line: print(line, flush=True))
"""


@pytest.fixture
def empty_lake(services_home: Path) -> Lake:
    return new_lake(services_home)


@pytest.fixture
def make_job(empty_lake: Lake, tmp_path: Path) -> Callable[[str], Job]:
    empty_lake.write("landing/a.csv", b"reviews")

    def make(text: str) -> Job:
        script = tmp_path / "script.py"
        script.write_text(text)
        return Job("wait", script, ("landing",), "stage", ())

    return make


@pytest.fixture
def local(empty_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalEngine:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    return LocalEngine(SPARK, empty_lake, tmp_path / "logs")


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("oceanrecords-*")]


def test_the_java_of_the_wheel_will_do(
    local: LocalEngine, make_job: Callable[[str], Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A PATH with the programs that Spark's own scripts call, and no java.
    (tmp_path / "bin").mkdir()
    for name in ("bash", "sh", "dirname", "ps", "env", "uname"):
        (tmp_path / "bin" / name).symlink_to(
            next(p for p in (Path("/bin") / name, Path("/usr/bin") / name) if p.exists())
        )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    said: list[str] = []
    local.run(make_job(STARTS_SPARK), said.append)
    assert [line for line in said if "java" in line] == ["wait: java 25.0.2"]
    assert left_in(tmp_path / "scratch") == []


def test_java_home_comes_first_and_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="JAVA_HOME"):
        java_home(tmp_path)
    java = tmp_path / "bin/java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\n")
    java.chmod(0o700)
    assert java_home(tmp_path) == tmp_path


def test_a_java_on_the_path_that_does_not_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "bin/java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\nexit 1\n")
    java.chmod(0o700)
    monkeypatch.setenv("PATH", f"{java.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert java_home(tmp_path) == tmp_path / "java"


def test_a_script_that_refuses_is_quoted_with_where_its_log_is(
    local: LocalEngine, make_job: Callable[[str], Job], empty_lake: Lake, tmp_path: Path
) -> None:
    job = make_job("import sys\nsys.exit('cannot count, because there is nothing; bring something')")
    with pytest.raises(SparkFailed) as failure:
        local.run(job, silent)
    assert "because it cannot count, because there is nothing" in str(failure.value)
    assert str(tmp_path / "logs/spark-wait.log") in str(failure.value)
    assert left_in(tmp_path / "scratch") == []


def test_a_killed_jvm_fails_the_job_and_leaves_nothing_behind(
    local: LocalEngine, make_job: Callable[[str], Job], empty_lake: Lake, tmp_path: Path
) -> None:
    def kill(line: str) -> None:
        if "jvm" in line:
            os.kill(int(line.split()[-1]), signal.SIGKILL)

    with pytest.raises(SparkFailed, match=r"it was killed|process was killed"):
        local.run(make_job(WAITS), kill)
    assert left_in(tmp_path / "scratch") == []
    assert empty_lake.objects("stage") == []


def test_a_killed_python_leaves_no_jvm_and_no_files(
    local: LocalEngine, make_job: Callable[[str], Job], tmp_path: Path
) -> None:
    job = make_job(WAITS)
    words = pickle.dumps((local, job)).hex()
    process = subprocess.Popen([sys.executable, "-c", RUNS, words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    jvm = next(int(line.split()[-1]) for line in process.stdout if "jvm" in line)
    assert psutil.pid_exists(jvm)
    process.kill()
    process.wait()
    wait_for(lambda: not psutil.pid_exists(jvm))
    wait_for(lambda: left_in(tmp_path / "scratch") == [])
