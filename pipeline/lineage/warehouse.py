"""The lineage of the whole warehouse, computed from the files that make it."""

from collections.abc import Mapping
from functools import cache

from pipeline.lineage import charts, star_edges, view_edges
from pipeline.lineage.draft import Draft
from pipeline.lineage.graph import Column, Edge, Kind, Lineage
from pipeline.lineage.relations import Relation

HISTORY, FORECAST, FORECAST_RUNS = "mart.sales_by_day", "mart.sales_forecast", "pipeline/forecast/forecast_runs.py"
EXPECTED = ("expected", "low_80", "high_80", "low_95", "high_95")


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
    _draw_forecast(draft)
    charts.draw_charts(draft)
    return draft


def _draw_forecast(draft: Draft) -> None:
    """A forecast is computed by a program: all that it is given decides about each row, and makes the values."""
    measures, given = ("sales", "orders"), ("day", "country")
    for measure in measures:
        draft.edges |= {
            Edge(Column(HISTORY, measure), Column(FORECAST, name), Kind.VALUE, FORECAST_RUNS) for name in EXPECTED
        }
    draft.decide([Column(HISTORY, name) for name in (*given, *measures)], FORECAST, FORECAST_RUNS)
    draft.decide([Column(HISTORY, "day")], "mart.forecast_run", FORECAST_RUNS)
