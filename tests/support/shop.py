"""A small shop made by hand: a source with one row of everything, and functions that change it."""

import datetime as dt
from typing import Any

from support.loads import create_source
from support.world import World

OPENING = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
KEYS = {"orders": ("order_id",), "order_lines": ("order_id", "line_number"), "products": ("product_id",)}


def at(day: int, hour: float = 12) -> dt.datetime:
    """An instant: day 1 is 2026-01-01."""
    return OPENING + dt.timedelta(days=day - 1, hours=hour)


def date(day: int) -> dt.date:
    """A date: day 1 is 2026-01-01."""
    return at(day).date()


def insert(world: World, table: str, updated: dt.datetime, **row: Any) -> None:
    """Inserts a row into a source table."""
    row |= {"created_ts": updated, "updated_ts": updated}
    places = ", ".join(["%s"] * len(row))
    world.source(f"insert into ops.{table} ({', '.join(row)}) values ({places})", list(row.values()))


def update(world: World, table: str, key: dict[str, Any], updated: dt.datetime, **changes: Any) -> None:
    """Changes a row of a source table."""
    changes |= {"updated_ts": updated}
    sets = ", ".join(f"{name} = %s" for name in changes)
    where = " and ".join(f"{name} = %s" for name in key)
    world.source(f"update ops.{table} set {sets} where {where}", [*changes.values(), *key.values()])


def open_shop(world: World) -> None:
    """A source with customer 1, address 1, product 1 at 10.00 from supplier 1, and two order statuses; no orders."""
    create_source(world)
    insert(world, "states", OPENING, state_code="CA", name="California")
    insert(world, "addresses", OPENING, address_id=1, street="1 Pier", city="Eureka", state_code="CA", country="USA")
    insert(world, "customers", OPENING, customer_id=1, first_name="Ada", last_name="Byron", registered_on=date(1))
    insert(world, "suppliers", OPENING, supplier_id=1, name="Kelp & Co", country="USA")
    insert(world, "suppliers", OPENING, supplier_id=2, name="Coral Ltd", country="UK")
    insert(world, "product_types", OPENING, product_type_id=1, name="Records")
    insert(world, "product_subtypes", OPENING, product_subtype_id=1, product_type_id=1, name="Vinyl")
    insert(world, "payment_methods", OPENING, payment_method_id=1, name="Card")
    insert(world, "order_statuses", OPENING, order_status_id=1, name="placed", is_lost=False)
    insert(world, "order_statuses", OPENING, order_status_id=2, name="lost", is_lost=True)
    add_product(world, 1, 10)


def add_product(world: World, product_id: int, price: float, updated: dt.datetime = OPENING) -> None:
    """Adds a product of supplier 1."""
    insert(
        world, "products", updated, product_id=product_id, sku=f"SKU-{product_id}", name=f"Record {product_id}",
        product_subtype_id=1, supplier_id=1, unit_price=price,
    )  # fmt: skip


def add_order(
    world: World, order_id: int, ordered: dt.datetime, *products: int, price: float = 10, **more: Any
) -> None:
    """Adds an order of customer 1 with a line of quantity 2 for each product."""
    row = {"customer_id": 1, "address_id": 1, "payment_method_id": 1, "order_status_id": 1, "ordered_ts": ordered}
    insert(world, "orders", ordered, order_id=order_id, **row | more)
    for number, product in enumerate(products, 1):
        insert(
            world, "order_lines", ordered, order_id=order_id, line_number=number, product_id=product, quantity=2,
            unit_price=price,
        )  # fmt: skip
