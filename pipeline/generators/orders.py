"""The day's orders: customer, products and time of each, at the price of that moment."""

from collections import deque
from itertools import islice
from random import Random

from pipeline.generators.books import Books
from pipeline.generators.life import Fates
from pipeline.generators.moments import DAY, HOUR, stamp
from pipeline.generators.people import People
from pipeline.generators.prices import PriceChange
from pipeline.generators.seasons import HOURS
from pipeline.generators.world import PAYMENT_METHODS, PAYMENT_WEIGHTS

LINES, LINE_WEIGHTS = (1, 2, 3, 4, 5), (26, 26, 23, 15, 10)
QUANTITIES, QUANTITY_WEIGHTS = (1, 2, 3, 4, 5, 6), (60, 21, 9, 5, 3, 2)


def moments(rng: Random, start: int, count: int) -> list[int]:
    """The times of the orders of the day that begins at `start`; most are in the evening."""
    hours = rng.choices(range(len(HOURS)), HOURS, k=count)
    return sorted(start + hour * HOUR + int(rng.random() * HOUR) for hour in hours)


def take_orders(
    rng: Random, books: Books, people: People, start: int, buyers: list[int], changes: list[PriceChange]
) -> tuple[list[str], list[str]]:
    """Lines for COPY of ops.orders and ops.order_lines: one order for each of `buyers`.

    An order comes in with the status that it has at midnight. The books get its later moves. Afterwards the books
    hold the prices of the day's end.
    """
    count = len(buyers)
    payments = rng.choices(range(1, len(PAYMENT_METHODS) + 1), PAYMENT_WEIGHTS, k=count)
    sizes = rng.choices(LINES, LINE_WEIGHTS, k=count)
    products = rng.choices(range(1, books.products + 1), cum_weights=books.weights, k=sum(sizes))
    basket = zip(products, rng.choices(QUANTITIES, QUANTITY_WEIGHTS, k=len(products)), strict=True)
    fates, today, prices, to_come = Fates(books.shop.seed), start // DAY, books.prices, deque(changes)
    orders: list[str] = []
    lines: list[str] = []
    for ordered, buyer, payment, size in zip(moments(rng, start, count), buyers, payments, sizes, strict=True):
        while to_come and to_come[0].moment <= ordered:
            _, product, price = to_come.popleft()
            books.reprice(product, price)
        books.orders += 1
        order, now = books.orders, stamp(ordered)
        days = fates.days(order, buyer, ordered)
        books.expect(order, days, after=today)
        status, at, _ = days[today]
        address = people.address_of(buyer, ordered)
        orders.append(f"{order}\t{buyer}\t{address}\t{payment}\t{status}\t{now}\t\\N\t{now}\t{stamp(at)}\n")
        for number, (product, quantity) in enumerate(islice(basket, size), 1):
            lines.append(f"{order}\t{number}\t{product}\t{quantity}\t{prices[product - 1]}\t{now}\t{now}\n")
    for _, product, price in to_come:
        books.reprice(product, price)
    return orders, lines
