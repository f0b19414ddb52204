"""What the tests of faults share: services that may be killed, and a tally of what was done to them."""

import itertools
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from support.log_worlds import copied_log_shop, open_log_shop
from support.world import BEFORE, LAST, SIMULATED, World, Worlds, running_services

from faults.disturbed import Case, Tally, undisturbed
from pipeline.services.source_postgresql import SourcePostgreSQL

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
        patch.setattr(SourcePostgreSQL, "prepared_transactions", 20)
        patch.setattr(SourcePostgreSQL, "_allowed_prepared_transactions", lambda _: 0)
        with running_services(extraction="log") as home:
            yield home


@pytest.fixture(scope="session")
def logged_template(log_server: Path) -> World:
    """A shop and an empty warehouse."""
    return open_log_shop(Worlds(log_server, "logged"))


@pytest.fixture
def logged(log_server: Path, logged_template: World, enter: Callable[[World], World]) -> Iterator[World]:
    """A world of the test's own that is extracted from its log, and in which nothing else asks for a comparison."""
    with copied_log_shop(Worlds(log_server, f"disturbed_{next(_numbers)}"), logged_template) as world:
        yield enter(world.where(OCEAN_RECONCILE_DAYS="0"))
