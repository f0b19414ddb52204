"""The lineage of a column for people: what it is made of, and what breaks without it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.lineage.graph import Column, Kind, Lineage


@dataclass(frozen=True)
class Reached:
    """The columns of one relation at the end of some way: by value, and those that only a condition leads to."""

    relation: str
    by_value: tuple[str, ...]
    by_condition: tuple[str, ...]


@dataclass(frozen=True)
class ColumnWays:
    """A column both ways: directly, and all the way.

    `made_of` and `goes_into` are the direct neighbours by value; `before` and `after` is everything, by relation.
    `broken` are the missing columns of the source that bear on it.
    """

    made_of: tuple[Column, ...]
    goes_into: tuple[Column, ...]
    before: tuple[Reached, ...]
    after: tuple[Reached, ...]
    broken: tuple[Column, ...]


def of(lineage: Lineage, column: Column, broken: Iterable[Column]) -> ColumnWays:
    """The ways from and to a column."""
    upstream = lineage.upstream(column)
    missing = set(broken)
    return ColumnWays(
        tuple(sorted({edge.source for edge in lineage.sources(column) if edge.kind is Kind.VALUE})),
        tuple(sorted({edge.target for edge in lineage.targets(column) if edge.kind is Kind.VALUE})),
        _by_relation(upstream),
        _by_relation(lineage.downstream(column)),
        tuple(sorted(missing & ({column} | upstream.keys()))),
    )


def _by_relation(reached: Mapping[Column, Kind]) -> tuple[Reached, ...]:
    found: dict[str, tuple[list[str], list[str]]] = {}
    for column, kind in sorted(reached.items()):
        found.setdefault(column.relation, ([], []))[kind is not Kind.VALUE].append(column.name)
    return tuple(Reached(name, tuple(values), tuple(conditions)) for name, (values, conditions) in found.items())
