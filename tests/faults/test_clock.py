"""Clocks that are wrong: of the machine that loads, and of the source."""

import datetime as dt
import os
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from support import shop
from support.databases import database_of
from support.feeds_world import run, settings_of
from support.loads import create_warehouse, extract_date, load_day
from support.world import World, Worlds

from faults.disturbed import FAULTS, Case, Tally
from pipeline.source import instants, layout
from pipeline.tasks.reconcile_source import ReconcileSource

DAY = dt.timedelta(days=1)
CLOCK = Path(__file__).parent / "wrong_clock"
DATES, JUMPS = 5, max(2, FAULTS // 5)


@pytest.mark.parametrize("days", [-366, -1, 1, 366])
def test_a_machine_whose_clock_is_wrong_loads_the_same(first_load: Case, days: int, tally: Tally) -> None:
    world = wrong(first_load.start(), days, signatures="right")
    world.luigi(*first_load.words)
    runs = "select bool_and(abs(extract(epoch from now() - started)) > 80000) from etl.task_run"
    assert world.warehouse(runs) == [(True,)]  # it was
    tally.count("faults")
    tally.compare(world, first_load.checksum)


def test_an_s3_that_takes_no_signature_of_another_time_fails_the_load_with_what_to_set(
    first_load: Case, tally: Tally
) -> None:
    world = first_load.start()
    output = wrong(world, 1, signatures="wrong").luigi(*first_load.words, expect=35)
    said = r"because it answered 403 403, and its clock is (1 day, 0:0|23:59:5)\S+ from the one of this machine"
    assert re.search(said, output), output
    world.luigi(*first_load.words)
    tally.count("faults")
    tally.count("reruns")
    tally.compare(world, first_load.checksum)


def wrong(world: World, days: int, signatures: str) -> World:
    """The world on a machine whose clock is wrong."""
    path = os.pathsep.join([str(CLOCK), os.environ.get("PYTHONPATH", "")])
    return world.where(PYTHONPATH=path, OCEAN_TEST_CLOCK=str(days * 86400), OCEAN_TEST_SIGNATURES=signatures)


def test_rows_written_after_the_clock_of_the_source_was_set_back_are_found_and_repaired(
    worlds: Worlds, tally: Tally
) -> None:
    """The extract went up to where the clock was; below that, no later one looks."""
    today = dt.datetime.now(dt.UTC).date()
    world = worlds.new()
    open_shop_with_a_clock(world)
    with settings_of(world):
        create_warehouse(world)
        set_clock(world, 3 * DAY)
        load_day(world, today + DAY)
        set_clock(world, 0 * DAY)
        now = dt.datetime.now(dt.UTC)
        shop.add_order(world, 1, now, 1)
        shop.update(world, "customers", {"customer_id": 1}, now, last_name="Lovelace")
        for date in (today + 2 * DAY, today + 3 * DAY):
            load_day(world, date)
    assert world.warehouse("select order_id from dwh.fact_order") == []
    run(world, ReconcileSource(today + 3 * DAY, repair=True))

    undisturbed = replace(worlds.new(), operational_url=world.operational_url)
    with settings_of(undisturbed):
        create_warehouse(undisturbed)
        load_day(undisturbed, today + DAY)
    assert undisturbed.warehouse("select order_id from dwh.fact_order") == [(1,)]
    tally.count("faults")
    tally.count("reruns")
    tally.compare(world, undisturbed.checksum())


def test_windows_follow_each_other_however_the_clock_of_the_source_jumps(worlds: Worlds, tally: Tally) -> None:
    random = Random("jumps")
    today = dt.datetime.now(dt.UTC).date()
    table = "ops.order_statuses"
    dates = [today + number * DAY for number in range(-DATES, DATES)]
    for _ in range(JUMPS):
        world = worlds.new()
        open_shop_with_a_clock(world)
        with settings_of(world):
            for date in dates:
                set_clock(world, random.uniform(-2 * DATES, 2 * DATES) * DAY)
                extract_date(world, date, [table])
                tally.count("faults")
            found = [layout.metadata(world.lake, table, date) for date in dates]
        windows = [(each.from_watermark, each.to_watermark) for each in found if each]
        assert len(windows) == len(dates)
        assert windows[0][0] == instants.BEGINNING
        assert all(instants.instant(begin) <= instants.instant(end) for begin, end in windows)
        assert all(end == begin for (_, end), (begin, _) in pairwise(windows))


def open_shop_with_a_clock(world: World) -> None:
    """A shop whose server finds another function of that name when it is asked for the time."""
    shop.open_shop(world)
    world.source("create schema other_clock; grant usage on schema other_clock to public")
    set_clock(world, 0 * DAY)
    database = database_of(world.operational_url)
    world.source(f"alter database {database} set search_path = other_clock, pg_catalog, public")


def set_clock(world: World, ahead: dt.timedelta) -> None:
    world.source(
        "create or replace function other_clock.clock_timestamp() returns timestamptz language sql as "
        f"$$ select pg_catalog.clock_timestamp() + '{ahead.total_seconds()} seconds'::interval $$"
    )


def test_repairs_are_loaded_again_in_the_order_in_which_they_were_made_whatever_their_dates_and_clocks(
    worlds: Worlds, tally: Tally
) -> None:
    world = worlds.new()
    shop.open_shop(world)
    with settings_of(world):
        create_warehouse(world)
        for day in (1, 2):
            load_day(world, shop.date(day))
    hide = "update ops.addresses set street = '{}'"  # with the updated_ts of before
    world.source(hide.format("of the first repair"))
    wrong(world, 1, signatures="right").luigi("ReconcileSource", "--date", str(shop.date(1)), "--repair")
    for day, street in ((2, "of the second"), (1, "of the last")):
        world.source(hide.format(street))
        run(world, ReconcileSource(shop.date(day), repair=True))
    before = world.warehouse("select street from stage.addresses")
    world.luigi("RebuildTable", "--table", "ops.addresses")
    assert world.warehouse("select street from stage.addresses") == before == [("of the last",)]
    tally.count("faults")
