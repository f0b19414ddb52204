"""Opens the simulated shop, and does its missing business days."""

import datetime as dt
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pipeline.generators.books import Books, Shop, current
from pipeline.generators.day import do_day
from pipeline.kernel import locks, new_columns, postgres
from pipeline.kernel.errors import SimulationError
from pipeline.kernel.postgres import Connection
from pipeline.kernel.refusals import refusals

Progress = Callable[[dt.date, int, int], None]

LOCK = "simulated shop"
OPS, ROLES = (Path(__file__).with_name(name) for name in ("ops.sql", "roles.sql"))
# Tables grow faster than their statistics, and every look-up is by a key: only a plan by index stays cheap.
# After a power cut a lost day is simulated again with the same rows. So no commit has to wait for the disk.
SESSION = """
set enable_seqscan = off;
set enable_hashjoin = off;
set enable_mergejoin = off;
set jit = off;
set synchronous_commit = off;
create temporary table moved_order (
    order_id bigint, order_status_id bigint, delivered_ts timestamptz, updated_ts timestamptz
) on commit delete rows;
-- Foreign keys hold by construction, and looking each up again takes twice as long as all the rest: a role that may
-- do without does (the embedded server's may). A test has PostgreSQL check all of them afterwards.
select set_config('session_replication_role', 'replica', false)
where has_parameter_privilege('session_replication_role', 'SET');
"""
OPEN = "insert into simulator.shop (seed, scale, opened_on) values (%s, %s, %s) on conflict do nothing"
NO_SHOP = "select to_regclass('simulator.shop') is null"
SHOP = "select seed, scale, opened_on from simulator.shop"


@dataclass(frozen=True)
class Simulated:
    """The work of a call: business days, and rows inserted or updated."""

    days: int
    rows: int


def simulate(
    url: str, date: dt.date, *, seed: int, scale: float, opened_on: dt.date | None, progress: Progress | None
) -> Simulated:
    """Does every missing business day up to and including `date`, oldest first.

    The first call opens the shop on `opened_on` (or on `date`, if that is None), for good. A date before the opening
    has no business. Scale 1 is about 150 orders a day at the opening. After each day `progress` gets its date, the
    number of days done, and the number of all days of this call.

    Each day is one transaction. A kill leaves whole days, and a rerun does the missing ones. Of two processes at
    once, only one does each day. The rows depend on seed, scale, opening and days alone.

    Raises SimulationError if the shop was opened with another seed or scale, or if the database is not its own, and
    ServiceDown.
    """
    if scale <= 0:
        raise SimulationError(f"open a shop of scale {scale}", "it is not above 0", "correct shop_scale in luigi.cfg")
    days = rows = 0
    with refusals("simulator"), closing(postgres.connect(url, "simulator")) as connection:
        shop = _open(connection, Shop(seed, scale, opened_on or date))
        books: Books | None = None
        while written := _next_day(connection, shop, date, books):
            books, new_rows = written
            days, rows = days + 1, rows + new_rows
            if progress and books.date:
                progress(books.date, days, days + (date - books.date).days)
    return Simulated(days, rows)


def find_shop(url: str) -> Shop | None:
    """The shop of this database with its opening settings; None if there is none yet. Changes nothing.

    Raises ServiceDown.
    """
    with postgres.transaction(url, "simulator") as cursor:
        found = [] if postgres.value(cursor, NO_SHOP) else postgres.rows(cursor, SHOP)
    return Shop(*found[0]) if found else None


def _open(connection: Connection, wanted: Shop) -> Shop:
    """The shop of this database. Opens it if there is none."""
    with connection, connection.cursor() as cursor:
        locks.lock(cursor, LOCK)
        if postgres.value(cursor, NO_SHOP):
            if postgres.value(cursor, "select to_regclass('ops.orders') is not null"):
                raise SimulationError(
                    "open the simulated shop in this database",
                    "its schema ops belongs to another shop",
                    "set OCEAN_SIMULATE=0, or use an empty database",
                )
            cursor.execute(OPS.read_text("utf-8"))
        list(new_columns.add(cursor, OPS.read_text("utf-8")))  # for a shop that an earlier version opened
        cursor.execute(ROLES.read_text("utf-8"))
        cursor.execute(OPEN, (wanted.seed, wanted.scale, wanted.opened_on))
        [found] = postgres.rows(cursor, SHOP)
        cursor.execute(SESSION)
    shop = Shop(*found)
    if (shop.seed, shop.scale) != (wanted.seed, wanted.scale):
        raise SimulationError(
            f"go on with the shop at seed {wanted.seed} and scale {wanted.scale}",
            f"it was opened with seed {shop.seed} and scale {shop.scale}",
            "set shop_seed and shop_scale in luigi.cfg to these, or use an empty database",
        )
    return shop


def _next_day(connection: Connection, shop: Shop, date: dt.date, known: Books | None) -> tuple[Books, int] | None:
    """The books after the next day and the number of rows it wrote; None if no day up to `date` is missing."""
    with connection, connection.cursor() as cursor:
        locks.lock(cursor, LOCK)
        books = current(cursor, shop, known)
        if books.next_date > date:
            return None
        return books, do_day(cursor, books, books.next_date)
