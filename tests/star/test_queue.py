"""The reprocessing queue: a load costs what has come, whatever waits, and what waits heals when its member comes."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.feeds_world import settings_of
from support.loads import create_warehouse, load_day
from support.shop import add_order, at, date, open_shop
from support.world import World, Worlds

from pipeline.catalog import DIMENSIONS, FACTS
from pipeline.kernel import config, postgres
from pipeline.kernel.postgres import Cursor
from pipeline.operations import alerts, status, summary
from pipeline.star import dwh, queue, schema, watermarks

WAITING = 20_000  # of each fact, far more than the loads of these tests have reason to read
FEW = 20
CROWD = """
insert into etl.reprocessing_queue (fact_table, business_key, dimension, dimension_key, queued_ts)
select %s, 'crowd ' || number, 'dim_customer', (1000000 + number)::text, now() - interval '9 days'
from generate_series(1, %s) as number
"""
# What the transaction has read of the queue, by whatever plan.
READ = """
select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables
where relid = 'etl.reprocessing_queue'::regclass
"""
OPEN = "select business_key, dimension, dimension_key from etl.reprocessing_queue where resolved_ts is null"
COUNTS = "select fact_table, dimension, queued_ts, waiting_rows from etl.queue_count"
COUNTED = """
select fact_table, dimension, queued_ts, count(*) from etl.reprocessing_queue where resolved_ts is null
group by fact_table, dimension, queued_ts
"""
STRANGER = 99  # a customer whom the source does not have yet
WAITS = ("1", "dim_customer", str(STRANGER))


@pytest.fixture(scope="module")
def crowded(worlds: Worlds) -> World:
    """A warehouse with an order of a customer who is not there, among thousands of rows whose customers never come."""
    world = worlds.new()
    open_shop(world)
    world.source("alter table ops.orders drop constraint orders_customer_id_fkey")
    add_order(world, 1, at(1), 1, customer_id=STRANGER)
    add_order(world, 2, at(1), 1)
    with settings_of(world):
        create_warehouse(world)
        load_day(world, date(1))
    world.warehouse("insert into dwh.fact_review values (1, 'R1', 1, 20260101, '2026-01-01', true, 'keyword')")
    world.warehouse("insert into dwh.fact_partner_order values ('P1', 'A', 1, 20260101, 'Kelp', now())")
    for fact in FACTS:
        world.warehouse(CROWD, (fact, WAITING))
    world.warehouse("analyze etl.reprocessing_queue")
    return world


@pytest.fixture
def cursor(crowded: World) -> Iterator[Cursor]:
    """A cursor of the warehouse in a transaction of which nothing stays."""
    connection = postgres.connect(crowded.warehouse_url, "warehouse")
    with settings_of(crowded), connection.cursor() as found:
        yield found
    connection.close()


def rows(cursor: Cursor, query: str) -> set[tuple[Any, ...]]:
    return set(postgres.rows(cursor, query))


def waiting(cursor: Cursor) -> set[tuple[Any, ...]]:
    """What waits beside the crowd."""
    return rows(cursor, f"{OPEN} and business_key not like 'crowd %'")


def load(cursor: Cursor) -> int:
    """Loads all facts; returns how many rows of the queue that read."""
    before: int = postgres.value(cursor, READ)
    for fact in FACTS.values():
        dwh.load_fact(cursor, fact)
    read: int = postgres.value(cursor, READ)
    return read - before


def healing(cursor: Cursor) -> set[str]:
    """The facts whose next load may heal something."""
    return {name for name, fact in FACTS.items() if queue.can_heal(cursor, fact)}


def test_a_load_reads_those_rows_alone_whose_member_has_come_and_heals_them(cursor: Cursor) -> None:
    cursor.execute("update etl.reprocessing_queue set queued_ts = now() - interval '1 year' where business_key = '1'")
    assert healing(cursor) == set()
    assert load(cursor) <= FEW
    assert waiting(cursor) == {WAITS}
    cursor.execute(
        "insert into dwh.dim_customer (customer_id, first_name, last_name, email, phone) "
        "values (%s, 'Joan', 'Clarke', '', '')",
        (STRANGER,),
    )
    assert healing(cursor) == {"fact_order"}
    assert load(cursor) <= FEW
    assert waiting(cursor) == set()
    query = "select customer_id from dwh.fact_order inner join dwh.dim_customer using (customer_key) where order_id = 1"
    assert postgres.value(cursor, query) == STRANGER
    assert healing(cursor) == set()
    assert load(cursor) <= FEW


def test_a_day_that_comes_is_looked_for_by_its_key(cursor: Cursor) -> None:
    load(cursor)
    cursor.execute(
        "insert into etl.reprocessing_queue (fact_table, business_key, dimension, dimension_key) "
        "values ('fact_order', '2', 'dim_date', '20240203'), ('fact_order', '1', 'dim_date', '20280101')"
    )
    cursor.execute(
        "insert into dwh.dim_date select (jsonb_populate_record(dim_date, "
        "jsonb_build_object('date_key', 20240203, 'date', '2024-02-03'))).* from dwh.dim_date where date_key = 20260203"
    )
    assert healing(cursor) == {"fact_order"}
    assert load(cursor) <= FEW
    assert waiting(cursor) == {WAITS, ("1", "dim_date", "20280101")}


def test_summary_alert_status_and_mart_read_no_row_of_the_queue(cursor: Cursor) -> None:
    settings = config.settings()
    assert f"{WAITING + 1:,} rows of fact_order wait for dim_customer" in summary.of_date(cursor, date(1))
    assert f"{len(FACTS) * WAITING + 1:,} waiting" in summary.line(cursor, date(1))
    alerts.warnings(cursor, 60, settings)
    found = {each.fact: each.rows for each in status.read(cursor, at(2), 7, settings).queue}
    depths = dict(postgres.rows(cursor, "select fact_table, waiting_rows from mart.queue_depth"))
    assert found == depths == {fact: WAITING + (fact == "fact_order") for fact in FACTS}
    assert [fact for fact in FACTS.values() if queue.is_waiting(cursor, fact)] == [*FACTS.values()]
    assert postgres.value(cursor, READ) == 0


def test_what_an_earlier_version_queued_is_looked_at_once_and_then_waits_for_its_key(cursor: Cursor) -> None:
    cursor.execute("update etl.reprocessing_queue set dimension_key = null where business_key = '1'")
    assert healing(cursor) == {"fact_order"}
    for _ in range(2):
        load(cursor)
        assert waiting(cursor) == {WAITS}
        assert rows(cursor, "select attempts from etl.reprocessing_queue where business_key = '1'") == {(2,)}


def test_a_row_of_the_queue_whose_fact_is_gone_is_closed_and_not_looked_at_for_ever(cursor: Cursor) -> None:
    cursor.execute(
        "insert into etl.reprocessing_queue (fact_table, business_key, dimension) "
        "values ('fact_order_line', '404/1', 'dim_product'), ('fact_review', 'gone', 'dim_date')"
    )
    load(cursor)
    assert waiting(cursor) == {WAITS}
    assert healing(cursor) == set()


def test_an_order_that_gets_another_customer_waits_for_that_one(cursor: Cursor) -> None:
    for customer, expected in ((STRANGER + 1, {("1", "dim_customer", str(STRANGER + 1))}), (1, set())):
        cursor.execute(
            "update stage.orders set customer_id = %s, etl_batch = nextval('etl.batch') where order_id = 1", (customer,)
        )
        cursor.execute("update etl.stage_batch set last_batch = currval('etl.batch') where table_name = 'orders'")
        assert load(cursor) <= FEW
        assert waiting(cursor) == expected
    crowds = "select fact_table, count(*) from etl.reprocessing_queue where resolved_ts is null group by 1"
    assert rows(cursor, crowds) == {(fact, WAITING) for fact in FACTS}


def test_a_line_from_before_the_first_version_heals_when_that_is_seen_to_begin_earlier(cursor: Cursor) -> None:
    cursor.execute(
        "update dwh.dim_product set valid_from = '2026-02-01 00:00:00+00' where product_id = 1; "
        "update dwh.fact_order_line set product_key = -1, supplier_key = -1 where order_id = 2; "
        "insert into etl.reprocessing_queue (fact_table, business_key, dimension, dimension_key) "
        "values ('fact_order_line', '2/1', 'dim_product', '1')"
    )
    load(cursor)
    assert waiting(cursor) == {WAITS, ("2/1", "dim_product", "1")}
    watermarks.forget(cursor, "dim_product")
    dwh.load_dimension(cursor, DIMENSIONS["dim_product"])
    load(cursor)
    assert waiting(cursor) == {WAITS}
    assert rows(cursor, "select from dwh.fact_order_line where -1 in (product_key, supplier_key)") == set()


def test_a_table_that_is_rebuilt_keeps_since_when_its_rows_wait_and_closes_the_others(cursor: Cursor) -> None:
    since = "select queued_ts from etl.reprocessing_queue where business_key = '1'"
    before = rows(cursor, since)
    dwh.rebuild_fact(cursor, FACTS["fact_order"])
    assert rows(cursor, f"{OPEN} and fact_table = 'fact_order'") == {WAITS}
    assert rows(cursor, since) == before


def test_the_counts_are_those_of_the_queue_whoever_writes_it(cursor: Cursor) -> None:
    table = "etl.reprocessing_queue"
    for change in (
        f"update {table} set resolved_ts = now() where business_key like 'crowd 1%'",
        f"update {table} set resolved_ts = null where business_key like 'crowd 12%'",
        f"update {table} set dimension = 'dim_date' where business_key like 'crowd 2%'",
        f"update {table} set queued_ts = now() where business_key like 'crowd 21%'",
        f"delete from {table} where business_key like 'crowd 3%'",
        f"insert into {table} (fact_table, business_key, dimension, resolved_ts) "
        "values ('fact_order', 'a', 'dim_date', null), ('fact_order', 'b', 'dim_date', now())",
        f"update {table} set resolved_ts = now() where fact_table = 'fact_review'",
    ):
        cursor.execute(change)
        assert rows(cursor, COUNTS) == rows(cursor, COUNTED)
    cursor.execute(f"truncate {table}")
    assert rows(cursor, COUNTS) == set()


def test_what_waits_in_a_warehouse_without_counts_is_counted_by_its_upgrade(cursor: Cursor) -> None:
    cursor.execute("drop table etl.queue_count cascade")
    for _ in range(2):
        schema.create(cursor, lost_order_limit=config.settings().lost_order_limit)
        assert rows(cursor, COUNTS) == rows(cursor, COUNTED)
