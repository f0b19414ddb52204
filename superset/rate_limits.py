"""Counts attempts in a file that all processes of the server share."""

import sqlite3
import time
from pathlib import Path
from urllib.parse import urlsplit

from limits.storage import Storage
from shared_file import transaction

COUNT = """
insert into attempts as known (key, number, expires) values (?, ?, ?)
on conflict (key) do update set number = known.number + excluded.number
returning number
"""


class SQLiteStorage(Storage):
    """A storage of the library `limits` in a file: `sqlite-limits:///path/of/the/file`. Drops expired counts."""

    STORAGE_SCHEME = ["sqlite-limits"]  # noqa: RUF012 as the library has it

    def __init__(self, uri: str, wrap_exceptions: bool = False, **options: float | str | bool) -> None:
        super().__init__(uri, wrap_exceptions, **options)
        self._path = Path(urlsplit(uri).path)
        with transaction(self._path) as database:
            database.execute("create table if not exists attempts (key text primary key, number int, expires real)")

    @property
    def base_exceptions(self) -> type[Exception]:
        """The exceptions that the file may cause."""
        return sqlite3.Error

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Counts an attempt and returns the count. The first attempt of a key sets its end, in seconds from now."""
        now = time.time()
        with transaction(self._path) as database:
            database.execute("delete from attempts where expires <= ?", (now,))
            number: int = database.execute(COUNT, (key, amount, now + expiry)).fetchone()[0]
            return number

    def get(self, key: str) -> int:
        """The number of attempts."""
        return int(self._find(key)[0])

    def get_expiry(self, key: str) -> float:
        """The end of the count; now if there is none."""
        return float(self._find(key)[1])

    def check(self) -> bool:
        """Whether the file can be written."""
        return self.incr("check", 0) > 0

    def reset(self) -> int:
        """Deletes all counts; returns their number."""
        with transaction(self._path) as database:
            return database.execute("delete from attempts").rowcount

    def clear(self, key: str) -> None:
        """Deletes one count."""
        with transaction(self._path) as database:
            database.execute("delete from attempts where key = ?", (key,))

    def _find(self, key: str) -> tuple[int, float]:
        now = time.time()
        with transaction(self._path) as database:
            query = "select number, expires from attempts where key = ? and expires > ?"
            found: tuple[int, float] | None = database.execute(query, (key, now)).fetchone()
            return found or (0, now)
