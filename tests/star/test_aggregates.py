"""The aggregates, kept by difference through any sequence of loads, against sums over the rows in plain Python."""

import datetime as dt
import json
import operator
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.loads import create_warehouse
from support.world import World

from pipeline.catalog import DIMENSIONS, FACTS
from pipeline.kernel import postgres, writes
from pipeline.kernel.postgres import Cursor, sql
from pipeline.star import dwh, kept, mart, moves

CUSTOMERS = (-1, 1, 2, 3)
# Members by their surrogate keys: addresses, statuses, and versions of products with the products that they are of.
COUNTRIES = {1: "Chile", 2: "Chile", 3: "Peru", -1: "Unknown"}
IS_LOST = {1: False, 2: False, 3: True}
SUBTYPES = {1: "Vinyl", 2: "Vinyl", 3: "Tape", 4: "Vinyl", -1: "Unknown"}
PRODUCTS = {1: 1, 2: 2, 3: 3, 4: 1, -1: -1}
SCORES = {1: 0, 2: 40, 3: 0}


class Order(NamedTuple):
    """A row of fact_order, as far as the aggregates look."""

    order_id: int
    customer_key: int
    address_key: int
    order_status_key: int
    ordered_ts: dt.datetime
    delivered_ts: dt.datetime | None
    order_amount: Decimal
    is_deleted: bool


class Line(NamedTuple):
    """A row of fact_order_line, as far as the aggregates look."""

    order_id: int
    line_number: int
    product_key: int
    line_amount: Decimal
    is_deleted: bool


# Four months in three quarters, with instants at the very ends of a month.
instants = st.builds(
    lambda month, edge: month + edge,
    st.sampled_from([dt.datetime(2025, month, 1, tzinfo=dt.UTC) for month in (3, 4, 6, 7)]),
    st.sampled_from([dt.timedelta(0), dt.timedelta(microseconds=-1), dt.timedelta(days=3, hours=5)]),
)
amounts = st.integers(-300, 900).map(lambda cents: Decimal(cents) / 100)
numbers = st.integers(1, 5)
rarely = st.integers(0, 4).map(lambda n: n == 0)
orders = st.builds(
    lambda order_id, customer, address, status, ordered, days, amount, gone: Order(
        order_id, customer, address, status, ordered, ordered + dt.timedelta(days=days) if days else None, amount, gone
    ),
    numbers, st.sampled_from(CUSTOMERS), st.sampled_from(list(COUNTRIES)), st.sampled_from(list(IS_LOST)), instants,
    st.integers(0, 3), amounts, rarely,
)  # fmt: skip
lines = st.builds(Line, numbers, st.integers(1, 3), st.sampled_from(list(SUBTYPES)), amounts, rarely)
some_orders = st.tuples(st.just("orders"), st.lists(orders, min_size=1, max_size=4, unique_by=lambda row: row.order_id))
some_lines = st.tuples(st.just("lines"), st.lists(lines, min_size=1, max_size=6, unique_by=lambda row: row[:2]))


def moved(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[int, Any]]:
    """Some of the known members, each with the attribute that it gets."""
    return st.dictionaries(st.integers(1, 3), values, min_size=1)


steps = st.one_of(
    some_orders,
    some_lines,
    st.tuples(st.just("address"), moved(st.sampled_from(["Chile", "Peru", "Cuba"]))),
    st.tuples(st.just("product"), moved(st.sampled_from(["Vinyl", "Tape", "Disc"]))),
    st.tuples(st.just("status"), moved(st.booleans())),
    st.tuples(st.just("score"), moved(st.sampled_from([7, 40]))),
    st.tuples(st.just("customer"), st.lists(st.sampled_from([7, 40, None]), min_size=1, max_size=2)),
    st.tuples(st.just("keep"), st.none()),
    st.tuples(st.just("refill"), st.none()),
)
KEEP = ("keep", None)
# What is written is a difference only to what was counted before.
histories = st.one_of(
    st.lists(steps, min_size=2, max_size=10),
    st.builds(
        lambda orders, lines, later: [orders, lines, KEEP, *later],
        some_orders, some_lines, st.lists(steps, min_size=1, max_size=6),
    ),
)  # fmt: skip


