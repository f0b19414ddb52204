"""A session in the source, for one task at a time; and where its log stands, for who reads that."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import Unpublished
from pipeline.kernel.postgres import Cursor
from pipeline.source import bounds, identity
from pipeline.source.log import slot
from pipeline.source.log.slot import Log
from pipeline.trust import turns

LOG = "log"  # the lock of whoever reads the source's log: one after the other, each from where the lake ends


@contextmanager
def locked_source(name: str) -> Iterator[Cursor]:
    """A session in the source while the lock called `name` is held in the warehouse: the source is never locked.

    Raises WrongSource.
    """
    with (
        postgres.session(settings().warehouse_url, "warehouse") as warehouse,
        postgres.session(settings().operational_url, "operational", purpose=bounds.PURPOSE) as source,
    ):
        identity.require_known(source, warehouse, settings().new_source)
        locks.lock_session(warehouse, name)
        yield source


def require_log(source: Cursor) -> Log:
    """Where the log stands, if all that the warehouse needs comes through the slot. Raises LogUnreadable.

    What is not published now is in no window later: once the source publishes it again, all tables are compared.
    """
    try:
        return slot.require(source, settings().log_slot)
    except Unpublished:
        with postgres.transaction(settings().warehouse_url, "warehouse") as warehouse:
            turns.owe(warehouse, turns.COMPARISON, SOURCE_TABLES)
        raise
