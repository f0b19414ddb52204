"""The replication slot in the source: how much of its log the source keeps for it, and whether that needs attention."""

from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.postgres import Cursor
from pipeline.operations.state import ERROR, WARN, Finding, Slot

GIGABYTE = 1_000_000_000
LOST = "run `python -m pipeline source drop` and `python -m pipeline source prepare`: the next load compares all tables"
READ_ON = "load: each load lets the source forget what it has read; `python -m pipeline source drop` gives the slot up"


def read(source: Cursor, settings: Settings) -> Slot | None:
    """The slot of the settings; None if changes do not come from the log. One that is not there has no bytes."""
    if not settings.reads_log:
        return None
    [row] = postgres.rows(source, SLOT, {"slot": settings.log_slot})
    return Slot(settings.log_slot, *row)


def findings(slot: Slot | None, settings: Settings) -> list[Finding]:
    """What needs attention: a slot that is lost or about to be, and one for which the source keeps too much."""
    if slot is None:
        return []
    if not slot.exists:
        return [Finding(ERROR, f"the source has no replication slot {slot.name}", LOST)]
    if slot.wal_status == "lost":
        return [Finding(ERROR, f"the source has removed what the slot {slot.name} had not given yet", LOST)]
    kept = f"the source keeps {slot.kept_bytes / GIGABYTE:,.1f} GB of its log for the slot {slot.name}"
    if slot.wal_status == "unreserved":
        return [Finding(ERROR, f"{kept}, more than it may, and removes it soon", READ_ON)]
    if slot.kept_bytes > settings.max_slot_gb * GIGABYTE:
        minutes = "" if slot.idle_minutes is None else f", which nobody has read for {slot.idle_minutes:,.0f} minutes"
        return [Finding(WARN, f"{kept}{minutes} (max_slot_gb is {settings.max_slot_gb:g})", READ_ON)]
    return []


# inactive_since came with PostgreSQL 17; an older server does not say.
SLOT = """
select
    slot.slot_name is not null,
    slot.wal_status,
    coalesce(pg_wal_lsn_diff(
        case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, slot.restart_lsn
    ), 0)::bigint,
    (extract(epoch from now() - (to_jsonb(slot) ->> 'inactive_since')::timestamptz) / 60)::float
from (select) as one
left join pg_replication_slots as slot on slot.slot_name = %(slot)s
"""
