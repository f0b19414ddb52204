"""Worlds whose source is extracted from its log."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.kernel import postgres
from pipeline.source.log import publication
from support.databases import database_of
from support.feeds_world import settings_of
from support.loads import create_warehouse
from support.shop import open_shop
from support.world import World, Worlds


def open_log_shop(worlds: Worlds) -> World:
    """A world after `open_shop` and `create_warehouse`, whose tables are published."""
    found = worlds.new()
    with settings_of(found):
        open_shop(found)
        create_warehouse(found)
    with postgres.session(found.simulator_url, "tests") as owner:
        publication.create(owner)
    return found


@contextmanager
def copied_log_shop(worlds: Worlds, like: World) -> Iterator[World]:
    """A copy of a world that is loaded from the source's log, through a slot of its own; dropped at the end."""
    world = worlds.copy_all(like)
    yield world.where(OCEAN_EXTRACTION="log", OCEAN_LOG_SLOT=database_of(world.operational_url))
    worlds.drop()
