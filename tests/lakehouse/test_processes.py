"""The star on the lake as users load it: by commands with a Spark of their own, which are killed at random moments."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from faults.disturbed import FAULTS
from support.commands import kill
from support.spark_cluster import standalone_cluster
from support.world import LAST, SIMULATED, World

from lakehouse.lake_world import PYTHON, differences, load_lake
from pipeline.lakehouse import load

KILLS = FAULTS // 5  # each takes a minute
STARTING, WORKING = 5, 25  # seconds until Spark runs, and that a load may then take


@pytest.mark.skipif(FAULTS <= 10, reason="make nightly runs it")
def test_a_load_killed_at_any_moment_ends_in_the_same_star(world: World, warmed: Callable[[World], World]) -> None:
    world.where(**SIMULATED).load(LAST)
    both = warmed(world)
    random = Random(f"kills {os.environ.get('OCEAN_TEST_SEED', '')}")
    for number in range(KILLS):
        words = ("RebuildLakeStar",) if number % 2 == 0 else ("LoadLakeStar", "--date", str(LAST))
        process = both.start(*words)
        time.sleep(STARTING + WORKING * random.random())
        kill(process)
        load_lake()
    assert differences()[0] == []
    # The command finds nothing to do, and starts no Spark.
    logs = sorted((both.home / "log").glob("spark-load-star*"))
    both.luigi("LoadLakeStar", "--date", str(LAST))
    assert sorted((both.home / "log").glob("spark-load-star*")) == logs
    assert both.warehouse("select count(*) from etl.marker where target_table = 'lake.star'") == [(1,)]


@pytest.mark.skipif(FAULTS <= 10, reason="make nightly runs it")
def test_a_standalone_cluster_builds_the_same_star(
    world: World, warmed: Callable[[World], World], tmp_path: Path
) -> None:
    world.where(**SIMULATED).load(LAST)
    both = warmed(world)
    with standalone_cluster(tmp_path, str(PYTHON), load.NEWEST_JAVA) as master:
        both.where(OCEAN_SPARK_MASTER=master).luigi("LoadLakeStar", "--date", str(LAST))
        assert (tmp_path / "cluster.log").read_text().count("Asked to launch executor") == 2
    different, report = differences()
    assert different == []
    assert set(report.rows.values()) == {0}
