"""Star schema to mart: the aggregates behind the dashboards, kept by difference.

The load of a fact copies the old state of the rows that it writes to mart.order_before and mart.line_before. The load
of a dimension copies to mart.address_before and mart.product_before by what the facts of a member were counted. `keep`
subtracts the old state from the aggregates and adds the new one. Each function works in the caller's transaction.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.catalog import DIMENSIONS, FACTS, Dimension, Fact
from pipeline.kernel import locks, postgres, writes
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.kernel.sql_files import statement
from pipeline.star import indexes


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
        ("month", "country", "order_status_key"),
        ("orders", "sales", "delivered_orders", "fulfilment"),
    ),
    Aggregate("agg_product_month", ("month", "country", "product_id", "order_status_key"), ("sales", "orders")),
    Aggregate("agg_subtype_month", ("month", "country", "product_subtype", "order_status_key"), ("sales", "orders")),
)
CUSTOMERS = Aggregate("agg_customer_quarter", ("quarter", "country"), ("customers",))
AGGREGATES = (*BY_MONTH, CUSTOMERS)

# What the aggregates count, and by what. The load of each keeps the old state of the rows that it writes.
STAR: list[Dimension | Fact] = [*DIMENSIONS.values(), *FACTS.values()]
LOOKED_AT = tuple(target for target in STAR if target.before)
COUNTED = tuple(target.name for target in LOOKED_AT if isinstance(target, Fact))
BEFORE = tuple(f"mart.{target.before}" for target in LOOKED_AT)

IS_CURRENT = " and ".join(f"not exists (select from {table})" for table in ("mart.refill", *BEFORE))
QUARTERS = "select distinct date_trunc('quarter', ordered_ts) from dwh.fact_order order by 1"


def is_current(cursor: Cursor) -> bool:
    """Whether the aggregates have counted all loaded rows."""
    current: bool = postgres.value(cursor, f"select {IS_CURRENT}")
    return current


def keep(cursor: Cursor, progress: Callable[[str, float], None]) -> int:
    """Brings the aggregates up to date with the facts, and returns how many orders were counted.

    Counts what was written or moved since its last run. Counts everything, quarter by quarter, if a refill is due. A
    rerun finds nothing to do. Waits for loads of the facts, and of the dimensions that move them, and keeps them out
    until the transaction ends.
    """
    locks.lock_tables(cursor, *(f"dwh.{target.name}" for target in LOOKED_AT))
    cursor.execute("delete from mart.refill")
    counted = _fill(cursor, progress) if cursor.rowcount else _add_difference(cursor)
    for table in BEFORE:
        cursor.execute(sql.SQL("delete from {}").format(qualified(table)))
    return counted


def _add_difference(cursor: Cursor) -> int:
    if is_current(cursor):
        return 0
    _sample_little(cursor)
    # Their rows come and go with each load, too fast for autovacuum to know how many there are.
    cursor.execute(sql.SQL("analyze {}").format(sql.SQL(", ").join(map(qualified, BEFORE))))
    written = _relation(statement("work/aggregate/written_order"))
    writes.temporary(cursor, "counted_order", statement("work/aggregate/counted_order", orders=written))
    orders, lines = sql.Identifier("counted_order"), _relation(statement("work/aggregate/written_line"))
    _count_products(cursor, orders, lines)
    for aggregate, sums in _sums(orders, customers=_relation(statement("work/aggregate/written_customer"))):
        writes.add(cursor, f"mart.{aggregate.name}", aggregate.key, aggregate.measures, sums)
    count: int = postgres.value(cursor, "select count(distinct order_id) from counted_order")
    return count


def _fill(cursor: Cursor, progress: Callable[[str, float], None]) -> int:
    """Counts quarter by quarter, because a quarter fits in memory. Builds the keys once at the end."""
    _sample_little(cursor)
    for aggregate in AGGREGATES:
        cursor.execute(sql.SQL("truncate {}").format(qualified(f"mart.{aggregate.name}")))
        _alter_key(cursor, aggregate, "drop constraint if exists {name}")
    indexes.build(cursor, *COUNTED)
    quarters = [start for (start,) in postgres.rows(cursor, QUARTERS)]
    for number, start in enumerate(quarters):
        progress(f"counting the quarter from {start:%Y-%m-%d}", 100 * number / len(quarters))
        _fill_quarter(cursor, start)
    for aggregate in AGGREGATES:
        _alter_key(cursor, aggregate, "add constraint {name} primary key ({key})")
        cursor.execute(sql.SQL("analyze {}").format(qualified(f"mart.{aggregate.name}")))
    count: int = postgres.value(cursor, "select coalesce(sum(orders), 0)::bigint from mart.agg_order_month")
    return count


def _fill_quarter(cursor: Cursor, start: dt.datetime) -> None:
    orders = _relation(statement("work/aggregate/counted_order", orders=_of_quarter(start)))
    _count_products(cursor, orders, _between(cursor, start))
    for aggregate, sums in _sums(orders, customers=orders):
        # PostgreSQL computes what it keeps as a new table on several cores, and what it inserts on one.
        writes.temporary(cursor, "sums", sums)
        columns = (*aggregate.key, *aggregate.measures)
        writes.insert(cursor, f"mart.{aggregate.name}", columns, sql.SQL("select * from sums"))


def _of_quarter(start: dt.datetime) -> sql.Composed:
    return sql.SQL(
        "(select 1 as sign, fact_order.* from dwh.fact_order "
        "where ordered_ts >= {start} and ordered_ts < {start} + interval '3 months')"
    ).format(start=sql.Literal(start))


def _between(cursor: Cursor, start: dt.datetime) -> sql.Composed:
    """The lines of the orders of a quarter, and of other orders with numbers between theirs."""
    numbers = sql.SQL("select min(order_id), max(order_id) from {} as orders").format(_of_quarter(start))
    [(first, last)] = postgres.rows(cursor, numbers)
    return sql.SQL(
        "(select 1 as sign, order_id, product_key, line_amount, is_deleted from dwh.fact_order_line "
        "where order_id between {} and {})"
    ).format(sql.Literal(first), sql.Literal(last))


def _count_products(cursor: Cursor, orders: sql.Composable, lines: sql.Composable) -> None:
    """Makes counted_product of lines and their orders, each with a sign."""
    select = statement("work/aggregate/counted_product", orders=orders, lines=lines)
    writes.temporary(cursor, "counted_product", select)


def _sums(orders: sql.Composable, customers: sql.Composable) -> Iterator[tuple[Aggregate, sql.Composed]]:
    """Each aggregate with the select that sums orders, counted_product, or the orders of customers."""
    for aggregate in BY_MONTH:
        yield aggregate, statement(f"work/aggregate/{aggregate.name}", orders=orders)
    yield CUSTOMERS, statement(f"work/aggregate/{CUSTOMERS.name}", orders=customers)


def _sample_little(cursor: Cursor) -> None:
    """Makes `analyze` take a small sample, which is enough to know the number of rows."""
    cursor.execute("set local default_statistics_target = 10")


def _alter_key(cursor: Cursor, aggregate: Aggregate, action: str) -> None:
    change = sql.SQL(action).format(name=sql.Identifier(f"{aggregate.name}_pkey"), key=identifiers(aggregate.key))
    cursor.execute(sql.SQL("alter table {} {}").format(qualified(f"mart.{aggregate.name}"), change))


def _relation(select: sql.Composable) -> sql.Composed:
    return sql.SQL("({})").format(select)
