"""Makes the mistakes of the list, and reports those that no test notices: python -m mutations, from tests/."""

import argparse
import fnmatch
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from support.ledger import Ledger

from mutations import runner
from mutations.entries import ROOT, Entry, entries


def main() -> int:
    """Exit code 0 if the named test notices each mistake."""
    parser = argparse.ArgumentParser(prog="mutations", description=__doc__)
    parser.add_argument("--only", default="*", help="a pattern of the entries' names")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--ledger", type=Path, help="a file of JSON lines; what it has of this code is not run again")
    options = parser.parse_args()
    chosen = [each for each in entries() if fnmatch.fnmatchcase(each.name, f"*{options.only}*")]
    said = Counter(run(chosen, options.processes, options.ledger))
    print(", ".join(f"{count} {what}" for what, count in sorted(said.items())) or "no entry has such a name")
    return 0 if chosen and set(said) == {runner.NOTICED} else 1


def run(chosen: list[Entry], processes: int, path: Path | None) -> list[str]:
    """What became of each mistake. Each process has a copy of its own."""
    ledger = Ledger(path, "tests") if path else None
    known = {case["name"]: case["said"] for case in ledger.cases()} if ledger else {}
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
                ledger.add(name=entry.name, said=said)
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


if __name__ == "__main__":
    sys.exit(main())
