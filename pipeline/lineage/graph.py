"""The graph: columns, what makes them, and what follows from them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property


@dataclass(frozen=True, order=True)
class Column:
    """A column of a relation: `ops.orders` and `customer_id`.

    >>> str(Column("ops.orders", "customer_id"))
    'ops.orders.customer_id'
    """

    relation: str
    name: str

    def __str__(self) -> str:
        return f"{self.relation}.{self.name}"


class Kind(StrEnum):
    """How a column bears on another one: its values go into that one's, or decide which rows and values that has."""

    VALUE = "value"
    CONDITION = "condition"


@dataclass(frozen=True, order=True)
class Edge:
    """A column that bears on another one directly; `where` is the file that says so, from the project's root."""

    source: Column
    target: Column
    kind: Kind
    where: str


@dataclass(frozen=True)
class Lineage:
    """All edges, which can be followed both ways."""

    edges: frozenset[Edge]

    def sources(self, column: Column) -> frozenset[Edge]:
        """The edges that end at a column."""
        return self._by_target.get(column, frozenset())

    def targets(self, column: Column) -> frozenset[Edge]:
        """The edges that begin at a column."""
        return self._by_source.get(column, frozenset())

    def upstream(self, column: Column) -> dict[Column, Kind]:
        """All columns that bear on a column, directly or not: by VALUE if a path of such edges alone leads here."""
        return _reached(column, lambda at: ((edge.source, edge.kind) for edge in self.sources(at)))

    def downstream(self, column: Column) -> dict[Column, Kind]:
        """All columns that a column bears on, directly or not: by VALUE if a path of such edges alone leads there."""
        return _reached(column, lambda at: ((edge.target, edge.kind) for edge in self.targets(at)))

    def columns(self) -> list[Column]:
        """All columns that have an edge, sorted."""
        return sorted(self._by_source.keys() | self._by_target.keys())

    @cached_property
    def _by_source(self) -> dict[Column, frozenset[Edge]]:
        return _grouped(self.edges, lambda edge: edge.source)

    @cached_property
    def _by_target(self) -> dict[Column, frozenset[Edge]]:
        return _grouped(self.edges, lambda edge: edge.target)


def _grouped(edges: Iterable[Edge], by: Callable[[Edge], Column]) -> dict[Column, frozenset[Edge]]:
    found: dict[Column, set[Edge]] = {}
    for edge in edges:
        found.setdefault(by(edge), set()).add(edge)
    return {column: frozenset(of_it) for column, of_it in found.items()}


def _reached(start: Column, steps: Callable[[Column], Iterable[tuple[Column, Kind]]]) -> dict[Column, Kind]:
    """What can be reached from a column, in the order of the names; the column itself is left out."""
    by_value = _closure(start, lambda at: (there for there, kind in steps(at) if kind is Kind.VALUE))
    by_any = _closure(start, lambda at: (there for there, _ in steps(at)))
    return {there: Kind.VALUE if there in by_value else Kind.CONDITION for there in sorted(by_any - {start})}


def _closure(start: Column, steps: Callable[[Column], Iterable[Column]]) -> set[Column]:
    found, left = {start}, [start]
    while left:
        new = set(steps(left.pop())) - found
        found |= new
        left += new
    return found
