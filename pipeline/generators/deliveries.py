"""The vendors' daily files: customers' reviews of films, and the partner's orders."""

import csv
import datetime as dt
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import NamedTuple

from pipeline.generators.books import ONE_DAY, Shop
from pipeline.generators.day import NEWCOMERS
from pipeline.generators.drops import PARTNER_ORDERS, REVIEWS, partner_orders_key, reviews_key
from pipeline.generators.entities import SUBTYPES, Row, customers_at_opening
from pipeline.generators.moments import DAY, EPOCH, MICROSECOND, midnight
from pipeline.generators.review_texts import write_review
from pipeline.generators.seasons import cheer, orders_on
from pipeline.generators.shop import Progress
from pipeline.generators.world import ADJECTIVES, BANDS, NOUNS
from pipeline.lake.objects import Lake

REVIEW_COLUMNS = "cid", "review_str"
PARTNER_ORDER_COLUMNS = "order_id", "customer_id", "item_id", "item_name", "delivered_on"
REVIEWS_AN_ORDER, PARTNER_ORDERS_AN_ORDER = 0.08, 0.03
STRANGERS, FIRST_STRANGER = 0.02, 900_000_000  # customers of the vendor that the shop does not know
ITEMS, ITEM_WEIGHTS = (1, 2, 3, 4, 5), (20, 32, 26, 14, 8)  # in a partner order
ON_THE_DAY, APART, TWICE = 0.85, 0.1, 0.02  # orders delivered that day; items delivered apart; lines sent twice
CATALOGUE = 300  # items of the partner
UPLOADS = 4  # at once


@dataclass(frozen=True)
class Dropped:
    """The work of a call: days, and the rows and bytes of their files."""

    days: int
    rows: int
    bytes: int


class Day(NamedTuple):
    """The contents of a day's files: customers who are likely known, reviews, and the partner orders before it."""

    date: dt.date
    customers: int
    reviews: int
    partner_orders_before: int
    partner_orders: int


def drop_feeds(lake: Lake, shop: Shop, date: dt.date, progress: Progress | None) -> Dropped:
    """Drops both files of every day from the shop's opening up to `date`; `progress` is called as in `simulate`.

    A file is a function of the shop and its day. Existing files are left alone. A day's partner orders are written
    after its reviews and after everything earlier. So that file proves that nothing before it is missing, after any
    kill and with any number of processes at once.

    Raises ServiceDown.
    """
    # Without this, a day in the shop's tenth year would cost a listing of all files.
    is_next = lake.exists(partner_orders_key(date - ONE_DAY))
    folders = [f"{folder}/date={date}" if is_next else folder for folder in (REVIEWS, PARTNER_ORDERS)]
    there = {entry.key for folder in folders for entry in lake.objects(folder)}
    days = [day for day in _days(shop, date) if day.date == date or not is_next]
    missing = [day for day in days if not {reviews_key(day.date), partner_orders_key(day.date)} <= there]
    rows = size = 0

    def drop(key: str, header: Row, lines: list[Row]) -> tuple[int, int]:
        if key in there:
            return 0, 0
        data = _csv([header, *lines])
        lake.write(key, data)
        return len(lines), len(data)

    def drop_reviews(day: Day) -> tuple[int, int]:
        return drop(reviews_key(day.date), REVIEW_COLUMNS, _reviews(shop, day))

    # Reviews may be written ahead: only the partner orders have to keep the order of days.
    with ThreadPoolExecutor(UPLOADS) as pool:
        for done, (day, reviews) in enumerate(zip(missing, pool.map(drop_reviews, missing), strict=True), 1):
            orders = drop(partner_orders_key(day.date), PARTNER_ORDER_COLUMNS, _partner_orders(shop, day))
            rows, size = rows + reviews[0] + orders[0], size + reviews[1] + orders[1]
            if progress:
                progress(day.date, done, len(missing))
    return Dropped(len(missing), rows, size)


def _days(shop: Shop, last: dt.date) -> Iterator[Day]:
    """All days from the opening to the last one. Newcomers of a day are known from the next one on."""
    date, customers, partner_orders = shop.opened_on, float(customers_at_opening(shop.scale)), 0
    while date <= last:
        rng = Random(f"{shop.seed}:feeds:{date}")
        expected = orders_on(rng, date, shop.opened_on, shop.scale)
        reviews, orders = (_about(rng, share * expected) for share in (REVIEWS_AN_ORDER, PARTNER_ORDERS_AN_ORDER))
        yield Day(date, int(customers), reviews, partner_orders, orders)
        customers += NEWCOMERS * expected
        partner_orders += orders
        date += ONE_DAY


def _reviews(shop: Shop, day: Day) -> list[Row]:
    rng = Random(f"{shop.seed}:reviews:{day.date}")
    return [(_customer(rng, day), write_review(rng, cheer(day.date)).text) for _ in range(day.reviews)]


def _partner_orders(shop: Shop, day: Day) -> list[Row]:
    """The day's lines. A line that is sent twice is repeated at the end."""
    rng = Random(f"{shop.seed}:partner orders:{day.date}")
    items = _catalogue(shop.seed)
    lines: list[Row] = []
    again: list[Row] = []
    for number in range(1, day.partner_orders + 1):
        order, customer, arrived = (
            f"PO-{day.partner_orders_before + number:06d}",
            _customer(rng, day),
            _arrival(rng, day),
        )
        [count] = rng.choices(ITEMS, ITEM_WEIGHTS)
        for item in rng.sample(range(CATALOGUE), count):
            delivered = _arrival(rng, day) if rng.random() < APART else arrived
            line = (order, customer, f"NB-{item + 1}", items[item], delivered)
            lines.append(line)
            if rng.random() < TWICE:
                again.append(line)
    return lines + again


def _customer(rng: Random, day: Day) -> int:
    """The customer of an order: newer customers more often, as with the shop's own orders."""
    if rng.random() < STRANGERS:
        return FIRST_STRANGER + rng.randrange(10**6)
    return day.customers - int(day.customers * rng.random() ** 1.4)


def _arrival(rng: Random, day: Day) -> str:
    """A moment of that day, or of the two before it."""
    earlier = 0 if rng.random() < ON_THE_DAY else rng.randint(1, 2)
    moment = midnight(day.date) - earlier * DAY + rng.randrange(DAY)
    return f"{EPOCH + moment * MICROSECOND:%y-%m-%d %H:%M:%S}"


@cache
def _catalogue(seed: int) -> tuple[str, ...]:
    """The names of the partner's items."""
    rng = Random(f"{seed}:catalogue")
    return tuple(
        goods.pattern.format(a=rng.choice(ADJECTIVES), n=rng.choice(NOUNS), who=rng.choice(BANDS))
        for goods, _ in rng.choices(SUBTYPES, k=CATALOGUE)
    )


def _csv(rows: list[Row]) -> bytes:
    """A file by RFC 4180, in UTF-8."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _about(rng: Random, expected: float) -> int:
    """A whole number above 0, on average the expected one."""
    return max(1, int(expected + rng.random()))
