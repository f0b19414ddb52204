"""Limits users who are not Admin to the stored queries of dashboards, narrowed by the dashboards' own filters.

Superset itself lets a viewer change the query of a chart that the viewer may see. A changed query is SQL. SQL has
functions that take another query as text, and no check of tables notices it.
"""

import re
from dataclasses import dataclass
from typing import Any, NoReturn

import stored_queries
from flask import request
from stored_queries import Query
from superset import db
from superset.common.chart_data import ChartDataResultType
from superset.errors import ErrorLevel, SupersetError, SupersetErrorType
from superset.exceptions import SupersetSecurityException
from superset.models.dashboard import Dashboard
from superset.models.slice import Slice
from superset.utils import json

OPTIONS = 1000  # values that a filter offers; the browser asks for as many, and nobody can choose more
LONGEST = 300  # characters of a chosen value
# In the browser's form: "Last week", "2026-01-01 : 2026-07-01", `DATEADD(DATETIME("now"), -1, month) : now`.
TIME_RANGE = re.compile(r"""[\w :,.()'"+/-]{0,200}""")
# Results with the rows of the query: no sample of the table, no list of its columns, no SQL.
SAME_ROWS = (ChartDataResultType.FULL, ChartDataResultType.RESULTS)
# The fields that Superset reads from the form beside the queries of a chart.
READ_OF_FORM = ("x_axis", "tooltip_contents", "currency_format", "server_pagination", "url_params", "parent_slice_id")
# A page keeps its filters in its own address, and then sends these parameters of it with each query. They do not change
# the query.
OWN_ADDRESS = {"native_filters_key", "native_filters", "permalink_key", "preselect_filters", "show_filters"}
OWN_ADDRESS |= {"expand_filters", "uiConfig"}
# Fields of a form without queries that are not stored: defaults of the browser, and fields that no query uses.
DEFAULTS = {"row_limit": stored_queries.ROWS, "time_range": "No filter"}
UNUSED = ("chart_id", "label_colors", "shared_label_colors", "map_label_colors", "own_color_scheme", "color_scheme")


@dataclass(frozen=True)
class Narrowing:
    """The possible additions of a dashboard's filters to a query: values of these columns, and a time range."""

    columns: list[str]
    by_time: bool

    @classmethod
    def by(cls, filters: list[Query]) -> "Narrowing":
        """The narrowing by a dashboard's stored filters. Knows lists and time ranges; other kinds add nothing."""
        lists = [found for found in filters if found.get("filterType") == "filter_select"]
        targets = [target for found in lists for target in found.get("targets") or []]
        columns = [target["column"]["name"] for target in targets if target.get("column")]
        return cls(columns, any(found.get("filterType") == "filter_time" for found in filters))

    def has(self, condition: Query) -> bool:
        """Whether the condition is a choice of values from such a list."""
        if not isinstance(condition, dict):
            return False
        values = _listed(condition.get("val"))
        return (
            condition.keys() <= {"col", "op", "val", "isExtra"}
            and condition.get("col") in self.columns
            and condition.get("op") in ("IN", "==")
            and len(values) <= OPTIONS
            and all(isinstance(value, str | int | float | None) and len(str(value)) <= LONGEST for value in values)
        )

    def has_time(self, time_range: Any) -> bool:
        """Whether it is a time range, and the dashboard has such a filter."""
        return self.by_time and isinstance(time_range, str) and bool(TIME_RANGE.fullmatch(time_range))


def require_stored_queries(context: Any, dashboard: Dashboard) -> None:
    """Raises SupersetSecurityException unless a chart or a filter of the dashboard has exactly these queries.

    `context` is the page's request: queries, and the form from which the page made them.
    """
    form = _without_own_address(context.form_data)
    sent = [_without_own_address(query) for query in context.cache_values["queries"]]
    if form.get("type") == "NATIVE_FILTER":
        parameters: Query = {"viz_type": "filter_select"}
        expected, narrowing = _options(form, dashboard, context.datasource, sent)
    else:
        chart = _chart(form, dashboard, context.datasource)
        parameters, narrowing = chart.form_data, Narrowing.by(_filters_of(dashboard, chart))
        try:
            expected = stored_queries.of(chart)
        except stored_queries.QueryUnknown as unknown:
            refuse(str(unknown))
    if any(_plain(form.get(name)) != _plain(parameters.get(name)) for name in READ_OF_FORM):
        refuse()
    if form.get("viz_type", parameters["viz_type"]) != parameters["viz_type"]:
        refuse()
    if context.result_type not in SAME_ROWS or len(sent) != len(expected):
        refuse()
    for query, known in zip(sent, expected, strict=True):
        _require_query(query, known, narrowing)


