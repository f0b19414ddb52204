"""Random histories of a shop, and a plain-Python oracle that says what a warehouse must hold after them."""

import datetime as dt
from typing import Any

from hypothesis import strategies as st

from pipeline.catalog import SOURCE_TABLES
from support.feeds_world import settings_of
from support.loads import extract_date, load_dimensions, load_facts, load_stages
from support.shop import add_order, add_product, at, date, update
from support.world import World, Worlds

DAYS = 5
PRODUCTS = (1, 2)
TABLES = ["ops.orders", "ops.order_lines", "ops.products"]
EARLIEST, LATEST = dt.datetime(1900, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 31, tzinfo=dt.UTC)

hours = st.integers(0, 23)
products = st.sampled_from(PRODUCTS)
changes = st.one_of(
    st.tuples(st.just("order"), hours, st.lists(products, max_size=3), st.integers(-3, 0)),
    st.tuples(st.just("status"), hours, st.integers(0, 5), st.integers(1, 2)),
    st.tuples(st.just("deliver"), hours, st.integers(0, 5), st.sampled_from([0, 0, 1, 40, 400])),
    st.tuples(st.just("redate"), hours, st.integers(0, 5), st.integers(-40, 2)),
    st.tuples(st.just("quantity"), hours, st.integers(0, 5), st.integers(1, 9)),
)
# A renamed product shows the price that it had before. Of two prices each comes back often.
of_products = st.one_of(
    st.tuples(st.just("reprice"), hours, products, st.sampled_from([10, 11])),
    st.tuples(st.just("reprice"), hours, products, st.integers(1, 3)),
    st.tuples(st.just("rename"), hours, products),
)
histories = st.builds(
    lambda others, prices: [[*one, *two] for one, two in zip(others, prices, strict=True)],
    st.lists(st.lists(changes, max_size=4), min_size=DAYS, max_size=DAYS),
    st.one_of(
        st.just([()] * DAYS),
        st.lists(st.lists(of_products, max_size=1), min_size=DAYS, max_size=DAYS),
        st.lists(st.lists(of_products, min_size=1, max_size=3), min_size=DAYS, max_size=DAYS),
    ),
)
# Which day's extract is loaded next; a dimension may fail in between. What is left out is loaded at the end.
loads = st.lists(
    st.tuples(st.integers(1, DAYS), st.sampled_from(["", "dim_product", "dim_date", "dim_customer"])), max_size=6
)

Row = dict[str, Any]


class Oracle:
    """The source as plain rows, what its extracts saw, and what a warehouse must then hold."""

    def __init__(self) -> None:
        self.now: dict[str, dict[Any, Row]] = {table: {} for table in TABLES}
        self.seen: dict[str, list[Row]] = {table: [] for table in TABLES}
        self.prices: set[tuple[int, dt.datetime, float]] = set()

    def put(self, table: str, key: Any, updated: dt.datetime, **columns: Any) -> None:
        self.now[table][key] = self.now[table].get(key, {}) | columns | {"key": key, "updated": updated}

    def extract(self, day: int) -> None:
        begin, end = at(day, 0), at(day + 1, 0)
        for table, rows in self.now.items():
            self.seen[table] += [dict(row) for row in rows.values() if begin <= row["updated"] < end]

    def newest(self, table: str) -> dict[Any, Row]:
        found: dict[Any, Row] = {}
        for row in self.seen[table]:
            if row["key"] not in found or row["updated"] > found[row["key"]]["updated"]:
                found[row["key"]] = row
        return found

    def versions(self) -> set[tuple[int, float, dt.datetime, dt.datetime]]:
        found = set()
        for product in self.now["ops.products"]:
            observed = sorted(
                (row["updated"], row["price"]) for row in self.seen["ops.products"] if row["key"] == product
            )
            starts = [seen for number, seen in enumerate(observed) if number == 0 or seen[1] != observed[number - 1][1]]
            ends = [start for start, _ in starts[1:]] + [LATEST]
            found |= {
                (product, float(price), start if number else EARLIEST, end)
                for number, ((start, price), end) in enumerate(zip(starts, ends, strict=True))
            }
        return found

    def facts(self) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
        orders, lines = self.newest("ops.orders"), self.newest("ops.order_lines")
        fact_lines, fact_orders = set(), set()
        for (order_id, number), line in lines.items():
            ordered = orders[order_id]["ordered"] if order_id in orders else None
            version = [
                start
                for product, _, start, end in self.versions()
                if ordered and product == line["product"] and start <= ordered < end
            ]
            fact_lines.add((order_id, number, line["quantity"], day_key(ordered), version[0] if version else None))
        for order_id, order in orders.items():
            own = [line for (order, _), line in lines.items() if order == order_id]
            amount = float(sum(line["quantity"] * line["price"] for line in own))
            fact_orders.add(
                (order_id, order["status"], day_key(order["ordered"]), day_key(order["delivered"]), len(own), amount)
            )
        return fact_orders, fact_lines

    def kpis(self) -> set[tuple[Any, ...]]:
        found = set()
        orders, lines = self.newest("ops.orders"), self.newest("ops.order_lines")
        for month in {order["ordered"].strftime("%Y-%m") for order in orders.values()}:
            of_month = {key: order for key, order in orders.items() if order["ordered"].strftime("%Y-%m") == month}
            kept = {key: order for key, order in of_month.items() if order["status"] != 2}
            sales = sum(line["quantity"] * line["price"] for (order, _), line in lines.items() if order in kept)
            days = [
                (order["delivered"] - order["ordered"]) / dt.timedelta(days=1)
                for order in kept.values()
                if order["delivered"]
            ]
            lost = len(of_month) - len(kept)
            found.add(
                (
                    month,
                    float(sales),
                    len(of_month),
                    round(sales / len(kept), 6) if kept else None,
                    round(lost / len(of_month) - 0.05, 6),
                    round(sum(days) / len(days), 6) if days else None,
                )
            )
        return found


