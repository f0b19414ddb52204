"""Dates under way: loaded up to now, again and again, and completed by the first load after their end."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.commands import kill
from support.feeds_world import classify, deliver_orders, deliver_reviews
from support.guide import documented
from support.shop import add_order, at, date, open_shop, update
from support.world import World, Worlds

LOADED = "select order_id from dwh.fact_order"
DAY = date(3)
MINUTES = range(10)
KILLED = (3, 6)


@pytest.fixture(scope="module")
def first(worlds: Worlds) -> World:
    """A shop whose second day is loaded."""
    world = worlds.new()
    open_shop(world)
    add_order(world, 1, at(2), 1)
    deliver_reviews(world, 2, (1, "a good film"))
    classify(world, 2)
    found = world.where(RISK_API_URL="", OCEAN_WATERMARK_LAG="0", OCEAN_RECONCILE_DAYS="0")
    found.at(at(3, 0)).load(date(2))
    return found


@pytest.fixture
def open_world(first: World, worlds: Worlds, enter: Callable[[World], World]) -> World:
    """A copy of it."""
    return enter(worlds.copy_all(first))


def minute(number: int) -> dt.datetime:
    return at(3, 9) + dt.timedelta(minutes=number)


def trade(world: World, number: int) -> None:
    """What happens in the shop before a minute: an order, sometimes a change of an earlier one or a price."""
    before = minute(number) - dt.timedelta(seconds=20)
    add_order(world, 10 + number, before, 1)
    if number % 3 == 1:
        update(world, "orders", {"order_id": 9 + number}, before, order_status_id=2)
    if number == 2:  # of two prices a load of the whole date sees the last one alone
        update(world, "products", {"product_id": 1}, before, unit_price=20 + number)
    if number in (1, 8):
        update(world, "order_lines", {"order_id": 10 + number, "line_number": 1}, before, quantity=3)  # a purchase
    if number == 5:
        deliver_orders(world, 3, "P1,1,I1,Song,26-01-03 10:00:00")


def folders(world: World, table: str) -> list[str]:
    keys = (file.key for file in world.lake.objects(f"extract/{table}/date={DAY}") if file.key.endswith("_SUCCESS"))
    return sorted(key.removesuffix("/_SUCCESS").partition(f"date={DAY}")[2] for key in keys)


def test_a_date_that_has_not_begun_is_refused_in_one_line(open_world: World) -> None:
    before = open_world.checksum()
    output = open_world.at(at(2, 23.99)).load(DAY, expect=35)
    assert "cannot load 2026-01-03, because it has not begun: the source's clock says 2026-01-02 23:59 UTC;" in output
    assert "Traceback" not in output
    assert open_world.checksum() == before
    assert folders(open_world, "ops.orders") == []


def test_loads_through_the_day_make_the_warehouse_that_one_load_of_the_date_makes(
    open_world: World, worlds: Worlds
) -> None:
    once = worlds.copy(open_world)
    for number in MINUTES:
        trade(open_world, number)
        deliver_like(open_world, once, number)
        if number in KILLED:
            kill_half_way(open_world.at(minute(number) - dt.timedelta(seconds=10)))
        if number == 7:  # two machines at once
            other = open_world.at(minute(number) - dt.timedelta(seconds=5)).start(
                "DailyWarehouseLoad", "--date", str(DAY)
            )
        open_world.at(minute(number)).load(DAY, "--workers", "2")
        if number == 7:
            output, _ = other.communicate()
            assert other.returncode == 0, output
        assert open_world.rows(LOADED) == {(1,), *((10 + each,) for each in range(number + 1))}
    add_order(open_world, 50, at(3, 23), 1)
    assert open_world.at(at(4, 0.1)).load(DAY)
    once.load(DAY)
    assert open_world.checksum() == once.checksum()
    assert open_world.rows("select insert_date, review_count from dwh.user_behavior_metric") == {(DAY, 1)}
    # A table without new rows wrote nothing; the closing extract lies where it always does.
    assert {"", "/until=20260103T090000Z", "/until=20260103T090900Z"} < set(folders(open_world, "ops.orders"))
    assert folders(open_world, "ops.suppliers") == [""]
    assert "Did not run any tasks" in open_world.at(at(4, 0.2)).load(DAY)
    assert open_world.rows("select update_id from etl.marker where update_id like '% until %'") == set()

    checksum = open_world.checksum()
    open_world.luigi("RebuildWarehouse", "--replace")
    assert open_world.checksum() == checksum


def kill_half_way(world: World) -> None:
    """Starts a load and kills it once it has written an extract."""
    before = len(folders(world, "ops.orders"))
    process = world.start("DailyWarehouseLoad", "--date", str(DAY))
    while process.poll() is None and len(folders(world, "ops.orders")) == before:
        pass
    kill(process)


def deliver_like(one: World, other: World, number: int) -> None:
    """Has the other lake, which shares the source, get the same files."""
    if number == 5:
        deliver_orders(other, 3, "P1,1,I1,Song,26-01-03 10:00:00")


def test_the_load_of_a_later_date_completes_the_dates_under_way_before_it(open_world: World) -> None:
    trade(open_world, 0)
    open_world.at(minute(0)).load(DAY)
    add_order(open_world, 50, at(3, 23), 1)
    add_order(open_world, 51, at(4, 1), 1)
    output = open_world.at(at(4, 2)).load(date(4))
    assert open_world.rows(LOADED) == {(1,), (10,), (50,), (51,)}
    assert folders(open_world, "ops.orders") == ["", "/until=20260103T090000Z"]
    assert open_world.rows("select load_date from etl.marker where update_id like 'DailyWarehouseLoad%'") == {
        (date(2),), (DAY,), (date(4),),
    }  # fmt: skip
    assert "2026-01-03" in output


def test_the_guides_line_for_cron_loads_what_came_since_and_completes_the_day_before(open_world: World) -> None:
    for day, instant in ((3, minute(0)), (3, minute(1)), (4, at(4, 0.2))):
        add_order(open_world, 100 + instant.hour * 60 + instant.minute, instant - dt.timedelta(seconds=20), 1)
        [command] = documented("Loads through the day", {"today": date(day)})
        open_world.at(instant).luigi(*command.split())
    assert open_world.rows(LOADED) == {(1,), (640,), (641,), (112,)}
    completed = (
        "select load_date from etl.marker where update_id like 'DailyWarehouseLoad%' and update_id not like '%until%'"
    )
    assert open_world.rows(completed) == {(date(2),), (DAY,)}


def test_a_lake_rebuilds_a_date_under_way_which_then_goes_on(open_world: World) -> None:
    for number in (0, 1):
        trade(open_world, number)
        open_world.at(minute(number)).load(DAY)
    checksum = open_world.checksum()
    open_world.where(OPERATIONAL_URL="postgresql://nobody@127.0.0.1:1/none").luigi("RebuildWarehouse", "--replace")
    assert open_world.checksum() == checksum
    trade(open_world, 2)
    open_world.at(minute(2)).load(DAY)
    assert open_world.rows(LOADED) == {(1,), (10,), (11,), (12,)}


def test_a_restored_warehouse_takes_in_what_was_loaded_through_the_day(open_world: World, worlds: Worlds) -> None:
    backup = replace(open_world, warehouse_url=worlds.copy_warehouse(open_world))
    for number in (0, 1):
        trade(open_world, number)
        open_world.at(minute(number)).load(DAY)
    for world in (open_world, backup):
        world.at(minute(3)).load(DAY)
        assert world.rows(LOADED) == {(1,), (10,), (11,)}
    assert backup.checksum() == open_world.checksum()


def test_a_range_that_ends_today_loads_it_once(open_world: World) -> None:
    trade(open_world, 0)
    output = open_world.at(minute(0)).luigi(
        "RangeDaily", "--of", "DailyWarehouseLoad", "--start", str(date(2)), "--stop", str(date(4))
    )
    assert open_world.rows(LOADED) == {(1,), (10,)}
    assert output.count("Load of 2026-01-03") == 1
    trade(open_world, 1)
    open_world.at(minute(1)).luigi("LoadHistory", "--start", str(date(2)), "--date", str(DAY))
    assert open_world.rows(LOADED) == {(1,), (10,), (11,)}
    assert len(folders(open_world, "ops.orders")) == 2
