"""What the tests of faults share: services that may be killed, and a tally of what was done to them."""

import itertools
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from support.databases import database_of
from support.feeds_world import settings_of
from support.loads import create_warehouse
from support.shop import open_shop
from support.world import BEFORE, LAST, SIMULATED, World, Worlds, running_services

from faults.disturbed import Case, Tally, undisturbed
from pipeline.kernel import postgres
from pipeline.services.source_postgresql import SourcePostgreSQL
from pipeline.source.log import publication

collect_ignore = ["wrong_clock"]  # it would set the clock of the tests

_numbers = itertools.count()


@pytest.fixture(scope="session")
def services_home() -> Iterator[Path]:
    """Services of these tests' own: they are killed, restarted and starved."""
    with running_services() as home:
        yield home


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """The figures of a test."""
    made = Tally({})
    record_property("tally", made.counts)
    return made


@pytest.fixture(scope="session")
def simulated(services_home: Path) -> Worlds:
    """Worlds of the simulated shop."""
    return Worlds(services_home, "simulated")


@pytest.fixture(scope="session")
def before(simulated: Worlds) -> World:
    """Loaded some days ago; the shop has gone on since."""
    world = simulated.new()
    world.where(**SIMULATED).load(BEFORE)
    world.where(**SIMULATED).luigi("SimulateBusinessDay", "--date", str(LAST))
    return world


@pytest.fixture(scope="session")
def cases(simulated: Worlds, before: World) -> Callable[[str], Case]:
    """The first load of a shop, and a later one, by these names; each is left alone once."""
    starts = {"first_load": lambda: simulated.new(before), "later_load": lambda: simulated.copy(before)}
    return cache(lambda name: undisturbed(name, starts[name]))


@pytest.fixture(params=["first_load", "later_load"])
def case(request: pytest.FixtureRequest, cases: Callable[[str], Case]) -> Case:
    """Each of these loads."""
    return cases(request.param)


@pytest.fixture
def first_load(cases: Callable[[str], Case]) -> Case:
    """The first load alone."""
    return cases("first_load")


@pytest.fixture
def later_load(cases: Callable[[str], Case]) -> Case:
    """The later load alone."""
    return cases("later_load")


@pytest.fixture(scope="session")
def log_server() -> Iterator[Path]:
    """Services with a server of the source's own, which may be killed, and in which transactions may be prepared."""
    with pytest.MonkeyPatch.context() as patch:  # also when it is started again
        patch.setattr(SourcePostgreSQL, "prepared_transactions", 5)
        patch.setattr(SourcePostgreSQL, "_allowed_prepared_transactions", lambda _: 0)
        with running_services(extraction="log") as home:
            yield home


@pytest.fixture(scope="session")
def logged_template(log_server: Path) -> World:
    """A shop and an empty warehouse."""
    found = Worlds(log_server, "logged").new()
    with settings_of(found):
        open_shop(found)
        create_warehouse(found)
    with postgres.session(found.simulator_url, "tests") as owner:
        publication.create(owner)
    return found


@pytest.fixture
def logged(log_server: Path, logged_template: World, enter: Callable[[World], World]) -> Iterator[World]:
    """A world of the test's own that is extracted from its log, and in which nothing else asks for a comparison."""
    made = Worlds(log_server, f"disturbed_{next(_numbers)}")
    world = made.copy_all(logged_template)
    settings = {"OCEAN_EXTRACTION": "log", "OCEAN_LOG_SLOT": database_of(world.operational_url)}
    yield enter(world.where(**settings, OCEAN_RECONCILE_DAYS="0"))
    made.drop()
