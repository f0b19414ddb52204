"""A small loaded world in which one column of the source is changed at a time, and what moves in the mart is seen."""

import csv
import datetime as dt
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from support import shop
from support.feeds_world import load_behavior, settings_of
from support.loads import create_warehouse, extract_date, load_dimensions, load_facts, load_stages
from support.world import World

from pipeline.catalog import SOURCE_TABLES
from pipeline.feeds import staging
from pipeline.kernel import postgres
from pipeline.lineage.graph import Column

# All is ordered in the year before, so that each month is complete in all loads. Prices change between the orders.
MONTHS = [dt.datetime(2025, month, 5, month, tzinfo=dt.UTC) for month in range(1, 9)]
PRICED_ON = (-360, -265)
BOUGHT_ON = 1  # the day of all purchases
Rows = list[tuple[Any, ...]]
Snapshot = dict[str, tuple[list[str], Rows]]

REVIEWS = ["review_id", "cid", "review_date", "positive_review", "classifier", "positive_probability"]


@dataclass
class SourceWorld:
    """The world, and the day of its newest load. `feeds` are the rows of each feed as they were last sent."""

    world: World
    day: int = 1
    feeds: dict[str, list[list[str]]] = field(default_factory=dict)

    def open(self) -> None:
        """Fills the source with rows that differ in each column, and loads them."""
        _fill(self.world)
        self.feeds = {
            "risk_score": [["1", "10"], ["2", "50"], ["3", "90"]],
            "movie_review": [
                ["a", "1", "2025-03-01", "t", "trained", "0.9"],
                ["b", "2", "2025-04-01", "f", "trained", "0.1"],
                ["c", "1", "2025-05-02", "f", "trained", "0.2"],
                ["d", "3", "2025-05-03", "t", "trained", "0.8"],
            ],
            "partner_orders": [["p", "1", "1", "Needle", "2025-03-01"], ["q", "2", "2", "Felt", "2025-04-01"]],
        }
        with settings_of(self.world):
            create_warehouse(self.world)
            for self.day in PRICED_ON:
                priced = shop.at(self.day)
                self.world.source("update ops.products set unit_price = unit_price + 1, updated_ts = %s", (priced,))
                self._load_stage(["ops.products"])
            self.day = 1
            self._load_stage(SOURCE_TABLES)
            for feed in self.feeds:
                self._send(feed)
            self._load_star()

    def change(self, column: Column) -> None:
        """Gives each row another value of a column, that of another row, and loads the next date.

        A text that is unique gets a letter more. Of a watermark all rows get a later one.
        """
        self.day += 1
        schema, _, table = column.relation.partition(".")
        with settings_of(self.world):
            if schema == "feed":
                self._change_feed(table, column.name)
            elif schema == "retail":
                self.world.source(ROTATE_PURCHASES.format(name=column.name))
            else:
                self._change_table(column)
            self._load_star()

    def snapshot(self, relations: Iterable[str]) -> Snapshot:
        """The rows of relations, with the names of their columns."""
        found = {}
        with postgres.transaction(self.world.warehouse_url, "warehouse") as cursor:
            for name in relations:
                cursor.execute(f"select * from {name}")
                assert cursor.description
                found[name] = ([each.name for each in cursor.description], cursor.fetchall())
        return found

    def _change_table(self, column: Column) -> None:
        table, now = SOURCE_TABLES[column.relation], shop.at(self.day)
        key = ", ".join(table.key)
        if column.name == "sku":
            change = "update ops.products set sku = sku || 'x'"
        elif column.name == table.watermark:
            change = ""
        else:
            same = " and ".join(f"old.{name} = other.{name}" for name in table.key)
            change = ROTATE.format(table=column.relation, name=column.name, key=key, same=same)
        if change:
            self.world.source(change)
        self.world.source(f"update {column.relation} set {table.watermark} = %s", (now,))
        self._load_stage([column.relation])

    def _change_feed(self, feed: str, name: str) -> None:
        rows = self.feeds[feed]
        place = COLUMNS_OF_FEEDS[feed].index(name)
        values = [row[place] for row in rows]
        for row, value in zip(rows, values[1:] + values[:1], strict=True):
            row[place] = value
        self._send(feed)

    def _send(self, feed: str) -> None:
        """Loads a feed into stage as its task does, once the files are read."""
        date = shop.date(self.day)
        columns, rows = staging_rows(feed, self.feeds[feed], self.day)
        out = io.StringIO()
        csv.writer(out).writerows([columns, *rows])
        with postgres.transaction(self.world.warehouse_url, "warehouse") as cursor:
            staging.fill(cursor, feed, columns, io.BytesIO(out.getvalue().encode()))
            staging.finish(cursor, feed, [staging.Part(date, str(self.day), len(rows), [])])

    def _load_stage(self, tables: Iterable[str]) -> None:
        extract_date(self.world, shop.date(self.day), tables)
        load_stages(self.world, shop.date(self.day), tables)

    def _load_star(self) -> None:
        load_dimensions(self.world)
        load_facts(self.world)
        # Another least quantity makes a load read a day again, and all purchases are of more than these.
        load_behavior(self.world, BOUGHT_ON, min_quantity=3 - self.day)


