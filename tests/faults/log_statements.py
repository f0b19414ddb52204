"""What sessions do to a source whose log is read: statements of all kinds, chosen by chance."""

import random
from collections.abc import Callable, Sequence
from typing import Any

BULK = 10_000  # rows of one statement
TEXTS = (
    "",
    " ",
    "NULL",
    '"',
    "'",
    ",",
    "a,b",
    "line\nline",
    "\r\n",
    "\\",
    "\\.",
    "\\N",
    "\t",
    "🐙 krake",
    "é",
    "{}",
    "%s",
)
# Of each kind of change one, whatever the writers did.
ONE_OF_EACH = """
insert into ops.products (product_id, sku, name, product_subtype_id, supplier_id, unit_price)
values (90, 'one of each', repeat('海', 900), 1, 1, 1);
update ops.products set unit_price = 2 where product_id = 90;
update ops.products set product_id = 91 where product_id = 90;
update ops.products set product_id = 92, name = 'short' where product_id = 91;
update ops.products set unit_price = 3 where product_id = 92;
delete from ops.products where product_id = 92;
truncate ops.customers_addresses;
"""
Statement = tuple[str, Sequence[Any]]


def long_text(chance: random.Random) -> str:
    """A text that a table keeps out of line."""
    return "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(900))


def odd_text(chance: random.Random) -> str:
    """A short text of what is written in another way in CSV."""
    return "".join(chance.choices(TEXTS, k=3))


def _id(chance: random.Random) -> int:
    return chance.randrange(1, 40)


def _insert_product(chance: random.Random) -> Statement:
    name = long_text(chance) if chance.random() < 0.7 else "short"
    return (
        "insert into ops.products (product_id, sku, name, product_subtype_id, supplier_id, unit_price) "
        "values (%s, %s, %s, 1, 1, %s) on conflict do nothing",
        (_id(chance), f"{chance.getrandbits(60):x}", name, chance.randrange(1, 100)),
    )


def _update_price(chance: random.Random) -> Statement:
    touched = chance.choice(["", ", updated_ts = clock_timestamp()"])
    return (
        f"update ops.products set unit_price = unit_price %% 1000 + %s{touched} where product_id between %s and %s",
        (chance.randrange(1, 9), number := _id(chance), number + chance.randrange(0, 8)),
    )


def _update_name(chance: random.Random) -> Statement:
    return "update ops.products set name = %s where product_id = %s", (long_text(chance), _id(chance))


def _move_product(chance: random.Random) -> Statement:
    moved = "product_id = new.id" + chance.choice(["", ", unit_price = unit_price %% 1000 + 1"])
    return (
        f"update ops.products set {moved} from (select %s::bigint as id) as new "
        "where product_id = %s and not exists (select from ops.products where product_id = new.id)",
        (_id(chance), _id(chance)),
    )


def _delete_product(chance: random.Random) -> Statement:
    return "delete from ops.products where product_id = %s", (_id(chance),)


def _insert_supplier(chance: random.Random) -> Statement:
    return (
        "insert into ops.suppliers (supplier_id, name, contact_email, country) values (%s, %s, %s, %s) "
        "on conflict do nothing",
        (_id(chance), odd_text(chance), chance.choice([None, "", odd_text(chance)]), odd_text(chance)),
    )


def _update_supplier(chance: random.Random) -> Statement:
    query = "update ops.suppliers set name = %s, contact_email = %s where supplier_id = %s"
    return query, (odd_text(chance), chance.choice([None, "", odd_text(chance)]), _id(chance))


def _move_suppliers(chance: random.Random) -> Statement:
    return (
        "update ops.suppliers set supplier_id = supplier_id + %s where supplier_id = %s",
        (chance.choice([-1, 1, 100]), _id(chance) + chance.choice([0, 100])),
    )


def _delete_supplier(chance: random.Random) -> Statement:
    return "delete from ops.suppliers where supplier_id = %s", (_id(chance),)


def _bulk(chance: random.Random) -> Statement:
    return (
        "insert into ops.customers_addresses (customer_id, address_id) "
        "select %s, number from generate_series(1, %s) as number on conflict do nothing",
        (chance.randrange(1, 3), BULK),
    )


def _update_bulk(chance: random.Random) -> Statement:
    query = "update ops.customers_addresses set updated_ts = now() where customer_id = %s and address_id %% 7 = %s"
    return query, (chance.randrange(1, 3), chance.randrange(7))


def _move_some(chance: random.Random) -> Statement:
    return (
        "update ops.customers_addresses set customer_id = 10 + customer_id where customer_id = %s and address_id < %s",
        (chance.randrange(1, 3), chance.randrange(1, 50)),
    )


def _delete_some(chance: random.Random) -> Statement:
    query = "delete from ops.customers_addresses where address_id %% 5 = %s or customer_id > 10"
    return query, (chance.randrange(5),)


def _truncate(chance: random.Random) -> Statement:
    return f"truncate {', '.join(chance.choice([['ops.customers_addresses'], ['ops.products'], TRUNCATED]))}", ()


TRUNCATED = ["ops.customers_addresses", "ops.suppliers"]
STATEMENTS: dict[Callable[[random.Random], Statement], int] = {
    _insert_product: 20,
    _update_price: 20,
    _update_name: 5,
    _move_product: 12,
    _delete_product: 4,
    _insert_supplier: 10,
    _update_supplier: 10,
    _move_suppliers: 8,
    _delete_supplier: 4,
    _bulk: 1,
    _update_bulk: 1,
    _move_some: 2,
    _delete_some: 1,
    _truncate: 1,
}
