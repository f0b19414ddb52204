"""The simulator's state between two days. It can all be read from the database again."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from pipeline.generators.entities import popularity
from pipeline.generators.life import DELIVERED, RETURN_DAYS, Fates, Step
from pipeline.generators.moments import DAY, micros, midnight, stamp
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor

ONE_DAY = dt.timedelta(days=1)

LAST_DAY = """
select business_date, last_customer_id, last_address_id, last_product_id, last_order_id
from simulator.business_day order by business_date desc limit 1
"""
PRICES = "select unit_price::text from ops.products order by product_id"
# Each condition is that of an index: only open orders and lately delivered ones may still move.
MOVING = """
select order_id, customer_id, ordered_ts from ops.orders where order_status_id < 4
union all
select order_id, customer_id, ordered_ts from ops.orders
where updated_ts >= %(since)s and order_status_id = %(delivered)s
"""
MARK = """
insert into simulator.business_day
    (business_date, last_customer_id, last_address_id, last_product_id, last_order_id, rows_written)
values (%s, %s, %s, %s, %s, %s)
"""


@dataclass(frozen=True)
class Shop:
    """The settings with which the shop was opened, for good."""

    seed: int
    scale: float
    opened_on: dt.date


@dataclass
class Books:
    """The last key of each table, the prices, and the lines by which orders will move, by day."""

    shop: Shop
    date: dt.date | None = None  # the last business day done
    customers: int = 0
    addresses: int = 0
    orders: int = 0
    prices: list[str] = field(default_factory=list)  # of product 1, 2, ...
    weights: list[float] = field(default_factory=list)  # the popularity of each product and all before it, summed
    due: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def next_date(self) -> dt.date:
        """The first business day that is missing."""
        return self.date + ONE_DAY if self.date else self.shop.opened_on

    @property
    def products(self) -> int:
        """The number of products."""
        return len(self.prices)

    def stock(self, prices: Iterable[str]) -> None:
        """Adds new products at these prices."""
        first = self.products + 1
        self.prices.extend(prices)
        new = (popularity(self.shop.seed, product) for product in range(first, self.products + 1))
        self.weights.extend(list(accumulate(new, initial=self.weights[-1] if self.weights else 0.0))[1:])

    def reprice(self, product: int, price: str) -> None:
        """Sets a product's price."""
        self.prices[product - 1] = price

    def expect(self, order: int, days: dict[int, Step], after: int) -> None:
        """Notes how an order moves on each day later than `after` (days since 1970)."""
        for day, (status, at, delivered) in days.items():
            if day > after:
                arrival = r"\N" if delivered is None else stamp(delivered)
                self.due[day].append(f"{order}\t{status}\t{arrival}\t{stamp(at)}\n")

    def mark(self, cursor: Cursor, date: dt.date, rows: int) -> None:
        """Writes the marker of a business day in the transaction of that day."""
        self.date = date
        cursor.execute(MARK, (date, self.customers, self.addresses, self.products, self.orders, rows))


def current(cursor: Cursor, shop: Shop, known: Books | None) -> Books:
    """The books as of the last day done: `known` if no other process did a day since, otherwise from the database."""
    last = postgres.rows(cursor, LAST_DAY)
    if not last:
        return Books(shop)
    date, customers, addresses, _, orders = last[0]
    if known and known.date == date:
        return known
    books = Books(shop, date, customers, addresses, orders)
    books.stock(price for (price,) in postgres.rows(cursor, PRICES))
    fates, today = Fates(shop.seed), midnight(date) // DAY
    since = date - dt.timedelta(days=RETURN_DAYS[1] + 1)
    for order, customer, ordered_ts in postgres.rows(cursor, MOVING, {"since": since, "delivered": DELIVERED}):
        books.expect(order, fates.days(order, customer, micros(ordered_ts)), after=today)
    return books
