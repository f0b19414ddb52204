"""The rows of a shop: people, suppliers and products, and the tables that never change."""

import datetime as dt
from collections.abc import Iterator
from hashlib import blake2b
from math import sqrt
from random import Random
from typing import Any

from pipeline.generators.life import STATUSES
from pipeline.generators.moments import stamp
from pipeline.generators.pools import Pools
from pipeline.generators.world import ADJECTIVES, BANDS, COUNTRIES, GOODS, NOUNS, PAYMENT_METHODS, STATES

CUSTOMERS, PRODUCTS, SUPPLIERS = 1500, 400, 40  # at scale 1
SUBTYPES = [(goods, subtype) for goods in GOODS for subtype in goods.subtypes]
MILL = 1000  # prices are whole thousandths
ENDINGS = (990, 990, 990, 950, 900, 500, 0, 125)  # of a price, in thousandths

Row = tuple[Any, ...]


def customers_at_opening(scale: float) -> int:
    """The number of customers with which a shop of this scale opens."""
    return max(10, round(CUSTOMERS * scale))


def products_at_opening(scale: float) -> int:
    """The number of products with which a shop of this scale opens. The range grows slower than the business."""
    return max(len(SUBTYPES), round(PRODUCTS * sqrt(scale)))


def base_rows(rng: Random, pools: Pools, moment: int) -> Iterator[tuple[str, list[Row]]]:
    """The small tables that never change, each with its rows, in an order that foreign keys allow."""
    now = stamp(moment), stamp(moment)
    yield "ops.states", [(*state, *now) for state in STATES]
    yield "ops.payment_methods", [(key, name, *now) for key, name in enumerate(PAYMENT_METHODS, 1)]
    yield "ops.order_statuses", [(*status, *now) for status in STATUSES]
    yield "ops.product_types", [(key, goods.name, *now) for key, goods in enumerate(GOODS, 1)]
    yield (
        "ops.product_subtypes",
        [(key, GOODS.index(goods) + 1, subtype, *now) for key, (goods, subtype) in enumerate(SUBTYPES, 1)],
    )
    yield "ops.suppliers", [(*supplier(rng, pools, key), *now) for key in range(1, SUPPLIERS + 1)]


def supplier(rng: Random, pools: Pools, key: int) -> Row:
    """supplier_id, name, contact_email, country."""
    country = pools.countries[key % len(COUNTRIES)]
    email = f"orders@supplier-{key}.example.org" if rng.random() < 0.9 else None
    return key, country.companies[key // len(COUNTRIES)], email, country.country.name


def product(rng: Random, key: int, moment: int) -> Row:
    """product_id, sku, name, product_subtype_id, supplier_id, unit_price, created_ts, updated_ts."""
    subtype = (key - 1) % len(SUBTYPES)
    goods = SUBTYPES[subtype][0]
    name = goods.pattern.format(a=rng.choice(ADJECTIVES), n=rng.choice(NOUNS), who=rng.choice(BANDS))
    dearer = goods.cheapest * (goods.dearest / goods.cheapest) ** rng.random()
    price = int(dearer) * MILL + rng.choice(ENDINGS) or MILL
    now = stamp(moment)
    return key, f"OR-{key:05d}", name, subtype + 1, rng.randint(1, SUPPLIERS), price_text(price), now, now


def price_text(price: int) -> str:
    """A price in thousandths as a decimal number."""
    return f"{price // MILL}.{price % MILL:03d}"


def popularity(seed: int, key: int) -> float:
    """How often a product is bought, relative to others; some sell twenty times as well as most."""
    chance = int.from_bytes(blake2b(f"{seed}:popular:{key}".encode(), digest_size=4).digest()) / 2**32
    return float((0.02 + chance) ** -0.8)


def customer(
    rng: Random, pools: Pools, key: int, moment: int, registered_on: dt.date, growth: float
) -> tuple[Row, Row]:
    """A customer's row, and the address (without key and times) that the customer would give.

    `growth` is that of the growing country, as in `seasons`.
    """
    country = pools.somewhere(rng, growth)
    last_name = rng.choice(country.last_names)
    if rng.random() < 0.03:
        last_name = f"{last_name}-{rng.choice(country.last_names)}"
    email = pools.email(rng, key, last_name) if rng.random() < 0.97 else None
    phone = f"+{country.country.calling_code} 555 {rng.randrange(10**6):06d}" if rng.random() < 0.8 else None
    birth_date = registered_on - dt.timedelta(days=rng.randint(18 * 366, 80 * 365)) if rng.random() < 0.9 else None
    now = stamp(moment)
    row = key, rng.choice(country.first_names), last_name, email, phone, birth_date, registered_on, now, now
    return row, pools.address(rng, country)
