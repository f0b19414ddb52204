"""Writes rows into tables by COPY, with their values in the order of COLUMNS."""

import csv
import io
from collections.abc import Collection, Iterable

from pipeline.generators.entities import Row
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor

TIMES = "created_ts", "updated_ts"
COLUMNS: dict[str, tuple[str, ...]] = {
    "ops.states": ("state_code", "name", *TIMES),
    "ops.payment_methods": ("payment_method_id", "name", *TIMES),
    "ops.order_statuses": ("order_status_id", "name", "is_lost", *TIMES),
    "ops.product_types": ("product_type_id", "name", *TIMES),
    "ops.product_subtypes": ("product_subtype_id", "product_type_id", "name", *TIMES),
    "ops.suppliers": ("supplier_id", "name", "contact_email", "country", *TIMES),
    "ops.products": ("product_id", "sku", "name", "product_subtype_id", "supplier_id", "unit_price", *TIMES),
    "ops.addresses": ("address_id", "street", "unit", "city", "postal_code", "state_code", "country", *TIMES),
    "ops.customers": (
        *("customer_id", "first_name", "last_name", "email", "phone", "birth_date", "registered_on"),
        *TIMES,
    ),
    "ops.customers_addresses": ("customer_id", "address_id", *TIMES),
    "ops.orders": (
        *("order_id", "customer_id", "address_id", "payment_method_id", "order_status_id"),
        *("ordered_ts", "delivered_ts", *TIMES),
    ),
    "ops.order_lines": ("order_id", "line_number", "product_id", "quantity", "unit_price", *TIMES),
    "moved_order": ("order_id", "order_status_id", "delivered_ts", "updated_ts"),
}


def copy_rows(cursor: Cursor, table: str, rows: Collection[Row]) -> int:
    """Copies tuples with any characters in them; returns their number."""
    if not rows:
        return 0
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    source = io.BytesIO(text.getvalue().encode())
    return postgres.copy_in(cursor, postgres.qualified(table), COLUMNS[table], source, "format csv")


def copy_lines(cursor: Cursor, table: str, lines: Iterable[str]) -> int:
    """Copies lines in COPY's text format (numbers and times: nothing to escape); returns their number."""
    source = io.BytesIO("".join(lines).encode())
    return postgres.copy_in(cursor, postgres.qualified(table), COLUMNS[table], source, "format text")
