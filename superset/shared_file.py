"""A database in a file, by which the processes of the server know the same without a server for it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


def connected(path: Path) -> sqlite3.Connection:
    """A connection that waits while others write. A file that is new shrinks with its rows."""
    database = sqlite3.connect(path, timeout=10, isolation_level=None)
    database.execute("pragma auto_vacuum = full")
    database.execute("pragma synchronous = off")  # what a crash of the machine loses is over by then
    return database


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """All or nothing of what the block does, and nobody else writes meanwhile."""
    with closing(connected(path)) as database:
        database.execute("begin immediate")
        yield database
        database.execute("commit")
