"""The replication slot, through which a source gives its log."""

import datetime as dt
from dataclasses import dataclass

from pipeline.kernel import postgres
from pipeline.kernel.errors import LogUnreadable
from pipeline.kernel.postgres import Cursor, sql
from pipeline.kernel.streams import Writable
from pipeline.source import source_clock
from pipeline.source.log import lsn, publication
from pipeline.source.log.publication import AGAIN, CHECK

# What our reading is called in pg_stat_activity.
PURPOSE = "log"


@dataclass(frozen=True)
class Log:
    """Where the log of a source stands: positions are numbers.

    `flush` is its end, `clock` the source's time just before. `confirmed` is where the slot stands, None where there
    is none. `system` and `timeline` tell servers and their pasts apart.
    """

    system: str
    timeline: int
    flush: int
    clock: dt.datetime
    confirmed: int | None
    wal_status: str | None


def read(cursor: Cursor, slot: str) -> Log:
    """Where the log stands. Raises LogUnreadable where it has none that the role may decode, and on a standby."""
    clock = source_clock.now(cursor)
    [(level, is_standby, may_replicate, *found)] = postgres.rows(
        cursor, STATE.format(publication.MAY_REPLICATE), {"slot": slot}
    )
    if is_standby:
        raise LogUnreadable(
            "read the source's log",
            "the source is a standby",
            "point OPERATIONAL_URL at the primary",
        )
    if level != "logical":
        raise LogUnreadable("read the source's log", f"its wal_level is {level}", CHECK)
    if not may_replicate:
        raise LogUnreadable("read the source's log", "the role has not the attribute REPLICATION", CHECK)
    require_own(cursor, slot)
    system, timeline, flush, confirmed, wal_status = found
    return Log(
        str(system), int(timeline, 16), lsn.number(flush), clock, confirmed and lsn.number(confirmed), wal_status
    )


def require(cursor: Cursor, slot: str) -> Log:
    """Where the log stands, if all that the warehouse needs comes through the slot. Raises LogUnreadable."""
    found = read(cursor, slot)
    if found.confirmed is None:
        raise LogUnreadable(f"read the source's log through the slot {slot}", "it has no such slot", AGAIN)
    if found.wal_status == "lost":
        because = "the source has removed what the slot had not given yet (wal_status lost)"
        raise LogUnreadable(f"read the source's log through the slot {slot}", because, AGAIN)
    publication.require(cursor)
    return found


def require_own(cursor: Cursor, slot: str) -> None:
    """Returns if no slot of that name is another program's, or another database's. Raises LogUnreadable."""
    if postgres.rows(cursor, FOREIGN, (slot, publication.PLUGIN)):
        raise LogUnreadable(
            f"use the slot {slot}",
            "it is another program's, or of another database of the server",
            publication.OTHER_NAME,
        )


def drop(cursor: Cursor, slot: str) -> bool:
    """Drops the slot, so that the source keeps its log for it no longer; returns whether there was one.

    Raises StatementLost while somebody reads through it, LogUnreadable for that of another program or database.
    """
    require_own(cursor, slot)
    query = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s"
    return bool(postgres.rows(cursor, query, (slot,)))


def copy(cursor: Cursor, slot: str, end: int, sink: Writable) -> None:
    """Streams what the slot has up to a position, message by message, and leaves the slot where it stands.

    The server decodes all of it before the first byte comes, and keeps what does not fit into its work_mem on its disk.
    """
    notices = cursor.connection.notices
    notices.clear()
    cursor.copy_expert(
        sql.SQL(
            "copy (select data from pg_logical_slot_peek_binary_changes({}, {}, null, "
            "'proto_version', '1', 'publication_names', {})) to stdout (format binary)"
        ).format(sql.Literal(slot), sql.Literal(lsn.text(end)), sql.Literal(publication.NAME)),
        sink,
    )
    # Of a publication that is not there, PostgreSQL 18 only warns, and leaves its changes out. It looks for the one of
    # the time of the change: one that is made later does not bring them back.
    if notices:
        raise LogUnreadable("read the source's log", f"the source warned: {' '.join(notices[-1].split())}", AGAIN)


def advance(cursor: Cursor, slot: str, to: int) -> None:
    """Lets the source forget its log up to a position, once all of it is on the lake. A rerun changes nothing."""
    cursor.execute(
        "select pg_replication_slot_advance(slot_name, %(to)s::pg_lsn) from pg_replication_slots "
        "where slot_name = %(slot)s and confirmed_flush_lsn < %(to)s::pg_lsn",
        {"slot": slot, "to": lsn.text(to)},
    )


# All databases of a server share the names.
FOREIGN = """
select 1 from pg_replication_slots
where slot_name = %s and (plugin is distinct from %s or database is distinct from current_database())
"""

# The timeline of the present, not that of the last checkpoint, is in the name of the file that is written.
STATE = """
select
    current_setting('wal_level'), pg_is_in_recovery(), {}, (select system_identifier from pg_control_system()),
    case when not pg_is_in_recovery() then left(pg_walfile_name(pg_current_wal_lsn()), 8) else '0' end,
    case when not pg_is_in_recovery() then pg_current_wal_flush_lsn()::text else '0/0' end,
    slot.confirmed_flush_lsn::text, slot.wal_status
from (select) as one
left join pg_replication_slots as slot
    on slot.slot_name = %(slot)s and slot.database = current_database() and slot.plugin = 'pgoutput'
"""
