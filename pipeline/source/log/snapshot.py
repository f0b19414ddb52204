"""The source as it is at one position of its log: a snapshot that a new slot exports, and that sessions may share."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import SlotTaken, TransactionOpen
from pipeline.kernel.postgres import Cursor, sql
from pipeline.source.log import lsn
from pipeline.source.log.publication import PLUGIN
from pipeline.source.log.slot import PURPOSE

FAILOVER_SINCE = 170_000  # the version of the server that knows slots which a standby has too
SECONDS_TO_WAIT = 60  # for open transactions to end; a slot begins where none is open
MOST_OF_NAME = 63  # characters of the name of a slot
GIVEN_UP = ("55P03", "57014")


class Snapshot(NamedTuple):
    """The state of the source after all commits below a position; its name is valid while the block lasts."""

    position: int
    name: str


@contextmanager
def of_new_slot(url: str, slot: str, *, is_temporary: bool = False) -> Iterator[Snapshot]:
    """Creates a slot, and gives the snapshot of the source at the position at which the slot begins.

    A temporary slot is gone at the end of the block. Raises TransactionOpen where a transaction stays open for longer
    than a minute, and no slot is left; SlotTaken while the session of a killed command still waits for that.
    """
    with postgres.replication(url, "operational", purpose=PURPOSE, seconds=SECONDS_TO_WAIT) as cursor:
        is_kept = not is_temporary and cursor.connection.server_version >= FAILOVER_SINCE
        create = sql.SQL("CREATE_REPLICATION_SLOT {} {} LOGICAL {} (SNAPSHOT 'export'{})").format(
            sql.Identifier(slot),
            sql.SQL("TEMPORARY" if is_temporary else ""),
            sql.Identifier(PLUGIN),
            sql.SQL(", FAILOVER true" if is_kept else ""),
        )
        try:
            cursor.execute(create)
        except postgres.errors.DuplicateObject:
            raise SlotTaken(
                f"create the slot {slot}",
                "another session is creating it, perhaps that of a killed command, which ends with the transactions "
                "that are open",
                "run the same command again",
            ) from None
        except postgres.Error as error:
            if error.pgcode not in GIVEN_UP:
                raise
            raise TransactionOpen(
                f"create the slot {slot}",
                f"a transaction of the source has been open for more than {SECONDS_TO_WAIT} s, perhaps a prepared one",
                "end it, or wait for its end, and run the same command again",
            ) from None
        _, position, name, _ = cursor.fetchone() or ("", "", "", "")
        yield Snapshot(lsn.number(position), name)


def temporary(settings: Settings, purpose: str) -> AbstractContextManager[Snapshot]:
    """The snapshot of a temporary slot, which is called after the slot and what it is for."""
    suffix = f"_{purpose}"
    name = f"{settings.log_slot[: MOST_OF_NAME - len(suffix)]}{suffix}"
    return of_new_slot(settings.operational_url, name, is_temporary=True)


@contextmanager
def seen(cursor: Cursor, snapshot: Snapshot) -> Iterator[None]:
    """Makes a session see the source as the snapshot does, until the block ends."""
    cursor.execute("begin transaction isolation level repeatable read read only")
    cursor.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot.name)))
    yield
    cursor.execute("commit")


def branched_at(url: str, timeline: int, after: int) -> int:
    """Where the timeline `after` was left on the way to `timeline`: what was written to it later is lost.

    0 if `timeline` does not come from it.
    """
    with postgres.replication(url, "operational", purpose=PURPOSE, seconds=SECONDS_TO_WAIT) as cursor:
        cursor.execute(f"TIMELINE_HISTORY {timeline:d}")
        _, content = cursor.fetchone() or ("", b"")
    text = content if isinstance(content, str) else bytes(content).decode()  # a bytea before PostgreSQL 15
    return _left_at(text, after)


def _left_at(history: str, timeline: int) -> int:
    """Where a timeline was left, by the history of a later one; 0 if that does not come from it.

    >>> _left_at("1 0/A0 no recovery target specified", 1), _left_at("1 0/A0 no recovery target specified", 2)
    (160, 0)
    """
    lines = (line.split() for line in history.splitlines() if line and not line.startswith("#"))
    return next((lsn.number(position) for number, position, *_ in lines if int(number) == timeline), 0)
