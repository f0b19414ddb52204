"""Whoever holds the lake's key freezes no extraction: no date goes beyond its end, whatever a file on the lake says."""

import datetime as dt
import json

import pytest
from lake_attacks import forge, vouch
from support.feeds_world import run
from support.loads import extract_date, load_stages
from support.shop import date
from support.world import World

from pipeline.feeds import purchases
from pipeline.kernel import postgres
from pipeline.kernel.errors import BadExtract
from pipeline.lake import seals
from pipeline.source import bounds, instants, layout
from pipeline.stage import repairs
from pipeline.tasks.load_user_behavior import ExtractPurchases, LoadUserBehavior
from pipeline.tasks.rebuild import RebuildTable

STATES = "ops.states"
EXTRACT = layout.folder(STATES, date(1))
REPAIR = f"repair/{STATES}/date={date(1)}/at=20260102T000000000000"
END = instants.end_of(date(1))
BEYOND = ["9999-12-31T23:59:59-23:59", (END + dt.timedelta(microseconds=1)).isoformat(), f"{date(1)}T23:00:00-01:01"]
LATEST = [END.isoformat(), f"{date(1)}T23:00:00-01:00", instants.BEGINNING]
REFUSED = rf"because it says that {date(1)} is extracted up to .*, which is beyond its end; delete that folder"


@pytest.fixture
def shop(shop: World) -> World:
    """Day 1 is loaded."""
    extract_date(shop, date(1), [STATES])
    load_stages(shop, date(1), [STATES])
    return shop


def forge_bound(world: World, to: str, *, sealed: bool = True) -> None:
    fields = {"date": str(date(1)), "to_watermark": to}
    world.lake.write(bounds.key_of(date(1)), seals.seal(fields) if sealed else json.dumps(fields).encode())


def forge_success(world: World, to: str) -> None:
    key = f"{EXTRACT}/{layout.SUCCESS}"
    fields = json.loads(world.lake.read(key) or b"")
    del fields["seal"]
    world.lake.write(key, seals.seal(fields | {"to_watermark": to}))


def choose(world: World, day: int, end: dt.datetime) -> str:
    with postgres.session(world.operational_url, "operational", purpose=bounds.PURPOSE) as source:
        return bounds.choose(source, world.lake, date(day), end, dt.timedelta(0))


def loaded_to(world: World) -> dt.datetime:
    [(found,)] = world.warehouse("select loaded_to from etl.stage_batch where table_name = 'states'")
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize("to", BEYOND)
def test_a_bound_beyond_the_end_of_its_date_is_refused_by_its_file(shop: World, to: str) -> None:
    for sealed in (True, False):
        forge_bound(shop, to, sealed=sealed)
        with pytest.raises(BadExtract, match=rf"{bounds.key_of(date(1))}, {REFUSED}"):
            bounds.chosen(shop.lake, date(1))
        with pytest.raises(BadExtract, match=rf"{bounds.key_of(date(1))}, {REFUSED}"):
            choose(shop, 2, instants.end_of(date(2)))
    assert not shop.lake.exists(bounds.key_of(date(2)))


@pytest.mark.parametrize("to", [*BEYOND, "9999-12-31T00:00:00"])
def test_an_extract_that_says_it_goes_beyond_the_end_of_its_date_is_refused_by_the_next(shop: World, to: str) -> None:
    forge_success(shop, to)
    with pytest.raises(BadExtract, match=rf"{EXTRACT}/_SUCCESS, {REFUSED}"):
        extract_date(shop, date(2), [STATES])


@pytest.mark.parametrize("to", BEYOND)
def test_metadata_beyond_the_end_of_its_date_is_not_loaded(shop: World, to: str) -> None:
    forge(shop.lake, EXTRACT, to_watermark=to)
    with pytest.raises(BadExtract, match=rf"{EXTRACT}/metadata\.json, {REFUSED}"):
        load_stages(shop, date(1), [STATES])
    assert loaded_to(shop) == END


def test_purchases_beyond_the_end_of_their_date_are_not_loaded(shop: World) -> None:
    where = purchases.folder(date(1), purchases.CONTRACT_MIN_QUANTITY)
    assert run(shop, ExtractPurchases(date(1), min_quantity=None)) is None
    forge(shop.lake, where, to_watermark="9999-12-31T00:00:00")
    failure = run(shop, LoadUserBehavior(date(1), min_quantity=None))
    assert isinstance(failure, BadExtract)
    assert f"{where}/metadata.json, because it says that {date(1)} is extracted up to 9999" in str(failure)
    assert shop.warehouse("select from etl.user_purchase_day") == []


@pytest.mark.parametrize("to", LATEST)
def test_what_goes_no_further_than_its_date_is_believed(shop: World, to: str) -> None:
    forge_bound(shop, to)
    forge_success(shop, to)
    forge(shop.lake, EXTRACT, to_watermark=to)
    extract_date(shop, date(2), [STATES])
    load_stages(shop, date(1), [STATES])
    found = layout.metadata(shop.lake, STATES, date(2))
    assert found
    assert found.from_watermark == to


def test_an_extract_of_the_last_date_that_there_is_is_read_like_any_other(shop: World) -> None:
    for file in shop.lake.objects(EXTRACT):
        shop.lake.write(file.key.replace(str(date(1)), str(dt.date.max)), shop.lake.read(file.key) or b"")
    forge(shop.lake, layout.folder(STATES, dt.date.max), date=str(dt.date.max))
    assert layout.metadata(shop.lake, STATES, dt.date.max)


def test_no_bound_is_chosen_beyond_the_end_of_its_date(shop: World) -> None:
    assert instants.instant(choose(shop, 3, instants.end_of(date(9)))) == instants.end_of(date(3))


def test_a_repair_takes_stage_no_further_whatever_it_says(shop: World) -> None:
    for file in shop.lake.objects(EXTRACT):
        shop.lake.write(f"{REPAIR}/{file.key.rpartition('/')[2]}", shop.lake.read(file.key) or b"")
    vouch(shop.lake, REPAIR, {repairs.DELETED_KEYS: b"[]"})
    forge(shop.lake, REPAIR, to_watermark="9999-12-31T00:00:00+00:00")
    run(shop, RebuildTable(STATES))
    assert loaded_to(shop) == END
