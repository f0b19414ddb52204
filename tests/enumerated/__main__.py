"""Makes each call of each command fail once, in each way: python -m enumerated, from tests/.

    python -m enumerated --scenario 'a day' --minutes 120 --ledger faults.jsonl

What the ledger has of this commit is not done again. Prints what went wrong, and a table at the end. Exit code 1 if a
warehouse was different, an error had no name, a command was stuck, or the next run failed.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from support.world import ROOT, Worlds, running_services

from enumerated.cases import BAD, HEALED, MISSED, SAME, calls, faults, scenarios, timed

OUTCOMES = (HEALED, SAME, MISSED, *BAD)


def main() -> int:
    """Goes through all cases that are not done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", action="append", help="one of them; may be given several times")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--ledger", type=Path, default=ROOT / ".enumerated.jsonl")
    arguments = parser.parse_args()
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout[
        :8
    ]
    known = (
        [json.loads(line) for line in arguments.ledger.read_text().splitlines()] if arguments.ledger.exists() else []
    )
    known = [each for each in known if each["commit"] == commit]
    done = {(each["scenario"], each["fault"]) for each in known}
    until = time.monotonic() + arguments.minutes * 60
    sites: dict[str, int] = {}
    with running_services() as home, arguments.ledger.open("a") as ledger:
        worlds = Worlds(home, "enumerated")
        for name, scenario in scenarios(worlds).items():
            if arguments.scenario and name not in arguments.scenario:
                continue
            counts, checksum = calls(scenario)
            sites[name] = len(counts)
            for fault in faults(counts):
                if (name, str(fault)) in done or time.monotonic() > until:
                    continue
                outcome, said, seconds = timed(scenario, fault, checksum)
                case: dict[str, Any] = {"commit": commit, "scenario": name, "fault": str(fault), "outcome": outcome}
                case |= {"said": said, "seconds": seconds}
                known.append(case)
                ledger.write(json.dumps(case) + "\n")
                ledger.flush()
                if outcome in BAD:
                    print(f"{outcome}: {name}: {fault}: {said}", flush=True)
    print(table(known, sites))
    return 1 if any(case["outcome"] in BAD for case in known) else 0


def table(cases: list[dict[str, Any]], sites: dict[str, int]) -> str:
    """The table of docs/reliability.md."""
    lines = [
        "| command | call sites | faults | " + " | ".join(OUTCOMES) + " |",
        "|---" + "|--:" * (2 + len(OUTCOMES)) + "|",
    ]
    for name, number in sites.items():
        of = Counter(case["outcome"] for case in cases if case["scenario"] == name)
        figures = [number, sum(of.values()), *(of[outcome] for outcome in OUTCOMES)]
        lines.append(f"| {name} | " + " | ".join(f"{figure:,}" for figure in figures) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
