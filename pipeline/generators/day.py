"""One business day: new customers, orders, moves and corrections."""

import datetime as dt
from math import sqrt
from random import Random

from pipeline.generators import entities
from pipeline.generators.books import Books
from pipeline.generators.copying import copy_lines, copy_rows
from pipeline.generators.moments import DAY, midnight, stamp
from pipeline.generators.orders import take_orders
from pipeline.generators.people import People
from pipeline.generators.pools import Pools, pools
from pipeline.generators.prices import PriceChange, price_changes
from pipeline.generators.seasons import orders_on
from pipeline.generators.world import CORRECTIONS
from pipeline.kernel.postgres import Cursor

NEWCOMERS, MOVERS, CORRECTED = 0.05, 0.012, 0.002  # customers, for each order of the day
NEW_PRODUCTS, MENDED_PRODUCTS = 0.08, 0.1  # a day, at scale 1

MOVE_ORDERS = """
update ops.orders set
    order_status_id = moved.order_status_id, delivered_ts = moved.delivered_ts, updated_ts = moved.updated_ts
from moved_order as moved where orders.order_id = moved.order_id
"""
CHANGE_PRICES = """
update ops.products set unit_price = changed.unit_price, updated_ts = changed.updated_ts
from unnest(%s::bigint[], %s::numeric[], %s::timestamptz[]) as changed (product_id, unit_price, updated_ts)
where products.product_id = changed.product_id
"""
# A price change is dated by updated_ts alone. A later correction would hide that date from a reader who does
# not come daily. So only the name of a product that still has its first price is corrected.
CORRECT_PRODUCT = """
update ops.products set name = name || %s, updated_ts = %s where product_id = %s and updated_ts = created_ts
"""
CORRECT_CUSTOMER = "update ops.customers set last_name = %s, updated_ts = %s where customer_id = %s"


def do_day(cursor: Cursor, books: Books, date: dt.date) -> int:
    """Does a business day in the cursor's transaction, its marker included; returns the rows it wrote.

    All its randomness comes from the seed and the date, in a fixed order.
    """
    shop, start = books.shop, midnight(date)
    rng = Random(f"{shop.seed}:{date}")
    names = pools(shop.seed)
    rows = _open(cursor, rng, books, names, start) if date == shop.opened_on else 0
    count = orders_on(rng, date, shop.opened_on, shop.scale)

    # Nobody buys before the day after registering, and no product is sold before the day after it is new.
    known, for_sale = books.customers, books.products
    buyers = [known - int(known * rng.random() ** 1.4) for _ in range(count)]
    movers = [(rng.randint(1, known), rng.randint(1, known)) for _ in range(_about(rng, MOVERS * count))]
    people = People(rng, books, names, date)
    people.look_up(cursor, buyers + [customer for pair in movers for customer in pair])
    for _ in range(_about(rng, NEWCOMERS * count)):
        people.register(_moment(rng, start), date)
    for customer, other in movers:
        people.move(customer, other, _moment(rng, start))
    changes = price_changes(rng, books, date)
    orders, lines = take_orders(rng, books, people, start, buyers, changes)

    rows += people.write(cursor)
    rows += copy_lines(cursor, "ops.orders", orders)
    rows += copy_lines(cursor, "ops.order_lines", lines)
    rows += _move_orders(cursor, books.due.pop(start // DAY, []))
    rows += _change_prices(cursor, changes)
    if rng.random() < MENDED_PRODUCTS:
        rows += _correct_product(cursor, rng, for_sale, changes, start)
    for _ in range(_about(rng, CORRECTED * count)):
        rows += _correct_customer(cursor, rng, names, known, start)
    rows += _add_products(cursor, rng, books, _about(rng, NEW_PRODUCTS * sqrt(shop.scale)), _moment(rng, start))
    books.mark(cursor, date, rows)
    return rows


def _about(rng: Random, expected: float) -> int:
    """A whole number, on average the expected one."""
    return int(expected + rng.random())


def _moment(rng: Random, start: int) -> int:
    return start + rng.randrange(DAY)


def _open(cursor: Cursor, rng: Random, books: Books, names: Pools, start: int) -> int:
    """Creates the rows with which the shop opens. All have the time of midnight."""
    scale, opened_on = books.shop.scale, books.shop.opened_on
    rows = sum(copy_rows(cursor, table, rows) for table, rows in entities.base_rows(rng, names, start))
    rows += _add_products(cursor, rng, books, entities.products_at_opening(scale), start)
    people = People(rng, books, names, opened_on)
    for _ in range(entities.customers_at_opening(scale)):
        people.register(start, opened_on - dt.timedelta(days=rng.randrange(3 * 365)))
    return rows + people.write(cursor)


def _add_products(cursor: Cursor, rng: Random, books: Books, count: int, moment: int) -> int:
    products = [entities.product(rng, books.products + number, moment) for number in range(1, count + 1)]
    books.stock(product[5] for product in products)
    return copy_rows(cursor, "ops.products", products)


def _move_orders(cursor: Cursor, moves: list[str]) -> int:
    copy_lines(cursor, "moved_order", moves)
    cursor.execute(MOVE_ORDERS)
    return cursor.rowcount


def _change_prices(cursor: Cursor, changes: list[PriceChange]) -> int:
    if not changes:
        return 0
    moments, products, prices = zip(*changes, strict=True)
    cursor.execute(CHANGE_PRICES, ([*products], [*prices], [stamp(moment) for moment in moments]))
    return cursor.rowcount


def _correct_product(cursor: Cursor, rng: Random, for_sale: int, changes: list[PriceChange], start: int) -> int:
    product = rng.randint(1, for_sale)
    correction = rng.choice(CORRECTIONS), stamp(_moment(rng, start)), product
    if product in {change.product for change in changes}:
        return 0
    cursor.execute(CORRECT_PRODUCT, correction)
    return cursor.rowcount


def _correct_customer(cursor: Cursor, rng: Random, names: Pools, known: int, start: int) -> int:
    last_name = rng.choice(names.somewhere(rng).last_names)
    cursor.execute(CORRECT_CUSTOMER, (last_name, stamp(_moment(rng, start)), rng.randint(1, known)))
    return cursor.rowcount
