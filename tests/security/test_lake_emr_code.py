"""EMR runs code that was sent by way of the lake: what somebody laid in its place is not run."""

import sys
from pathlib import Path

import pytest
from support.warm_spark import SPARK
from support.world import ROOT

sys.path.insert(0, str(ROOT / "tests/spark"))

from emr_double import emr_double
from engine_support import new_lake
from tenacity import wait_none

from pipeline.kernel.config import Spark
from pipeline.kernel.errors import SparkFailed
from pipeline.spark.emr import EmrEngine
from pipeline.spark.job import Job


@pytest.mark.parametrize("file", ["script.py", "module.py"])
def test_code_that_was_changed_on_its_way_to_emr_is_not_run(services_home: Path, tmp_path: Path, file: str) -> None:
    lake = new_lake(services_home)
    lake.write("landing/a.csv", b"reviews")
    for name in ("script.py", "module.py"):
        tmp_path.joinpath(name).write_text("import module\n" if name == "script.py" else "")
    job = Job("count", tmp_path / "script.py", ("landing",), "stage", (), (tmp_path / "module.py",))
    canary = tmp_path / "canary"
    with emr_double(tmp_path, lake.s3) as double:
        # Stands for spark-submit, where it comes so far: runs the script.
        submit = tmp_path / "bin/spark-submit"
        submit.write_text(f"#!/bin/sh\nexec {sys.executable} script.py\n")
        found: Spark = SPARK
        engine = EmrEngine(found, lake, between_attempts=wait_none(), between_looks=wait_none())
        double.paused.set()

        def attack(line: str) -> None:
            if "steps added" in line:
                [key] = [entry.key for entry in lake.objects("code") if entry.key.endswith(f"/{file}")]
                lake.write(key, f"open({str(canary)!r}, 'w')\n".encode())
                double.paused.clear()

        with pytest.raises(SparkFailed) as caught:
            engine.run(job, attack)
    assert not canary.exists()
    assert f"{file}: FAILED" in str(caught.value)
