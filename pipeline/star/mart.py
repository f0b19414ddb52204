"""Star schema to mart: the aggregates behind the dashboards, kept by difference.

The load of a fact copies the old state of the rows that it writes to mart.order_before and mart.line_before. The load
of a dimension copies to mart.address_before, mart.customer_before and mart.product_before by what the facts of a member
were counted. `keep` subtracts the old state from the aggregates and adds the new one. Each function works in the
caller's transaction.
"""

import datetime as dt
from collections.abc import Callable, Iterator

from pipeline.catalog import STAR, Fact
from pipeline.kernel import locks, plans, postgres, writes
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.kernel.sql_files import statement
from pipeline.star import indexes, kept
from pipeline.star.kept import Aggregate

BY_MONTH = (
    Aggregate(
        "agg_order_month",
        ("month", "country", "order_status_key"),
        ("orders", "sales", "delivered_orders", "fulfilment"),
    ),
    Aggregate("agg_order_day", ("day", "month", "country", "order_status_key"), ("orders", "sales")),
    Aggregate("agg_product_month", ("month", "country", "product_id", "order_status_key"), ("sales", "orders")),
    Aggregate("agg_subtype_month", ("month", "country", "product_subtype", "order_status_key"), ("sales", "orders")),
)
RISKS = Aggregate("agg_risk_month", ("month", "risk_score", "order_status_key"), ("orders", "sales"))
BY_CUSTOMER = (
    Aggregate("agg_customer_quarter", ("quarter", "country"), ("customers",)),
    Aggregate("agg_customer_month", ("month",), ("customers",)),
)
SCORES = Aggregate("agg_risk_customer", ("risk_score",), ("customers",))
AGGREGATES = (*BY_MONTH, RISKS, *BY_CUSTOMER, SCORES)

# What the aggregates count, and by what. The load of each keeps the old state of the rows that it writes.
LOOKED_AT = tuple(target for target in STAR if target.before)
COUNTED = tuple(target.name for target in LOOKED_AT if isinstance(target, Fact))
BEFORE = tuple(f"mart.{target.before}" for target in LOOKED_AT)

IS_CURRENT = " and ".join(f"not exists (select from {table})" for table in ("mart.refill", *BEFORE))
ALL_SCORES = "(select 1 as sign, risk_score from dwh.dim_customer where customer_key <> -1)"
# The tables of the mart that are made of a whole table: the key, the table of dwh, and what the select reads of it.
WHOLE = {
    SCORES.name: (SCORES.key, "dim_customer", {"customers": ALL_SCORES}),
    **{
        sums.name: (sums.key, fact, {"reviews": f"(select 1 as sign, fact.* from dwh.{fact} as fact)"})  # noqa: S608
        for fact, sums in kept.SUMS.items()
    },
    **{name: (key, dimension, {"members": f"dwh.{dimension}"}) for dimension, (name, key) in kept.LABELS.items()},
}
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
    locks.lock(cursor, "mart")
    locks.lock_tables(cursor, *(f"dwh.{target.name}" for target in LOOKED_AT), shared=True)
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
    orders, lines, scores = (
        _relation(statement(f"work/aggregate/written_{name}")) for name in ("order", "line", "score")
    )
    count = _count_orders(cursor, orders)
    _count_products(cursor, lines)
    writes.temporary(cursor, "written_customer", statement("work/aggregate/written_customer"))
    more = [(RISKS, statement("work/aggregate/moved_score")), (SCORES, _of_scores(scores))]
    for aggregate, sums in [*_sums(sql.Identifier("written_customer")), *more]:
        writes.add(cursor, f"mart.{aggregate.name}", aggregate.key, aggregate.measures, sums)
    return count


def _fill(cursor: Cursor, progress: Callable[[str, float], None]) -> int:
    """Counts quarter by quarter, because a quarter fits in memory. Builds the keys once at the end."""
    _sample_little(cursor)
    plans.prefer_merging(cursor)
    for aggregate in AGGREGATES:
        cursor.execute(sql.SQL("truncate {}").format(qualified(f"mart.{aggregate.name}")))
        _alter_key(cursor, aggregate, "drop constraint if exists {name}")
    indexes.build(cursor, *COUNTED)
    count = 0
    quarters = [start for (start,) in postgres.rows(cursor, QUARTERS)]
    for number, start in enumerate(quarters):
        progress(f"counting the quarter from {start:%Y-%m-%d}", 100 * number / len(quarters))
        count += _fill_quarter(cursor, start)
    _insert(cursor, SCORES, _of_scores(sql.SQL(ALL_SCORES)))
    for aggregate in AGGREGATES:
        _alter_key(cursor, aggregate, "add constraint {name} primary key ({key})")
        cursor.execute(sql.SQL("analyze {}").format(qualified(f"mart.{aggregate.name}")))
    return count


def _fill_quarter(cursor: Cursor, start: dt.datetime) -> int:
    count = _count_orders(cursor, _of_quarter(start))
    _count_products(cursor, _between(cursor))
    for aggregate, sums in _sums(customers=sql.Identifier("counted_order")):
        _insert(cursor, aggregate, sums)
    return count


def _insert(cursor: Cursor, aggregate: Aggregate, sums: sql.Composable) -> None:
    writes.insert(cursor, f"mart.{aggregate.name}", (*aggregate.key, *aggregate.measures), sums)


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


def _count_products(cursor: Cursor, lines: sql.Composable) -> None:
    """Makes counted_product of lines, each with a sign, of the orders in counted_order."""
    # One after the other: in one statement the sort, the join and the sums push each other out of the CPU's cache.
    writes.temporary(cursor, "counted_line", statement("work/aggregate/counted_line", lines=lines))
    writes.temporary(cursor, "counted_product", statement("work/aggregate/counted_product"))


def _sums(customers: sql.Composable) -> Iterator[tuple[Aggregate, sql.Composed]]:
    """Each aggregate with the select that sums counted_order and counted_product, or the orders of customers."""
    for aggregate in (*BY_MONTH, RISKS):
        yield aggregate, statement(f"work/aggregate/{aggregate.name}")
    for aggregate in BY_CUSTOMER:
        yield aggregate, statement(f"work/aggregate/{aggregate.name}", orders=customers)


def _of_scores(customers: sql.Composable) -> sql.Composed:
    return statement(f"work/aggregate/{SCORES.name}", customers=customers)


def _sample_little(cursor: Cursor) -> None:
    """Makes `analyze` take a small sample, which is enough to know the number of rows."""
    cursor.execute("set local default_statistics_target = 10")


def _alter_key(cursor: Cursor, aggregate: Aggregate, action: str) -> None:
    change = sql.SQL(action).format(name=sql.Identifier(f"{aggregate.name}_pkey"), key=identifiers(aggregate.key))
    cursor.execute(sql.SQL("alter table {} {}").format(qualified(f"mart.{aggregate.name}"), change))


def _relation(select: sql.Composable) -> sql.Composed:
    return sql.SQL("({})").format(select)
