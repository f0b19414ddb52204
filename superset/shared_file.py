"""A database in a file, shared by the processes of the server."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


def connected(path: Path) -> sqlite3.Connection:
    """A connection that waits while others write. A new file shrinks with its rows."""
    database = sqlite3.connect(path, timeout=10, isolation_level=None)
    database.execute("pragma auto_vacuum = full")
    database.execute("pragma synchronous = off")  # rows lost in a crash of the machine have expired by then
    return database


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """Runs the block completely or not at all, while nobody else writes."""
    with closing(connected(path)) as database:
        database.execute("begin immediate")
        yield database
        database.execute("commit")
