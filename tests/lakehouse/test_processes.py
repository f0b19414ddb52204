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
from support.world import LAST, OPENED, SIMULATED, World

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
    before = logs(both)
    both.luigi("LoadLakeStar", "--date", str(LAST))
    assert logs(both) == before
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


@pytest.mark.skipif(FAULTS <= 10, reason="make nightly runs it")
def test_a_long_span_starts_spark_once(world: World, warmed: Callable[[World], World]) -> None:
    alone = warmed(world.where(**SIMULATED, OCEAN_STAR="lake"))
    span = ("LoadHistory", "--start", str(OPENED), "--date", str(LAST))
    before = len(logs(alone))
    alone.luigi(*span)
    assert len(logs(alone)) == before + 1
    assert alone.warehouse("select count(*) > 0 from mart.kpi_monthly") == [(True,)]
    # All of it is done: nothing is started again, for the span nor for one of its dates.
    alone.luigi(*span)
    alone.load(LAST)
    assert len(logs(alone)) == before + 1


def logs(world: World) -> list[Path]:
    """What the jobs of the star left; the worlds of a test run share the folder."""
    return sorted((world.home / "log").glob("spark-load-star*"))
