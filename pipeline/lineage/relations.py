"""What a select reads and gives: relations, with the columns behind each of their columns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce

from pipeline.lineage.graph import Column, Edge, Kind

Key = frozenset[str]


@dataclass(frozen=True)
class Sources:
    """The columns whose values go into something, and those that decide about it."""

    values: frozenset[Column] = frozenset()
    conditions: frozenset[Column] = frozenset()

    def __or__(self, other: "Sources") -> "Sources":
        return Sources(self.values | other.values, self.conditions | other.conditions)

    @property
    def every(self) -> frozenset[Column]:
        """The columns of both kinds."""
        return self.values | self.conditions

    @property
    def deciding(self) -> "Sources":
        """The same columns where they decide, and give no values."""
        return Sources(conditions=self.every)


NOTHING = Sources()


def together(found: Iterable[Sources]) -> Sources:
    """All of these sources."""
    return reduce(Sources.__or__, found, NOTHING)


@dataclass(frozen=True)
class Relation:
    """A table, or what a select gives: the sources of each column, and what decides which rows there are.

    No two rows are equal in the columns of one of the `keys`. The columns `identity` stand for the rows where nothing
    else is said of these: a key, or what of it is put out. A `name` is that of a table of the graph, whose columns are
    their own sources. By the columns `found_by` every reference finds a row: a dimension has the unknown member for
    those that wait.
    """

    columns: dict[str, Sources]
    rows: frozenset[Column] = frozenset()
    keys: frozenset[Key] = frozenset()
    identity: Key = frozenset()
    name: str = ""
    found_by: Key | None = None

    def renamed(self, names: Iterable[str]) -> "Relation":
        """The same relation with other names of its columns, in their order."""
        new = dict(zip(self.columns, names, strict=True))
        return replace(
            self,
            columns={new[name]: sources for name, sources in self.columns.items()},
            keys=frozenset(frozenset(new[name] for name in key) for key in self.keys),
            identity=frozenset(new[name] for name in self.identity),
        )


def table(
    name: str,
    columns: Iterable[str],
    keys: Iterable[Iterable[str]] = (),
    *,
    identity: Iterable[str] = (),
    found_by: Iterable[str] = (),
) -> Relation:
    """A table of the graph. Without an `identity` its first key stands for its rows, or all columns if it has none."""
    listed, found = tuple(columns), [frozenset(key) for key in keys]
    return Relation(
        {column: Sources(frozenset({Column(name, column)})) for column in listed},
        keys=frozenset(found),
        identity=frozenset(identity) or (found[0] if found else frozenset(listed)),
        name=name,
        found_by=frozenset(found_by) or None,
    )


def edges(target: str, made: Relation, where: str) -> Iterator[Edge]:
    """The edges to the columns of a table that is filled with a relation.

    What decides which rows there are bears on each column. A column that gives values and decides has an edge for the
    values alone. A table's own former rows are no source of the same column.
    """
    for name, sources in made.columns.items():
        column = Column(target, name)
        for source in sources.values - {column}:
            yield Edge(source, column, Kind.VALUE, where)
        for source in (sources.conditions | made.rows) - sources.values - {column}:
            yield Edge(source, column, Kind.CONDITION, where)
