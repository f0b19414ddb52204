"""Extraction from the source's log: what a load sees of it, and that it builds what extraction by watermark builds."""

import datetime as dt
import random
from contextlib import closing

import psycopg2
import pytest
from faults.disturbed import FAULTS, wait_for
from support.commands import kill
from support.log_steps import clock
from support.shop import add_order, add_product, at, date, insert, update
from support.world import World, Worlds

from pipeline.kernel.errors import ChecksFailed, DatabaseError, SourceDiffers
from pipeline.source.log import windows
from pipeline.tasks.reconcile_source import ReconcileSource

DAYS = 3 if FAULTS <= 10 else 9
DIFFERENCES = """
select table_name, dwh_missing, dwh_changed, dwh_vanished from etl.reconciliation
where missing + changed + vanished + dwh_missing + dwh_changed + dwh_vanished > 0
"""


def load(world: World, day: int) -> str:
    """Loads a date in its evening: what was committed is of that date, whenever the commit was."""
    return world.at(at(day, 20)).load(date(day))


def compare(world: World, day: int) -> None:
    """Compares the warehouse with the source at the same time of a date."""
    world.at(at(day, 20)).luigi("ReconcileSource", "--date", str(date(day)))


def test_a_delete_is_in_the_kpis_after_the_next_load(log_shop: World) -> None:
    add_order(log_shop, 1, at(1), 1)
    add_order(log_shop, 2, at(1), 1)
    load(log_shop, 1)
    log_shop.source("delete from ops.order_lines where order_id = 2")
    log_shop.source("delete from ops.orders where order_id = 2")
    load(log_shop, 2)
    assert log_shop.warehouse("select orders, sales::float from mart.kpi_monthly") == [(1, 20.0)]


def test_a_change_that_leaves_updated_ts_alone_is_in_the_kpis_after_the_next_load(log_shop: World) -> None:
    add_order(log_shop, 1, at(1), 1)
    load(log_shop, 1)
    log_shop.source("update ops.order_lines set quantity = 5")
    load(log_shop, 2)
    assert log_shop.warehouse("select sales::float from mart.kpi_monthly") == [(50.0,)]


def test_the_log_has_every_price_however_rare_the_loads_and_watermarks_have_the_last(
    log_shop: World, log_templates: Worlds
) -> None:
    watermark = log_templates.new(log_shop).where(OCEAN_EXTRACTION="watermark")
    for world in (log_shop, watermark):
        load(world, 1)
    for day, price in ((2, 11), (3, 12), (4, 13)):
        update(log_shop, "products", {"product_id": 1}, at(day), unit_price=price)
    query = "select unit_price::float, valid_from from dwh.dim_product where product_id = 1 order by valid_from"
    for world, seen in ((log_shop, [2, 3, 4]), (watermark, [4])):
        load(world, 4)
        first, *later = world.warehouse(query)
        assert (first[0], later) == (10, [(9 + day, at(day)) for day in seen])


def test_a_first_copy_has_what_was_changed_before_it_and_the_log_the_rest(log_shop: World) -> None:
    long = random.Random(1)
    first, second, third = ("".join(chr(long.randrange(0x4E00, 0x9FFF)) for _ in range(900)) for _ in range(3))
    log_shop.source("update ops.products set name = %s", (first,))
    add_product(log_shop, 3, 7)
    log_shop.source("update ops.products set name = %s where product_id = 3", (second,))
    log_shop.command("source", "prepare")
    log_shop.source("update ops.products set unit_price = 8")  # the log does not repeat the names
    log_shop.source("delete from ops.products where product_id = 3")
    log_shop.source("update ops.products set product_id = 2, sku = 'moved' where product_id = 1")
    add_product(log_shop, 1, 9)
    log_shop.source("update ops.products set name = %s where product_id = 1", (third,))
    load(log_shop, 1)
    query = "select product_id, name, unit_price from {} where {} order by product_id"
    stage = log_shop.warehouse(query.format("stage.products", "etl_deleted_ts is null"))
    assert stage == log_shop.source(query.format("ops.products", "true"))