def require_stored_form(viz: Any, dashboard: Dashboard) -> None:
    """Like `require_stored_queries`, for charts whose query the server makes: `viz` has only the form."""
    form = _without_own_address(viz.form_data)
    chart = _chart(form, dashboard, viz.datasource)
    known, narrowing = chart.form_data, Narrowing.by(_filters_of(dashboard, chart))
    chosen = form.get("extra_form_data") or {}
    if not isinstance(chosen, dict) or not isinstance(chosen.get("filters") or [], list):
        refuse()
    if not chosen.keys() <= {"filters", "time_range"} or not all(map(narrowing.has, chosen.get("filters") or [])):
        refuse()
    if "time_range" in chosen and not narrowing.has_time(chosen["time_range"]):
        refuse()
    for name in form.keys() | known.keys():
        if name in ("dashboardId", "extra_form_data", *UNUSED) or name.startswith("matrixify_"):
            continue
        if _plain(form.get(name, DEFAULTS.get(name))) != _plain(known.get(name, DEFAULTS.get(name))):
            refuse()
    if any(kind.value in request.args for kind in ChartDataResultType if kind not in SAME_ROWS):
        refuse()


def stored(model: Any, number: Any) -> Any:
    """Superset's object with a number. Raises SupersetSecurityException if there is none."""
    found = db.session.get(model, number) if type(number) is int and 0 < number < 2**31 else None
    return refuse() if found is None else found


def refuse(
    why: str = "it is not what a chart of the dashboard asks; open the dashboard and use its filters",
) -> NoReturn:
    """Raises SupersetSecurityException, which is answered with 403."""
    kind = SupersetErrorType.QUERY_SECURITY_ACCESS_ERROR
    raise SupersetSecurityException(
        SupersetError(f"You cannot run this query, because {why}", kind, ErrorLevel.WARNING)
    )


def _require_query(sent: Query, known: Query, narrowing: Narrowing) -> None:
    time_range = sent.get("time_range")
    chosen = {"time_range": time_range} if narrowing.has_time(time_range) else {}
    if _without_filters(sent) != _without_filters(known | chosen):
        refuse()
    # Without metrics a query gives single rows, with an empty list of them groups.
    if (sent.get("metrics") is None) != (known.get("metrics") is None):
        refuse()
    left = [_plain(condition) for condition in sent.get("filters") or []]
    for condition in known.get("filters") or []:
        # Superset has already put in the chosen time range.
        overridden = {"val": time_range} if chosen and condition["op"] == "TEMPORAL_RANGE" else {}
        found = next((same for same in (condition, condition | overridden) if _plain(same) in left), None)
        if found is None:
            refuse()
        left.remove(_plain(found))
    if not all(map(narrowing.has, left)):
        refuse()


def _options(form: Query, dashboard: Dashboard, dataset: Any, sent: list[Query]) -> tuple[list[Query], Narrowing]:
    """The query for the values that a filter offers, and the narrowing by the filters on which it depends."""
    filters = _filters_of(dashboard)
    for found in filters:
        for target in found.get("targets") or []:
            of_list = found.get("id") == form.get("native_filter_id") and found.get("filterType") == "filter_select"
            if of_list and target.get("column") and target.get("datasetId") == dataset.id:
                column, metric = target["column"]["name"], (found.get("controlValues") or {}).get("sortMetric")
                query = stored_queries.filtered(found.get("adhoc_filters") or []) | {
                    "columns": [column],
                    "metrics": [metric] if metric else [],
                    "time_range": found.get("time_range"),
                    "granularity": found.get("granularity_sqla"),
                    "row_limit": OPTIONS,
                    "order_desc": True,
                }
                orders = [[[metric or column, ascending]] for ascending in (True, False)]
                order = [_plain(query.get("orderby")) for query in sent]
                parents = [other for other in filters if other.get("id") in (found.get("cascadeParentIds") or [])]
                return [query | {"orderby": order[0] if order and order[0] in orders else None}], Narrowing.by(parents)
    return refuse()


def _filters_of(dashboard: Dashboard, chart: Slice | None = None) -> list[Query]:
    """The filters of a dashboard, or those that apply to a chart."""
    found = json.loads(dashboard.json_metadata or "{}").get("native_filter_configuration") or []
    return [one for one in found if chart is None or chart.id not in ((one.get("scope") or {}).get("excluded") or [])]


def _chart(form: Query, dashboard: Dashboard, dataset: Any) -> Slice:
    chart = stored(Slice, form.get("slice_id"))
    if chart not in dashboard.slices or chart.datasource != dataset:
        refuse()
    return chart


def _without_own_address(sent: Query) -> Query:
    parameters = sent.get("url_params")
    if not isinstance(parameters, dict):
        return sent
    return sent | {"url_params": {name: value for name, value in parameters.items() if name not in OWN_ADDRESS}}


def _without_filters(query: Query) -> Any:
    return _plain({name: value for name, value in query.items() if name != "filters"})


def _plain(value: Any) -> Any:
    """The value in JSON's types, without entries that equal a missing one: nothing, empty, off, zero."""
    if isinstance(value, dict):
        kept = {name: _plain(part) for name, part in value.items()}
        return {name: part for name, part in kept.items() if part not in (None, "", [], {}, 0)} or None
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value] or None
    return value or None


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]
