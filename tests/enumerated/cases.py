"""The calls that a command makes, and what becomes of a warehouse whose command met a fault at one of them."""

import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from support import commands
from support.checksum import CHECKSUM
from support.commands import KILLED, NAMED
from support.databases import admin_url, database_of, drop_database, run, source_admin_url
from support.injected import KINDS, STRUCK
from support.world import World

from enumerated.scenarios import Scenario

Checksum = dict[str, tuple[int, str]]
SECONDS = 60  # after which a command counts as stuck
HEALED, SAME = "healed", "same after the next run"
MISSED = "not reached"
LEFT = "a transaction left open"
BAD = ("different", "unnamed error", "stuck", "next run failed", LEFT)
# Work tables that nobody took back would show here.
RELATIONS = """
select relnamespace::regnamespace::text || '.' || relname from pg_class
where
    relkind in ('r', 'v', 'S')
    and relnamespace::regnamespace::text in ('delta', 'stage', 'work', 'dwh', 'mart', 'etl', 'analyst')
"""
OPEN = "select 1 from pg_stat_activity where datname = any(%s) and xact_start is not null and pid <> pg_backend_pid()"
DROP_SLOTS = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s"
MOMENT = 10  # seconds


@dataclass(frozen=True)
class Fault:
    """A kind of fault at a call: the number of the call among those of its site."""

    kind: str
    number: int
    site: str

    def __str__(self) -> str:
        return f"{self.kind} {self.number} {self.site}"


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
    """What a command leaves: the rows of dwh and mart, and which tables and views there are."""
    return world.checksum() | {"relations": tuple(world.warehouse(CHECKSUM.format(RELATIONS))[0])}


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
