"""A source that lost rows fails each load until the comparison comes out even, and what the errors advise does that."""

import re
from dataclasses import replace

import pytest
from support import shop
from support.guide import COMMAND, OPERATIONS, documented
from support.world import World, Worlds

FAILED = 30
DAY = shop.date(4)
EXAMPLE = "2026-11-19"  # the date in the guide
ORDERS = "select order_id from dwh.fact_order where not is_deleted"
SAVED = "create table public.saved as select * from ops.order_lines"


@pytest.fixture(scope="module")
def before(worlds: Worlds) -> World:
    """A shop with three orders and its warehouse, of which all tables are to be compared on the next date."""
    world = worlds.new().where(RISK_API_URL="", OCEAN_RECONCILE_DAYS="3", OCEAN_MAX_LAG_HOURS="1000000")
    shop.open_shop(world)
    for order in (1, 2, 3):
        shop.add_order(world, order, shop.at(1), 1)
    world.load(shop.date(1))
    world.where(OCEAN_RECONCILE_DAYS="0").load(shop.date(3))
    return world


@pytest.fixture
def world(worlds: Worlds, before: World) -> World:
    """The same, source and warehouse, to be changed."""
    return worlds.copy_all(before)


def advised(output: str, words: str) -> list[str]:
    """The commands that the error with these words names."""
    [line] = {line.strip() for line in output.splitlines() if words in line and line.strip().startswith("cannot")}
    return COMMAND.findall(line)


def follow(world: World, command: str, expect: int = 0) -> str:
    return world.luigi(*command.split(), expect=expect)


def status(world: World) -> list[tuple[str, str, str]]:
    return [(each["severity"], each["what"], each["do"]) for each in world.findings()]


def test_a_comparison_that_failed_stays_due_and_the_same_command_fails_until_its_advice_is_followed(
    world: World,
) -> None:
    world.source("truncate ops.orders cascade")
    for _ in range(2):
        output = world.load(DAY, expect=FAILED)
        assert "all 3 rows of ops.orders vanished" in output
        assert world.rows(ORDERS) == {(1,), (2,), (3,)}
    differ = "source and warehouse differ in 3 rows of ops.order_lines, 3 rows of ops.orders"
    [(severity, _, do)] = [each for each in status(world) if differ in each[1]]
    assert severity == "error"
    # What the status names says what else there is to run.
    [repair] = COMMAND.findall(do)
    [allowing] = advised(follow(world, repair, expect=FAILED), "vanished from the source")
    follow(world, allowing)
    assert world.rows(ORDERS) == set()
    world.load(DAY)
    assert [what for severity, what, _ in status(world) if severity == "error"] == []


def test_rows_that_are_brought_back_are_in_the_warehouse_again_as_the_guide_says(world: World) -> None:
    repair, allowing = documented("Restored source", {EXAMPLE: DAY})
    world.source(SAVED)
    world.source("truncate ops.order_lines")
    follow(world, repair, expect=FAILED)
    follow(world, allowing)
    assert world.rows("select distinct is_deleted from dwh.fact_order_line") == {(True,)}
    # They were marked by mistake: with the times that they had.
    world.source("insert into ops.order_lines select * from public.saved")
    follow(world, repair)
    assert world.rows("select distinct is_deleted from dwh.fact_order_line") == {(False,)}
    world.load(DAY)


def test_a_source_that_has_moved_is_confirmed_as_the_guide_says(worlds: Worlds, world: World) -> None:
    world.load(DAY)
    moved = replace(world, operational_url=worlds.copy_source(world).operational_url)
    shop.add_order(moved, 4, shop.at(5), 1)
    output = moved.load(shop.date(5), expect=FAILED)
    [identity] = set(re.findall(r"OCEAN_NEW_SOURCE=([\w-]+)", output))
    [command] = documented("Wrong source", {EXAMPLE: shop.date(5)})
    follow(moved.where(OCEAN_NEW_SOURCE=identity), command)
    assert moved.rows(ORDERS) == {(1,), (2,), (3,), (4,)}
    assert moved.warehouse("select count(*) from etl.deletion") == [(0,)]


def test_what_is_in_dwh_alone_is_gone_when_the_advice_was_followed(world: World) -> None:
    world.warehouse(
        "insert into dwh.fact_order select 99, customer_key, address_key, payment_method_key, order_status_key, "
        "ordered_date_key, delivered_date_key, ordered_ts, delivered_ts, line_count, order_amount "
        "from dwh.fact_order where order_id = 1"
    )
    world.warehouse(
        "insert into dwh.dim_supplier select 99, 99, 'Reef', contact_email, country from dwh.dim_supplier limit 1"
    )
    [repair] = advised(follow(world, f"ReconcileSource --date {shop.date(3)}", expect=FAILED), "differ")
    output = follow(world, repair, expect=FAILED)
    rebuild, again = advised(output, "differ")
    follow(world, rebuild)
    assert world.rows(ORDERS) == {(1,), (2,), (3,)}
    assert "mark the rows of dwh.dim_supplier that stage does not have as deleted" in output
    text = OPERATIONS.read_text()
    [statement] = re.findall(r"^update dwh\.dim_supplier set is_deleted = true.*?;", text, re.MULTILINE | re.DOTALL)
    world.warehouse(statement)
    follow(world, again)


def test_a_row_that_cannot_be_loaded_is_in_the_warehouse_when_the_advice_was_followed(world: World) -> None:
    world.source("alter table ops.orders alter column ordered_ts drop not null")
    world.source("update ops.orders set ordered_ts = null where order_id = 2")
    [again] = advised(
        follow(world, f"ReconcileSource --date {shop.date(3)} --repair", expect=FAILED), "etl.rejected_row"
    )
    world.source("update ops.orders set ordered_ts = updated_ts where order_id = 2")
    follow(world, again)
