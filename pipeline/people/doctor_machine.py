"""What the doctor sees of this machine: Python and packages, room on disks, the modes of secret files."""

import os
import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

from pipeline.kernel import config
from pipeline.kernel.settings import every_setting
from pipeline.operations.state import ERROR, WARN
from pipeline.people.diagnosis import OK, Line
from pipeline.services.state_folder import too_open

PYTHONS = ((3, 11), (3, 12), (3, 13))
LOCK = Path(__file__).parents[2] / "requirements.lock"
# A package that only some machines need has a condition after its version, and is left out.
LOCKED = re.compile(r"^([\w.-]+)==([\w.+!-]+) \\$", re.MULTILINE)
PREFIX = "OCEAN_"
# Variables of luigid, of mails and of tests.
OTHERS = (
    *("OCEAN_BOOK", "OCEAN_LUIGID_HOSTS", "OCEAN_LUIGID_PASSWORD", "OCEAN_TASK_HISTORY", "OCEAN_SMTP_PASSWORD"),
    *("OCEAN_TEST_KILLS", "OCEAN_TEST_SPARK"),
)
GIGABYTE = 1_000_000_000
LITTLE, TOO_LITTLE = 3 * GIGABYTE, GIGABYTE  # free bytes
MOST_NAMED = 8


def versions() -> list[Line]:
    """Python, and the packages against requirements.lock."""
    lines = [_python(sys.version_info[:2])]
    if not LOCK.exists():  # the package is installed without its checkout
        return lines
    return [*lines, _packages(dict(LOCKED.findall(LOCK.read_text("utf-8"))))]


def unknown_names() -> list[Line]:
    """Variables that look like settings and are none: luigi.cfg's own are refused, these are passed over."""
    known = {*OTHERS, *(setting.environment for setting in every_setting())}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if not unknown:
        return []
    do = "correct the name, or unset it; docs/configuration.md has all settings"
    return [Line("settings", WARN, f"no setting is called {', '.join(unknown)}", do)]


def room(folder: Path, what: str) -> Line:
    """The free bytes where a folder lies, or will lie."""
    place = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(place).free
    said = f"{free / GIGABYTE:,.1f} GB are free for {what} ({folder})"
    if free >= LITTLE:
        return Line("disk", OK, said)
    return Line("disk", ERROR if free < TOO_LITTLE else WARN, said, "make room, or move it to a larger disk")


def modes() -> list[Line]:
    """What others may read in OCEAN_HOME."""
    home = config.home().expanduser()
    if not home.exists():
        return [Line("files", OK, f"{home} does not exist yet")]
    found = [
        Line("files", ERROR, f"others may read or write {path}", f"chmod {mode:o} {path}")
        for path, mode in too_open(home).items()
        if path.parent != home / "log"  # a folder of its owner's alone, in which Spark and loads write as they like
    ]
    return found or [Line("files", OK, f"nobody else may read what lies in {home}")]


def _python(version: tuple[int, int]) -> Line:
    name = f"Python {version[0]}.{version[1]}"
    if version in PYTHONS:
        return Line("versions", OK, name)
    known = ", ".join(f"{major}.{minor}" for major, minor in PYTHONS)
    return Line("versions", ERROR, f"{name} is not one of {known}", "build the environment again with one: `make env`")


def _packages(locked: dict[str, str]) -> Line:
    other = []
    for name, version in locked.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = "nothing"
        if found != version:
            other.append(f"{name} {found} (locked: {version})")
    if not other:
        return Line("versions", OK, f"all {len(locked)} packages are those of requirements.lock")
    more = f" and {len(other) - MOST_NAMED} more" if len(other) > MOST_NAMED else ""
    said = f"not as in requirements.lock: {', '.join(other[:MOST_NAMED])}{more}"
    return Line("versions", WARN, said, "build the environment again: `make env`")
