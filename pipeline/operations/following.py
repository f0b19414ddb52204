"""What is known of `python -m pipeline follow`: its last round, and how many it made on that date."""

import datetime as dt

from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor
from pipeline.operations.state import WARN, Finding, Following

# The log of its runs keeps so much of rounds that ended well: one a minute would make it long.
KEPT = dt.timedelta(hours=1)
# It has ended, or hangs, if it was not heard of for so many of its intervals, and at least for so long.
MISSED, LEAST = 3, dt.timedelta(minutes=5)


def note(cursor: Cursor, every: float, date: dt.date, begun: dt.datetime, *, is_done: bool) -> None:
    """Notes the end of a round of a date; forgets earlier runs of that date's tasks that ended well.

    The last run of a task stays: without it one that failed before would look like the last.
    """
    cursor.execute(NOTE, {"every": every, "date": date, "begun": begun, "is_done": is_done})
    cursor.execute(FORGET, {"date": str(date), "before": begun - KEPT})


def read(cursor: Cursor) -> Following | None:
    """The last round; None if there never was one."""
    if postgres.value(cursor, "select to_regclass('etl.following') is null"):
        return None
    found = postgres.rows(cursor, READ)
    return Following(*found[0]) if found else None


def findings(found: Following | None, now: dt.datetime) -> list[Finding]:
    """That the last round failed, or that none came."""
    if found is None:
        return []
    if now - found.ended > max(MISSED * dt.timedelta(seconds=found.every), LEAST):
        return [
            Finding(
                WARN,
                f"`python -m pipeline follow` has not loaded since {found.ended:%Y-%m-%d %H:%M}",
                "start it again; if it is no longer wanted, run: delete from etl.following",
            )
        ]
    if not found.is_done:
        return [Finding(WARN, f"the last round of follow failed, for {found.date}", "see its output; it tries again")]
    return []


NOTE = """
insert into etl.following as known (every_seconds, load_date, begun_ts, ended_ts, is_done, rounds, failed)
values (%(every)s, %(date)s, %(begun)s, clock_timestamp(), %(is_done)s, 1, (not %(is_done)s)::integer)
on conflict (is_known) do update set
    every_seconds = excluded.every_seconds,
    load_date = excluded.load_date,
    begun_ts = excluded.begun_ts,
    ended_ts = excluded.ended_ts,
    is_done = excluded.is_done,
    rounds = case when known.load_date = excluded.load_date then known.rounds else 0 end + 1,
    failed = case when known.load_date = excluded.load_date then known.failed else 0 end + excluded.failed
"""
FORGET = """
delete from etl.task_run as run
where
    params ->> 'date' = %(date)s and status = 'done' and finished < %(before)s
    and exists (
        select from etl.task_run as later
        where
            later.params ->> 'date' = %(date)s
            and later.task = run.task and later.params = run.params and later.started > run.started
    )
"""
READ = """
select every_seconds, load_date, begun_ts, ended_ts, is_done, rounds, failed from etl.following
"""
