"""The graph while it is drawn: the tables known so far, and the edges."""

from collections.abc import Iterable, Mapping

from pipeline.lineage import relations, select_files
from pipeline.lineage.graph import Column, Edge, Kind
from pipeline.lineage.known_tables import Drawn, drawn, tables
from pipeline.lineage.relations import Relation
from pipeline.lineage.select_files import LineageUnknown


class Draft:
    """Tables by their names, and edges between their columns."""

    def __init__(self) -> None:
        self.known = tables()
        self.edges: set[Edge] = set()
        self._drawn = {each.table: each for each in drawn()}
        for each in self._drawn.values():
            self._draw(each)

    def read(self, path: str, given: Mapping[str, Relation] | None = None) -> Relation:
        """What the select `warehouse/<path>.sql` gives; `given` are the relations that are no tables."""
        return select_files.of_file(path, {**self.known, **(given or {})})

    def fill(self, target: str, path: str, given: Mapping[str, Relation] | None = None) -> Relation:
        """Draws the edges of a table that is filled by the select `warehouse/<path>.sql`, and returns what that gives.

        Raises LineageUnknown if the select does not give the columns of the table, but for one whose values are drawn.
        """
        made = self.read(path, given)
        found, wanted = set(made.columns), set(self.known[target].columns)
        if target in self._drawn:
            wanted -= {self._drawn[target].column} - found
        where = f"warehouse/{path}.sql"
        if found != wanted:
            differing = ", ".join(sorted(found ^ wanted))
            raise LineageUnknown(where, f"either it or the table {target} does not have the columns {differing}")
        self.edges |= set(relations.edges(target, made, where))
        return made

    def add(self, name: str, made: Relation, where: str) -> None:
        """Adds a view, which later selects may read, with its edges."""
        self.known[name] = relations.table(name, made.columns, made.keys, identity=made.identity)
        self.edges |= set(relations.edges(name, made, where))

    def decide(self, deciding: Iterable[Column], target: str, where: str) -> None:
        """Draws the edges of columns that decide about each column of a table."""
        targets = [Column(target, name) for name in self.known[target].columns]
        known = {(edge.source, edge.target) for edge in self.edges if edge.target.relation == target}
        pairs = {(source, column) for source in deciding for column in targets if source != column}
        self.edges |= {Edge(source, column, Kind.CONDITION, where) for source, column in pairs - known}

    def _draw(self, found: Drawn) -> None:
        """A drawn value is given once to each value of the table's other key."""
        for key in self.known[found.table].keys - {frozenset({found.column})}:
            for name in key:
                source, target = Column(found.table, name), Column(found.table, found.column)
                self.edges.add(Edge(source, target, Kind.CONDITION, found.where))
