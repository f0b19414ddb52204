"""`python -m pipeline follow`, and the slot in the source: what they do, and what the status says of them."""

import datetime as dt
import json

import pytest
from support.receivers import webhook
from support.shop import add_order, add_product, at, date, update
from support.world import World, closed_port

from pipeline.catalog import SOURCE_TABLES
from pipeline.follow import SECONDS_BETWEEN_ALERTS, Told
from pipeline.kernel import postgres
from pipeline.kernel.config import settings
from pipeline.operations import following, slots
from pipeline.operations.state import ERROR, WARN, Following, Slot
from pipeline.tasks.runtime.telling import Alerts

NOW = dt.datetime(2026, 2, 1, 12, tzinfo=dt.UTC)
EVENING = at(1, 20)
GIGABYTE = 1_000_000_000
COMPARED = "select table_name, compared_ts from etl.reconciliation"
OWED = "select name from etl.whole_pass where kind = 'comparison' and is_owed"
# What a repair cannot remove.
MADE_UP = """
insert into dwh.fact_order select 99, customer_key, address_key, payment_method_key, order_status_key, ordered_date_key,
    delivered_date_key, ordered_ts, delivered_ts, line_count, order_amount
from dwh.fact_order where order_id = 1
"""


def follow(world: World, rounds: int, now: dt.datetime = EVENING, expect: int = 0) -> str:
    return world.at(now).command("follow", "--every", "1", "--rounds", str(rounds), expect=expect)


def test_each_round_loads_what_is_new_and_leaves_no_more_markers_than_one(log_shop: World) -> None:
    add_order(log_shop, 1, at(1), 1)
    assert follow(log_shop, 1).count(str(date(1))) == 1
    markers = log_shop.warehouse("select count(*) from etl.marker")
    add_order(log_shop, 2, at(1), 1)
    log_shop.at(at(1, 21)).command("follow", "--every", "1", "--rounds", "1")
    assert log_shop.warehouse("select orders from mart.kpi_monthly") == [(2,)]
    assert log_shop.warehouse("select count(*) from etl.marker") <= markers
    _, shown, _ = log_shop.status()
    assert f"2 rounds of {date(1)}, 0 failed" in shown
    assert f"slot {settings().log_slot}: the source keeps" in shown


def test_a_round_that_fails_says_so_and_the_next_one_makes_up_for_it(log_shop: World) -> None:
    add_order(log_shop, 1, at(1), 1)
    log_shop.source("alter publication oceanrecords drop table ops.orders")
    assert "the publication oceanrecords lacks ops.orders" in follow(log_shop, 1, expect=1)
    assert any("the last round of follow failed" in found["what"] for found in log_shop.findings())
    log_shop.source("alter publication oceanrecords add table ops.orders")
    follow(log_shop, 1)
    assert log_shop.warehouse("select orders from mart.kpi_monthly") == [(1,)]


def test_it_follows_a_source_by_watermarks_too(shop: World) -> None:
    add_order(shop, 1, at(1), 1)
    follow(shop, 1)
    add_order(shop, 2, at(1, 21), 1)
    shop.at(at(1, 22)).command("follow", "--every", "1", "--rounds", "1")
    assert shop.warehouse("select orders from mart.kpi_monthly") == [(2,)]


def test_a_table_that_is_owed_a_comparison_gets_it_in_the_next_round_and_no_other_does(log_shop: World) -> None:
    add_product(log_shop, 2, 5)
    follow(log_shop, 1)
    log_shop.source("alter table ops.products add column rating integer default 7")
    update(log_shop, "products", {"product_id": 1}, at(1, 21), unit_price=11)
    follow(log_shop, 1, at(1, 21))  # its window has other columns
    assert log_shop.warehouse(OWED) == [("ops.products",)]
    assert log_shop.warehouse(COMPARED) == []
    follow(log_shop, 1, at(1, 22))
    compared = log_shop.warehouse(COMPARED)
    assert [table for table, _ in compared] == ["ops.products"]
    assert log_shop.rows("select product_id, rating from stage.products") == {(1, 7), (2, 7)}
    assert log_shop.warehouse(OWED) == []
    follow(log_shop, 1, at(1, 23))
    assert log_shop.warehouse(COMPARED) == compared
    assert log_shop.warehouse("select count(*) from etl.task_run where task = 'ReconcileSource'") == [(1,)]


def test_comparisons_come_once_an_hour_however_they_end(log_shop: World) -> None:
    add_order(log_shop, 1, at(1), 1)
    follow(log_shop, 1)
    log_shop.warehouse(MADE_UP)
    log_shop.warehouse("insert into etl.whole_pass values ('comparison', 'ops.orders', null, null, true)")
    assert "ops.orders differ" in follow(log_shop, 1, at(1, 21), expect=1)
    add_order(log_shop, 2, at(1, 22), 1)
    follow(log_shop, 1, at(1, 22))
    log_shop.warehouse("update etl.task_run set started = started - interval '1 hour'")
    assert "ops.orders differ" in follow(log_shop, 1, at(1, 23), expect=1)


