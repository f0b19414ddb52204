"""Partners' orders: every file of a date, each item once, whatever comes late, twice, in another order or broken."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from support import shop
from support.feeds_world import (
    KNOWN,
    customer_comes,
    deliver,
    deliver_orders,
    load_fact,
    open_queue,
    run,
    tasks_of,
)
from support.loads import create_warehouse
from support.world import World

from pipeline.kernel.errors import BadExtract, TooManyRejected
from pipeline.tasks.load_feed import LoadPartnerOrders
from pipeline.vendors.declared_feeds import PARTNER_ORDERS

TASK_FAILED = 30
FACT = "fact_partner_order"
NOW = "26-01-01 08:00:00"
ITEMS = "select order_id, item_id, item_name from dwh.fact_partner_order"


def load(world: World, day: int) -> Exception | None:
    """Loads stage and fact; what failed is returned."""
    failure = run(world, LoadPartnerOrders(shop.date(day)))
    load_fact(world, FACT)
    return failure


def batches(world: World) -> set[tuple[Any, ...]]:
    """Each item with the load that wrote it last."""
    return world.rows("select order_id, item_id, etl_batch from stage.partner_orders")


def test_all_files_of_all_dates_up_to_the_date_are_loaded(opened: World) -> None:
    deliver_orders(opened, 1, f"A,{KNOWN},1,Kelp,{NOW}", file="a")
    deliver_orders(opened, 1, f"B,{KNOWN},1,Coral,{NOW}", file="b")
    deliver_orders(opened, 2, f"C,{KNOWN},1,Sand,{NOW}")
    deliver_orders(opened, 3, f"D,{KNOWN},1,Foam,{NOW}")
    assert load(opened, 2) is None
    assert opened.rows(ITEMS) == {("A", "1", "Kelp"), ("B", "1", "Coral"), ("C", "1", "Sand")}
    assert opened.rows(f"select delivered_ts, delivered_date_key from dwh.{FACT}") == {(shop.at(1, 8), 20260101)}


def test_a_replay_changes_nothing(opened: World) -> None:
    deliver_orders(opened, 1, f"A,{KNOWN},1,Kelp,{NOW}", f"B,,1,,{NOW}", "C,,1,,")
    assert load(opened, 1) is None
    checksum, written = opened.checksum(), batches(opened)
    assert load(opened, 1) is None
    opened.warehouse("delete from etl.feed_date")  # as if nothing was loaded yet
    assert load(opened, 1) is None
    assert opened.checksum() == checksum
    assert batches(opened) == written


names = st.sampled_from(["", "Kelp", "kelp", "Çoral"])
times = st.sampled_from(["", "26-01-01 08:00:00", "26-01-02 08:00:00"])
rows = st.tuples(
    st.sampled_from("AB"), st.sampled_from(["", f"{KNOWN}", "7", "-7"]), st.sampled_from("12"), names, times
)
# A file of a day, new or in the place of another one; or a load up to a day.
steps = st.one_of(st.tuples(st.integers(1, 3), st.sampled_from("ab"), st.lists(rows, max_size=4)), st.integers(1, 3))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(steps, max_size=10))
def test_items_load_once_whatever_the_order_in_which_files_come(world: World, steps: list[Any]) -> None:
    reset(world)
    files: dict[tuple[int, str], list[Sequence[str]]] = {}
    seen: set[Sequence[str]] = set()
    for step in [*steps, 3, 3]:
        note(f"{step}")
        if isinstance(step, int):
            assert load(world, step) is None
            seen |= {row for (day, _), of_file in files.items() if day <= step for row in of_file}
            check(world, seen)
        else:
            day, file, of_file = step
            deliver_orders(world, day, *(",".join(row) for row in of_file), file=file)
            files[day, file] = of_file


def reset(world: World) -> None:
    """An empty lake, and a warehouse that knows the first days and one customer."""
    world.lake.delete(entry.key for entry in world.lake.objects("landing"))
    if world.warehouse("select to_regnamespace('dwh') is null") == [(True,)]:
        create_warehouse(world)
        world.warehouse(
            "insert into dwh.dim_customer values (default, 1, '', '', '', '');"
            "insert into dwh.dim_date select to_char(date, 'YYYYMMDD')::bigint, date, 0, 0, 0, '', 0, 0, 0, '', false "
            "from generate_series('2026-01-01', '2026-01-02', interval '1 day') as date"
        )
    for table in (f"dwh.{FACT}", "stage.partner_orders", "etl.feed_date", "etl.reprocessing_queue", "etl.watermark"):
        world.warehouse(f"delete from {table}")


def check(world: World, seen: set[Sequence[str]]) -> None:
    """Of all rows for an item that ever came, the one delivered last is loaded, the greatest of several."""
    facts: dict[tuple[str, str], tuple[Any, ...]] = {}
    waiting: set[tuple[str, str, str]] = set()
    for order, customer, item, name, delivered in sorted(seen, key=rank):
        facts[order, item] = (
            order,
            item,
            KNOWN if customer == str(KNOWN) else -1,
            name or "Unknown",
            dt.datetime.fromisoformat(f"20{delivered}+00") if delivered else None,
        )
        waiting -= {(FACT, f'["{order}", "{item}"]', "dim_customer")}
        if customer not in ("", str(KNOWN)):
            waiting.add((FACT, f'["{order}", "{item}"]', "dim_customer"))
    assert world.rows(
        f"select order_id, item_id, customer_id, item_name, delivered_ts from dwh.{FACT} "
        "inner join dwh.dim_customer using (customer_key)"
    ) == set(facts.values())
    assert open_queue(world) == waiting


def rank(row: Sequence[str]) -> tuple[str, bytes, float]:
    _, customer, _, name, delivered = row
    return delivered, name.encode(), float(customer or "-inf")


def test_an_unknown_customer_is_queued_and_healed_and_none_at_all_is_not(opened: World) -> None:
    deliver_orders(opened, 1, f"A,7,1,Kelp,{NOW}", f"B,,1,Kelp,{NOW}", f"C,{KNOWN},1,Kelp,{NOW}")
    assert load(opened, 1) is None
    customers = f"select order_id, customer_id from dwh.{FACT} inner join dwh.dim_customer using (customer_key)"
    assert opened.rows(customers) == {("A", -1), ("B", -1), ("C", KNOWN)}
    assert open_queue(opened) == {(FACT, '["A", "1"]', "dim_customer")}

    customer_comes(opened, 7, day=2)
    load_fact(opened, FACT)
    assert opened.rows(customers) == {("A", 7), ("B", -1), ("C", KNOWN)}
    assert open_queue(opened) == set()


def test_bad_rows_are_kept_with_line_reason_and_file_and_the_rest_is_loaded(opened: World) -> None:
    lenient = opened.where(OCEAN_MAX_REJECTED="0.7")
    good = f"A,{KNOWN},1,Kelp,{NOW}"
    deliver_orders(opened, 1, "B,1,1,Kelp,yesterday", good, "C,x,1,Kelp,", file="a")
    deliver_orders(opened, 1, "too,few", f'"D\n",{KNOWN},1,"a\nb",{NOW}', ",1,1,Kelp,", file="b")
    assert load(lenient, 1) is None
    assert opened.rows(ITEMS) == {("A", "1", "Kelp"), ("D\n", "1", "a\nb")}
    folder = "landing/partner_orders/date=2026-01-01"
    assert opened.warehouse('select date, file, line, reason, "row" from etl.rejected_row order by file, line') == [
        (shop.date(1), f"{folder}/a.csv", 2, "delivered_on is not a date", "B,1,1,Kelp,yesterday"),
        (shop.date(1), f"{folder}/a.csv", 4, "customer_id is not a whole number", "C,x,1,Kelp,"),
        (shop.date(1), f"{folder}/b.csv", 2, "wrong number of columns: 2 instead of 5", "too,few"),
        (shop.date(1), f"{folder}/b.csv", 6, "order_id is missing", ",1,1,Kelp,"),
    ]
    assert opened.warehouse("select feed, rows, rejected from etl.feed_date") == [("partner_orders", 2, 4)]

    deliver_orders(opened, 1, good, file="b")
    assert load(lenient, 1) is None
    assert opened.rows("select file from etl.rejected_row") == {(f"{folder}/a.csv",)}


@pytest.mark.parametrize("file", ["too_many_bad_rows", "another_header"])
def test_a_file_that_cannot_be_loaded_leaves_nothing_of_its_load(opened: World, file: str) -> None:
    deliver_orders(opened, 1, f"A,{KNOWN},1,Kelp,{NOW}")
    if file == "another_header":
        opened.lake.write("landing/partner_orders/date=2026-01-02/a.csv", b"id,amount\n1,2\n")
    else:
        deliver(opened, PARTNER_ORDERS, 2, f"B,{KNOWN},1,Kelp,{NOW}", "bad")
    failure = load(opened, 2)
    assert isinstance(failure, BadExtract if file == "another_header" else TooManyRejected)
    assert "2026-01-02" in str(failure)
    assert opened.rows(ITEMS) == set()
    assert opened.rows("select 1 from etl.rejected_row union all select 1 from etl.feed_date") == set()

    deliver_orders(opened, 2, f"B,{KNOWN},1,Kelp,{NOW}")
    assert load(opened, 2) is None
    assert opened.rows(ITEMS) == {("A", "1", "Kelp"), ("B", "1", "Kelp")}


def test_over_max_rejected_the_feed_fails_alone_and_a_better_file_makes_up_for_it(world: World) -> None:
    shop.open_shop(world)
    shop.add_order(world, 1, shop.at(1), 1)
    deliver_orders(world, 1, f"A,{KNOWN},1,Kelp,{NOW}", "bad", "worse")
    output = world.load(shop.date(1), expect=TASK_FAILED)
    assert "cannot load partner_orders of 2026-01-01, because 2 of 3 rows cannot be kept" in output
    assert "cannot finish the load of 2026-01-01, because partner_orders could not be loaded" in output
    assert ["partner_orders", "failed"] in [line.split()[:2] for line in output.splitlines()]
    assert world.warehouse("select order_id, customer_key > 0 from dwh.fact_order") == [(1, True)]
    assert world.warehouse("select count(*) from dwh.fact_partner_order") == [(0,)]
    assert ("LoadPartnerOrders", "", "failed") in tasks_of(world, 1)

    deliver_orders(world, 1, f"A,{KNOWN},1,Kelp,{NOW}")
    world.load(shop.date(1))
    assert world.rows(ITEMS) == {("A", "1", "Kelp")}
    assert world.rows("select * from etl.rejected_row") == set()


def test_a_late_file_is_picked_up_by_its_own_date_run_again_and_by_the_next_one(world: World) -> None:
    shop.open_shop(world)
    deliver_orders(world, 1, f"A,{KNOWN},1,Kelp,{NOW}", file="a")
    world.load(shop.date(1))
    deliver_orders(world, 1, f"B,{KNOWN},1,Coral,{NOW}", file="b")
    world.load(shop.date(1))
    assert world.rows(ITEMS) == {("A", "1", "Kelp"), ("B", "1", "Coral")}

    deliver_orders(world, 1, f"C,{KNOWN},1,Dulse,{NOW}", file="c")
    world.load(shop.date(2))
    assert world.rows(ITEMS) == {("A", "1", "Kelp"), ("B", "1", "Coral"), ("C", "1", "Dulse")}
    assert "Did not run any tasks" in world.load(shop.date(1))
    assert open_queue(world) == set()
