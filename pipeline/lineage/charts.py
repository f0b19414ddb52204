"""The edges from the mart to Superset's datasets and charts, and which chart stands on which dashboard.

A dataset is `dataset.<file>` with its columns and metrics, a chart `chart.<file>` with what it shows. A metric that is
called like a column of its dataset shares its node: both are of that column.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from pipeline import kpis
from pipeline.kernel.reference import CHECKOUT
from pipeline.lineage import select_files
from pipeline.lineage.draft import Draft
from pipeline.lineage.relations import Relation, together
from pipeline.lineage.select_files import LineageUnknown

ASSETS = "superset/assets"
# The fields in which a chart names what it shows, and those in which it names what that is sorted and cut by.
DIMENSIONS = ("x_axis", "granularity_sqla", "groupby", "columns", "all_columns", "series", "entity")
METRICS = ("metrics", "metric", "secondary_metric")
SORTED_BY = ("timeseries_limit_metric", "x_axis_sort")

Config = dict[str, Any]


def draw_charts(draft: Draft) -> None:
    """From the mart to datasets, and from these to charts. Raises LineageUnknown for a name that a dataset lacks."""
    for where, dataset in assets("datasets").items():
        _draw_dataset(draft, where, dataset)
    names = {dataset["uuid"]: Path(where).stem for where, dataset in assets("datasets").items()}
    for where, chart in assets("charts").items():
        shown = what_is_shown(chart["params"], draft.known[f"dataset.{names[chart['dataset_uuid']]}"], where)
        draft.add(f"chart.{Path(where).stem}", shown, where)


def dashboards() -> dict[str, list[str]]:
    """The charts on each dashboard, both by the names of their files, in the order of the layout."""
    names = {chart["uuid"]: Path(where).stem for where, chart in assets("charts").items()}
    return {
        Path(where).stem: [
            names[tile["meta"]["uuid"]]
            for tile in dashboard["position"].values()
            if isinstance(tile, dict) and tile["type"] == "CHART"
        ]
        for where, dashboard in assets("dashboards").items()
    }


@cache
def assets(kind: str) -> dict[str, Config]:
    """The assets of a kind, by their paths from the project's root."""
    paths = sorted((CHECKOUT / ASSETS / kind).glob("*.yaml"))
    return {str(path.relative_to(CHECKOUT)): yaml.safe_load(path.read_text("utf-8")) for path in paths}


def _draw_dataset(draft: Draft, where: str, dataset: Config) -> None:
    """A dataset: a table or view of the mart, or a select of its own, with columns and metrics that are computed."""
    select = dataset.get("sql") or f"select * from {dataset['schema']}.{dataset['table_name']}"
    own = [(column["column_name"], column.get("expression") or column["column_name"]) for column in dataset["columns"]]
    metrics = [_metric(metric) for metric in dataset.get("metrics", ())]
    known = {**draft.known, "own_rows": select_files.of_text(select, draft.known, where)}
    made = [
        select_files.of_text(f"select {', '.join(listed)} from own_rows", known, where)
        for listed in (_listed(own), _listed(metrics))
        if listed
    ]
    names = dict.fromkeys(name for each in made for name in each.columns)
    columns = {name: together(each.columns[name] for each in made if name in each.columns) for name in names}
    draft.add(f"dataset.{Path(where).stem}", Relation(columns, made[0].rows), where)


def _metric(metric: Config) -> tuple[str, str]:
    """The name and expression of a metric, which may be those of a KPI."""
    kpi = metric.get("kpi")
    return (kpi, kpis.kpis()[kpi].expression) if kpi else (metric["metric_name"], metric["expression"])


def _listed(computed: list[tuple[str, str]]) -> list[str]:
    return [f'{expression} as "{name}"' for name, expression in computed]


def what_is_shown(params: Config, dataset: Relation, where: str) -> Relation:
    """The dimensions and metrics that a chart shows. What they are filtered, sorted and grouped by decides.

    Raises LineageUnknown for a name that the dataset lacks, and for what is defined in the chart itself.
    """
    dimensions, metrics = _named(params, DIMENSIONS, where), _named(params, METRICS, where)
    deciding = [*_named(params, SORTED_BY, where), *_filtered_by(params, where)]
    deciding += [yaml.safe_load(pair)[0] for pair in params.get("order_by_cols", ())]
    if params.get("query_mode") != "raw":
        deciding += dimensions
    if missing := sorted({*dimensions, *metrics, *deciding} - set(dataset.columns)):
        raise LineageUnknown(where, f"{dataset.name} has no {', '.join(missing)}")
    columns = {name: dataset.columns[name] for name in (*dimensions, *metrics)}
    return Relation(columns, together(dataset.columns[name] for name in deciding).every)


def _named(params: Config, fields: tuple[str, ...], where: str) -> list[str]:
    found: list[str] = []
    for field in fields:
        value = params.get(field) or []
        for name in value if isinstance(value, list) else [value]:
            if not isinstance(name, str):
                raise LineageUnknown(where, f"its {field} is a definition of its own, and not a name of its dataset's")
            found.append(name)
    return found


def _filtered_by(params: Config, where: str) -> Iterator[str]:
    for each in params.get("adhoc_filters", ()):
        if each["expressionType"] != "SIMPLE":
            raise LineageUnknown(where, "a filter of it is SQL, and not a column with an operator")
        yield each["subject"]
