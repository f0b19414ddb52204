"""A source that fails over to its standby: loads go on where no change is lost, and are refused where one is."""

import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.databases import run, source_admin_url
from support.log_steps import extract, load, require_same, slot_of
from support.shop import add_order, add_product, at, date, update
from support.standby import NAME, Standby, running_standby, wait_until
from support.world import World

from faults.disturbed import FAULTS
from pipeline.kernel import postgres
from pipeline.kernel.errors import LogUnreadable, SourceUnsafe
from pipeline.source import bounds
from pipeline.source.log import publication, windows

SYNCED = """
select synced and not temporary and confirmed_flush_lsn = '{1}' from pg_replication_slots where slot_name = '{0}'
"""
STATE = "select confirmed_flush_lsn::text from pg_replication_slots where slot_name = '{}'"
RELOAD = "select pg_reload_conf()"


@pytest.fixture
def primary(logged: World) -> World:
    """A source after its first loads."""
    for day in (1, 2):
        trade(logged, day)
        load(day)
    return logged


def trade(world: World, day: int) -> None:
    """Changes of a day."""
    add_product(world, 10 * day, day, at(day))
    add_order(world, 10 * day, at(day), 1, 10 * day)
    update(world, "products", {"product_id": 1}, at(day), unit_price=day)
    world.source("delete from ops.order_lines where order_id = 10 * (%s - 1) and line_number = 1", (day,))


@pytest.fixture
def admin(log_server: Path) -> str:
    """The URL of the superuser of the primary."""
    return source_admin_url(log_server)


def follow(standby: Standby, world: World, admin: str) -> None:
    """Returns once the standby has the slot as it stands. It takes none that needs more of the log than it has itself:
    how much that is falls with a checkpoint that was read over."""
    for day in (3, 4, 5):
        trade(world, day)
        run(admin, "checkpoint")
        load(day)
    [(stands,)] = world.source(STATE.format(slot_of(world)))
    wait_until(lambda: standby.sql(SYNCED.format(slot_of(world), stands)) == [(True,)])


@pytest.mark.skipif(FAULTS <= 10, reason="make nightly runs it")
def test_after_a_failover_that_loses_nothing_loads_go_on(
    primary: World, log_server: Path, admin: str, enter: Callable[[World], World]
) -> None:
    with running_standby(log_server) as standby:
        run(admin, f"alter system set synchronized_standby_slots = '{NAME}'")
        run(admin, RELOAD)
        try:
            follow(standby, primary, admin)
            before = windows.ends(primary.lake)
            trade(primary, 6)
            extract(6)
        finally:
            run(admin, "alter system reset synchronized_standby_slots")
            run(admin, RELOAD)
        promoted = enter(standby.world(primary))
        with pytest.raises(LogUnreadable, match="the source is a standby; point OPERATIONAL_URL at the primary"):
            extract(7)
        assert "the source is a standby" in promoted.command("source", "check", expect=1)
        standby.promote()
        trade(promoted, 7)
        load(7)
        require_same(promoted)
        trade(promoted, 8)
        load(8)
        require_same(promoted)
        found = [windows.read(promoted.lake, end) for end in windows.ends(promoted.lake)]
        assert [window.timeline for window in found][len(before) + 1 :] == [2, 2]
        changed = sum(file.rows for window in found for file in window.files if file.table == "ops.products")
        assert changed == 7 * 2  # on each day after the first copy one that came and one that changed


def test_a_failover_that_loses_what_the_lake_has_is_refused_and_a_comparison_repairs_it(
    primary: World, log_server: Path, admin: str, enter: Callable[[World], World]
) -> None:
    with running_standby(log_server) as standby:
        follow(standby, primary, admin)
        require_refused(enter(standby.world(primary)))
        enter(primary)
        standby.stop()
        trade(primary, 6)
        primary.source("update ops.products set unit_price = 77 where product_id = 20")
        load(6)
        require_same(primary)
        standby.configure(primary_conninfo="", sync_replication_slots="off")
        standby.start()
        standby.promote()
        promoted = enter(standby.world(primary))
        trade(promoted, 7)
        words = (
            r"the lake has it up to \S+, and the source, which was restored or failed over, has another one from \S+ on"
        )
        with pytest.raises(LogUnreadable, match=f"{words}; {re.escape(publication.AGAIN)}"):
            extract(7)
        promoted.command("source", "drop")
        promoted.source("drop publication oceanrecords")
        assert "create publication" in promoted.command("source", "prepare", expect=1)
        with_owner(promoted)
        promoted.command("source", "prepare")
        load(7)
        require_same(promoted)
        trade(promoted, 8)
        load(8)
        require_same(promoted)


def require_refused(standby: World) -> None:
    """A standby is not extracted from, neither way."""
    with pytest.raises(LogUnreadable, match="the source is a standby; point OPERATIONAL_URL at the primary"):
        extract(7)
    words = "the source is a standby, which does not show the open transactions of its primary"
    with (
        postgres.session(standby.operational_url, "operational") as source,
        pytest.raises(SourceUnsafe, match=words),
    ):
        bounds.safe(source, standby.lake, date(7), at(8), dt.timedelta(0))


def with_owner(world: World) -> None:
    """Publishes the tables, as their owner."""
    with postgres.session(world.simulator_url, "tests") as owner:
        publication.create(owner)
