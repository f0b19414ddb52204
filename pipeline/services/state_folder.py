"""Folders and files of the embedded services' state, and who may enter them."""

import os
from pathlib import Path

# All that the services keep in their home; .config is rclone's.
OURS = {
    *("lock", "log", ".config", ".cache", "postgresql", "s3", "luigid", "risk", "superset"),
    *("services.json", "postgresql.password", "superset.json"),
    *("services.json.new", "postgresql.password.new", "superset.json.new"),
    *("postgresql.password.next", "superset.json.next"),
}


def make_folder(path: Path, *, passage: bool = False) -> None:
    """`path` exists; what is created is its owner's alone, whatever the umask.

    A `passage` lies on the way to the database: as root, whose server is another user, others may pass
    through it, but not look. Folders that exist keep their modes: they may be somebody else's.
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
    """Of what an earlier version or a wide umask left in `home`, others may read and write nothing.

    The passage to the database stays. So does the mode of a `home` that holds other things too: it may be somebody
    else's. A rerun changes nothing.
    """
    found = [path for path in home.iterdir() if not path.is_symlink()]
    ours = [path for path in found if path.name in OURS]
    logs = [path for path in (home / "log").glob("*") if not path.is_symlink()]
    for path in [*([home] if len(ours) == len(found) else []), *ours, *logs]:
        known = path.stat()
        kept = 0o711 if path in (home, home / "postgresql") and os.geteuid() == 0 else 0o700
        if known.st_uid == os.geteuid() and known.st_mode & 0o777 & ~kept:
            path.chmod(known.st_mode & 0o777 & kept)


def write_secret(path: Path, text: str) -> None:
    """`path` holds `text` and is its owner's alone; a kill or a power cut leaves the old file or the new one."""
    aside = path.with_name(path.name + ".new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
