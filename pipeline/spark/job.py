"""A Spark job, and the interface of the engines that run it."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

SCRIPTS = Path(__file__).with_name("scripts")
# Takes a line of progress.
Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """A Spark script, the folders of the lake that it reads and the one that it writes.

    `name` is for people, in logs and names of steps. In `arguments`, `{source}`, `{target}` and `{files}` stand for
    folders that the script can reach. Below `{source}` lie the objects of `sources` by their keys on the lake,
    below `{files}` the `files` by their names. The script can import Python files among them.
    Spark gets the `settings` and the `jars` (paths or URLs). A job that needs another Spark than that of this
    environment names a `python` that has it, and the `newest_java` that this one runs on; both are for this machine
    alone. `secrets` are variables for Spark, and never leave this machine.
    """

    name: str
    script: Path
    sources: tuple[str, ...]
    target: str
    arguments: tuple[str, ...]
    files: tuple[Path, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    jars: tuple[str, ...] = ()
    python: str = ""
    newest_java: int = 0
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    def filled(self, folders: Mapping[str, str]) -> list[str]:
        """The arguments with folders in place of the names in braces."""
        filled = list(self.arguments)
        for name, folder in folders.items():
            filled = [argument.replace(f"{{{name}}}", folder) for argument in filled]
        return filled

    @property
    def code(self) -> str:
        """A hash of the script and its files."""
        digest = hashlib.sha256()
        for path in (self.script, *self.files):
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)}\n".encode())
            digest.update(content)
        return digest.hexdigest()[:16]

    @property
    def modules(self) -> list[Path]:
        """The files that the script may import."""
        return [path for path in self.files if path.suffix == ".py"]


def conf(settings: Mapping[str, str]) -> list[str]:
    """The options of spark-submit for some settings."""
    return [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]


class Engine(Protocol):
    """Runs Spark scripts on folders of the lake."""

    def run(self, job: Job, say: Say) -> None:
        """Runs the job and puts its output below its target.

        A folder into which the script wrote holds its new files alone. Other folders stay as they are. A job without
        any object below its sources starts nothing. A rerun replaces the output of an earlier run, complete or not.
        Raises SparkFailed if the job fails, and ServiceDown if the lake does not answer.
        """
        ...