def day_key(instant: dt.datetime | None) -> int:
    return int(instant.strftime("%Y%m%d")) if instant else -1


def apply(world: World, oracle: Oracle, day: int, change: tuple[Any, ...]) -> None:
    """One change of the source, in the database and in the oracle."""
    kind, hour, what, *more = change
    when = at(day, hour)
    orders = sorted(oracle.now["ops.orders"])
    if kind == "rename":
        update(world, "products", {"product_id": what}, when, name=f"Record of {when}")
        oracle.put("ops.products", what, when)
    elif kind == "reprice":
        update(world, "products", {"product_id": what}, when, unit_price=more[0])
        oracle.put("ops.products", what, when, price=more[0])
    elif kind == "order":
        order_id, ordered = len(orders) + 1, when + dt.timedelta(days=more[0])
        add_order(world, order_id, when, *what, ordered_ts=ordered)
        oracle.put("ops.orders", order_id, when, ordered=ordered, delivered=None, status=1)
        for number, product in enumerate(what, 1):
            oracle.put("ops.order_lines", (order_id, number), when, product=product, quantity=2, price=10)
    elif what < len(orders):
        key = orders[what]
        columns: Row = {
            "status": {"order_status_id": sum(more)},
            "deliver": {"delivered_ts": when + dt.timedelta(days=sum(more))},
            "redate": {"ordered_ts": when + dt.timedelta(days=sum(more))},
            "quantity": {"quantity": sum(more)},
        }[kind]
        names = {
            "order_status_id": "status",
            "delivered_ts": "delivered",
            "ordered_ts": "ordered",
            "quantity": "quantity",
        }
        values = {names[name]: value for name, value in columns.items()}
        if kind != "quantity":
            update(world, "orders", {"order_id": key}, when, **columns)
            oracle.put("ops.orders", key, when, **values)
        elif (key, 1) in oracle.now["ops.order_lines"]:
            update(world, "order_lines", {"order_id": key, "line_number": 1}, when, **columns)
            oracle.put("ops.order_lines", (key, 1), when, **values)


def quiet_shop(worlds: Worlds, shop_template: World) -> World:
    """A shop with two products. Its opening is loaded, but for TABLES, which alone change later."""
    shop = worlds.copy_all(shop_template)
    with settings_of(shop):
        add_product(shop, 2, 10, at(1, 0))
        extract_date(shop, date(0))  # a date before the opening: nothing, but from here on a window is a day
        others = set(SOURCE_TABLES) - set(TABLES)
        extract_date(shop, date(1), others)
        load_stages(shop, date(1), others)
    return shop


def extract_history(shop: World, history: list[list[tuple[Any, ...]]]) -> Oracle:
    """Lets a history happen, and extracts each of its days; returns the oracle that saw it."""
    oracle = Oracle()
    for product in PRODUCTS:
        oracle.put("ops.products", product, at(1, 0), price=10)
    for day, of_day in enumerate(history, 1):
        # A row that changes keeps only its last change of the day, as in any source.
        for change in sorted(of_day, key=lambda change: change[1]):
            apply(shop, oracle, day, change)
        extract_date(shop, date(day), TABLES)
        oracle.extract(day)
    return oracle


def load_extracts(shop: World, day: int, broken: str = "") -> None:
    """Loads the extracts of a day; a dimension may fail."""
    load_stages(shop, date(day), TABLES)
    load_dimensions(shop, broken)
    load_facts(shop)


def check(world: World, oracle: Oracle) -> None:
    orders, lines = oracle.facts()
    assert (
        world.rows(
            "select product_id, unit_price::float, valid_from, valid_to from dwh.dim_product where product_id > 0"
        )
        == oracle.versions()
    )
    assert (
        world.rows(
            "select order_id, order_status_id, ordered_date_key, delivered_date_key, line_count, order_amount::float "
            "from dwh.fact_order join dwh.dim_order_status using (order_status_key)"
        )
        == orders
    )
    assert (
        world.rows(
            "select order_id, line_number, quantity, ordered_date_key, case when product_key > 0 then valid_from end "
            "from dwh.fact_order_line join dwh.dim_product using (product_key)"
        )
        == lines
    )
    assert (
        world.rows(
            "select to_char(month, 'YYYY-MM'), sales::float, orders, round(average_order_value, 6)::float, "
            "round(lost_order_deviation, 6)::float, round(average_fulfilment_days, 6)::float from mart.kpi_monthly"
        )
        == oracle.kpis()
    )
    waiting = {f"{order}/{number}" for order, number, *_ in lines if order not in {key for key, *_ in orders}}
    assert world.rows("select business_key from etl.reprocessing_queue where resolved_ts is null") == {
        (key,) for key in waiting
    }
