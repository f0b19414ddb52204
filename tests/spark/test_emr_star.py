"""The star on the lake, built by a cluster: EMR's double runs the real steps, with Spark 3.5 in place of YARN's."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from emr_double import EmrDouble, emr_double
from lakehouse import lake_world
from lakehouse.lake_world import PYTHON, on_the_lake
from support.loads import create_warehouse, load_day
from support.shop import add_order, at, date, open_shop
from support.world import World
from tenacity import wait_none

from pipeline.kernel import config, postgres
from pipeline.kernel.errors import ConfigError
from pipeline.lakehouse import compare, load
from pipeline.spark.emr import ICEBERG, EmrEngine
from pipeline.spark.java import java_home
from pipeline.spark.local import spark_home

# The double has no Glue. A catalog in files stands for it, which is safe for one writer alone.
CATALOG = {"OCEAN_LAKEHOUSE_CATALOG": "rest", "OCEAN_LAKEHOUSE_CATALOG_URI": "http://127.0.0.1:1"}


@pytest.fixture
def double(world: World, tmp_path: Path) -> Iterator[EmrDouble]:
    if because := lake_world.lacking():
        pytest.skip(because)
    with emr_double(tmp_path, world.lake.s3) as double:
        java = java_home(tmp_path, load.NEWEST_JAVA)
        double.environment |= {"SPARK_HOME": str(spark_home(str(PYTHON))), "JAVA_HOME": str(java)}
        double.environment |= {"PYSPARK_PYTHON": str(PYTHON)}
        yield double


def test_a_cluster_builds_the_same_star_and_goes_on_with_a_load_that_was_begun(
    world: World, double: EmrDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = on_the_lake(world, lake_world.jars(tmp_path))
    settings = f"{both.more['OCEAN_LAKEHOUSE_SPARK_SETTINGS']} spark.sql.catalog.ocean.type=hadoop"
    for name, value in {**both.environment, **CATALOG, "SPARK_ENGINE": "emr"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OCEAN_LAKEHOUSE_SPARK_SETTINGS", settings)
    config.settings.cache_clear()
    found, lake = config.settings(), world.lake
    monkeypatch.setattr(
        load,
        "engine",
        lambda settings, lake: EmrEngine(settings.spark, lake, between_attempts=wait_none(), between_looks=wait_none()),
    )
    open_shop(both)
    create_warehouse(both)
    add_order(both, 1, at(1), 1)
    load_day(both, date(1))
    # The command is killed when the steps are added, which go on. The next one takes over what they do.
    with monkeypatch.context() as patch:
        patch.setattr(EmrEngine, "_wait", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            load.load(found, lake, lambda _: None)
    said: list[str] = []
    report = load.load(found, lake, said.append, compared=compare.selects(found.lakehouse.prefix))
    assert any("that was begun before" in line for line in said)
    assert report.rows["dwh.fact_order"] == 0  # the first one had written it
    with postgres.session(found.warehouse_url, "warehouse") as cursor:
        assert all(each.is_equal for each in compare.compare(cursor, report.compared))
    [cluster, *_] = double.backend.clusters.values()
    assert cluster.configurations == [ICEBERG] or ICEBERG["Classification"] in str(vars(cluster))
    # The password of the warehouse does not go to a cluster.
    with pytest.raises(ConfigError, match="the password of the warehouse would lie on the cluster"):
        load.load(
            replace(found, lakehouse=replace(found.lakehouse, catalog="jdbc")), lake, lambda _: None, work="rebuild"
        )
