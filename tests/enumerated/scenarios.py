"""Commands of each sort, and the world in which each starts."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from support import shop
from support.databases import database_of, run, source_admin_url
from support.feeds_world import Api, classify, deliver_orders, deliver_reviews
from support.log_worlds import open_log_shop
from support.world import ROOT, World, Worlds

FIRST_VERSION = (ROOT / "tests/star/first_version.sql").read_text("utf-8")


@dataclass(frozen=True)
class Scenario:
    """A command, and the world in which it starts; `words` are Luigi's."""

    name: str
    words: tuple[str, ...]
    start: Callable[[], World]


def scenarios(worlds: Worlds, api: Api) -> dict[str, Scenario]:
    """All of them, by their names, on worlds that are loaded for them here. Risk scores come from the service."""
    later = cache(lambda: _later(worlds))
    fed = cache(lambda: _fed(worlds.copy(later()), api))
    of_log = cache(lambda: _later_from_log(worlds))
    load = ("DailyWarehouseLoad", "--date", str(shop.date(2)))
    repair = ("ReconcileSource", "--date", str(shop.date(1)), "--repair")
    found = [
        Scenario("first load", load, lambda: worlds.new(later())),
        Scenario("a day", load, lambda: worlds.copy(later())),
        Scenario("a date under way", load, lambda: worlds.copy(later()).at(shop.at(2, 20))),
        Scenario("a day with feeds", load, lambda: worlds.copy(fed()).where(**fed().more)),
        Scenario("first load from the log", load, lambda: _from_log(worlds.new(later()))),
        Scenario("a day from the log", load, lambda: _copy_with_slot(worlds, of_log())),
        Scenario("reconcile with repair", repair, lambda: worlds.copy(later())),
        Scenario("rebuild", ("RebuildWarehouse", "--replace"), lambda: worlds.copy(later())),
        Scenario("upgrade", ("CreateWarehouse",), lambda: _first_version(worlds)),
    ]
    return {scenario.name: scenario for scenario in found}


def _later(worlds: Worlds) -> World:
    """A shop whose first day is loaded, but for a change below its bound; of its second something is there."""
    world = open_log_shop(worlds)
    _trade_of_the_first_day(world)
    world.load(shop.date(1))
    world.source("update ops.customers set last_name = 'Lovelace'")
    _trade_of_the_second_day(world)
    return world


def _trade_of_the_first_day(world: World) -> None:
    shop.add_product(world, 2, 5, shop.at(1))
    for order in (1, 2, 3):
        shop.add_order(world, order, shop.at(1, 10 + order), 1, 2)


def _trade_of_the_second_day(world: World) -> None:
    shop.update(world, "products", {"product_id": 1}, shop.at(2, 6), unit_price=12)
    shop.update(world, "orders", {"order_id": 1}, shop.at(2, 7), order_status_id=2, delivered_ts=shop.at(2, 7))
    shop.add_order(world, 4, shop.at(2, 10), 1, 2)


def _fed(world: World, api: Api) -> World:
    """Gives a world what vendors have for the second day. Its reviews are classified: Spark is not under test here."""
    api.answer = [{"customer_id": customer, "risk_score": 10 * customer} for customer in (1, 2)]
    world = world.where(RISK_API_URL=api.url, OCEAN_REVIEW_CLASSIFIER="keyword")
    deliver_reviews(world, 2, (1, "good"), (7, "good"))
    deliver_orders(world, 2, "P1,1,I1,Song,26-01-02 10:00:00", "P2,7,I1,Song,26-01-02 10:00:00")
    classify(world, 2)
    return world


def _from_log(world: World) -> World:
    return world.where(OCEAN_EXTRACTION="log", OCEAN_LOG_SLOT=database_of(world.warehouse_url))


def _later_from_log(worlds: Worlds) -> World:
    world = _from_log(open_log_shop(worlds))
    _trade_of_the_first_day(world)
    world.load(shop.date(1))
    _trade_of_the_second_day(world)
    world.source("delete from ops.order_lines where order_id = 3 and line_number = 2")
    return world


def _copy_with_slot(worlds: Worlds, world: World) -> World:
    """A copy of a warehouse and its lake that reads the same source's log, through a copy of the slot."""
    found = _from_log(worlds.copy(world))
    name, source = found.more["OCEAN_LOG_SLOT"], f"/{database_of(world.operational_url)}"
    # A slot is of the database in which it was made.
    admin = urlsplit(source_admin_url(worlds.home))._replace(path=source).geturl()
    run(admin, "select pg_copy_logical_replication_slot(%s, %s)", (world.more["OCEAN_LOG_SLOT"], name))
    found.lake.write(f"log/slot={name}", name.encode())  # by which the lake knows its own
    return found


def _first_version(worlds: Worlds) -> World:
    world = worlds.new()
    world.warehouse(FIRST_VERSION)
    return world
