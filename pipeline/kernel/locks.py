"""Locks of loads: by name, or on tables. Who waits for one says in the log whom for, and can be interrupted."""

import logging
from collections.abc import Sequence
from contextlib import closing

from pipeline.kernel import postgres
from pipeline.kernel.errors import ServiceDown
from pipeline.kernel.postgres import Connection, Cursor, qualified, sql
from pipeline.kernel.waiting import attended

logger = logging.getLogger("luigi-interface")


def lock(cursor: Cursor, name: str) -> None:
    """Waits until no other transaction holds the lock called `name`, and holds it until this one ends.

    As all three, it says in the log whom it waits for, and can be interrupted meanwhile.
    """
    _lock_advisory(cursor, name, "xact_lock")


def lock_session(cursor: Cursor, name: str) -> None:
    """The same lock, held until the session ends: for work that is no transaction of this database."""
    _lock_advisory(cursor, name, "lock")


def lock_tables(cursor: Cursor, *tables: str, shared: bool = False) -> None:
    """Waits for other loads of these tables and keeps them out until the transaction ends; readers go on.

    Who locks several does so in one order, or two would wait for each other: dim_product, then facts as in the
    catalogue. `shared`, for who only reads them: others who do the same are not kept out.
    """
    mode = sql.SQL("share" if shared else "share row exclusive")
    for table in tables:
        statement = sql.SQL("lock table {} in {} mode").format(qualified(table), mode)
        try:
            cursor.execute(sql.SQL("savepoint free; {} nowait; release savepoint free").format(statement))
        except postgres.errors.LockNotAvailable:
            cursor.execute("rollback to savepoint free")
            _wait_for(table, cursor, statement)


def _lock_advisory(cursor: Cursor, name: str, kind: str) -> None:
    take = f"select pg_{{}}advisory_{kind}(hashtextextended(%s, 0))"
    if not postgres.value(cursor, take.format("try_"), (name,)):
        _wait_for(name, cursor, take.format(""), (name,))


def _wait_for(name: str, cursor: Cursor, statement: str | sql.Composable, arguments: Sequence[str] = ()) -> None:
    """Runs a statement that takes the lock called `name`, which is not free.

    The statement itself waits. So the first to come is served first, deadlocks are found, and the lock_timeout of the
    role is respected.
    """

    def tell() -> None:
        for holder in _holders(cursor.connection):
            logger.info("waits for the lock %s: %s", name, holder)

    attended(lambda: cursor.execute(statement, arguments or None), tell, cursor.connection.cancel)


def _holders(waiting: Connection) -> list[str]:
    """Names the sessions that a connection waits for. Another connection asks, because the first one cannot."""
    pid = waiting.info.backend_pid
    try:
        beside = closing(postgres.connect_beside(waiting, "waiting", purpose="lock watch"))
        with beside as connection, connection.cursor() as cursor:
            sessions = postgres.rows(cursor, HOLDERS, (pid,))
            prepared = postgres.rows(cursor, PREPARED_HOLDERS, {"pid": pid})
    except (postgres.Error, ServiceDown) as error:
        return [f"who holds it cannot be asked ({type(error).__name__})"]
    return [
        *(
            f"{application!r} of role {role!r} holds it, pid {pid}, since {since or 'a time that is hidden'}"
            for role, application, pid, since in sessions
        ),
        *(
            f"the prepared transaction {gid!r} of role {role!r} holds it, since {since}, until somebody ends it with "
            "`rollback prepared`"
            for role, gid, since in prepared
        ),
    ]


HOLDERS = """
select coalesce(holder.usename, 'nobody'), coalesce(holder.application_name, ''), blocking.pid,
    coalesce(holder.xact_start, holder.query_start, holder.backend_start)
from unnest(pg_blocking_pids(%s)) as blocking (pid) left join pg_stat_activity as holder using (pid)
where blocking.pid <> 0
"""
# To pg_blocking_pids a prepared transaction, which no session holds, is pid 0. It is known by its locks on the same.
PREPARED_HOLDERS = """
with

left_behind as (select * from pg_locks where pid is null and granted)

select prepared.owner, prepared.gid, prepared.prepared
from pg_prepared_xacts as prepared
where 0 = any(pg_blocking_pids(%(pid)s)) and exists (
    select from left_behind as own
    inner join left_behind as held using (virtualtransaction)
    inner join pg_locks as wanted on
        (held.locktype, held.database, held.relation, held.page, held.tuple)
        is not distinct from (wanted.locktype, wanted.database, wanted.relation, wanted.page, wanted.tuple)
        and (held.transactionid, held.classid, held.objid, held.objsubid)
        is not distinct from (wanted.transactionid, wanted.classid, wanted.objid, wanted.objsubid)
    where own.transactionid = prepared.transaction and wanted.pid = %(pid)s and not wanted.granted
)
order by prepared.prepared
"""
