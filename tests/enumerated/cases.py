"""Commands, the calls that they make, and what becomes of a warehouse whose command met a fault at one of them."""

import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from support import commands, shop
from support.databases import database_of, drop_database
from support.injected import KINDS, STRUCK
from support.world import World, Worlds

Checksum = dict[str, tuple[int, str]]
SECONDS = 60  # after which a command counts as stuck
KILLED = -9
# Why a command that failed did so, in the pipeline's own words.
NAMED = re.compile(r"cannot .+, because .+; |It was cut short: ")
HEALED, SAME = "healed", "same after the next run"
MISSED = "not reached"
BAD = ("different", "unnamed error", "stuck", "next run failed")


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


def scenarios(worlds: Worlds) -> dict[str, Scenario]:
    """All of them, by their names, on worlds that are loaded for them here."""
    first, later = _shops(worlds)
    load = ("DailyWarehouseLoad", "--date", str(shop.date(2)))
    repair = ("ReconcileSource", "--date", str(shop.date(1)), "--repair")
    found = [
        Scenario("first load", load, lambda: worlds.new(first)),
        Scenario("a day", load, lambda: worlds.copy(later)),
        Scenario("reconcile with repair", repair, lambda: worlds.copy(later)),
        Scenario("rebuild", ("RebuildWarehouse", "--replace"), lambda: worlds.copy(later)),
    ]
    return {scenario.name: scenario for scenario in found}


def _shops(worlds: Worlds) -> tuple[World, World]:
    """A shop that was never loaded, and one whose first day is; of its second a price, orders and a moved one are new.

    A row of the first day was changed below the bound, so that there is something to repair.
    """
    world = worlds.new()
    shop.open_shop(world)
    shop.add_product(world, 2, 5, shop.at(1))
    for order in (1, 2, 3):
        shop.add_order(world, order, shop.at(1, 10 + order), 1, 2)
    world.load(shop.date(1))
    world.source("update ops.customers set last_name = 'Lovelace'")
    shop.update(world, "products", {"product_id": 1}, shop.at(2, 6), unit_price=12)
    shop.update(world, "orders", {"order_id": 1}, shop.at(2, 7), order_status_id=2, delivered_ts=shop.at(2, 7))
    shop.add_order(world, 4, shop.at(2, 10), 1, 2)
    return world, world


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
    checksum = world.checksum()
    _drop(world)
    return dict(counts), checksum


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
        named = NAMED.search(output)
        said = output[named.start() :].splitlines()[0] if named else ""
        if STRUCK not in output:
            return MISSED, said
        if process.returncode == 0:
            return (HEALED if world.checksum() == checksum else "different"), said
        if process.returncode != KILLED and not named:
            return "unnamed error", " ".join(output.strip().splitlines()[-1:])
        again = world.start(*scenario.words)
        output, _ = again.communicate(timeout=SECONDS)
        if again.returncode != 0:
            return "next run failed", " ".join(output.strip().splitlines()[-1:])
        return (SAME if world.checksum() == checksum else "different"), said
    finally:
        _drop(world)


def _drop(world: World) -> None:
    with suppress(Exception):
        drop_database(world.home, database_of(world.warehouse_url))


def timed(scenario: Scenario, fault: Fault, checksum: Checksum) -> tuple[str, str, float]:
    """The same, with its seconds."""
    started = time.monotonic()
    outcome, said = judge(scenario, fault, checksum)
    return outcome, said, round(time.monotonic() - started, 2)
