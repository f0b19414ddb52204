"""The price changes of a day: products, times and new prices."""

import datetime as dt
from random import Random
from typing import NamedTuple

from pipeline.generators.books import Books
from pipeline.generators.entities import price_text
from pipeline.generators.moments import DAY, midnight

# Product 1 may change on the first of a month, ..., 28 on the 28th, 29 on the first again. Two changes of a
# product are more than 27 days apart. So a reader who comes at least every 27 days misses none.
PRICE_DAYS = 28
CHANCE = 0.12  # of a change on a product's day of the month
FACTORS = (0.8, 0.88, 0.94, 1.04, 1.08, 1.15, 1.22)
CHEAPEST = 100  # thousandths


class PriceChange(NamedTuple):
    """From `moment` on, a product costs `price`."""

    moment: int
    product: int
    price: str


def price_changes(rng: Random, books: Books, date: dt.date) -> list[PriceChange]:
    """The day's price changes, oldest first."""
    if date.day > PRICE_DAYS:
        return []
    products = range(date.day, books.products + 1, PRICE_DAYS)
    return sorted(_change(rng, books, product, date) for product in products if rng.random() < CHANCE)


def _change(rng: Random, books: Books, product: int, date: dt.date) -> PriceChange:
    old = int(books.prices[product - 1].replace(".", ""))
    new = max(CHEAPEST, int(old * rng.choice(FACTORS)) // 10 * 10)
    moment = midnight(date) + rng.randrange(DAY)
    return PriceChange(moment, product, price_text(new if new != old else new + CHEAPEST))
