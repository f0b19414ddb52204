"""A warm Spark 3.5, and worlds with both stars."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults.disturbed import FAULTS
from support.world import World

from lakehouse import lake_world
from lakehouse.lake_world import WarmEngine, WarmSpark, on_the_lake, warm_spark
from pipeline.kernel.config import Settings
from pipeline.lake.objects import Lake
from pipeline.lakehouse import load

collect_ignore = ["readers.py", "warm_lake.py"]  # they run in Spark's environment
if FAULTS <= 10:  # it makes a site of its own and a Spark of its own: three minutes
    collect_ignore.append("test_lake_dashboards.py")


@pytest.fixture(scope="session")
def jars(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    if because := lake_world.lacking():
        pytest.skip(because)
    return lake_world.jars(tmp_path_factory.mktemp("jars"))


@pytest.fixture(scope="session")
def warm(services_home: Path, jars: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmSpark]:
    with warm_spark(services_home, tmp_path_factory.mktemp("spark"), jars) as spark:
        yield spark


@pytest.fixture
def warmed(
    jars: list[str],
    warm: WarmSpark,
    enter: Callable[[World], World],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[World], World]:
    """Gives a world both stars, whose jobs run in the warm Spark."""

    def engine(settings: Settings, lake: Lake) -> WarmEngine:
        return WarmEngine(warm, settings.spark, lake, tmp_path)

    monkeypatch.setattr(load, "engine", engine)
    return lambda world: enter(on_the_lake(world, jars))


@pytest.fixture
def both(world: World, warmed: Callable[[World], World]) -> World:
    """A world with both stars, whose jobs run in the warm Spark."""
    return warmed(world)