def staging_rows(feed: str, rows: list[list[str]], day: int) -> tuple[Sequence[str], list[list[str]]]:
    """The columns and rows of a feed as they come to stage: each day newer ones, if it is those that win."""
    if feed == "risk_score":
        return staging.SCORE_COLUMNS, [[*row, str(shop.date(day)), str(shop.at(day))] for row in rows]
    if feed == "movie_review":
        return REVIEWS, rows
    later = [[*row[:-1], f"{row[-1]} {day // 60:02}:{day % 60:02}:00+00"] for row in rows]
    return COLUMNS_OF_FEEDS[feed], later


# The fields of each feed by their places in its rows. A review's text stands there as what it is found to be.
COLUMNS_OF_FEEDS = {
    "risk_score": ["customer_id", "risk_score"],
    "movie_review": ["review_id", "cid", "review_date", "review_str"],
    "partner_orders": ["order_id", "item_id", "customer_id", "item_name", "delivered_on"],
}
ROTATE = """
update {table} as old set {name} = other.value
from (
    select {key}, coalesce(
        lead({name}) over (order by {key}), (select {name} from {table} order by {key} limit 1)
    ) as value from {table}
) as other where {same}
"""
ROTATE_PURCHASES = """
update retail.user_purchase as old set {name} = other.value
from (
    select number, coalesce(
        lead({name}) over (order by number), (select {name} from retail.user_purchase order by number limit 1)
    ) as value from retail.user_purchase
) as other where old.number = other.number
"""
PURCHASES = """
drop view retail.user_purchase;
create table retail.user_purchase as
select
    number, 'I' || number as invoice_number, 'S' || number as stock_code, 'Record ' || number as detail,
    100 + number as quantity, timestamp '2026-01-01' + number * interval '1 hour' as invoice_date,
    number * 1.5 as unit_price, number::bigint as customer_id, 'Country ' || number as country
from generate_series(1, 3) as number
"""


def _fill(world: World) -> None:
    """One row more of everything than `shop.open_shop` has, and orders in eight months."""
    shop.open_shop(world)
    opening = shop.OPENING
    add: Callable[..., None] = shop.insert
    add(world, "states", opening, state_code="NY", name="New York")
    places = {"street": "2 Quay", "unit": "b", "city": "Lima", "postal_code": "15001", "country": "Peru"}
    add(world, "addresses", opening, address_id=2, state_code="NY", **places)
    add(world, "addresses", opening, address_id=3, **{**places, "street": "3 Mole", "city": "Tacna"})
    for number, name in ((2, "Grace"), (3, "Mary")):
        more = {"email": f"{name}@sea.example", "phone": f"{number}", "birth_date": dt.date(1990, 1, number)}
        row = {"first_name": name, "last_name": f"L{number}", "registered_on": dt.date(2025, 1, number), **more}
        add(world, "customers", opening, customer_id=number, **row)
    for number in (1, 2):
        add(world, "customers_addresses", opening, customer_id=number, address_id=number)
    add(world, "product_types", opening, product_type_id=2, name="Players")
    add(world, "product_subtypes", opening, product_subtype_id=2, product_type_id=2, name="Needles")
    add(world, "payment_methods", opening, payment_method_id=2, name="Voucher")
    add(world, "order_statuses", opening, order_status_id=3, name="shipped", is_lost=False)
    for number, price in ((2, 20), (3, 30)):
        row = {"sku": f"SKU-{number}", "name": f"Record {number}", "product_subtype_id": 2, "supplier_id": number - 1}
        add(world, "products", opening, product_id=number, unit_price=price, **row)
    for number, ordered in enumerate((each for each in MONTHS for _ in range(2)), 1):
        # In each month two customers, of whom the first is one of the month before.
        row = {"customer_id": number // 2 % 3 + 1, "address_id": number % 3 + 1, "payment_method_id": number % 2 + 1}
        row |= {"order_status_id": number % 5 % 3 + 1, "ordered_ts": ordered}
        if number % 3:
            row["delivered_ts"] = ordered + dt.timedelta(days=number)
        add(world, "orders", opening, order_id=number, **row)
        for line in (1, 2):
            product = (number + line) % 3 + 1
            more = {"quantity": number + line, "unit_price": number * 10 + line}
            add(world, "order_lines", opening, order_id=number, line_number=line, product_id=product, **more)
    world.source(PURCHASES)
    world.source("grant select on retail.user_purchase to public")


def moved(before: Snapshot, after: Snapshot, identities: dict[str, list[str]]) -> set[Column]:
    """The columns whose values are others, or stand beside another identity of the row."""
    found = set()
    for relation, (columns, rows) in before.items():
        by = [columns.index(name) for name in identities[relation]]
        old, new = _grouped(rows, by), _grouped(after[relation][1], by)
        for group in old.keys() | new.keys():
            for place, name in enumerate(columns):
                if Counter(row[place] for row in old[group]) != Counter(row[place] for row in new[group]):
                    found.add(Column(relation, name))
    return found


def _grouped(rows: Rows, by: list[int]) -> defaultdict[tuple[Any, ...], Rows]:
    found: defaultdict[tuple[Any, ...], Rows] = defaultdict(list)
    for row in rows:
        found[tuple(row[place] for place in by)].append(row)
    return found
