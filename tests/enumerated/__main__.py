"""Makes each call of each command fail once, in each way: python -m enumerated, from tests/.

    python -m enumerated --scenario 'a day' --minutes 120 --ledger faults.jsonl

What the ledger has of this code is not done again. Prints what went wrong, and a table at the end. Exit code 1 if a
warehouse was different, an error had no name, a command was stuck or left something, or the next run failed.
"""

import argparse
import functools
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.feeds_world import running_api
from support.ledger import Ledger, share_out
from support.world import ROOT, Worlds, running_services

from enumerated.cases import BAD, HEALED, MISSED, SAME, Fault, calls, faults, judge
from enumerated.scenarios import scenarios

OUTCOMES = (HEALED, SAME, MISSED, *BAD)
Sites = dict[str, dict[str, int]]  # of each scenario the calls of each site


def main() -> int:
    """Goes through all cases that are not done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", action="append", help="one of them; may be given several times")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--ledger", type=Path, default=ROOT / ".enumerated.jsonl")
    arguments = parser.parse_args()
    ledger = Ledger(arguments.ledger, "tests/enumerated")
    with running_services(extraction="log") as home, running_api() as api:
        found = scenarios(Worlds(home, "counted"), api)
        sites = {name: calls(found[name])[0] for name in arguments.scenario or found}
    done = {(each["scenario"], each["fault"]) for each in ledger.cases()}
    every = [(name, fault) for name, counts in sites.items() for fault in faults(counts)]
    cases = [(name, fault) for name, fault in every if (name, str(fault)) not in done]
    share_out(cases, arguments.processes, functools.partial(play, ledger, time.monotonic() + arguments.minutes * 60))
    known = [each for each in ledger.cases() if each["scenario"] in sites]
    print(table(known, sites, Counter(name for name, _ in every)))
    return 1 if any(case["outcome"] in BAD for case in known) else 0


def play(ledger: Ledger, until: float, cases: Sequence[tuple[str, Fault]]) -> None:
    """Plays some cases on services of their own, until the time is over."""
    with running_services(extraction="log") as home, running_api() as api:
        every = scenarios(Worlds(home, "enumerated"), api)
        checksums = {name: calls(every[name])[1] for name in dict.fromkeys(name for name, _ in cases)}
        for name, fault in cases:
            if time.monotonic() > until:
                break
            started = time.monotonic()
            outcome, said = judge(every[name], fault, checksums[name])
            seconds = round(time.monotonic() - started, 2)
            ledger.add(scenario=name, fault=str(fault), outcome=outcome, said=said, seconds=seconds)
            if outcome in BAD:
                print(f"{outcome}: {name}: {fault}: {said}", flush=True)


def table(cases: list[dict[str, Any]], sites: Sites, faults: Counter[str]) -> str:
    """The table of docs/reliability.md."""
    lines = [
        "| command | call sites | faults | tried | " + " | ".join(OUTCOMES) + " |",
        "|---" + "|--:" * (3 + len(OUTCOMES)) + "|",
    ]
    for name, counts in sites.items():
        of = Counter(case["outcome"] for case in cases if case["scenario"] == name)
        figures = [len(counts), faults[name], sum(of.values()), *(of[outcome] for outcome in OUTCOMES)]
        lines.append(f"| {name} | " + " | ".join(f"{figure:,}" for figure in figures) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
