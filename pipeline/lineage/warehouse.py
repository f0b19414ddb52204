"""The lineage of the whole warehouse, computed from the files that make it."""

from collections.abc import Mapping
from functools import cache

from pipeline.lineage import charts, star_edges, view_edges
from pipeline.lineage.draft import Draft
from pipeline.lineage.graph import Lineage
from pipeline.lineage.relations import Relation


@cache
def of_warehouse() -> Lineage:
    """The lineage from the source's columns to what charts show.

    Raises LineageUnknown, which names the file, if one cannot be followed.
    """
    return Lineage(frozenset(_draft().edges))


def relations() -> Mapping[str, Relation]:
    """The tables, views, datasets and charts of the lineage by their names. Raises LineageUnknown as `of_warehouse`."""
    return _draft().known


@cache
def _draft() -> Draft:
    draft = Draft()
    star_edges.draw_stage(draft)
    star_edges.draw_mart(draft, star_edges.draw_dwh(draft))
    view_edges.draw_views(draft)
    charts.draw_charts(draft)
    return draft
