"""A standalone cluster of Spark on this machine."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.spark.java import java_home
from pipeline.spark.local import spark_home


@contextmanager
def standalone_cluster(folder: Path, python: str = "", newest_java: int = 0) -> Iterator[str]:
    """The URL of a master with two workers on the loopback, of this environment's Spark or that of another Python.

    Their log is `cluster.log` in the folder.
    """
    spark = spark_home(python)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"spark://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "JAVA_HOME": str(java_home(folder, newest_java)),
        "SPARK_HOME": str(spark),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_WORKER_DIR": str(folder / "work"),
    }
    # A cluster's own answer is in its log: no fixed wait tells when it is ready.
    log = folder / "cluster.log"
    common = ["--host", "127.0.0.1", "--webui-port", "0"]
    worker = ["org.apache.spark.deploy.worker.Worker", *common, "--cores", "1", "--memory", "1g", url]
    commands = [["org.apache.spark.deploy.master.Master", *common, "--port", str(port)], worker, worker]
    processes = []
    try:
        with log.open("wb") as output:
            for command in commands:
                processes.append(
                    subprocess.Popen(
                        [spark / "bin/spark-class", *command], env=environment, stdout=output, stderr=output
                    )
                )
                wait_for(lambda: "I have been elected leader" in log.read_text())
            wait_for(lambda: log.read_text().count("Successfully registered with master") == 2)
        yield url
    finally:
        for process in processes:
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
