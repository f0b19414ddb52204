"""The reprocessing queue: rows of facts that wait for a row of a dimension, each with its missing key.

A load of a fact looks at the rows of its own changes and at the rows that are due. A row is due if its missing key has
come since the last load, or if a dimension reopened it. So the cost depends on the rows that came, not on those that
wait.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.catalog import DIMENSIONS, Dimension, Fact
from pipeline.kernel import postgres, writes
from pipeline.kernel.postgres import Cursor, qualified, sql
from pipeline.kernel.sql_files import statement
from pipeline.star import watermarks


@dataclass(frozen=True)
class Arrivals:
    """The last member that a fact has seen of each of its dimensions, and the newest member."""

    after: Mapping[str, int]
    newest: Mapping[str, int]

    def note(self, cursor: Cursor, fact: Fact) -> None:
        """Notes that a fact has seen these members."""
        new = {name: newest for name, newest in self.newest.items() if newest != self.after[name]}
        watermarks.note(cursor, fact.name, new)


def arrivals(cursor: Cursor, fact: Fact) -> Arrivals:
    """The members that are new for a fact.

    Call this before the keys are looked up: the next load then looks again for a member that came in between.
    """
    after, _ = watermarks.read(cursor, fact.name, fact.dimensions)
    newest = [
        sql.SQL("select {}, ({})").format(sql.Literal(name), _newest(DIMENSIONS[name])) for name in fact.dimensions
    ]
    return Arrivals(after, dict(postgres.rows(cursor, sql.SQL(" union all ").join(newest))))


def due(fact: Fact, arrived: Arrivals) -> sql.Composed:
    """Selects the business keys of a fact's rows in the queue that are due."""
    selects = [statement("work/queue/reopened", fact=fact.name)]
    for name, newest in arrived.newest.items():
        if newest != arrived.after[name]:
            members = _members(DIMENSIONS[name], arrived.after[name])
            selects.append(statement("work/queue/arrived", fact=fact.name, dimension=name, members=members))
    return sql.SQL(" union all ").join(selects)


def can_heal(cursor: Cursor, fact: Fact) -> bool:
    """Whether a member that came since a fact was loaded may heal one of its rows in the queue."""
    query = sql.SQL("select exists ({})").format(due(fact, arrivals(cursor, fact)))
    found: bool = postgres.value(cursor, query)
    return found


def is_waiting(cursor: Cursor, fact: Fact) -> bool:
    """Whether rows of the fact wait in the queue."""
    found: bool = postgres.value(
        cursor, "select exists (select from etl.queue_count where fact_table = %s)", (fact.name,)
    )
    return found


def settle(cursor: Cursor, fact: Fact, changed: sql.Composable, looked_at: sql.Composable) -> None:
    """Updates the queue after a load of a fact, which wrote `changed` and looked at these keys."""
    writes.temporary(cursor, "missing", statement(f"work/queue/{fact.name}_missing", changed=changed))
    missing = sql.SQL("select business_key, dimension, dimension_key from missing")
    cursor.execute(statement("write/queue_closed", fact=fact.name, select=missing, looked_at=looked_at))
    cursor.execute(statement("write/queue", fact=fact.name, select=missing))


def looked_at(fact: Fact) -> sql.Composed:
    """Selects the business keys that a daily load looked at: changed rows, and rows that were due."""
    name = fact.changed.replace("changed_", "looked_at_")
    changed = statement(f"work/queue/{name}", changed=sql.Identifier("changed"))
    return sql.SQL("{} union all select business_key from due").format(changed)


def every_row(fact: Fact) -> sql.Composed:
    """Selects the business keys of all waiting rows, which a first load looks at."""
    query = "select business_key from etl.reprocessing_queue where fact_table = {} and resolved_ts is null"
    return sql.SQL(query).format(sql.Literal(fact.name))


def reopen(cursor: Cursor, fact: str, select: sql.Composable) -> None:
    """Makes the next load of a fact look at these rows, whether they are loaded or wait."""
    cursor.execute(statement("write/queue_reopened", fact=fact, select=select))


def _newest(dimension: Dimension) -> sql.Composed:
    """Selects a number that changes if a dimension gets new members: the newest key, or for days their number.

    Surrogate keys are drawn while the dimension is locked, so their order is the order of commits.
    """
    newest = "select coalesce(max({}), 0) from {}" if dimension.is_numbered else "select count({}) from {}"
    return sql.SQL(newest).format(sql.Identifier(dimension.surrogate), qualified(f"dwh.{dimension.name}"))


def _members(dimension: Dimension, after: int) -> sql.Composed:
    """Selects the source's keys of the members after one, or all days, because a new day may be before the others."""
    return sql.SQL("(select {}::text as dimension_key from {} where {} > {})").format(
        sql.Identifier(dimension.member),
        qualified(f"dwh.{dimension.name}"),
        sql.Identifier(dimension.surrogate),
        sql.Literal(after if dimension.is_numbered else watermarks.BEGINNING),
    )
