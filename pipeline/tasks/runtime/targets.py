"""Luigi targets: a marker in the warehouse, a file on the lake."""

import datetime as dt
import os
from functools import cache

import luigi

from pipeline.kernel import postgres
from pipeline.kernel.config import settings
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import lake


class Marker(luigi.Target):
    """A row of etl.marker, written by `touch` in the transaction of its load.

    One query brings all markers of a date. Found markers are cached for the life of the process. A missing one is
    cached only until a task of this process ends, and never in a forked worker.
    """

    def __init__(self, update_id: str, target_table: str, date: dt.date | None) -> None:
        self.update_id, self.target_table, self.date = update_id, target_table, date

    def exists(self) -> bool:
        """Whether the load was committed. Raises ServiceDown if the warehouse does not answer."""
        if self.update_id in _found:
            return True
        return self.update_id in _markers(self.date, os.getpid())

    def exists_in(self, cursor: Cursor) -> bool:
        """Whether the load was committed, read in a transaction that holds the lock of the load."""
        query = "select exists (select from etl.marker where update_id = %s)"
        found: bool = postgres.value(cursor, query, (self.update_id,))
        return found

    def touch(self, cursor: Cursor) -> None:
        """Writes the marker. It counts once the caller's transaction commits."""
        cursor.execute(
            "insert into etl.marker (update_id, target_table, load_date, inserted) "
            "values (%s, %s, %s, clock_timestamp()) "
            "on conflict (update_id) do update set inserted = excluded.inserted",
            (self.update_id, self.target_table, self.date),
        )


class LakeObject(luigi.Target):
    """An object on the lake that is written once. Answers are cached as for a marker."""

    def __init__(self, key: str) -> None:
        self.key = key

    def exists(self) -> bool:
        """Whether the object exists. Raises ServiceDown if S3 does not answer."""
        return self.key in _found or _is_there(self.key, os.getpid())


def has_loads() -> bool:
    """Whether any date was ever loaded."""
    with postgres.session(settings().warehouse_url, "warehouse") as cursor:
        if postgres.value(cursor, "select to_regclass('etl.marker') is null"):
            return False
        query = "select exists (select from etl.marker where update_id like %s)"
        found: bool = postgres.value(cursor, query, ("DailyWarehouseLoad(%",))
        return found


_found: set[str] = set()


@cache
def _is_there(key: str, _pid: int) -> bool:
    if lake().exists(key):
        _found.add(key)
    return key in _found


@cache
def _markers(date: dt.date | None, _pid: int) -> frozenset[str]:
    with postgres.session(settings().warehouse_url, "warehouse") as cursor:
        if postgres.value(cursor, "select to_regclass('etl.marker') is null"):
            return frozenset()
        query = "select update_id from etl.marker where load_date = %s or load_date is null"
        markers = postgres.rows(cursor, query, (date,))
    _found.update(marker for (marker,) in markers)
    return frozenset(_found)


def forget() -> None:
    """Clears the cache, after markers or objects were deleted."""
    _found.clear()
    _forget_missing()


@luigi.Task.event_handler(luigi.Event.SUCCESS)
@luigi.Task.event_handler(luigi.Event.FAILURE)
def _forget_missing(*_: object) -> None:
    _markers.cache_clear()
    _is_there.cache_clear()
