"""The source that a warehouse was loaded from is known again, and another one is refused until somebody confirms it."""

import re
from urllib.parse import urlsplit

import pytest
from support import shop
from support.databases import admin_url, database_of, run
from support.world import World, Worlds

from pipeline.kernel import limits, postgres
from pipeline.source import identity
from pipeline.source.identity import Source

TASK_FAILED = 30
REFUSED = "cannot load from this source, because OPERATIONAL_URL names database "
KNOWN = "select database_name from etl.source"
HERE = Source("7301", 16384, "shop")


@pytest.fixture(scope="module")
def loaded(worlds: Worlds) -> World:
    """A warehouse that has day 1 of a shop with an order."""
    world = worlds.new().where(RISK_API_URL="")
    shop.open_shop(world)
    shop.add_order(world, 1, shop.at(1), 1)
    world.load(shop.date(1))
    return world


@pytest.fixture(scope="module")
def twin(worlds: Worlds, loaded: World) -> World:
    """The same warehouse, and a source with the same tables on the same server, in which there is no order."""
    empty = worlds.new()
    shop.open_shop(empty)
    return World(loaded.home, empty.operational_url, loaded.warehouse_url, loaded.lake_url, loaded.more)


def refusal(output: str) -> str:
    [line] = {line.strip() for line in output.splitlines() if line.strip().startswith(REFUSED)}
    return line


def test_another_source_is_refused_before_anything_is_extracted_until_it_is_confirmed(
    worlds: Worlds, loaded: World, twin: World
) -> None:
    day, orders = str(shop.date(2)), "select count(*), count(*) filter (where etl_deleted_ts is null) from stage.orders"
    line = refusal(twin.load(day, expect=TASK_FAILED))
    assert database_of(twin.operational_url) in line
    assert database_of(loaded.operational_url) in line
    assert not loaded.lake.exists(f"extract/bound/date={day}/bound.json")
    # A bound that was chosen before makes no way in, nor does the comparison.
    loaded.luigi("ChooseBound", "--date", day)
    assert line == refusal(twin.luigi("ExtractTable", "--table", "ops.orders", "--date", day, expect=TASK_FAILED))
    again = ("ReconcileSource", "--date", str(shop.date(1)), "--repair")
    assert line == refusal(twin.luigi(*again, expect=TASK_FAILED))
    assert loaded.warehouse(orders) == [(1, 1)]
    assert loaded.warehouse(KNOWN) == [(database_of(loaded.operational_url),)]

    [(name, value)] = re.findall(r"run the same command with (\w+)=(\S+)", line)
    copied = World(twin.home, twin.operational_url, worlds.copy(loaded).warehouse_url, twin.lake_url, twin.more)
    extract = ("ExtractTable", "--table", "ops.states", "--date", day)
    copied.where(**{name: value}).luigi(*extract)
    assert copied.warehouse(KNOWN) == [(database_of(twin.operational_url),)]
    # It is remembered, and the first one is another source now.
    copied.luigi("ExtractTable", "--table", "ops.orders", "--date", day)
    back = World(loaded.home, loaded.operational_url, copied.warehouse_url, loaded.lake_url, loaded.more)
    assert database_of(loaded.operational_url) in refusal(
        back.where(**{name: value}).luigi("ExtractTable", "--table", "ops.customers", "--date", day, expect=TASK_FAILED)
    )


def test_a_warehouse_built_again_from_the_lake_knows_its_source(worlds: Worlds, loaded: World) -> None:
    world = worlds.copy(loaded)
    world.luigi("RebuildWarehouse", "--replace")
    assert world.warehouse(KNOWN) == [(database_of(loaded.operational_url),)]


@pytest.mark.parametrize(
    ("found", "is_same"),
    [
        (Source("7301", 16384, "shop"), True),  # also a replica that took over, and a base backup
        (Source("7301", 16384, "shop_2"), True),  # renamed
        (Source("7301", 20000, "shop"), True),  # a dump was restored under its name
        (Source("7301", 20000, "twin"), False),
        (Source("7302", 16384, "shop"), False),  # the same name, on another server
        (Source(None, 16384, "shop"), True),
        (Source(None, 16384, "twin"), False),
        (Source(None, 20000, "shop"), False),
    ],
)
def test_a_source_is_known_by_its_server_and_by_the_oid_or_name_of_its_database(found: Source, is_same: bool) -> None:
    assert found.is_same(HERE) is is_same
    assert HERE.is_same(found) is is_same


def test_a_role_that_may_not_ask_for_the_server_takes_nothing_away_from_what_is_known(
    worlds: Worlds, loaded: World
) -> None:
    world = worlds.copy(loaded)
    before = world.warehouse("select * from etl.source")
    [(server,)] = run(admin_url(world.home), "select system_identifier::text from pg_control_system()")
    assert before[0][1] == server
    owner = urlsplit(admin_url(world.home))._replace(path=f"/{database_of(world.operational_url)}").geturl()
    run(owner, "revoke execute on function pg_control_system() from public")  # as an earlier version did
    with (
        postgres.session(world.operational_url, "operational") as source,
        postgres.transaction(world.warehouse_url, "warehouse") as warehouse,
    ):
        assert identity.read(source).server is None
        identity.require_known(source, warehouse, "")
        with postgres.session(owner, "tests") as cursor:
            limits.limit_functions(cursor)  # as the next `make up` does
        assert identity.read(source).server == server
    assert world.warehouse("select * from etl.source") == before
