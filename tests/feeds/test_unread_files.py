"""Vendors' files by their names: which are read, how they are unpacked, and what is said of the others."""

import datetime as dt
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zstandard
from support import shop
from support.feeds_world import settings_of
from support.loads import create_warehouse
from support.world import World, Worlds

from pipeline.feeds import landing, unread
from pipeline.feeds.landing import landed
from pipeline.feeds.unread import FUTURE, NO_CSV, NO_DATE, NO_FEED, TOO_DEEP, TWIN, UnreadFiles
from pipeline.kernel.config import S3
from pipeline.kernel.errors import BadExtract
from pipeline.lake.objects import Lake, Object
from pipeline.tasks import load_feed
from pipeline.vendors.declared_feeds import PARTNER_ORDERS, REVIEWS
from pipeline.vendors.vendor_fields import Row

DATE = dt.date(2026, 1, 1)
HERE = f"landing/movie_review/date={DATE}"
FILE = b"cid,review_str\n%d,good\n"
FORGED = "\x1b[31m\nerror: forged"


@pytest.fixture
def lake(services_home: Path, request: pytest.FixtureRequest) -> Lake:
    return World(services_home, "", "", f"s3://ocean-lake/{request.node.name}").lake


def rows(lake: Lake) -> list[object]:
    [delivery] = landed(lake, REVIEWS).deliveries
    return list(landing.read(lake, delivery))


def unread_of(lake: Lake) -> dict[str, tuple[int, list[str]]]:
    return {each.reason: (each.files, each.names) for each in landed(lake, REVIEWS).unread}


def test_a_file_is_read_by_the_ending_of_its_name_in_any_case(lake: Lake) -> None:
    lake.write_all(
        {
            f"{HERE}/1.csv": FILE % 1,
            f"{HERE}/2.CSV": FILE % 2,
            f"{HERE}/3.csv.gz": gzip.compress(FILE % 3),
            f"{HERE}/4.Csv.GZ": gzip.compress(FILE % 4) + gzip.compress(b"44,good\n"),
            f"{HERE}/5.csv.zst": zstandard.compress(FILE % 5) + zstandard.compress(b"55,good\n"),
            f"{HERE}/6.csv.gz": b"",
        }
    )
    assert rows(lake) == [Row((cid, "good")) for cid in ("1", "2", "3", "4", "44", "5", "55")]
    assert unread_of(lake) == {}


def test_of_files_that_may_hold_the_same_one_is_read(lake: Lake) -> None:
    lake.write_all(
        {
            f"{HERE}/a.csv": FILE % 1,
            f"{HERE}/a.CSV": FILE % 2,
            f"{HERE}/a.csv.gz": gzip.compress(FILE % 1),
            f"{HERE}/b.csv.zst": zstandard.compress(FILE % 3),
            f"{HERE}/b.csv.gz": gzip.compress(FILE % 3),
        }
    )
    assert rows(lake) == [Row(("1", "good")), Row(("3", "good"))]
    # In the order of their names.
    left = [f"'date={DATE}/{name}'" for name in ("a.CSV", "a.csv.gz", "b.csv.zst")]
    assert unread_of(lake) == {TWIN: (3, left)}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv.gz", gzip.compress(FILE * 100)[:-9]),
        ("a.csv.gz", gzip.compress(FILE * 100) + b"more"),
        ("a.csv.gz", FILE),
        ("a.csv.zst", zstandard.compress(FILE * 100)[:-9]),
        ("a.csv.zst", zstandard.compress(FILE) + zstandard.compress(FILE)[:5]),
        ("a.csv.zst", FILE),
    ],
    ids=["cut gzip", "gzip and more", "no gzip", "cut zstd", "zstd and half of one", "no zstd"],
)
def test_a_file_that_cannot_be_unpacked_to_its_end_is_refused(lake: Lake, name: str, data: bytes) -> None:
    lake.write(f"{HERE}/{name}", data)
    with pytest.raises(BadExtract, match=rf"cannot read {HERE}/{name}, because it cannot be unpacked: .*; have it"):
        rows(lake)


def test_what_is_not_read_is_counted_and_named_by_the_reason(lake: Lake) -> None:
    lake.write_all(
        {f"landing/movie_review/{path}": FILE for path in ("date=20260103/a.csv", "date=2026-02-30/a.csv", "a.csv")}
        | {f"{HERE}/{name}": FILE for name in ("deep/a.csv", "a.txt", ".csv", "a.csv.bz2", "a.cſv")}
    )
    assert unread_of(lake) == {
        NO_DATE: (3, ["'a.csv'", "'date=2026-02-30/a.csv'", "'date=20260103/a.csv'"]),
        TOO_DEEP: (1, [f"'date={DATE}/deep/a.csv'"]),
        NO_CSV: (4, [f"'date={DATE}/{name}'" for name in (".csv", "a.csv.bz2", "a.cſv", "a.txt")]),
    }
    assert landed(lake, REVIEWS).deliveries == []


def test_a_long_name_is_shown_as_far_as_it_needs_to_be(lake: Lake) -> None:
    name = "x" * 200
    lake.write(f"{HERE}/{name}", FILE)
    start = f"date={DATE}/"
    assert unread_of(lake) == {NO_CSV: (1, [f"'{start}{name[: 120 - len(start)]}…'"])}


def test_a_marker_of_a_folder_is_no_file_but_bytes_under_such_a_name_are(monkeypatch: pytest.MonkeyPatch) -> None:
    markers = {f"landing/{name}": 0 for name in ("", "movie_review/", f"movie_review/date={DATE}/", f"date={DATE}/")}
    assert unread_of(listed(monkeypatch, markers)) == {}
    found = listed(monkeypatch, {**markers, f"{HERE}/a.csv/": 5, f"{HERE}//a.csv": 5})
    assert unread_of(found) == {TOO_DEEP: (2, [f"'date={DATE}//a.csv'", f"'date={DATE}/a.csv/'"])}
    assert landed(found, REVIEWS).deliveries == []