def an_order(number: int, *, customer: int = 1, address: int = 1, status: int = 1, gone: bool = False) -> Order:
    return Order(
        number, customer, address, status, dt.datetime(2025, 3, 4, tzinfo=dt.UTC), None, Decimal(5 * number), gone
    )


def in_month(number: int, order: Order) -> Order:
    return order._replace(ordered_ts=dt.datetime(2025, number, 4, tzinfo=dt.UTC))


def a_line(order: int, number: int, amount: int, *, product: int = 1) -> Line:
    return Line(order, number, product, Decimal(amount), False)


class Shop:
    """The facts as plain rows, and what their sums must be."""

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.lines: dict[tuple[int, int], Line] = {}
        self.countries, self.is_lost, self.subtypes = dict(COUNTRIES), dict(IS_LOST), dict(SUBTYPES)
        self.scores: dict[int, int] = dict(SCORES)

    def counted(self) -> list[Order]:
        return [order for order in self.orders.values() if not order.is_deleted]

    def months(self) -> set[tuple[Any, ...]]:
        found: dict[Any, list[Any]] = defaultdict(lambda: [0, Decimal(0), 0, dt.timedelta(0)])
        for order in self.counted():
            row = found[month(order), self.countries[order.address_key], order.order_status_key]
            row[0] += 1
            row[1] += order.order_amount
            if order.delivered_ts:
                row[2] += 1
                row[3] += order.delivered_ts - order.ordered_ts
        return {(*key, *row) for key, row in found.items()}

    def days(self) -> set[tuple[Any, ...]]:
        found: dict[Any, list[Any]] = defaultdict(lambda: [0, Decimal(0)])
        for order in self.counted():
            day = order.ordered_ts.date()
            row = found[month(order), day, self.countries[order.address_key], order.order_status_key]
            row[0] += 1
            row[1] += order.order_amount
        return {(*key, *row) for key, row in found.items()}

    def sold(self, label: dict[int, Any]) -> set[tuple[Any, ...]]:
        sales: dict[Any, Decimal] = defaultdict(Decimal)
        holding: dict[Any, set[int]] = defaultdict(set)
        for line in self.lines.values():
            order = self.orders.get(line.order_id)
            if order and not (order.is_deleted or line.is_deleted):
                key = month(order), self.countries[order.address_key], order.order_status_key, label[line.product_key]
                sales[key] += line.line_amount
                holding[key].add(order.order_id)
        return {(*key, sales[key], len(holding[key])) for key in sales}

    def over_statuses(self, sums: set[tuple[Any, ...]], *, lost: bool, labels: int) -> set[tuple[Any, ...]]:
        """Sums of lost orders, or of the others, whatever their status; so many labels come before the measures."""
        found: dict[Any, list[Any]] = {}
        for month, country, status, *rest in sums:
            if self.is_lost[status] == lost:
                key, measures = (month, country, *rest[:labels]), rest[labels:]
                found[key] = list(map(operator.add, found[key], measures)) if key in found else measures
        return {(*key, *measures) for key, measures in found.items()}

    def customers(self) -> set[tuple[Any, ...]]:
        found: dict[Any, set[int]] = defaultdict(set)
        for order in self.counted():
            if order.customer_key != -1:
                first = month(order)
                quarter = first.replace(month=(first.month - 1) // 3 * 3 + 1)
                for country in (self.countries[order.address_key], "everywhere"):
                    found[quarter, country].add(order.customer_key)
        return {(*key, len(customers)) for key, customers in found.items()}

    def customers_of_months(self) -> set[tuple[Any, ...]]:
        found: dict[Any, set[int]] = defaultdict(set)
        for order in self.counted():
            if order.customer_key != -1:
                found[month(order)].add(order.customer_key)
        return {(first, len(customers)) for first, customers in found.items()}

    def risks(self) -> set[tuple[Any, ...]]:
        found: dict[Any, list[Any]] = defaultdict(lambda: [0, Decimal(0)])
        for order in self.counted():
            if order.customer_key != -1:
                row = found[month(order), self.scores[order.customer_key], order.order_status_key]
                row[0] += 1
                row[1] += order.order_amount
        return {(*key, *row) for key, row in found.items()}


def month(order: Order) -> dt.date:
    return order.ordered_ts.date().replace(day=1)


def write(cursor: Cursor, fact: str, rows: Iterable[NamedTuple]) -> None:
    """Loads rows as a daily load does; columns at which no aggregate looks are the same in all."""
    rest = {
        "fact_order": {"payment_method_key": -1, "ordered_date_key": -1, "delivered_date_key": -1, "line_count": 0},
        "fact_order_line": {"supplier_key": -1, "ordered_date_key": -1, "quantity": 1, "unit_price": 1},
    }[fact]
    full = [
        {name: str(value) if isinstance(value, dt.datetime | Decimal) else value for name, value in row.items()}
        for row in (row._asdict() | rest for row in rows)
    ]
    select = sql.SQL("select * from jsonb_populate_recordset(null::{}, {})").format(
        sql.Identifier("dwh", fact), sql.Literal(json.dumps(full))
    )
    dwh.write_fact(cursor, FACTS[fact], select)


def move(cursor: Cursor, dimension: str, attribute: str, of_member: str, members: dict[int, Any]) -> None:
    """Members get another attribute, as a load of their dimension writes it, in all of their versions."""
    table = sql.Identifier("dwh", dimension)
    values = sql.SQL(", ").join(map(sql.Literal, members.items()))
    select = sql.SQL(
        "select (jsonb_populate_record(old, jsonb_build_object({}, moved.value))).* from {} as old "
        "inner join (values {}) as moved (id, value) on old.{} = moved.id"
    ).format(sql.Literal(attribute), table, values, sql.Identifier(of_member))
    target = DIMENSIONS[dimension]
    writes.work_table(cursor, dimension, target.key, select)
    moves.keep_before(cursor, target)
    writes.apply_work(cursor, dimension, target.key)
    kept.written_labels(cursor, target)


def add_customers(cursor: Cursor, scores: dict[int, int | None]) -> None:
    """New customers come, as a load of their dimension writes them; their keys are drawn."""
    values = sql.SQL(", ").join(map(sql.Literal, scores.items()))
    select = sql.SQL(
        "select customer_id, '' as first_name, '' as last_name, '' as email, '' as phone, null::date as birth_date, "
        "null::date as registered_on, risk_score::integer, false as is_deleted "
        "from (values {}) as new (customer_id, risk_score)"
    ).format(values)
    target = DIMENSIONS["dim_customer"]
    writes.work_table(cursor, target.name, target.key, select)
    moves.keep_before(cursor, target)
    writes.apply_work(cursor, target.name, target.key)


def keep(cursor: Cursor) -> None:
    mart.keep(cursor, lambda message, percentage: None)


def rows(cursor: Cursor, query: str) -> set[tuple[Any, ...]]:
    return set(postgres.rows(cursor, query))


def check(cursor: Cursor, shop: Shop) -> None:
    assert rows(cursor, f"select {MONTHS} from mart.agg_order_month where orders > 0") == shop.months()
    assert rows(cursor, f"select {DAYS} from mart.agg_order_day where orders > 0") == shop.days()
    assert rows(cursor, SOLD.format("product_id", "product")) == shop.sold(PRODUCTS)
    assert rows(cursor, SOLD.format("product_subtype", "subtype")) == shop.sold(shop.subtypes)
    assert rows(cursor, "select * from mart.agg_customer_quarter where customers > 0") == shop.customers()
    assert rows(cursor, "select * from mart.agg_customer_month where customers > 0") == shop.customers_of_months()
    assert rows(cursor, "select * from mart.agg_risk_month where orders > 0") == shop.risks()
    scores = set(Counter(shop.scores.values()).items())
    assert rows(cursor, "select * from mart.agg_risk_customer where customers > 0") == scores


def check_views(cursor: Cursor, shop: Shop) -> None:
    """The views leave out what is lost."""
    months, products, subtypes = shop.months(), shop.sold(PRODUCTS), shop.sold(shop.subtypes)
    assert rows(cursor, KPIS) == shop.over_statuses(months, lost=False, labels=0)
    assert rows(cursor, LOST) == {row[:3] for row in shop.over_statuses(months, lost=True, labels=0)}
    assert rows(cursor, "select * from mart.sales_by_product") == {
        (month, country, f"Record {product}", *sums)
        for month, country, product, *sums in shop.over_statuses(products, lost=False, labels=1)
    }
    assert rows(cursor, "select * from mart.sales_by_subtype") == shop.over_statuses(subtypes, lost=False, labels=1)


MONTHS = "month, country, order_status_key, orders, sales, delivered_orders, fulfilment * interval '1 microsecond'"
DAYS = "month, day, country, order_status_key, orders, sales"
SOLD = "select month, country, order_status_key, {}, sales, orders from mart.agg_{}_month where orders > 0"
KPIS = """
select month, country, orders_not_lost, sales, delivered_orders, fulfilment_days * interval '1 day'
from mart.kpi_monthly_country where orders_not_lost > 0
"""
LOST = "select month, country, lost_orders from mart.kpi_monthly_country where lost_orders > 0"


@pytest.fixture
def cursor(world: World) -> Iterator[Cursor]:
    create_warehouse(world)
    for statement in (
        "insert into dwh.dim_address overriding system value select n, n, '', '', '', '', '', '', c "
        "from (values (1, 'Chile'), (2, 'Chile'), (3, 'Peru')) as a (n, c)",
        "insert into dwh.dim_customer overriding system value "
        "select n, n, '', '', '', '', null, null, s from (values (1, null), (2, 40), (3, null)) as c (n, s)",
        "select setval(pg_get_serial_sequence('dwh.dim_customer', 'customer_key'), 3)",
        "insert into dwh.dim_order_status overriding system value "
        "values (1, 1, 'placed', false), (2, 2, 'sent', false), (3, 3, 'lost', true)",
        "insert into dwh.dim_product overriding system value "
        "select n, n, '', 'Record ' || n, 'Music', s, null, 1, '1900-01-01', '9999-12-31 00:00+00', true "
        "from (values (1, 'Vinyl'), (2, 'Vinyl'), (3, 'Tape')) as p (n, s)",
        "insert into dwh.dim_product overriding system value "
        "values (4, 1, '', 'Record 1', 'Music', 'Vinyl', null, 1, '1800-01-01', '1900-01-01', false)",
        "update dwh.dim_product set name = 'Record -1' where product_key = -1",
        "insert into etl.stage_batch (table_name, first_batch, last_batch, loaded_to) values ('orders', 1, 1, now())",
    ):
        world.warehouse(statement)
    with postgres.transaction(world.warehouse_url, "warehouse") as found:
        for labelled in kept.LABELS:
            kept.all_labels(found, DIMENSIONS[labelled])
        yield found
        found.connection.rollback()


@given(histories)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Of an order only a line is written again.
@example([("orders", [an_order(1)]), ("lines", [a_line(1, 1, 3)]), KEEP, ("lines", [a_line(1, 1, 4)])])
# Of an order's two lines one is written again, or another one comes.
@example([("orders", [an_order(1)]), ("lines", [a_line(1, 1, 3), a_line(1, 2, 7)]), KEEP, ("lines", [a_line(1, 1, 4)])])
@example([("orders", [an_order(1)]), ("lines", [a_line(1, 1, 3)]), KEEP, ("lines", [a_line(1, 2, 4, product=3)])])
# Only the order is written again, and its lines go with it to another country; or it is lost, or deleted.
@example([("orders", [an_order(1)]), ("lines", [a_line(1, 1, 3)]), KEEP, ("orders", [an_order(1, address=3)])])
@example([("orders", [an_order(1)]), ("lines", [a_line(1, 1, 3)]), KEEP, ("orders", [an_order(1, status=3)])])
@example([("orders", [an_order(1)]), ("lines", [a_line(1, 1, 3)]), KEEP, ("orders", [an_order(1, gone=True)])])
# An address or a product moves: alone, with what is written, after it, there and back.
@example([("orders", [an_order(1)]), ("lines", [a_line(1, 1, 3)]), KEEP, ("address", {1: "Peru"})])
@example([("orders", [an_order(1)]), KEEP, ("address", {1: "Peru"}), ("orders", [an_order(1, address=3)])])
@example([("orders", [an_order(1)]), KEEP, ("orders", [an_order(1, address=3)]), ("address", {1: "Peru", 3: "Cuba"})])
@example([("orders", [an_order(1)]), KEEP, ("address", {1: "Peru"}), ("address", {1: "Chile"})])
@example(
    [("orders", [an_order(1)]), KEEP, ("address", {1: "Peru"}), ("address", {1: "Cuba"}), ("orders", [an_order(2)])]
)
@example([("orders", [an_order(1), an_order(2, address=3)]), KEEP, ("address", {1: "Peru"})])
@example([("orders", [an_order(1)]), ("lines", [a_line(1, 1, 3)]), KEEP, ("product", {1: "Tape"})])
@example(
    [
        ("orders", [an_order(1)]),
        ("lines", [a_line(1, 1, 3, product=4), a_line(1, 2, 3, product=2)]),
        KEEP,
        ("product", {1: "Tape", 2: "Disc"}),
        ("product", {2: "Vinyl"}),
    ]
)
@example(
    [
        ("orders", [an_order(1)]),
        ("lines", [a_line(1, 1, 3)]),
        KEEP,
        ("product", {1: "Tape"}),
        ("lines", [a_line(1, 1, 4, product=3)]),
    ]
)
@example(
    [
        ("orders", [an_order(1)]),
        ("lines", [a_line(1, 1, 3)]),
        KEEP,
        ("lines", [a_line(1, 1, 4, product=3)]),
        ("product", {1: "Tape", 3: "Disc"}),
    ]
)
# A status becomes lost, or is no more.
@example(
    [
        ("orders", [an_order(1), an_order(2, status=3)]),
        ("lines", [a_line(1, 1, 3), a_line(2, 1, 4)]),
        KEEP,
        ("status", {1: True, 3: False}),
    ]
)
# A customer's other orders of the quarter tell that he is not new, or not gone; a deleted one tells nothing.
@example([("orders", [an_order(1)]), KEEP, ("orders", [an_order(2)])])
@example([("orders", [an_order(1), an_order(2)]), KEEP, ("orders", [an_order(2, customer=2)])])
@example([("orders", [an_order(1, gone=True)]), KEEP, ("orders", [an_order(2)])])
# An order moves to another month of its quarter, in which its customer has another one, or from one that he has.
@example(
    [("orders", [in_month(4, an_order(1)), in_month(6, an_order(2))]), KEEP, ("orders", [in_month(6, an_order(1))])]
)
@example(
    [("orders", [in_month(6, an_order(1)), in_month(6, an_order(2))]), KEEP, ("orders", [in_month(4, an_order(1))])]
)
# A customer gets a score: alone, with an order that is written, there and back, and as he goes.
@example([("orders", [an_order(1), an_order(2, customer=2)]), KEEP, ("score", {1: 7})])
@example([("orders", [an_order(1)]), KEEP, ("score", {1: 7}), ("orders", [an_order(1, customer=2)])])
@example([("orders", [an_order(1)]), KEEP, ("orders", [an_order(1, customer=2)]), ("score", {1: 7, 2: 7})])
@example([("orders", [an_order(1, customer=2)]), KEEP, ("score", {2: 7}), ("score", {2: 40})])
# A customer is new, and gets a score before the mart was kept.
@example([KEEP, ("customer", [7]), KEEP, ("customer", [None, 40]), ("score", {2: 7})])
def test_the_aggregates_are_the_sums_over_the_facts_whatever_was_loaded_and_kept(
    cursor: Cursor, history: list[tuple[str, Any]]
) -> None:
    cursor.execute("savepoint empty")
    try:
        replay(cursor, history)
    finally:
        # A shorter history that fails as well is looked for on the same empty tables.
        cursor.execute("rollback to savepoint empty")


def replay(cursor: Cursor, history: list[tuple[str, Any]]) -> None:
    """Loads and keeps as a history says, and checks whenever it kept."""
    shop = Shop()
    for step, what in history:
        if step == "orders":
            write(cursor, "fact_order", what)
            shop.orders |= {order.order_id: order for order in what}
        elif step == "lines":
            write(cursor, "fact_order_line", what)
            shop.lines |= {line[:2]: line for line in what}
        elif step == "address":
            move(cursor, "dim_address", "country", "address_id", what)
            shop.countries |= what
        elif step == "product":
            move(cursor, "dim_product", "product_subtype", "product_id", what)
            shop.subtypes |= {key: what[of] for key, of in PRODUCTS.items() if of in what}
        elif step == "status":
            move(cursor, "dim_order_status", "is_lost", "order_status_id", what)
            shop.is_lost |= what
        elif step == "score":
            move(cursor, "dim_customer", "risk_score", "customer_id", what)
            shop.scores |= what
        elif step == "customer":
            # As many as there were tell their numbers apart; only -1 and those from the start place orders.
            new = {len(shop.scores) + 10 + number: score for number, score in enumerate(what)}
            add_customers(cursor, new)
            shop.scores |= {number: score or 0 for number, score in new.items()}
        elif step == "refill":
            moves.ask_for_refill(cursor, "somebody asked")
        else:
            keep(cursor)
            check(cursor, shop)
    keep(cursor)
    check(cursor, shop)
    check_views(cursor, shop)


def test_what_changes_nothing_writes_nothing(cursor: Cursor) -> None:
    order = an_order(1)
    write(cursor, "fact_order", [order])
    keep(cursor)
    before = rows(cursor, "select ctid, * from mart.agg_order_month")
    write(cursor, "fact_order", [order])
    assert mart.is_current(cursor)
    keep(cursor)
    assert rows(cursor, "select ctid, * from mart.agg_order_month") == before


def test_after_a_refill_only_what_was_written_is_counted(cursor: Cursor) -> None:
    write(cursor, "fact_order", [an_order(1)])
    assert mart.keep(cursor, lambda message, percentage: None) == 1
    write(cursor, "fact_order", [an_order(2)])
    assert mart.keep(cursor, lambda message, percentage: None) == 1
    assert mart.keep(cursor, lambda message, percentage: None) == 0


def test_what_moves_counts_its_facts_alone_and_a_status_none(cursor: Cursor) -> None:
    write(cursor, "fact_order", [an_order(1), an_order(2, address=3), an_order(3, address=3)])
    write(cursor, "fact_order_line", [a_line(2, 1, 3), a_line(3, 1, 3, product=2)])
    assert mart.keep(cursor, lambda message, percentage: None) == 3
    move(cursor, "dim_order_status", "is_lost", "order_status_id", {1: True})
    assert mart.is_current(cursor)
    move(cursor, "dim_address", "country", "address_id", {1: "Cuba", 2: "Cuba"})
    assert not mart.is_current(cursor)
    assert mart.keep(cursor, lambda message, percentage: None) == 2  # one order, which goes out and comes in
    move(cursor, "dim_product", "product_subtype", "product_id", {1: "Disc"})
    assert not mart.is_current(cursor)
    assert mart.keep(cursor, lambda message, percentage: None) == 2  # one order, which goes out and comes in
    assert mart.keep(cursor, lambda message, percentage: None) == 0


def test_what_moves_while_a_refill_is_due_is_counted_by_it(cursor: Cursor) -> None:
    write(cursor, "fact_order", [an_order(1)])
    move(cursor, "dim_address", "country", "address_id", {1: "Cuba"})
    assert rows(cursor, "select * from mart.address_before") == set()
    keep(cursor)
    assert rows(cursor, "select country from mart.agg_order_month") == {("Cuba",)}
