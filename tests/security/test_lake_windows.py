"""Whoever holds the lake's key neither runs SQL by windows of the log, nor makes the pipeline leave changes out."""

import json
from contextlib import nullcontext
from typing import Any

import pytest
from lake_attacks import SQL, SQL_INSIDE, forge, got_in
from support.log_steps import clock, extract, load, require_same
from support.shop import add_order, at, date
from support.world import World

from pipeline.kernel.errors import BadExtract, LogUnreadable
from pipeline.lake import seals
from pipeline.source import bounds
from pipeline.source.layout import METADATA, SUCCESS
from pipeline.source.log import lsn, windows
from pipeline.tasks.load_table import LoadStage

ORDERS = "ops.orders"
FAR = lsn.text(lsn.LAST >> 8)


@pytest.fixture
def loaded(log_shop: World) -> World:
    """A first copy is loaded; the window of day 2 lies on the lake."""
    load(1)
    add_order(log_shop, 7, at(2), 1)
    extract(2)
    return log_shop


def newest(world: World) -> str:
    return windows.folder(windows.ends(world.lake)[-1])


def files(world: World, **changes: Any) -> list[dict[str, Any]]:
    """The files of the newest window, that of orders changed."""
    found: list[dict[str, Any]] = json.loads(world.lake.read(f"{newest(world)}/{METADATA}") or b"")["files"]
    return [file | (changes if file["table"] == ORDERS else {}) for file in found]


def columns(world: World, **changes: Any) -> list[dict[str, Any]]:
    [of_orders] = [file for file in files(world) if file["table"] == ORDERS]
    return [column | (changes if column["name"] == "delivered_ts" else {}) for column in of_orders["columns"]]


def test_types_names_paths_and_positions_of_a_window_are_data(loaded: World) -> None:
    whole = json.loads(loaded.lake.read(f"{newest(loaded)}/{METADATA}") or b"")
    for changes in (
        {"files": files(loaded, columns=columns(loaded, type=SQL_INSIDE))},
        {"files": files(loaded, columns=columns(loaded, type=SQL))},
        {"files": files(loaded, columns=columns(loaded, name=SQL))},
        {"files": files(loaded, data=f"../../{SQL}")},
        {"files": files(loaded, table=SQL)},
        {"from_lsn": SQL},
        {"to_watermark": SQL},
        {"system": SQL},
        {"zone": SQL},
    ):
        forge(loaded.lake, newest(loaded), **changes)
        refused = pytest.raises(BadExtract) if "zone" not in changes else nullcontext()  # no time is without a zone
        with clock(2) as day, refused:
            LoadStage(day, ORDERS).run()
        assert not got_in(loaded)
        forge(loaded.lake, newest(loaded), **whole)
    load(2)
    require_same(loaded)


def test_a_window_in_the_place_of_another_one_is_refused(loaded: World) -> None:
    *_, before, last = windows.ends(loaded.lake)
    for name in (METADATA, SUCCESS):
        loaded.lake.write(f"{windows.folder(last)}/{name}", loaded.lake.read(f"{windows.folder(before)}/{name}") or b"")
    with clock(2) as day, pytest.raises(BadExtract, match=f"it holds the window up to {lsn.text(before)}"):
        LoadStage(day, ORDERS).run()


def test_a_bound_beyond_the_end_of_the_log_is_refused_and_no_window_leaves_out_what_comes(loaded: World) -> None:
    load(2)
    with clock(3) as day:
        fields = json.loads(loaded.lake.read(bounds.key_of(date(2), f"{at(2, 20):%Y%m%dT%H%M%SZ}")) or b"")
        del fields["seal"]
        key = bounds.key_of(day, f"{at(3, 20):%Y%m%dT%H%M%SZ}")
        forged = fields | {"date": str(day), "to_lsn": FAR, "to_watermark": at(3, 20).isoformat()}
        loaded.lake.write(key, seals.seal(forged))
    known = windows.ends(loaded.lake)
    with pytest.raises(LogUnreadable, match="its bound on the lake is at"):
        extract(3)
    assert windows.ends(loaded.lake) == known
    loaded.lake.delete([key])


def test_a_window_beyond_the_end_of_the_log_is_refused_and_named(loaded: World) -> None:
    last, far = windows.ends(loaded.lake)[-1], lsn.number(FAR)
    whole = json.loads(loaded.lake.read(f"{windows.folder(last)}/{METADATA}") or b"")
    loaded.lake.write(f"{windows.folder(far)}/{SUCCESS}", loaded.lake.read(f"{windows.folder(last)}/{SUCCESS}") or b"")
    loaded.lake.write(f"{windows.folder(far)}/{METADATA}", b"{}")
    forge(loaded.lake, windows.folder(far), **whole | {"from_lsn": lsn.text(last), "to_lsn": FAR, "files": []})
    with pytest.raises(LogUnreadable, match=f"{windows.folder(far)}.*delete the folder if it is no window of yours"):
        extract(3)
    loaded.lake.delete([f"{windows.folder(far)}/{name}" for name in (METADATA, SUCCESS)])
    load(3)
    require_same(loaded)
