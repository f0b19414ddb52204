"""Commands, the calls that they make, and what becomes of a warehouse whose command met a fault at one of them."""

import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from support import commands, shop
from support.checksum import CHECKSUM
from support.databases import admin_url, database_of, drop_database, run, source_admin_url
from support.feeds_world import Api, classify, deliver_orders, deliver_reviews
from support.injected import KINDS, STRUCK
from support.log_worlds import open_log_shop
from support.world import ROOT, World, Worlds

Checksum = dict[str, tuple[int, str]]
SECONDS = 60  # after which a command counts as stuck
KILLED = -9
# Why a command that failed did so, in the pipeline's own words.
NAMED = re.compile(r"cannot .+, because .+; |It was cut short: ")
HEALED, SAME = "healed", "same after the next run"
MISSED = "not reached"
LEFT = "a transaction left open"
BAD = ("different", "unnamed error", "stuck", "next run failed", LEFT)


FIRST_VERSION = (ROOT / "tests/star/first_version.sql").read_text("utf-8")
# What rows of dwh and mart do not show: what a work table, or a date that is done, would be that nobody took back.
LEFT_BEHIND = (
    (
        "relations",
        "select relnamespace::regnamespace::text || '.' || relname from pg_class where relkind in ('r', 'v', 'S') "
        "and relnamespace::regnamespace::text in ('delta', 'stage', 'work', 'dwh', 'mart', 'etl', 'analyst')",
    ),
    ("markers", "select update_id from etl.marker"),
)
OPEN = "select 1 from pg_stat_activity where datname = any(%s) and xact_start is not null and pid <> pg_backend_pid()"
DROP_SLOTS = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s"
MOMENT = 10  # seconds


@dataclass(frozen=True)
class Scenario:
    """A command, and the world in which it starts; `words` are Luigi's."""

    name: str
    words: tuple[str, ...]
    start: Callable[[], World]


@dataclass(frozen=True)
class Fault:
    """A kind of fault at a call: the number of the call among those of its site."""

    kind: str
    number: int
    site: str

    def __str__(self) -> str:
        return f"{self.kind} {self.number} {self.site}"


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


def calls(scenario: Scenario) -> tuple[dict[str, int], Checksum]:
    """How often each site calls in a command that is left alone, and what is in the warehouse after it."""
    world = scenario.start()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "calls"
        file.touch()
        world.faulty(f"record {file}").luigi(*scenario.words)
        counts: dict[str, int] = defaultdict(int)
        for line in file.read_text().splitlines():
            counts[line.partition(" ")[2]] += 1
    checksum = contents(world)
    _drop(world)
    return dict(counts), checksum


def contents(world: World) -> Checksum:
    """What a command leaves: the rows of dwh and mart, which tables and views there are, and what counts as done."""
    return world.checksum() | {name: tuple(world.warehouse(CHECKSUM.format(query))[0]) for name, query in LEFT_BEHIND}


def faults(counts: dict[str, int]) -> Iterator[Fault]:
    """Each kind of fault at the first and at the last call of each site."""
    for site, count in counts.items():
        for number in sorted({1, count}):
            for kind in KINDS[site.partition(" ")[0]]:
                yield Fault(kind, number, site)


def judge(scenario: Scenario, fault: Fault, checksum: Checksum) -> tuple[str, str]:
    """What came of a command with a fault, and its first error.

    A command that ended well must have done its work: then it is `HEALED`. After any other the same command is run
    again without a fault, and must end in the warehouse of the one that was left alone.
    """
    world = scenario.start()
    try:
        process = world.faulty(str(fault)).start(*scenario.words)
        try:
            output, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            commands.kill(process)
            return "stuck", ""
        if open_transactions(world):
            return LEFT, ""
        named = NAMED.search(output)
        said = output[named.start() :].splitlines()[0] if named else ""
        if STRUCK not in output:
            return MISSED, said
        if process.returncode == 0:
            return (HEALED if contents(world) == checksum else "different"), said
        if process.returncode != KILLED and not named:
            return "unnamed error", " ".join(output.strip().splitlines()[-1:])
        again = world.start(*scenario.words)
        output, _ = again.communicate(timeout=SECONDS)
        if again.returncode != 0:
            return "next run failed", " ".join(output.strip().splitlines()[-1:])
        return (SAME if contents(world) == checksum else "different"), said
    finally:
        _drop(world)


def open_transactions(world: World) -> bool:
    """Whether a command that ended has left a transaction open; a server may take a moment to see that it is gone."""
    until = time.monotonic() + MOMENT
    admins = {admin_url(world.home), source_admin_url(world.home)}
    databases = [database_of(world.warehouse_url), database_of(world.operational_url)]
    while any(run(admin, OPEN, (databases,)) for admin in admins):
        if time.monotonic() > until:
            return True
        time.sleep(0.01)
    return False


def _drop(world: World) -> None:
    with suppress(Exception):
        drop_database(world.home, database_of(world.warehouse_url))
        run(source_admin_url(world.home), DROP_SLOTS, (world.more.get("OCEAN_LOG_SLOT"),))
