"""The EMR engine against moto's control plane: failure, cancellation, resumption, clusters of its own."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from emr_double import EmrDouble, emr_double
from engine_support import new_lake, silent
from support.warm_spark import SPARK
from tenacity import wait_none

from pipeline.kernel.config import Spark
from pipeline.kernel.errors import ServiceDown, SparkFailed
from pipeline.lake.objects import Lake
from pipeline.spark.emr import EmrEngine
from pipeline.spark.job import Job

# Stands for spark-submit: writes two files where the script would, named as Spark does.
RUN_ID = "-0f8fad5b-d9cb-469f-a165-70867728950e"
WRITES = f"""
    for job in "$EMR_DOUBLE_HDFS"/oceanrecords/*; do
        mkdir -p "$job/target/date=1" && cp "$job/source/landing/a.csv" "$job/target/date=1/part-0{RUN_ID}.txt"
    done
"""
FAILS = "echo out of luck >&2; exit 3"


class Interrupted(BaseException):
    """Stands for a kill."""


@pytest.fixture
def empty_lake(services_home: Path) -> Lake:
    return new_lake(services_home)


@pytest.fixture
def double(services_home: Path, empty_lake: Lake, tmp_path: Path) -> Iterator[EmrDouble]:
    with emr_double(tmp_path, empty_lake.s3) as double:
        double.instead["spark-submit"] = WRITES
        yield double


@pytest.fixture
def job(empty_lake: Lake, tmp_path: Path) -> Job:
    empty_lake.write("landing/a.csv", b"reviews")
    script = tmp_path / "script.py"
    script.write_text("# not run here")
    return Job("count", script, ("landing",), "stage", ("--input", "{source}/landing", "--output", "{target}"))


@pytest.fixture
def shared(double: EmrDouble, empty_lake: Lake) -> EmrEngine:
    """The engine on a cluster that is already there."""
    return engine(replace(SPARK, emr_cluster=double.cluster()), empty_lake)


def engine(spark: Spark, lake: Lake) -> EmrEngine:
    return EmrEngine(spark, lake, between_attempts=wait_none(), between_looks=wait_none())


def interrupted_at(words: str) -> Callable[[str], None]:
    def say(line: str) -> None:
        if words in line:
            raise Interrupted

    return say


def kept(lake: Lake) -> dict[str, bytes | None]:
    return {entry.key: lake.read(entry.key) for entry in [*lake.objects("stage"), *lake.objects("spark")]}


DONE = {"stage/date=1/part-0.txt": b"reviews"}


def test_three_steps_bring_the_output_to_the_lake_and_leave_nothing_else(
    shared: EmrEngine, double: EmrDouble, job: Job, empty_lake: Lake
) -> None:
    shared.run(job, silent)
    assert kept(empty_lake) == DONE
    assert [step.name.rpartition(": ")[2] for step in double.steps] == ["S3 to HDFS", "spark-submit", "HDFS to S3"]
    assert all(step.name.startswith("count ") for step in double.steps)
    assert list((double.folder / "hdfs/oceanrecords").iterdir()) == []


def test_a_failed_step_is_named_with_its_reason_and_its_log(
    shared: EmrEngine, double: EmrDouble, job: Job, empty_lake: Lake
) -> None:
    double.instead["spark-submit"] = FAILS
    with pytest.raises(SparkFailed) as failure:
        shared.run(job, silent)
    step = double.steps[1]
    assert repr(step.name) in str(failure.value)
    assert "FAILED: out of luck" in str(failure.value)
    assert f"s3://logs/emr/{shared.spark.emr_cluster}/steps/{step.id}/" in str(failure.value)
    assert [step.state for step in double.steps] == ["COMPLETED", "FAILED", "CANCELLED"]
    assert not empty_lake.objects("stage")


def test_a_failed_run_is_retried_with_new_steps(
    shared: EmrEngine, double: EmrDouble, job: Job, empty_lake: Lake
) -> None:
    double.instead["spark-submit"] = FAILS
    with pytest.raises(SparkFailed):
        shared.run(job, silent)
    double.instead["spark-submit"] = WRITES
    shared.run(job, silent)
    assert kept(empty_lake) == DONE
    assert len(double.steps) == 6


def test_a_cancelled_step_fails_the_run(shared: EmrEngine, double: EmrDouble, job: Job) -> None:
    def cancel(line: str) -> None:
        if "steps added" in line:
            for step in double.steps:
                step.state = "CANCELLED"

    double.paused.set()
    with pytest.raises(SparkFailed, match="CANCELLED"):
        shared.run(job, cancel)


@pytest.mark.parametrize("words", ["steps added", "spark-submit is RUNNING", "writing"])
def test_an_interrupted_run_finds_its_own_steps(
    shared: EmrEngine, double: EmrDouble, job: Job, empty_lake: Lake, words: str
) -> None:
    # With a step that takes its time, each of its states is seen.
    go_on = double.folder / "go-on"
    double.instead["spark-submit"] = f"until [ -e {go_on} ]; do sleep 0.1; done; {WRITES}"
    if words == "writing":
        go_on.touch()
    with pytest.raises(Interrupted):
        shared.run(job, interrupted_at(words))
    go_on.touch()
    shared.run(job, silent)
    assert kept(empty_lake) == DONE
    assert len(double.steps) == 3


def test_a_run_of_other_reviews_does_not_take_those_steps_for_its_own(
    shared: EmrEngine, double: EmrDouble, job: Job, empty_lake: Lake
) -> None:
    with pytest.raises(Interrupted):
        shared.run(job, interrupted_at("steps added"))
    empty_lake.write("landing/a.csv", b"other reviews")
    shared.run(job, silent)
    assert kept(empty_lake)["stage/date=1/part-0.txt"] == b"other reviews"
    assert len(double.steps) == 6


def test_what_was_published_and_then_removed_is_made_again(
    shared: EmrEngine, double: EmrDouble, job: Job, empty_lake: Lake
) -> None:
    shared.run(job, silent)
    empty_lake.delete(DONE)
    shared.run(job, silent)
    assert kept(empty_lake) == DONE


def test_a_cluster_is_started_for_the_run_and_ends_with_it(double: EmrDouble, job: Job, empty_lake: Lake) -> None:
    engine(SPARK, empty_lake).run(job, silent)
    assert kept(empty_lake) == DONE
    [cluster] = double.backend.clusters.values()
    assert not cluster.keep_job_flow_alive_when_no_steps
    assert (cluster.release_label, cluster.log_uri, cluster.role) == (
        SPARK.emr_release,
        SPARK.emr_logs,
        SPARK.emr_job_role,
    )


@pytest.mark.parametrize("words", ["steps added", "writing"])
def test_a_cluster_that_an_interrupted_run_started_is_found_again(
    double: EmrDouble, job: Job, empty_lake: Lake, words: str
) -> None:
    with pytest.raises(Interrupted):
        engine(SPARK, empty_lake).run(job, interrupted_at(words))
    engine(SPARK, empty_lake).run(job, silent)
    assert kept(empty_lake) == DONE
    assert len(double.backend.clusters) == 1


def test_a_cluster_that_ends_before_its_steps_fails_the_run(double: EmrDouble, job: Job, empty_lake: Lake) -> None:
    def end(line: str) -> None:
        if "steps added" in line:
            for cluster in double.backend.clusters.values():
                cluster.state = "TERMINATED_WITH_ERRORS"

    double.paused.set()
    with pytest.raises(SparkFailed, match="TERMINATED_WITH_ERRORS"):
        engine(SPARK, empty_lake).run(job, end)


def test_a_cluster_that_is_not_there_is_named(double: EmrDouble, job: Job, empty_lake: Lake) -> None:
    with pytest.raises((SparkFailed, ServiceDown), match="EMR"):
        engine(replace(SPARK, emr_cluster="j-NONE"), empty_lake).run(job, silent)


def test_a_lost_answer_does_not_add_the_steps_twice(
    shared: EmrEngine, double: EmrDouble, job: Job, empty_lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ReadTimeoutError

    real = shared.client.add_job_flow_steps
    asked = []

    def lost(**arguments: object) -> object:
        answer = real(**arguments)  # type: ignore[arg-type]
        asked.append(answer)
        raise ReadTimeoutError(endpoint_url="EMR")

    monkeypatch.setattr(shared.client, "add_job_flow_steps", lost)
    shared.run(job, silent)
    assert kept(empty_lake) == DONE
    assert len(asked) == 1
    assert len(double.steps) == 3
