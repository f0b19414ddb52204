"""A world whose star is also on the lake, and what both hold."""

import datetime as dt
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.world import ROOT, World

from lakehouse.iceberg_jars import shaded_jackson
from lakehouse.warm_lake import ANSWER
from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import config, locks, postgres
from pipeline.kernel.errors import SparkFailed
from pipeline.lake.objects import Lake
from pipeline.lakehouse import compare, load
from pipeline.source import layout
from pipeline.spark.java import java_home
from pipeline.spark.job import Job, Say
from pipeline.spark.local import LocalEngine
from pipeline.stage import taken

VENV = ROOT / ".venv-lakehouse"
PYTHON = VENV / "bin/python"
DRIVER = [Path(f"/usr/share/java/{name}.jar") for name in ("postgresql", "scram-client", "scram-common")]
BUCKET = "ocean-lake"


def lacking() -> str:
    """Why the star on the lake cannot be tested here; empty where it can."""
    if not (VENV / ".installed-readers").exists():
        return "there is no .venv-lakehouse, which `make test` builds where there is a Java 17"
    if missing := [path for path in DRIVER if not path.exists()]:
        return f"{missing[0]} is not there: install Debian's libpostgresql-jdbc-java and libscram-java"
    return ""


def jars(folder: Path) -> list[str]:
    """The jars that Spark gets."""
    packages = next(VENV.glob("lib/python3*/site-packages"))
    [iceberg] = packages.glob("snowpark_connect_deps_iceberg/jars/iceberg-spark-runtime-3.5_2.12-*.jar")
    jackson = shaded_jackson(packages / "pyspark/jars", folder / "jackson.jar")
    return [str(path) for path in (iceberg, jackson, *DRIVER)]


def s3_settings(home: Path) -> dict[str, str]:
    """Settings by which Spark finds s3:// in the folder that the embedded S3 serves."""
    local, mapped = "org.apache.hadoop.fs.LocalFileSystem", "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
    return {
        "spark.hadoop.fs.s3.impl": mapped,
        "spark.hadoop.fs.viewfs.overload.scheme.target.s3.impl": local,
        "spark.hadoop.fs.viewfs.overload.scheme.target.file.impl": local,
        f"spark.hadoop.fs.viewfs.mounttable.{BUCKET}.linkFallback": f"file://{home}/s3/{BUCKET}",
    }


def on_the_lake(world: World, jars: list[str]) -> World:
    """The world with both stars, or with that on the lake alone if it says so."""
    settings = " ".join(f"{name}={value}" for name, value in s3_settings(world.home).items())
    return world.where(
        OCEAN_STAR=world.more.get("OCEAN_STAR", "both"),
        OCEAN_LAKEHOUSE_JARS=",".join(jars),
        OCEAN_LAKEHOUSE_PYTHON=str(PYTHON),
        OCEAN_LAKEHOUSE_SPARK_SETTINGS=settings,
        OCEAN_SPARK_MASTER="local[2]",
    )


@dataclass
class WarmSpark:
    """A running Spark 3.5 that takes the script's jobs."""

    process: "subprocess.Popen[str]"
    said: list[str]

    def ask(self, **request: Any) -> int:
        """Has a request answered; returns the script's exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        self.said.clear()
        for line in self.process.stdout:
            if line.startswith(ANSWER):
                code: int = json.loads(line.removeprefix(ANSWER))["code"]
                return code
            self.said.append(line.rstrip())
        raise AssertionError("Spark ended")


@contextmanager
def warm_spark(home: Path, folder: Path, jars: list[str]) -> Iterator[WarmSpark]:
    """A Spark that stays, for the jobs of a test run."""
    with (folder / "spark.log").open("wb") as log:
        process = subprocess.Popen(
            [str(PYTHON), str(Path(__file__).with_name("warm_lake.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                "JAVA_HOME": str(java_home(folder, load.NEWEST_JAVA)),
                "SPARK_LOCAL_IP": "127.0.0.1",
            },
        )
        spark = WarmSpark(process, [])
        settings = {
            "spark.jars": ",".join(jars),
            "spark.driver.memory": "1g",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.local.dir": str(folder / "spark"),
            "spark.driver.extraJavaOptions": "-XX:-UsePerfData -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m",
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            **load.ALWAYS,
            **s3_settings(home),
        }
        try:
            assert spark.ask(settings=settings) == 0
            yield spark
        finally:
            process.kill()
            process.wait()
            for stream in filter(None, (process.stdin, process.stdout)):
                stream.close()
            shutil.rmtree(folder / "spark", ignore_errors=True)


class WarmEngine(LocalEngine):
    """Is the local engine but for the process: fetching, arguments, publishing and clearing up are its own."""

    def __init__(self, warm: WarmSpark, spark: config.Spark, lake: Lake, logs: Path) -> None:
        super().__init__(spark, lake, logs)
        self.warm = warm

    def _submit(self, job: Job, scratch: Path, say: Say) -> None:
        command = self._command(job, scratch)
        script = command.index(str(scratch / "files" / job.script.name))
        code = self.warm.ask(argv=command[script:], settings=dict(job.settings), secrets=dict(job.secrets))
        for line in self.warm.said:
            say(f"{job.name}: {line}")
        if code:
            raise SparkFailed(f"finish the Spark job {job.name}", "\n".join(self.warm.said[-5:]), "fix the cause")


def take(world: World, day: dt.date) -> None:
    """Takes note of the extracts of a date for the star on the lake alone, as LoadStage does."""
    for name, table in SOURCE_TABLES.items():
        found = layout.metadata(world.lake, name, day)
        assert found is not None
        with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
            locks.lock(cursor, f"stage.{table.short}")
            taken.note(cursor, world.lake, table, found)


def load_lake(**what: Any) -> load.Report:
    """Brings the star on the lake up to stage."""
    settings = config.settings()
    return load.load(settings, Lake(settings.lake_url, settings.s3), lambda _: None, **what)


def differences(**more: str) -> tuple[list[str], load.Report]:
    """Loads the lake and compares both stars; the tables that differ, and what the job told."""
    selects = compare.selects(config.settings().lakehouse.prefix)
    report = load_lake(compared={**selects, **more})
    with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
        found = compare.compare(cursor, report.compared)
    return [f"{each}" for each in found if not each.is_equal], report
