"""Folders and files of the embedded services' state, and their modes."""

import os
from pathlib import Path

from pipeline.kernel.listener import DATABASE_SERVERS

# Everything that the services keep in their home; .config belongs to rclone.
OURS = {
    *("lock", "log", ".config", ".cache", "postgresql", "source", "s3", "luigid", "risk", "superset", "assistant"),
    *("services.json", "postgresql.password", "source.password", "superset.json", "assistant.token"),
    *("services.json.new", "postgresql.password.new", "source.password.new", "superset.json.new"),
    *("assistant.token.new", "book", "book.new", "book.old"),
    *("postgresql.password.next", "source.password.next", "superset.json.next"),
}


def make_folder(path: Path, *, passage: bool = False) -> None:
    """Creates `path`, with access for its owner alone, whatever the umask.

    A `passage` lies on the way to the database. Run by root, whose server is another user, it lets others pass through
    but not list it. Folders that exist keep their modes: they may belong to somebody else.
    """
    mode = 0o711 if passage and os.geteuid() == 0 else 0o700
    umask = os.umask(0)
    try:
        for folder in reversed([path, *path.parents]):
            if not folder.is_dir():
                folder.mkdir(mode, exist_ok=True)
    finally:
        os.umask(umask)


def tighten(home: Path) -> None:
    """Takes from others the right to read or write in `home`, after an earlier version or a wide umask gave it.

    The passage to the database stays. A `home` that holds other things too keeps its mode: it may belong to somebody
    else. A rerun changes nothing.
    """
    for path, mode in too_open(home).items():
        path.chmod(mode)


def too_open(home: Path) -> dict[Path, int]:
    """What others may read or write in `home` and must not, each with the mode that it should have."""
    found = [path for path in home.iterdir() if not path.is_symlink()]
    ours = [path for path in found if path.name in OURS]
    logs = [path for path in (home / "log").glob("*") if not path.is_symlink()]
    modes = {}
    for path in [*([home] if len(ours) == len(found) else []), *ours, *logs]:
        known = path.stat()
        kept = 0o711 if path in (home, *(home / server for server in DATABASE_SERVERS)) and os.geteuid() == 0 else 0o700
        if known.st_uid == os.geteuid() and known.st_mode & 0o777 & ~kept:
            modes[path] = known.st_mode & 0o777 & kept
    return modes


def write_secret(path: Path, text: str) -> None:
    """Writes `text` to `path`, for its owner alone. A kill or a power cut leaves the old file or the new one."""
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