@pytest.mark.parametrize(("copied", "loaded", "when"), [(2, 2, at(2, 10)), (2, 2, at(3, 1)), (2, 1, at(2, 10))])
def test_a_first_copy_of_a_command_that_came_no_further_is_loaded_by_the_next_one(
    log_shop: World, copied: int, loaded: int, when: dt.datetime
) -> None:
    log_shop.at(at(copied, 8)).luigi("CopySource", "--date", str(date(copied)))
    log_shop.at(when).luigi("LoadStage", "--table", "ops.products", "--date", str(date(loaded)))
    assert log_shop.warehouse("select product_id from stage.products") == [(1,)]


def test_a_load_that_was_killed_as_it_created_the_slot_is_made_again(log_shop: World) -> None:
    with closing(psycopg2.connect(log_shop.simulator_url)) as open_one, open_one.cursor() as cursor:
        cursor.execute("update ops.products set unit_price = 11")  # a slot begins where this has ended
        process = log_shop.at(at(1, 20)).start("CopySource", "--date", str(date(1)))
        wait_for(
            lambda: log_shop.source("select 1 from pg_replication_slots where database = current_database()"), process
        )
        kill(process)
        process = log_shop.at(at(1, 20)).start("CopySource", "--date", str(date(1)))
        assert process.stdout
        assert any("another session is creating it" in line for line in process.stdout)
        open_one.commit()
    output, _ = process.communicate()
    assert process.returncode == 0, output


def test_a_log_whose_beginning_was_not_written_to_its_end_begins_there_all_the_same(log_shop: World) -> None:
    log_shop.command("source", "prepare")
    [begin] = windows.ends(log_shop.lake)
    log_shop.lake.delete([f"{windows.folder(begin)}/_SUCCESS"])  # as if the command had been killed before it
    log_shop.at(at(1, 20)).luigi("CopySource", "--date", str(date(1)))
    assert windows.ends(log_shop.lake) == [begin]


