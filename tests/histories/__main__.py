"""Plays histories, each from a seed: python -m histories --seeds 1:1000 --ledger histories.jsonl, from tests/.

The same seed gives the same history. One that fails is made smaller, step by step, and printed for a test to hold. What
the ledger has of this commit is not played again. Exit code 1 if one failed.
"""

import argparse
import hashlib
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

from support.world import ROOT, Worlds, running_services

from histories.running import audited, failure, shop_of
from histories.shrinking import smallest
from histories.steps import history


def main() -> int:
    """Plays the seeds that are not done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1:100", help="from the first to the last, both included")
    parser.add_argument("--minutes", type=float, default=600)
    parser.add_argument("--ledger", type=Path, default=ROOT / ".histories.jsonl")
    arguments = parser.parse_args()
    first, last = map(int, arguments.seeds.split(":"))
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout[
        :8
    ]
    known = (
        [json.loads(line) for line in arguments.ledger.read_text().splitlines()] if arguments.ledger.exists() else []
    )
    done = {each["seed"] for each in known if each["commit"] == commit}
    until, failed = time.monotonic() + arguments.minutes * 60, 0
    with running_services() as home, arguments.ledger.open("a") as ledger:
        template = shop_of(Worlds(home, "history"))
        names = (Worlds(home, f"history_{number}") for number in itertools.count())
        for seed in range(first, last + 1):
            if seed in done or time.monotonic() > until:
                continue
            steps, started = history(seed), time.monotonic()
            found, player = failure(next(names), template, steps, check=audited if seed % 10 == 0 else None)
            told = {"commit": commit, "seed": seed, "digest": hashlib.sha256(repr(steps).encode()).hexdigest()[:8]}
            told |= {"steps": len(steps), "loads": player.loads, "faults": player.faults}
            told |= {"seconds": round(time.monotonic() - started, 1), "outcome": found[:300] or "right"}
            ledger.write(json.dumps(told) + "\n")
            ledger.flush()
            print(*told.values(), flush=True)
            if found:
                failed += 1
                least = smallest(steps, lambda some: bool(failure(next(names), template, some)[0]))
                print(f"seed {seed}: {found}\nsteps = {least!r}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