def test_beside_the_folders_of_feeds_there_may_be_the_marker_of_theirs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lake = listed(monkeypatch, {"landing/": 0, "landing/a.csv": 5}, ["landing/else/", "landing/movie_review/"])
    [found] = unread.of_no_feed(lake, ["landing/movie_review"]).values()
    assert (found.files, found.names) == (2, ["'a.csv'", "'else/'"])


def listed(monkeypatch: pytest.MonkeyPatch, sizes: dict[str, int], folders: Sequence[str] = ()) -> Lake:
    """A lake that S3 lists so. The embedded one keeps files on a disk, and has no such names."""
    entry = {"LastModified": dt.datetime.now(dt.UTC), "ETag": ""}
    page = {
        "Contents": [{"Key": key, "Size": size, **entry} for key, size in sizes.items()],
        "CommonPrefixes": [{"Prefix": prefix} for prefix in folders],
    }
    pages = SimpleNamespace(paginate=lambda **_: [page])
    monkeypatch.setattr(Lake, "client", SimpleNamespace(get_paginator=lambda _: pages))
    return Lake("s3://lake", S3("", "", ""))


def test_names_are_shown_in_one_line_and_up_to_a_bound() -> None:
    found = UnreadFiles("landing/x")
    for number in range(1000):
        found.add(NO_CSV, f"{number}{FORGED}{'🐋' * 1000}")
    [each] = found.values()
    assert each.files == 1000
    assert len(each.names) == unread.MOST_NAMES
    assert all(name.isprintable() and len(name) <= unread.LONGEST_NAME + 3 for name in each.names)


def test_each_folder_is_listed_once_and_that_of_no_feed_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.lake.write("landing/else/a.csv", FILE)
    folders: list[str] = []
    objects = Lake.objects

    def counted(lake: Lake, folder: str) -> list[Object]:
        folders.append(folder)
        return objects(lake, folder)

    monkeypatch.setattr(Lake, "objects", counted)
    load_feed.list_again()
    for _ in range(2):
        [found] = load_feed.unread_files(DATE)
    assert (found.folder, found.reason, found.names) == ("landing", NO_FEED, ["'else/'"])
    assert sorted(folders) == ["landing/movie_review", "landing/partner_orders"]


@pytest.fixture(scope="module")
def loaded(worlds: Worlds) -> tuple[World, str]:
    """A warehouse with one date, to whose vendors' files there are others, and what its load said."""
    world = worlds.new().where(OCEAN_MAX_LAG_HOURS="1000000", RISK_API_URL="", OCEAN_SIMULATE="0")
    shop.open_shop(world)
    order, here = "A{0},1,I,Kelp,26-01-01 10:00:00", f"landing/partner_orders/date={DATE}"
    files = [f"{PARTNER_ORDERS.header}\n{order.format(number)}\n".encode() for number in range(3)]
    world.lake.write_all(
        {
            f"{here}/a.CSV": files[0],
            f"{here}/b.csv.gz": gzip.compress(files[1]),
            f"{here}/c.csv.zst": zstandard.compress(files[2]),
            "landing/orders/a.csv": files[0],
            "landing/partner_orders/date=2999-01-01/a.csv": files[0],
            **{f"{here}/{number} <b>{FORGED}.txt": b"x" for number in range(7)},
        }
    )
    return world, world.load(shop.date(1))


def test_a_load_reads_what_is_certain_and_names_the_rest(loaded: tuple[World, str]) -> None:
    world, said = loaded
    assert world.rows("select order_id from stage.partner_orders") == {("A0",), ("A1",), ("A2",)}
    told = [line for line in said.splitlines() if line.startswith("not read: ")]
    assert [line.partition(": ")[2].partition(": ")[0] for line in told] == [
        f"1 in landing, {NO_FEED}",
        f"7 in landing/partner_orders, {NO_CSV}",
        f"1 in landing/partner_orders, {FUTURE}",
    ]
    assert told[0].endswith("'orders/'")
    assert told[1].endswith("', …")
    assert "0 <b>" in told[1]
    assert told[2].endswith("'date=2999-01-01/a.csv'")
    assert "\nerror: forged" not in said


def test_the_status_names_it_until_a_load_finds_it_gone(loaded: tuple[World, str]) -> None:
    world, _ = loaded
    found = status(world, expect=1)
    assert [(each["folder"], each["files"]) for each in found["unread"]] == [
        ("landing", 1),
        ("landing/partner_orders", 7),
        ("landing/partner_orders", 1),
    ]
    assert [each["severity"] for each in found["findings"]] == ["warn"] * 3
    assert f"7 files in landing/partner_orders are not read, {NO_CSV}: " in found["findings"][1]["what"]

    world.lake.delete(entry.key for entry in world.lake.objects("landing") if "/b.csv" not in entry.key)
    world.load(shop.date(2))
    found = status(world, expect=0)
    assert (found["unread"], found["findings"]) == ([], [])


def status(world: World, *, expect: int) -> dict[str, list[dict[str, Any]]]:
    code, shown, errors = world.status("--json")
    assert code == expect, shown + errors
    said: dict[str, list[dict[str, Any]]] = json.loads(shown)
    return said


def test_a_warehouse_from_before_it_was_noted_has_a_status(world: World) -> None:
    with settings_of(world):
        create_warehouse(world)
    world.warehouse("drop table etl.unread_file")
    assert status(world, expect=1)["unread"] == []
