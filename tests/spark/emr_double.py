"""What moto's EMR leaves out: a cluster that really runs the command line of each step and advances the step."""

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.emr.models import emr_backends
from moto.server import ThreadedMotoServer

from pipeline.kernel.config import S3
from pipeline.spark.java import java_home
from pipeline.spark.local import spark_home

ACCOUNT, REGION = "123456789012", "us-east-1"
PROGRAMS = Path(__file__).with_name("emr_programs.py")
LAST_LINES = 300


@dataclass
class EmrDouble:
    """EMR's control plane, and what its clusters run. `commands` are those that were run."""

    folder: Path
    environment: dict[str, str]
    commands: list[list[str]] = field(default_factory=list)
    instead: dict[str, str] = field(default_factory=dict)  # shell commands that take the place of programs
    paused: threading.Event = field(default_factory=threading.Event)  # no step is begun while it is set
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def backend(self) -> Any:
        return emr_backends[ACCOUNT][REGION]

    @property
    def steps(self) -> list[Any]:
        return [step for cluster in self.backend.clusters.values() for step in cluster.steps]

    def cluster(self) -> str:
        """A new cluster that stays and has nothing to do."""
        started = boto3.client("emr").run_job_flow(
            Name="shared",
            LogUri="s3://logs/emr",
            Instances={"InstanceCount": 1, "MasterInstanceType": "m5.xlarge", "KeepJobFlowAliveWhenNoSteps": True},
        )
        return started["JobFlowId"]

    def run_steps(self) -> None:
        """Runs the steps of all clusters, one after another, until it is stopped."""
        while not self.stopped.wait(0.05):
            for cluster in list(self.backend.clusters.values()):
                waiting = [step for step in cluster.steps if step.state in ("PENDING", "RUNNING")]
                if self.paused.is_set():
                    continue
                if waiting:
                    self._run(cluster, waiting[0])
                elif cluster.steps and not cluster.keep_job_flow_alive_when_no_steps:
                    cluster.state = "TERMINATED"

    def _run(self, cluster: Any, step: Any) -> None:
        step.state = "RUNNING"
        arguments = list(step.args)
        self.commands.append(arguments)
        program = "spark-submit" if step.name.endswith("spark-submit") else "s3-dist-cp"
        if program in self.instead:
            arguments = ["bash", "-c", self.instead[program]]
        done = subprocess.run(
            arguments, env=self.environment, capture_output=True, text=True, check=False, cwd=self.folder
        )
        if done.returncode == 0:
            step.state = "COMPLETED"
            return
        step.last_state_change_reason = done.stderr[-LAST_LINES:].strip()
        if step.action_on_failure in ("CANCEL_AND_WAIT", "TERMINATE_CLUSTER"):
            for other in cluster.steps:
                if other.state == "PENDING":
                    other.state = "CANCELLED"
        step.state = "FAILED"


@contextmanager
def emr_double(folder: Path, s3: S3) -> Iterator[EmrDouble]:
    """A control plane where boto3 looks for EMR, with a cluster's programs on the PATH of its steps."""
    programs, hdfs = folder / "bin", folder / "hdfs"
    for path in (programs, hdfs):
        path.mkdir()
    for name in ("s3-dist-cp", "hdfs", "hadoop", "spark-submit"):
        script = programs / name
        script.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(PROGRAMS), name])} "$@"\n')
        script.chmod(0o700)
    credentials = {
        "AWS_ACCESS_KEY_ID": str(s3.access_key),
        "AWS_SECRET_ACCESS_KEY": str(s3.secret_key),
        "AWS_DEFAULT_REGION": REGION,
    }
    environment = {
        **os.environ,
        **credentials,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL_S3": str(s3.endpoint),
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
        "EMR_DOUBLE_HDFS": str(hdfs),
        "JAVA_HOME": str(java_home(folder)),
        "SPARK_HOME": str(spark_home()),
        "PYSPARK_PYTHON": sys.executable,
    }
    emr_backends[ACCOUNT][REGION].reset()  # moto keeps its state for as long as the process lives
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    double = EmrDouble(folder, environment)
    cluster = threading.Thread(target=double.run_steps)
    cluster.start()
    host, port = server.get_host_and_port()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**credentials, "AWS_ENDPOINT_URL_EMR": f"http://{host}:{port}"}.items():
                patch.setenv(name, value)
            yield double
    finally:
        double.stopped.set()
        cluster.join()
        server.stop()
