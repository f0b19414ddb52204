"""Makes a second dashboard for phones of each dashboard: the same charts below each other, each as wide as the page.

Superset draws a chart at the width of its columns in the layout, however narrow the window is.

A chart's file may have a block `phone`: `params` replace those of the chart there, and `height` is in units of 8
pixels.
"""

import copy
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid5

from errors import DeployError

Config = dict[str, Any]

SUFFIX = "-phone"  # of the dashboard's slug and of the names of files
WIDTH = 12  # columns of the layout
LOWEST = 40  # height of a chart with axes
LINK_HEIGHT = 7
# Titles and cells are read to their end. The head has room for the title alone.
CSS = """
.header-title, .header-title * { white-space: normal !important; -webkit-line-clamp: unset !important; }
.chart-container td { white-space: normal !important; overflow-wrap: break-word; }
[data-test="metadata-bar"], [data-test="fave-unfave-icon"] { display: none; }
[data-test="editable-title-input"], .input-sizer { font-size: 16px !important; }
"""


def added(assets: dict[str, Config]) -> dict[str, Config]:
    """The assets with the dashboards for phones and their charts; both dashboards link to each other.

    Raises DeployError for a file from which none can be made.
    """
    found = dict(assets)
    charts = {}
    for name, config in assets.items():
        if name.startswith("charts/"):
            found[name] = {key: part for key, part in config.items() if key != "phone"}
            charts[config["uuid"]] = {**found[name], "phone": _block(name, config)}
            if params := _block(name, config).get("params"):
                found[_beside(name)] = _chart(found[name], params)
    for name, config in assets.items():
        if name.startswith("dashboards/"):
            _require_frame(name, config)
            title, slug = config["dashboard_title"], config["slug"]
            found[name] = _linked(config, f"On a phone: [{title}](../{slug}{SUFFIX}/?standalone=1)")
            found[_beside(name)] = _linked(_dashboard(config, charts), f"At a desk: [{title}](../{slug}/)")
    return found


def _require_frame(name: str, dashboard: Config) -> None:
    missing = [field for field in ("dashboard_title", "slug") if not dashboard.get(field)]
    missing += [f"{part} in its position" for part in ("ROOT_ID", "GRID_ID") if part not in dashboard["position"]]
    if missing:
        raise DeployError(f"{name} has no {' and no '.join(missing)}")


def _block(name: str, chart: Config) -> Config:
    block = chart.get("phone") or {}
    if not isinstance(block, dict) or not block.keys() <= {"params", "height"}:
        raise DeployError(f"{name} has a block phone with something else than params and height")
    return block


def _chart(chart: Config, params: Config) -> Config:
    return chart | {
        "uuid": _derived(chart["uuid"]),
        "slice_name": f"{chart.get('slice_name')} (phone)",
        "params": (chart.get("params") or {}) | params,
    }


def _dashboard(desk: Config, charts: dict[str, Config]) -> Config:
    position: Config = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "parents": ["ROOT_ID"], "children": []},
    }
    for tile in _tiles(desk["position"], "ROOT_ID"):
        _add_row(position, tile | {"meta": _meta(tile["meta"], charts[tile["meta"]["uuid"]])})
    return copy.deepcopy(desk) | {
        "uuid": _derived(desk["uuid"]),
        "slug": desk["slug"] + SUFFIX,
        "dashboard_title": f"{desk['dashboard_title']} (phone)",
        "css": (desk.get("css") or "") + CSS,
        "position": position,
    }


def _meta(meta: Config, chart: Config) -> Config:
    """Which chart a tile for phones shows, and how large; its number in filters stays."""
    lowest = LOWEST if chart.get("viz_type", "").startswith("echarts_") else 0
    height = chart["phone"].get("height", max(meta.get("height", LOWEST), lowest))
    changed = {"uuid": _derived(meta["uuid"])} if chart["phone"].get("params") else {}
    title = meta.get("sliceNameOverride") or chart.get("slice_name")
    return meta | changed | {"width": WIDTH, "height": height, "sliceNameOverride": title}


def _tiles(position: Config, identifier: str) -> Iterator[Config]:
    """The charts in a part of a layout, as one reads them."""
    part = position[identifier]
    if part["type"] == "CHART":
        yield part
    for child in part.get("children", []):
        yield from _tiles(position, child)


def _linked(dashboard: Config, text: str) -> Config:
    """The dashboard with a last row of text."""
    position = copy.deepcopy(dashboard["position"])
    meta = {"width": WIDTH, "height": LINK_HEIGHT, "code": text}
    _add_row(position, {"type": "MARKDOWN", "id": "MARKDOWN-other", "meta": meta})
    return dashboard | {"position": position}


def _add_row(position: Config, tile: Config) -> None:
    row, parents = f"ROW-of-{tile['id']}", ["ROOT_ID", "GRID_ID"]
    background = {"background": "BACKGROUND_TRANSPARENT"}
    position["GRID_ID"]["children"].append(row)
    position[row] = {"type": "ROW", "id": row, "parents": parents, "children": [tile["id"]], "meta": background}
    position[tile["id"]] = tile | {"parents": [*parents, row]}


def _derived(uuid: str) -> str:
    return str(uuid5(UUID(uuid), "phone"))


def _beside(name: str) -> str:
    return name.removesuffix(".yaml") + f"{SUFFIX}.yaml"
