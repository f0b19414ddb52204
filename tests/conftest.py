"""Real services for the tests: one embedded set per test process, a pair of new databases and a lake for each test."""

import itertools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults.figures import pytest_terminal_summary as pytest_terminal_summary  # a hook
from support.databases import (
    admin_url,
    create_source_database,
    create_warehouse_database,
    database_of,
    drop_database,
    login,
)
from support.distribution import pytest_collection_modifyitems as pytest_collection_modifyitems  # a hook
from support.distribution import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler  # another
from support.environment import changed
from support.feeds_world import open_warehouse, settings_of
from support.loads import create_warehouse
from support.log_worlds import copied_log_shop, open_log_shop
from support.shop import open_shop
from support.superset_site import Site, running_site
from support.warm_spark import running_session, train_model, warm_engine
from support.world import World, Worlds, running_services

from pipeline.kernel import config
from pipeline.lake.objects import Lake
from pipeline.spark.job import Engine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

collect_ignore = ["compose_names"]  # it would give the tests' own processes other hosts
collect_ignore += [
    "superset/changed_roles.py",
    "superset/kept_answers.py",
    "superset/mcp_client.py",
]  # for other environments

# A shell makes its background processes ignore Ctrl-C, and their children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Tells which test leaves variables to the next ones."""
    yield
    assert not changed()


@pytest.fixture(scope="session")
def services_home() -> Iterator[Path]:
    """The state folder of running embedded services."""
    with running_services() as home:
        yield home


@pytest.fixture(scope="session")
def preparing_home() -> Iterator[Path]:
    """Running services as an earlier version started them: PostgreSQL lets everybody prepare transactions."""
    with running_services(prepared_transactions=10) as home:
        yield home


@pytest.fixture(scope="session")
def log_home() -> Iterator[Path]:
    """Running services with a server of its own for the source, whose log can be extracted, and which prepares."""
    with running_services(prepared_transactions=20, extraction="log") as home:
        yield home


@pytest.fixture
def operational_url(services_home: Path) -> Iterator[str]:
    """A new, empty database of a real server, for the role that extracts."""
    name = f"operational_{next(_numbers)}"
    yield create_source_database(services_home, name)
    drop_database(services_home, name)


@pytest.fixture
def simulator_url(services_home: Path, operational_url: str) -> str:
    """The same database for the role that owns it."""
    return login(services_home, "simulator_url", database_of(operational_url))


@pytest.fixture
def warehouse_url(services_home: Path) -> Iterator[str]:
    """A new, empty database of a real server, for the role that loads."""
    name = f"warehouse_{next(_numbers)}"
    yield create_warehouse_database(services_home, name)
    drop_database(services_home, name)


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[World], World]]:
    """Makes the test's own process work in a world, through the environment, as for a user."""

    def into(world: World) -> World:
        for name, value in world.environment.items():
            monkeypatch.setenv(name, value)
        config.settings.cache_clear()
        config.services_file.cache_clear()
        return world

    yield into
    config.settings.cache_clear()
    config.services_file.cache_clear()


@pytest.fixture
def world(services_home: Path, operational_url: str, warehouse_url: str, enter: Callable[[World], World]) -> World:
    """A source, a warehouse and a lake of the test's own."""
    lake_url = f"s3://ocean-lake/test-{next(_numbers)}"
    return enter(World(services_home, operational_url, warehouse_url, lake_url))


@pytest.fixture(scope="session")
def templates(services_home: Path) -> Iterator[Worlds]:
    """Worlds that other ones are copied from."""
    made = Worlds(services_home, "like")
    yield made
    made.drop()


@pytest.fixture(scope="session")
def shop_template(templates: Worlds) -> World:
    found = templates.new()
    with settings_of(found):
        open_shop(found)
        create_warehouse(found)
    return found


@pytest.fixture(scope="session")
def log_templates(log_home: Path) -> Iterator[Worlds]:
    """The same, of sources whose log is extracted."""
    made = Worlds(log_home, "log_like")
    yield made
    made.drop()


@pytest.fixture(scope="session")
def log_template(log_templates: Worlds) -> World:
    return open_log_shop(log_templates)


@pytest.fixture
def log_shop(log_home: Path, log_template: World, enter: Callable[[World], World]) -> Iterator[World]:
    """A world of the test's own after `open_shop` and `create_warehouse`, which is loaded from the source's log."""
    with copied_log_shop(Worlds(log_home, f"logged_{next(_numbers)}"), log_template) as world:
        yield enter(world)


@pytest.fixture(scope="session")
def opened_template(templates: Worlds) -> World:
    found = templates.new()
    with settings_of(found):
        open_warehouse(found)
    return found


@pytest.fixture
def copied(services_home: Path, enter: Callable[[World], World]) -> Iterator[Callable[[World], World]]:
    """Copies a whole world for one test, and has its process work there."""
    made = Worlds(services_home, f"copied_{next(_numbers)}")
    yield lambda world: enter(made.copy_all(world))
    made.drop()


@pytest.fixture
def shop(copied: Callable[[World], World], shop_template: World) -> World:
    """A world of the test's own after `open_shop` and `create_warehouse`."""
    return copied(shop_template)


@pytest.fixture
def opened(copied: Callable[[World], World], opened_template: World) -> World:
    """A world of the test's own after `open_warehouse`."""
    return copied(opened_template)


@pytest.fixture(scope="module")
def worlds(services_home: Path, request: pytest.FixtureRequest) -> Iterator[Worlds]:
    """Worlds that the tests of a module share."""
    made = Worlds(services_home, request.module.__name__.rpartition(".")[2])
    yield made
    made.drop()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """Deployed dashboards on a small loaded shop, which take half a minute to make."""
    with running_site() as found:
        yield found


@pytest.fixture(scope="session")
def spark_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SparkSession"]:
    """Spark in this process, with its session as the scripts have it."""
    with running_session(tmp_path_factory.mktemp("spark")) as found:
        yield found


@pytest.fixture
def warm(spark_session: "SparkSession", tmp_path: Path) -> Callable[[Lake], Engine]:
    """Gives an engine for a lake, which runs scripts in that session."""
    return lambda lake: warm_engine(spark_session, lake, tmp_path / "logs")


@pytest.fixture(scope="session")
def trained(services_home: Path, spark_session: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with a model that was trained there, which takes long."""
    lake = World(services_home, "", "", "s3://ocean-lake/trained").lake
    train_model(warm_engine(spark_session, lake, tmp_path_factory.mktemp("logs")))
    return lake


@pytest.fixture
def admin(services_home: Path) -> str:
    """The URL of the embedded server's superuser."""
    return admin_url(services_home)
