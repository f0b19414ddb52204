"""Plays histories, each from a seed: python -m histories --seeds 1:1000 --ledger histories.jsonl, from tests/.

The same seed gives the same history. One that fails is made smaller, step by step, and printed for a test to hold. What
the ledger has of this code is not played again. Exit code 1 if one failed.
"""

import argparse
import functools
import hashlib
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from support.ledger import Ledger, share_out
from support.world import ROOT, World, Worlds, running_services

from histories.running import audited, failure, kind_of, shop_of
from histories.shrinking import smallest
from histories.steps import Step, history

RIGHT = "right"


def main() -> int:
    """Plays the seeds that are not done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1:100", help="from the first to the last, both included")
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--ledger", type=Path, default=ROOT / ".histories.jsonl")
    arguments = parser.parse_args()
    first, last = map(int, arguments.seeds.split(":"))
    ledger = Ledger(arguments.ledger, "tests/histories")
    done = {each["seed"] for each in ledger.cases()}
    seeds = [seed for seed in range(first, last + 1) if seed not in done]
    until = time.monotonic() + arguments.minutes * 60
    share_out(seeds, arguments.processes, functools.partial(play, ledger, until))
    outcomes = [each["outcome"] for each in ledger.cases() if first <= each["seed"] <= last]
    failed = sum(outcome != RIGHT for outcome in outcomes)
    print(f"{len(outcomes)} of {last - first + 1} histories played, {failed} failed")
    return 1 if failed else 0


def play(ledger: Ledger, until: float, seeds: Sequence[int]) -> None:
    """Plays some seeds on services of their own, until the time is over."""
    with running_services(extraction="log") as home:
        template = shop_of(Worlds(home, "history"))
        names = (Worlds(home, f"history_{number}") for number in itertools.count())
        for seed in seeds:
            if time.monotonic() > until:
                break
            steps, started = history(seed), time.monotonic()
            found, player = failure(next(names), template, steps, check=audited if seed % 10 == 0 else None)
            told = {"seed": seed, "digest": hashlib.sha256(repr(steps).encode()).hexdigest()[:8], "steps": len(steps)}
            told |= {"loads": player.loads, "faults": player.faults, "seconds": round(time.monotonic() - started, 1)}
            told |= {"outcome": found[:300] or RIGHT}
            ledger.add(**told)
            print(ledger.commit, *told.values(), flush=True)
            if found:
                least = smallest(steps, functools.partial(_fails_alike, names, template, found))
                print(f"seed {seed}: {found}\nsteps = {least!r}", flush=True)


def _fails_alike(names: Iterator[Worlds], template: World, found: str, steps: list[Step]) -> bool:
    """Whether steps end in an error of the same kind: what is left then tells of this one."""
    return kind_of(failure(next(names), template, steps)[0]) == kind_of(found)


if __name__ == "__main__":
    sys.exit(main())
