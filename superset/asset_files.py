"""Databases, datasets, charts and dashboards as YAML. Checks everything that Superset would silently skip.

Superset imports only the parts that it understands. It skips a file in an unknown folder, a chart of a dashboard
without a file, or a filter on a missing column, or shows an error to viewers. Here these are errors.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import kpi_metrics
import phone_variant
import yaml
from errors import DeployError

METADATA = "metadata.yaml"
KINDS = ("databases", "datasets", "charts", "dashboards")
# The fields in which a chart names metrics and columns of its dataset. Texts are names; other values are definitions.
METRICS = ("metric", "metrics", "secondary_metric", "timeseries_limit_metric")
COLUMNS = ("x_axis", "groupby", "columns", "all_columns", "series", "granularity_sqla", "entity")

Config = dict[str, Any]


def read(folder: Path) -> dict[str, Config]:
    """The content of each file of `folder` by its path there, and the variants of these for phones.

    Raises DeployError that names every wrong file: unreadable, misplaced, without a uuid of its own, or with a
    reference to an asset without a file.
    """
    if not (folder / METADATA).is_file():
        raise DeployError(f"{folder / METADATA} is missing")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    assets = {str(path.relative_to(folder)): _config(path, folder) for path in paths}
    kpis = kpi_metrics.read()
    assets |= {name: kpi_metrics.defined(name, dataset, kpis) for name, dataset in of_kind(assets, "datasets").items()}
    _require_sound(assets)
    assets = phone_variant.added(assets)
    _require_sound(assets)
    return assets


def kind(name: str) -> str:
    """The kind of an asset, which is the name of its folder."""
    return name.split("/")[0]


def of_kind(assets: dict[str, Config], wanted: str) -> dict[str, Config]:
    """The assets of one kind."""
    return {name: config for name, config in assets.items() if kind(name) == wanted}


def charts_of(dashboard: Config) -> dict[str, int]:
    """The uuids of the charts in a dashboard's layout, with their numbers in its metadata."""
    tiles = [tile for tile in dashboard["position"].values() if isinstance(tile, dict) and tile.get("type") == "CHART"]
    found = [tile.get("meta") or {} for tile in tiles]
    return {meta.get("uuid", "without a uuid"): meta.get("chartId", 0) for meta in found}


def _config(path: Path, folder: Path) -> Config:
    name = str(path.relative_to(folder))
    if path.suffix != ".yaml" or (name != METADATA and kind(name) not in KINDS):
        raise DeployError(f"{name} is no .yaml file in one of the folders {', '.join(KINDS)}")
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DeployError(f"{name} is no valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise DeployError(f"{name} is no mapping of names to values")
    return found


def _require_sound(assets: dict[str, Config]) -> None:
    if problems := [*_identities(assets), *_references(assets)]:
        raise DeployError("; ".join(problems))


def _identities(assets: dict[str, Config]) -> Iterator[str]:
    """The errors in the uuids of the assets themselves."""
    owners: dict[str, str] = {}
    for name, config in assets.items():
        if name == METADATA:
            continue
        uuid = str(config.get("uuid"))
        try:
            UUID(uuid)
        except ValueError:
            yield f"{name} has no valid uuid ({uuid})"
        if uuid in owners:
            yield f"{name} has the uuid of {owners[uuid]}"
        owners[uuid] = name


def _references(assets: dict[str, Config]) -> Iterator[str]:
    """The references to assets that are in no file."""
    by_uuid = {
        wanted: {config["uuid"]: config for config in of_kind(assets, wanted).values() if "uuid" in config}
        for wanted in KINDS
    }
    for name, dataset in of_kind(assets, "datasets").items():
        if dataset.get("database_uuid") not in by_uuid["databases"]:
            yield f"{name} names the database {dataset.get('database_uuid')}, which is in no file"
    for name, chart in of_kind(assets, "charts").items():
        if found := by_uuid["datasets"].get(chart.get("dataset_uuid")):
            yield from (f"{name} names {missing}" for missing in _missing_of_chart(chart, found))
        else:
            yield f"{name} names the dataset {chart.get('dataset_uuid')}, which is in no file"
    for name, dashboard in of_kind(assets, "dashboards").items():
        if not isinstance(dashboard.get("position"), dict):
            yield f"{name} has no position, the layout of its charts"
            continue
        for uuid in charts_of(dashboard).keys() - by_uuid["charts"].keys():
            yield f"{name} names the chart {uuid}, which is in no file"
        yield from (f"{name} names {missing}" for missing in _missing_of_filters(dashboard, by_uuid["datasets"]))


def _missing_of_chart(chart: Config, dataset: Config) -> Iterator[str]:
    known = {"metric": _names(dataset, "metrics", "metric_name"), "column": _names(dataset, "columns", "column_name")}
    for what, parameters in (("metric", METRICS), ("column", COLUMNS)):
        for parameter in parameters:
            value = (chart.get("params") or {}).get(parameter)
            for used in value if isinstance(value, list) else [value]:
                if used and isinstance(used, str) and used not in known[what]:
                    yield f"the {what} {used}, which its dataset {dataset.get('table_name')} has not"


def _missing_of_filters(dashboard: Config, datasets: dict[str, Config]) -> Iterator[str]:
    metadata = dashboard.get("metadata") or {}
    numbers = set(charts_of(dashboard).values())
    for native_filter in metadata.get("native_filter_configuration") or []:
        for target in native_filter.get("targets") or []:
            uuid, column = target.get("datasetUuid"), (target.get("column") or {}).get("name")
            if uuid is not None and uuid not in datasets:
                yield f"the dataset {uuid} in a filter, which is in no file"
            elif uuid and column and column not in _names(datasets[uuid], "columns", "column_name"):
                yield f"the column {column} in a filter, which {datasets[uuid].get('table_name')} has not"
        for number in (native_filter.get("scope") or {}).get("excluded") or []:
            if number not in numbers:
                yield f"the chart {number} outside a filter's scope, which is not in its layout"
    for number in metadata.get("chart_configuration") or {}:
        if not str(number).isdecimal() or int(number) not in numbers:
            yield f"the chart {number} in chart_configuration, which is not in its layout"


def _names(dataset: Config, part: str, name: str) -> set[str | None]:
    return {entry.get(name) for entry in dataset.get(part) or []}
