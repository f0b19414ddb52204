"""A fact with its dimensions, as positions for a drawing."""

from dataclasses import dataclass

from pipeline.book.described import Relation
from pipeline.catalog import DIMENSIONS, FACTS

ROW, HEAD, GAP = 22, 30, 14


@dataclass(frozen=True)
class Row:
    """A column of the fact: `y` is its middle; `is_key`: it is part of the grain."""

    name: str
    y: int
    is_key: bool


@dataclass(frozen=True)
class Member:
    """A dimension: the middle of its box, and of the fact's column that leads to it."""

    name: str
    y: int
    from_y: int


@dataclass(frozen=True)
class StarDiagram:
    """A fact, its columns from top to bottom, and its dimensions beside them."""

    fact: str
    rows: list[Row]
    members: list[Member]
    height: int


def of_facts(relations: dict[str, Relation]) -> list[StarDiagram]:
    """A diagram of each fact that the warehouse has."""
    return [_diagram(name, relations[f"dwh.{name}"]) for name in FACTS if f"dwh.{name}" in relations]


def _diagram(name: str, relation: Relation) -> StarDiagram:
    """Columns with a dimension first, in the order of the dimensions, so that no two lines cross."""
    fact = FACTS[name]
    leads = {}
    for dimension in fact.dimensions:
        surrogate = DIMENSIONS[dimension].surrogate
        for column in relation.columns:
            if column.name == surrogate or (column.name.endswith(f"_{surrogate}") and column.name not in leads):
                leads[column.name] = dimension
    ordered = [
        *(column.name for column in relation.columns if column.name in fact.key),
        *(column for column in leads if column not in fact.key),
        *(column.name for column in relation.columns if column.name not in leads and column.name not in fact.key),
    ]
    rows = [Row(column, HEAD + ROW * place + ROW // 2, column in fact.key) for place, column in enumerate(ordered)]
    middles = {row.name: row.y for row in rows}
    members: list[Member] = []
    for lead, dimension in leads.items():
        known = next((member for member in members if member.name == dimension), None)
        y = known.y if known else HEAD // 2 + len({member.name for member in members}) * (HEAD + GAP)
        members.append(Member(dimension, y, middles[lead]))
    height = max(HEAD + ROW * len(rows), max((member.y for member in members), default=0) + HEAD // 2) + 2
    return StarDiagram(name, rows, members, height)