def test_the_turn_of_a_date_comes_with_its_first_round(shop: World) -> None:
    follow(shop, 1)
    assert "Source and warehouse" not in follow(shop, 1, at(1, 21))
    turn = 1 + settings().reconcile_days
    shown = [follow(shop, 1, at(turn, hour)) for hour in (1, 2)]
    assert ["Source and warehouse" in each for each in shown] == [True, False]
    assert {table for table, _ in shop.warehouse(COMPARED)} == set(SOURCE_TABLES)


@pytest.mark.parametrize("name", ["WAREHOUSE_URL", "OPERATIONAL_URL"])
def test_a_round_without_its_server_sends_an_alert(shop: World, name: str) -> None:
    with webhook("/hook") as receiver:
        down = f"postgresql://etl@127.0.0.1:{closed_port()}/database"
        follow(shop.where(**{name: down}, OCEAN_ALERT_URL=receiver.url), 1, expect=1)
    assert [alert["severity"] for alert in receiver.posts] == ["error"]


def test_an_alert_is_sent_when_rounds_begin_to_fail_and_once_an_hour_from_then_on() -> None:
    told = Told()
    assert told.next(0) == Alerts(failures=True, warnings=True)
    told.note(0, told.next(0), has_failed=True)
    assert told.next(60) == Alerts(failures=False, warnings=True)
    told.note(60, told.next(60), has_failed=True)
    assert told.next(SECONDS_BETWEEN_ALERTS).failures
    told.note(120, told.next(120), has_failed=False)
    assert told.next(180) == Alerts(failures=True, warnings=False)


def test_the_run_log_keeps_the_last_run_of_each_task_and_what_failed(shop: World) -> None:
    tell = "insert into etl.task_run (task, params, started, finished, status) values (%s, %s, %s, %s, %s)"
    for task, hour, status in (("A", 1, "failed"), ("A", 2, "done"), ("B", 1, "done"), ("B", 2, "done")):
        begun = NOW.replace(hour=hour)
        shop.warehouse(tell, (task, json.dumps({"date": str(date(1))}), begun, begun, status))
    with postgres.transaction(shop.warehouse_url, "tests") as cursor:
        following.note(cursor, 60, date(1), NOW, is_done=True)
    left = shop.warehouse("select task, extract(hour from started at time zone 'UTC')::int, status from etl.task_run")
    assert sorted(left) == [("A", 1, "failed"), ("A", 2, "done"), ("B", 2, "done")]


def of(ended: dt.datetime, *, is_done: bool = True) -> Following:
    return Following(60, date(1), ended, ended, is_done, 5, 1)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, []),
        (of(NOW - dt.timedelta(minutes=2)), []),
        (of(NOW - dt.timedelta(minutes=6)), ["has not loaded since 2026-02-01 11:54"]),
        (of(NOW, is_done=False), ["the last round of follow failed"]),
    ],
)
def test_a_loop_that_ended_or_fails_needs_attention(found: Following | None, words: list[str]) -> None:
    whats = [each.what for each in following.findings(found, NOW)]
    assert len(whats) == len(words)
    assert all(word in what for word, what in zip(words, whats, strict=True))


def slot(wal_status: str | None = "reserved", kept: int = 0, *, exists: bool = True) -> Slot:
    return Slot("oceanrecords", exists, wal_status, kept, 90.0)


@pytest.mark.parametrize(
    ("found", "severity", "words"),
    [
        (slot(), None, ""),
        (slot(exists=False), ERROR, "the source has no replication slot oceanrecords"),
        (slot("lost"), ERROR, "has removed what the slot oceanrecords had not given yet"),
        (
            slot("unreserved", 5 * GIGABYTE),
            ERROR,
            "keeps 5.0 GB of its log for the slot oceanrecords, more than it may",
        ),
        (slot("extended", 11 * GIGABYTE), WARN, "which nobody has read for 90 minutes (max_slot_gb is 10)"),
    ],
)
def test_a_slot_that_is_lost_or_costs_the_source_much_needs_attention(
    world: World, found: Slot, severity: str | None, words: str
) -> None:
    findings = slots.findings(found, settings())
    assert [each.severity for each in findings] == ([severity] if severity else [])
    assert all(words in each.what for each in findings)


def test_without_extraction_from_the_log_there_is_no_slot_to_look_at(world: World) -> None:
    assert slots.findings(None, settings()) == []
