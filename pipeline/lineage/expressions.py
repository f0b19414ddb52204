"""The columns behind an expression of a qualified select: those that give its value, and those that decide about it."""

from typing import Protocol

from sqlglot import exp

from pipeline.lineage.relations import NOTHING, Relation, Sources, together


class Place(Protocol):
    """What names mean where an expression stands."""

    def column(self, node: exp.Column) -> Sources:
        """The sources of a column."""

    def query(self, node: exp.Expr) -> Relation:
        """What a query inside gives."""

    def window(self, name: str) -> exp.Expr:
        """A window that the select names."""


def sources_of(node: exp.Expr, place: Place) -> Sources:
    """The sources of an expression. What it computes with gives values; what it chooses or counts by decides.

    Raises KeyError for a name without a meaning.
    """
    if isinstance(node, exp.Column):
        return place.column(node)
    if isinstance(node, exp.Query):
        return _of_query(place.query(node))
    if isinstance(node, exp.Exists):
        return _of_query(place.query(node.this)).deciding
    if isinstance(node, exp.If | exp.Case | exp.Filter | exp.Nullif | exp.In | exp.Order):
        return _of_choice(node, place)
    if isinstance(node, exp.Window):
        return _of_window(node, place)
    # A number of rows holds nothing of what it counts.
    if isinstance(node, exp.Count):
        return _of_parts(node, place).deciding
    return _of_parts(node, place)


def _of_parts(node: exp.Expr, place: Place) -> Sources:
    return together(sources_of(part, place) for part in node.iter_expressions())


def _of_query(found: Relation) -> Sources:
    return together(found.columns.values()) | Sources(conditions=found.rows)


def _of_choice(node: exp.Expr, place: Place) -> Sources:
    """An expression with a part that decides.

    That are the conditions of a case, of `case x when y` both x and y; what `filter` asks for; what `nullif` and `in`
    compare with; and what the values of an aggregate are sorted by.
    """
    parts = {
        exp.Case: ("this",),
        exp.If: ("this",),
        exp.Filter: ("expression",),
        exp.Nullif: ("expression",),
        exp.In: ("expressions", "query"),
        exp.Order: ("expressions",),
    }
    deciding = parts[type(node)]
    found = NOTHING
    for name, value in node.args.items():
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, exp.Expr):
                sources = sources_of(part, place)
                found |= sources.deciding if name in deciding else sources
    return found


def _of_window(node: exp.Window, place: Place) -> Sources:
    """A function over a window: by what the window is cut and sorted decides."""
    named = node.args.get("alias")
    over = together(
        sources_of(part, place)
        for window in ([node, place.window(named.name)] if named else [node])
        for part in (*(window.args.get("partition_by") or ()), window.args.get("order"))
        if part
    )
    return sources_of(node.this, place) | over.deciding
