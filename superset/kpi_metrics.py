"""The metrics of datasets that are KPIs: a file names the KPI, and warehouse/kpis.toml says what it is."""

import tomllib
from pathlib import Path
from typing import Any

from errors import DeployError

KPIS = Path(__file__).resolve().parent.parent / "warehouse/kpis.toml"
SHOWN_UNITS = {"days": " (days)", "points": " (pp)"}  # of the others the number's format or the chart's title tells

Config = dict[str, Any]


def read() -> dict[str, Config]:
    """The KPIs by their names. Raises DeployError."""
    try:
        return tomllib.loads(KPIS.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DeployError(f"{KPIS} cannot be read: {error}") from None


def defined(name: str, dataset: Config, kpis: dict[str, Config]) -> Config:
    """A dataset with the definitions of the KPIs that its metrics name; `name` is its file.

    Raises DeployError for a KPI that is not there, or that is not defined over the dataset's table.
    """
    table = ".".join(filter(None, [None if dataset.get("sql") else dataset.get("schema"), dataset.get("table_name")]))
    return dataset | {"metrics": [_metric(name, table, metric, kpis) for metric in dataset.get("metrics") or []]}


def _metric(file: str, table: str, metric: Config, kpis: dict[str, Config]) -> Config:
    name = metric.get("kpi")
    if name is None:
        return metric
    kpi = kpis.get(name)
    if kpi is None:
        raise DeployError(f"{file} names the KPI {name}, which {KPIS.name} has not")
    if table not in kpi["over"]:
        raise DeployError(f"{file} names the KPI {name}, which {KPIS.name} does not define over {table}")
    expression = kpi["expression"].strip()
    return {
        "metric_name": name,
        "verbose_name": kpi["label"] + SHOWN_UNITS.get(kpi["unit"], ""),
        "expression": f"100.0 * ({expression})" if kpi["unit"] == "points" else expression,
        "description": kpi["text"],
        **{field: value for field, value in metric.items() if field != "kpi"},
    }
