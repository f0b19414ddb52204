"""What the assistant's tools may read: the charts of the dashboards that its role opens, and their datasets.

Superset's own tool for the data of a chart makes a query anew, without the chart's conditions, range and order. So its
figures would differ from the dashboard's. `read_chart` asks what the page asks, and passes the same checks.
"""

import datetime as dt
from typing import Any

import stored_queries
from fastmcp.exceptions import ToolError
from flask import current_app
from flask_appbuilder.models.sqla.interface import SQLAInterface
from superset import db, security_manager
from superset.charts.schemas import ChartDataQueryContextSchema
from superset.commands.chart.data.get_data_command import ChartDataCommand
from superset.commands.exceptions import CommandException
from superset.connectors.sqla.models import SqlaTable
from superset.daos.chart import ChartDAO
from superset.daos.dataset import DatasetDAO
from superset.dashboards.filters import DashboardAccessFilter
from superset.exceptions import SupersetException
from superset.mcp_service.chart import schemas as of_charts
from superset.mcp_service.dataset import schemas as of_datasets
from superset.models.dashboard import Dashboard
from superset.models.slice import Slice
from superset.utils import json
from superset.views.base import BaseFilter
from superset.views.utils import get_viz
from superset_core.mcp.decorators import ToolAnnotations, tool

Figures = dict[str, Any]


class ShownCharts(BaseFilter):  # type: ignore[misc]
    """The charts of the dashboards that the user may open. Superset would list those of every readable dataset."""

    def apply(self, query: Any, _value: Any) -> Any:
        """Narrows a query of charts."""
        return query.filter(Slice.dashboards.any(Dashboard.id.in_(_dashboards())))


class ShownDatasets(BaseFilter):  # type: ignore[misc]
    """The datasets of these charts. The role has no right to a dataset, with which Superset would let it query more."""

    def apply(self, query: Any, _value: Any) -> Any:
        """Narrows a query of datasets."""
        charts = db.session.query(Slice.datasource_id).filter(Slice.dashboards.any(Dashboard.id.in_(_dashboards())))
        return query.filter(SqlaTable.id.in_(charts))


ChartDAO.base_filter, DatasetDAO.base_filter = ShownCharts, ShownDatasets
# Superset adds to each chart and dataset its owners, with their e-mail addresses and roles.
for schemas in (of_charts, of_datasets):
    schemas.serialize_user_object = lambda _user: None


@tool(
    class_permission_name="Chart",
    annotations=ToolAnnotations(title="Read chart", readOnlyHint=True, destructiveHint=False),
)
def read_chart(
    chart_id: int, country: str | None = None, since: dt.date | None = None, until: dt.date | None = None
) -> Figures:
    """Read the figures of a chart by its ID, as its dashboard shows them.

    country narrows them to one country, by its English name. since and until narrow them to dates from `since` to
    before `until`; a month or a quarter counts if its first day is among them. Without these the figures are those of
    all countries, and of the chart's own dates. No rows: there is nothing of such a country or of such dates.
    """
    chart = ChartDAO.find_by_id(chart_id)
    if chart is None:
        raise ToolError(f"There is no chart {chart_id}; list_charts names the charts")
    # Of dates, not of text: Superset takes a text that it does not understand for no range.
    time_range = f"{since or ''} : {until or ''}" if since or until else None
    chosen = [{"col": "country", "op": "IN", "val": [country]}] if country else []
    try:
        rows = _rows(chart, chosen, time_range)
    except (CommandException, SupersetException) as error:
        raise ToolError(str(error)) from None
    return {"chart": chart.slice_name, "rows": json.loads(json.dumps(rows, default=json.json_iso_dttm_ser))}


def _rows(chart: Slice, chosen: list[Figures], time_range: str | None) -> Any:
    """The rows behind a chart. Raises SupersetSecurityException if the chart's dashboard has no such filter."""
    dashboard = next(found for found in chart.dashboards if security_manager.can_access_dashboard(found))
    form = chart.form_data | {"dashboardId": dashboard.id, "slice_id": chart.id}
    if chart.viz_type not in stored_queries.BUILDERS and not chart.query_context:
        extra = {"filters": chosen} | ({"time_range": time_range} if time_range else {})
        with current_app.test_request_context():  # this kind of chart reads the address of the page's request
            viz = get_viz(form | {"extra_form_data": extra}, chart.datasource_type, chart.datasource_id)
            viz.raise_for_access()
            found = viz.get_payload()["data"] or {"records": {}}
        return [{"time": time, **figures} for time, figures in found["records"].items()]
    queries = [_narrowed(query, chosen, time_range) for query in stored_queries.of(chart)]
    asked = {
        "datasource": {"id": chart.datasource_id, "type": chart.datasource_type},
        "queries": queries,
        "form_data": form,
    }
    command = ChartDataCommand(ChartDataQueryContextSchema().load(asked))
    command.validate()
    return [row for result in command.run()["queries"] for row in result["data"]]


def _narrowed(query: Figures, chosen: list[Figures], time_range: str | None) -> Figures:
    """A stored query with the values of the dashboard's filters, as the page adds them."""
    filters = query.get("filters") or []
    if not time_range:
        return query | {"filters": [*filters, *chosen]}
    ranged = [found | {"val": time_range} if found["op"] == "TEMPORAL_RANGE" else found for found in filters]
    return query | {"filters": [*ranged, *chosen], "time_range": time_range}


def _dashboards() -> Any:
    seen = DashboardAccessFilter("id", SQLAInterface(Dashboard, db.session))
    return seen.apply(db.session.query(Dashboard.id), None)
