"""Star schema to mart: the aggregates behind the dashboards, kept by difference.

The load of a fact copies the old state of the rows that it writes to mart.order_before and mart.line_before. `keep`
subtracts the old state from the aggregates and adds the new one. Each function works in the caller's transaction.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.catalog import FACTS
from pipeline.kernel import locks, postgres, writes
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.kernel.sql_files import statement


@dataclass(frozen=True)
class Aggregate:
    """A table of sums over facts: one row for each `key`, with the sums `measures`.

    The select in `warehouse/work/aggregate/<name>.sql` computes the sums.
    """

    name: str
    key: tuple[str, ...]
    measures: tuple[str, ...]


BY_MONTH = (
    Aggregate(
        "agg_order_month",
        ("month", "country"),
        ("orders", "lost_orders", "sales", "delivered_orders", "fulfilment"),
    ),
    Aggregate("agg_product_month", ("month", "country", "product_id"), ("sales", "orders")),
    Aggregate("agg_subtype_month", ("month", "country", "product_subtype"), ("sales", "orders")),
)
CUSTOMERS = Aggregate("agg_customer_quarter", ("quarter", "country"), ("customers",))
AGGREGATES = (*BY_MONTH, CUSTOMERS)

# The facts that the aggregates count. The load of each keeps the old state of the rows that it writes.
COUNTED = tuple(fact.name for fact in FACTS.values() if fact.before)

IS_CURRENT = """
select not exists (select from mart.refill)
    and not exists (select from mart.order_before)
    and not exists (select from mart.line_before)
"""
QUARTERS = "select distinct date_trunc('quarter', ordered_ts) from dwh.fact_order order by 1"


def is_current(cursor: Cursor) -> bool:
    """Whether the aggregates have counted all loaded rows."""
    current: bool = postgres.value(cursor, IS_CURRENT)
    return current


def keep(cursor: Cursor, progress: Callable[[str, float], None]) -> int:
    """Brings the aggregates up to date with the facts, and returns how many orders were counted.

    Counts the rows that were written since its last run. Counts everything, quarter by quarter, if a refill is due. A
    rerun finds nothing to do. Waits for loads of the facts, and keeps them out until the transaction ends.
    """
    locks.lock_tables(cursor, *(f"dwh.{fact}" for fact in COUNTED))
    cursor.execute("delete from mart.refill")
    counted = _fill(cursor, progress) if cursor.rowcount else _add_difference(cursor)
    cursor.execute("delete from mart.order_before")
    cursor.execute("delete from mart.line_before")
    return counted


def _add_difference(cursor: Cursor) -> int:
    if is_current(cursor):
        return 0
    _sample_little(cursor)
    # Their rows come and go with each load, too fast for autovacuum to know how many there are.
    cursor.execute("analyze mart.order_before, mart.line_before")
    orders = _count_orders(cursor, _relation(statement("work/aggregate/written_order")))
    _count_lines(cursor, _relation(statement("work/aggregate/written_line")))
    for aggregate in BY_MONTH:
        _add(cursor, aggregate, statement(f"work/aggregate/{aggregate.name}"))
    customers = _relation(statement("work/aggregate/written_customer"))
    _add(cursor, CUSTOMERS, statement(f"work/aggregate/{CUSTOMERS.name}", orders=customers))
    return orders


def _fill(cursor: Cursor, progress: Callable[[str, float], None]) -> int:
    """Counts quarter by quarter, because a quarter fits in memory. Builds the keys once at the end."""
    _sample_little(cursor)
    for aggregate in AGGREGATES:
        cursor.execute(sql.SQL("truncate {}").format(qualified(f"mart.{aggregate.name}")))
        _alter_key(cursor, aggregate, "drop constraint if exists {name}")
    # Each difference looks up a customer's other orders. A first load is faster without this index.
    cursor.execute("create index if not exists fact_order_customer_key on dwh.fact_order (customer_key)")
    orders = 0
    quarters = [start for (start,) in postgres.rows(cursor, QUARTERS)]
    for number, start in enumerate(quarters):
        progress(f"counting the quarter from {start:%Y-%m-%d}", 100 * number / len(quarters))
        orders += _count_orders(cursor, _of_quarter(start))
        _count_lines(cursor, _between(cursor))
        for aggregate in BY_MONTH:
            _insert(cursor, aggregate, statement(f"work/aggregate/{aggregate.name}"))
        customers = sql.Identifier("counted_order")
        _insert(cursor, CUSTOMERS, statement(f"work/aggregate/{CUSTOMERS.name}", orders=customers))
    for aggregate in AGGREGATES:
        _alter_key(cursor, aggregate, "add constraint {name} primary key ({key})")
        cursor.execute(sql.SQL("analyze {}").format(qualified(f"mart.{aggregate.name}")))
    return orders


def _of_quarter(start: dt.datetime) -> sql.Composed:
    return sql.SQL(
        "(select 1 as sign, fact_order.* from dwh.fact_order "
        "where ordered_ts >= {start} and ordered_ts < {start} + interval '3 months')"
    ).format(start=sql.Literal(start))


def _between(cursor: Cursor) -> sql.Composed:
    """The lines of the orders in counted_order, and of other orders with numbers between theirs."""
    [(first, last)] = postgres.rows(cursor, "select min(order_id), max(order_id) from counted_order")
    return sql.SQL(
        "(select 1 as sign, order_id, product_key, line_amount, is_deleted from dwh.fact_order_line "
        "where order_id between {} and {})"
    ).format(sql.Literal(first), sql.Literal(last))


def _count_orders(cursor: Cursor, orders: sql.Composable) -> int:
    """Makes counted_order of orders, each with a sign; returns how many."""
    return writes.temporary(cursor, "counted_order", statement("work/aggregate/counted_order", orders=orders))


def _count_lines(cursor: Cursor, lines: sql.Composable) -> None:
    """Makes counted_line of lines, each with a sign, of the orders in counted_order."""
    writes.temporary(cursor, "counted_line", statement("work/aggregate/counted_line", lines=lines))


def _insert(cursor: Cursor, aggregate: Aggregate, select: sql.Composable) -> None:
    writes.insert(cursor, f"mart.{aggregate.name}", (*aggregate.key, *aggregate.measures), select)


def _add(cursor: Cursor, aggregate: Aggregate, select: sql.Composable) -> None:
    writes.add(cursor, f"mart.{aggregate.name}", aggregate.key, aggregate.measures, select)


def _sample_little(cursor: Cursor) -> None:
    """Makes `analyze` take a small sample, which is enough to know the number of rows."""
    cursor.execute("set local default_statistics_target = 10")


def _alter_key(cursor: Cursor, aggregate: Aggregate, action: str) -> None:
    change = sql.SQL(action).format(name=sql.Identifier(f"{aggregate.name}_pkey"), key=identifiers(aggregate.key))
    cursor.execute(sql.SQL("alter table {} {}").format(qualified(f"mart.{aggregate.name}"), change))


def _relation(select: sql.Composable) -> sql.Composed:
    return sql.SQL("({})").format(select)
