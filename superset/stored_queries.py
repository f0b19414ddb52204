"""The queries of a stored chart, as the page of a dashboard would send them.

A chart saved in the browser holds its queries (`query_context`). A chart from a file has only parameters, from which
the browser makes the query. This module does the same for the chart types in our files.
"""

from collections.abc import Callable, Iterator
from typing import Any

from superset.models.slice import Slice
from superset.utils import json

Query = dict[str, Any]
ROWS = 10_000  # Superset's own limit for a chart without one
# Parameters with which the browser makes a larger query than this module does.
BEYOND = ("server_pagination", "show_totals", "percent_metrics", "time_compare", "contributionMode", "forecastEnabled")
BEYOND += ("resample_rule", "matrixify_enable", "temporal_columns_lookup", "time_range_endpoints")


class QueryUnknown(Exception):
    """The queries of a chart are unknown. The message names the chart and what to do."""


def of(chart: Slice) -> list[Query]:
    """The queries of a chart, without the values of a dashboard's filters. Raises QueryUnknown."""
    if chart.query_context:
        found: list[Query] = json.loads(chart.query_context)["queries"]
        return found
    parameters = chart.params_dict
    build = BUILDERS.get(chart.viz_type)
    if build is None or any(map(parameters.get, BEYOND)) or parameters.get("rolling_type") not in (None, "None"):
        raise QueryUnknown(
            f"the query of the chart {chart.slice_name} cannot be told from its parameters; save it once in the "
            "browser, and take its query_context into the file"
        )
    return [build(parameters)]


def filtered(adhoc_filters: list[dict[str, Any]]) -> Query:
    """The part of a query that comes from a chart's filters."""
    where = [found for found in adhoc_filters if found.get("clause") != "HAVING"]
    simple = [found for found in where if found["expressionType"] == "SIMPLE"]
    return {
        "filters": [
            {"col": found["subject"], "op": found["operator"]}
            | ({"val": found["comparator"]} if "comparator" in found else {})
            for found in simple
        ],
        "extras": {
            "where": _sql(found for found in where if found not in simple),
            "having": _sql(found for found in adhoc_filters if found not in where),
        },
    }


def _sql(found: Iterator[dict[str, Any]]) -> str:
    return " AND ".join(f"({clause['sqlExpression']})" for clause in found)


def _table(parameters: Query) -> Query:
    if parameters.get("query_mode") == "raw":
        order = [json.loads(column) for column in parameters.get("order_by_cols") or []]
        return _common(parameters) | {"columns": parameters["all_columns"], "orderby": order, "metrics": None}
    return _common(parameters) | {"columns": parameters.get("groupby"), "orderby": _order(parameters)}


def _big_number(parameters: Query) -> Query:
    return _common(parameters) | {"metrics": [parameters["metric"]], "row_limit": parameters.get("row_limit")}


def _timeseries(parameters: Query) -> Query:
    axis, groups = parameters["x_axis"], parameters.get("groupby") or []
    metrics, sort = list(parameters["metrics"]), parameters.get("x_axis_sort")
    limit = parameters.get("timeseries_limit_metric")
    if limit and not groups and _label(limit) == sort and sort not in map(_label, metrics):
        metrics.append(limit)
    return _common(parameters) | {
        "columns": [_axis(axis, parameters.get("time_grain_sqla")), *groups],
        "metrics": metrics,
        "orderby": _order(parameters),
        "series_columns": groups,
        "post_processing": [*_drawn(axis, groups, metrics, parameters), {"operation": "flatten"}],
    }


def _common(parameters: Query) -> Query:
    query = filtered(parameters.get("adhoc_filters") or []) | {
        "metrics": parameters.get("metrics") or [],
        "granularity": parameters.get("granularity_sqla"),
        "time_range": parameters.get("time_range"),
        "annotation_layers": parameters.get("annotation_layers"),
        "row_limit": parameters.get("row_limit", ROWS),
        "series_limit": parameters.get("limit"),
        "series_limit_metric": parameters.get("timeseries_limit_metric"),
        "order_desc": parameters.get("order_desc", True),
        "group_others_when_limit_reached": parameters.get("group_others_when_limit_reached"),
    }
    if grain := parameters.get("time_grain_sqla"):
        query["extras"]["time_grain_sqla"] = grain
    return query


def _order(parameters: Query) -> list[Any]:
    by = parameters.get("timeseries_limit_metric") or next(iter(parameters.get("metrics") or []), None)
    return [[by, not parameters.get("order_desc", True)]] if by else []


def _axis(column: Any, grain: str | None) -> Any:
    if not isinstance(column, str):
        return column
    reference = {"columnType": "BASE_AXIS", "sqlExpression": column, "label": column, "expressionType": "SQL"}
    return reference | {"isColumnReference": True} | ({"timeGrain": grain} if grain else {})


def _drawn(axis: Any, groups: list[Any], metrics: list[Any], parameters: Query) -> Iterator[dict[str, Any]]:
    """The steps that turn rows into the lines or bars of a picture."""
    labels, sort = [_label(metric) for metric in metrics], parameters.get("x_axis_sort")
    pivot = {
        "index": [_label(axis)],
        "columns": [_label(group) for group in groups],
        "aggregates": {label: {"operator": "mean"} for label in labels},
        "drop_missing_columns": not parameters.get("show_empty_columns", True),
    }
    yield {"operation": "pivot", "options": pivot}
    if len(labels) == 1 and groups and parameters.get("truncate_metric", True):
        rename = {"columns": {labels[0]: None}, "level": 0, "inplace": True}
        yield {"operation": "rename", "options": rename}
    if not groups and sort in (_label(axis), *labels):
        by = {"is_sort_index": True} if sort == _label(axis) else {"by": sort}
        yield {"operation": "sort", "options": by | {"ascending": parameters.get("x_axis_sort_asc", True)}}


def _label(metric_or_column: Any) -> Any:
    return metric_or_column if isinstance(metric_or_column, str) else metric_or_column["label"]


BUILDERS: dict[str, Callable[[Query], Query]] = {
    "table": _table,
    "big_number_total": _big_number,
    "echarts_timeseries_bar": _timeseries,
    "echarts_timeseries_line": _timeseries,
}