@pytest.mark.parametrize("seed", range(1, 1 + max(1, FAULTS // 20)))
def test_with_a_load_after_each_change_both_ways_build_the_same(
    log_shop: World, log_templates: Worlds, seed: int
) -> None:
    watermark = log_templates.new(log_shop).where(OCEAN_EXTRACTION="watermark")
    chance = random.Random(seed)
    for day in range(1, DAYS):
        do_business(log_shop, chance, day)
        load(log_shop, day)
        load(watermark, day)
    load(log_shop, DAYS)
    load(watermark, DAYS)
    assert log_shop.checksum() == watermark.checksum()


def do_business(world: World, chance: random.Random, day: int) -> None:
    """Something of a day, on a source that keeps updated_ts."""
    if day == 1:
        add_product(world, 2, 7, at(day))
    for number in range(chance.randrange(1, 4)):
        add_order(world, 10 * day + number, at(day, 9 + number), *range(1, 1 + chance.randrange(1, 3)))
    if chance.random() < 0.7:
        update(world, "products", {"product_id": 1}, at(day, 10), unit_price=10 + day)
    if chance.random() < 0.5:
        update(world, "orders", {"order_id": 10}, at(day, 15), order_status_id=chance.choice([1, 2]))
    if chance.random() < 0.5:
        update(world, "addresses", {"address_id": 1}, at(day, 16), country=chance.choice(["USA", "UK"]))
    if chance.random() < 0.3:
        insert(world, "customers", at(day), customer_id=100 + day, first_name="Ida", last_name="Rhodes",
            registered_on=date(day))  # fmt: skip


def test_a_new_column_is_filled_for_the_rows_that_the_log_does_not_tell_of(log_shop: World) -> None:
    add_product(log_shop, 2, 5)
    load(log_shop, 1)
    log_shop.source("alter table ops.products add column rating integer default 7")
    update(log_shop, "products", {"product_id": 1}, at(2), unit_price=11)
    load(log_shop, 2)
    assert log_shop.rows("select product_id, rating from stage.products") == {(1, 7), (2, 7)}


def test_what_was_committed_since_the_load_is_no_difference_and_what_dwh_lost_is(log_shop: World) -> None:
    add_order(log_shop, 1, at(1), 1)
    load(log_shop, 1)
    update(log_shop, "orders", {"order_id": 1}, at(1, 21), order_status_id=2)
    update(log_shop, "customers", {"customer_id": 1}, at(1, 21), first_name="Augusta")
    add_order(log_shop, 2, at(1, 21), 1)
    with clock(1) as day:
        ReconcileSource(day).run()
        log_shop.warehouse("delete from dwh.fact_order where order_id = 1")
        add_order(log_shop, 3, at(1, 22), 1)
        with pytest.raises(SourceDiffers, match=r"because ops\.orders differ"):
            ReconcileSource(day).run()
        assert log_shop.rows(DIFFERENCES) == {("ops.orders", 1, 0, 0)}
        ReconcileSource(day, repair=True).run()
    assert log_shop.rows(DIFFERENCES) == set()
    assert log_shop.rows("select order_id, line_count from dwh.fact_order") == {(1, 1), (2, 1), (3, 1)}


def test_what_a_comparison_loads_is_checked_and_what_it_replaces_unchecked_is_owed(log_shop: World) -> None:
    add_order(log_shop, 1, at(1), 1)
    load(log_shop, 1)
    add_order(log_shop, 2, at(1, 21).replace(year=2100), 1)
    owed = "select count(*) > 0 from etl.whole_pass where kind = 'check' and is_owed"
    with clock(1) as day, pytest.raises(ChecksFailed, match="orders that are placed or delivered later than now"):
        ReconcileSource(day).run()
    assert log_shop.warehouse(owed) == [(False,)]
    update(log_shop, "orders", {"order_id": 2}, at(1, 22), ordered_ts=at(1, 21))
    log_shop.warehouse("delete from etl.marker where update_id like 'CheckWarehouse(%'")
    with clock(1) as day:
        ReconcileSource(day).run()
    assert log_shop.warehouse(owed) == [(True,)]


def test_a_dimension_that_cannot_be_loaded_stops_no_comparison_in_turn(log_shop: World) -> None:
    add_order(log_shop, 1, at(1), 1)
    load(log_shop, 1)
    log_shop.warehouse("alter table dwh.dim_supplier add check (name <> 'Bad')")
    update(log_shop, "suppliers", {"supplier_id": 1}, at(1, 21), name="Bad")
    log_shop.warehouse("insert into etl.whole_pass values ('comparison', 'ops.states', null, null, true)")
    with clock(1) as day:
        ReconcileSource(day, in_turn=True).run()
        with pytest.raises(DatabaseError, match="dim_supplier"):
            ReconcileSource(day).run()
    assert log_shop.rows("select name, is_owed from etl.whole_pass where kind = 'comparison'") == {
        ("ops.states", False)
    }


def test_a_warehouse_goes_over_to_the_log_and_back_and_a_rebuild_from_the_lake_builds_the_same(log_shop: World) -> None:
    watermark = log_shop.where(OCEAN_EXTRACTION="watermark")
    chance = random.Random(1)
    for day in (1, 2):
        do_business(log_shop, chance, day)
        load(watermark, day)
    log_shop.source("update ops.order_lines set quantity = 5 where order_id = 10")
    log_shop.command("source", "prepare")
    do_business(log_shop, chance, 3)
    load(log_shop, 3)
    load(log_shop, 4)
    compare(log_shop, 4)
    do_business(log_shop, chance, 5)
    load(watermark, 5)
    compare(watermark, 5)
    do_business(log_shop, chance, 6)
    log_shop.source("delete from ops.order_lines where order_id = 10")
    load(log_shop, 6)
    before = log_shop.checksum()
    log_shop.luigi("RebuildWarehouse", "--replace")
    assert log_shop.checksum() == before
    log_shop.luigi("RebuildTable", "--table", "ops.products")
    add_order(log_shop, 99, at(7), 1)
    load(log_shop, 7)
    assert log_shop.warehouse("select count(*) from dwh.fact_order where order_id = 99") == [(1,)]
    compare(log_shop, 7)


def test_a_slot_may_have_a_name_as_long_as_postgresql_lets_it(log_shop: World) -> None:
    named = log_shop.where(OCEAN_LOG_SLOT="s" * 63)
    add_order(named, 1, at(1), 1)
    load(named, 1)
    compare(named, 1)
    assert named.warehouse("select count(*) from dwh.fact_order") == [(1,)]
