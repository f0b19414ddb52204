"""Makes the mistakes of the list, and reports those that no test notices: python -m mutations, from tests/."""

import argparse
import fnmatch
import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from mutations import runner
from mutations.entries import ROOT, Entry, entries


def main() -> int:
    """Exit code 0 if the named test notices each mistake."""
    parser = argparse.ArgumentParser(prog="mutations", description=__doc__)
    parser.add_argument("--only", default="*", help="a pattern of the entries' names")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--ledger", type=Path, help="a file of JSON lines; what it has of this commit is not run again")
    options = parser.parse_args()
    chosen = [each for each in entries() if fnmatch.fnmatchcase(each.name, f"*{options.only}*")]
    said = Counter(run(chosen, options.processes, options.ledger))
    print(", ".join(f"{count} {what}" for what, count in sorted(said.items())) or "no entry has such a name")
    return 0 if chosen and set(said) == {runner.NOTICED} else 1


def run(chosen: list[Entry], processes: int, ledger: Path | None) -> list[str]:
    """What became of each mistake. Each process has a copy of its own."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    known = remembered(ledger, commit.strip())
    free: SimpleQueue[Path] = SimpleQueue()

    def one(entry: Entry) -> str:
        said = known.get(entry.name)
        if said is None:
            copy = free.get()
            try:
                said = runner.judge(copy, entry)
            finally:
                free.put(copy)
            if ledger:
                with ledger.open("a") as file:
                    file.write(json.dumps({"commit": commit.strip(), "name": entry.name, "said": said}) + "\n")
        print(f"{said:8} {entry.name}", flush=True)
        return said

    with ExitStack() as stack:
        copies = [stack.enter_context(runner.copied(ROOT)) for _ in range(processes)]
        # A test that fails without a mistake, too, notices nothing.
        tests = sorted({each.test for each in chosen if each.name not in known})
        if tests and runner.tested(copies[0], *tests) != runner.PASSED:
            sys.exit("cannot judge the tests of the list, because one of them fails without a mistake; fix it first")
        for copy in copies:
            free.put(copy)
        with ThreadPoolExecutor(processes) as pool:
            return list(pool.map(one, chosen))


def remembered(ledger: Path | None, commit: str) -> dict[str, str]:
    """What a ledger has of a commit."""
    if ledger is None or not ledger.exists():
        return {}
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    return {line["name"]: line["said"] for line in lines if line["commit"] == commit}


if __name__ == "__main__":
    sys.exit(main())
