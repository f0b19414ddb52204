"""What a load of dwh keeps in the mart at once: labels of members, and sums of facts for which nothing else waits.

Each function works in the transaction of the load, which has the table's lock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.catalog import DIMENSIONS, FACTS, Dimension, Fact
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

    @property
    def span(self) -> str:
        """The column of the month or quarter, by which the star on the lake counts again."""
        return "quarter" if "quarter" in self.key else "month"


# By dimension the table of what views look up of its members, with its key; `warehouse/work/aggregate/` says what.
LABELS = {
    "dim_product": ("product_label", ("product_id",)),
    "dim_order_status": ("order_status", ("order_status_key",)),
}
# By fact its sums. The vendor's files come late at times; LoadMart, which waits for what it counts, would too.
SUMS = {"fact_review": Aggregate("agg_review_month", ("month",), ("reviews", "positive_reviews"))}

HAS_ROWS = "select exists (select from {}) or exists (select from {})"


def all_labels(cursor: Cursor, dimension: Dimension) -> None:
    """Keeps the labels of all members, after a first load. A rerun changes nothing."""
    _keep_labels(cursor, dimension, qualified(f"dwh.{dimension.name}"))


def written_labels(cursor: Cursor, dimension: Dimension) -> None:
    """Keeps the labels of the members in `work.<dimension>`, once they are written. A rerun changes nothing."""
    member = sql.Identifier(dimension.member)
    written = sql.SQL("(select * from {} where {} in (select {} from {}))").format(
        qualified(f"dwh.{dimension.name}"), member, member, qualified(f"work.{dimension.name}")
    )
    _keep_labels(cursor, dimension, written)


def fill(cursor: Cursor, fact: Fact) -> None:
    """Sums all rows of a fact anew, after a first load. Writes nothing where neither has rows."""
    aggregate = SUMS.get(fact.name)
    if aggregate and postgres.value(cursor, HAS_ROWS.format(f"dwh.{fact.name}", f"mart.{aggregate.name}")):
        cursor.execute(sql.SQL("delete from {}").format(qualified(f"mart.{aggregate.name}")))
        _add(cursor, fact, 1, sql.SQL("true"))


def fill_all(cursor: Cursor) -> None:
    """Keeps all labels and sums anew. Waits for the loads of these tables."""
    locks.lock_tables(cursor, *(f"dwh.{name}" for name in (*LABELS, *SUMS)), shared=True)
    for name in LABELS:
        all_labels(cursor, DIMENSIONS[name])
    for name in SUMS:
        fill(cursor, FACTS[name])


def add(cursor: Cursor, fact: Fact, sign: int, key: Sequence[str], keys: sql.Composable) -> None:
    """Adds to the sums of a fact its rows with some keys, a select, as they stand; of sign -1 subtracts them."""
    _add(cursor, fact, sign, sql.SQL("({}) in ({})").format(identifiers(key), keys))


def _add(cursor: Cursor, fact: Fact, sign: int, condition: sql.Composable) -> None:
    if aggregate := SUMS.get(fact.name):
        rows = sql.SQL("(select {} as sign, fact.* from {} as fact where {})").format(
            sql.Literal(sign), qualified(f"dwh.{fact.name}"), condition
        )
        sums = statement(f"work/aggregate/{aggregate.name}", reviews=rows)
        writes.add(cursor, f"mart.{aggregate.name}", aggregate.key, aggregate.measures, sums)


def _keep_labels(cursor: Cursor, dimension: Dimension, members: sql.Composable) -> None:
    if dimension.name in LABELS:
        name, key = LABELS[dimension.name]
        columns = writes.columns_of(cursor, f"mart.{name}")
        writes.merge(cursor, f"mart.{name}", key, columns, statement(f"work/aggregate/{name}", members=members))
