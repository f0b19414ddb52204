"""What is done of a job that takes hours: a line of JSON for each case, which counts while the code is the same."""

import json
import multiprocessing
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from support.commands import ROOT

ALWAYS = ("pipeline", "warehouse", "tests/support")


class Ledger:
    """The lines of a file that are of this code: of these folders as they are in the last commit."""

    def __init__(self, path: Path, *folders: str) -> None:
        self.path, self.commit = path, _git("rev-parse", "HEAD")[:8]
        self.code = " ".join(_git("rev-parse", f"HEAD:{folder}")[:8] for folder in (*ALWAYS, *folders))

    def cases(self) -> list[dict[str, Any]]:
        """What the file has of this code, in the order in which it came."""
        if not self.path.exists():
            return []
        lines = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [line for line in lines if line["code"] == self.code]

    def add(self, **case: Any) -> None:
        """Appends a case. Several processes may do so at once."""
        line = json.dumps({"commit": self.commit, "code": self.code, **case})
        with self.path.open("a") as file:
            file.write(line + "\n")


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def share_out(cases: Sequence[Any], processes: int, play: Callable[[Sequence[Any]], None]) -> None:
    """Has several processes at once play cases, each those that are next in turn. Raises RuntimeError if one fails."""
    shares = [cases[number::processes] for number in range(processes)]
    started = [multiprocessing.get_context("fork").Process(target=play, args=(share,)) for share in shares]
    for process in started:
        process.start()
    for process in started:
        process.join()
    if any(process.exitcode for process in started):
        raise RuntimeError("a process of the run failed; its error is above")
