"""retail.user_purchase, day by day, and the spending of customers who review: dwh.user_behavior_metric.

The table has neither key nor time of change, so it is read by the day of the invoice, and a day is loaded as a whole.
etl.user_purchase_day knows which days are loaded, with which min_quantity, and whether they were over by then.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.catalog import USER_PURCHASE
from pipeline.kernel import config, postgres, writes
from pipeline.kernel.config import Settings
from pipeline.kernel.postgres import Cursor, qualified, sql
from pipeline.kernel.sql_files import statement
from pipeline.lake.objects import Lake
from pipeline.source import extract, instants, layout
from pipeline.source.columns import create_table, existing_columns, faults
from pipeline.source.instants import BEGINNING
from pipeline.source.layout import Metadata
from pipeline.stage import intake
from pipeline.star import watermarks

CONTRACT_MIN_QUANTITY = 2
METRIC = "user_behavior_metric"


@dataclass(frozen=True)
class Loaded:
    """The result of a load: days and purchases written, purchases without a customer among them, rows of the metric."""

    days: int
    purchases: int
    without_customer: int
    metrics: int


def exists(source: Cursor) -> bool:
    """Whether the source has the table or view at all."""
    return bool(existing_columns(source, USER_PURCHASE.name))


def folder(date: dt.date, min_quantity: int, until: str | None = None) -> str:
    """The folder of a date's purchases on the lake. An unusual min_quantity has a folder of its own.

    A date under way has a folder for each instant up to which it was extracted.
    """
    where = layout.folder(USER_PURCHASE.name, date, until)
    return where if min_quantity == CONTRACT_MIN_QUANTITY else f"{where}/min_quantity={min_quantity}"


def extract_days(
    source: Cursor,
    warehouse: Cursor,
    lake: Lake,
    where: str,
    date: dt.date,
    bound: str,
    min_quantity: int,
    settings: Settings,
) -> Metadata:
    """Extracts the purchases of a date, and of the days before it that are not loaded yet, up to the date's bound.

    Writes them to the folder `where`. Extracts a date as far as a later date has loaded it, even beyond the bound.
    """
    [(begin, loaded_to)] = postgres.rows(warehouse, WINDOW, {"date": date})
    to = min(instants.end_of(date), instants.instant(bound)).replace(tzinfo=None)
    to = max(to, loaded_to or to)
    # A number as metadata.json has it: a literal below zero would have a space more.
    condition = sql.SQL("quantity > {}").format(sql.SQL(f"{min_quantity:d}"))
    return extract.write(
        source,
        lake,
        USER_PURCHASE,
        where,
        date,
        extract.Window(BEGINNING if begin is None else str(begin), to.isoformat(), condition),
        settings,
    )


def is_loaded(cursor: Cursor, date: dt.date, min_quantity: int, bound: Callable[[], str]) -> bool:
    """Whether a date is loaded with this min_quantity, and the metric has seen all reviews of it.

    Asks for the bound only if the date is partly loaded: it must then be loaded up to the bound.
    """
    to = postgres.value(cursor, LOADED_TO, {"date": date, "min_quantity": min_quantity, "seen": SEEN})
    if to is None:
        return False
    to = to.replace(tzinfo=dt.UTC)
    return bool(to >= instants.end_of(date) or to >= instants.instant(bound()))


def behind(cursor: Cursor, lake: Lake, where: str, date: dt.date, min_quantity: int) -> list[dt.date]:
    """The dates whose extracts must be loaded before the one of `date` in the folder `where`.

    There are some if a new warehouse finds an old lake.
    """
    [(begin, _)] = postgres.rows(cursor, WINDOW, {"date": date})
    found = _found(lake, where)
    if found.from_watermark == BEGINNING or (begin and dt.date.fromisoformat(found.from_watermark) <= begin):
        return []
    return [
        day
        for day in lake.dates(layout.folders(USER_PURCHASE.name))
        if (begin or day) <= day < date and layout.metadata_in(lake, folder(day, min_quantity))
    ]


def load(cursor: Cursor, lake: Lake, where: str, date: dt.date, min_quantity: int) -> Loaded:
    """Replaces the date, and the days before it that are not loaded yet, in stage and in the metric.

    The purchases of the date lie in the folder `where`.

    Changes other days if reviews have come for them meanwhile. Moves purchases that cannot be kept to etl.rejected_row.
    A rerun changes nothing. The caller holds the lock. Raises TooManyRejected.
    """
    found = _found(lake, where)
    delta = qualified("delta.user_purchase")
    cursor.execute(sql.SQL("drop table if exists {}").format(delta))
    cursor.execute(create_table("delta", USER_PURCHASE, found.columns))
    intake.copy(cursor, lake, found, delta)
    why = faults(USER_PURCHASE, found.columns)
    if intake.any_faulty(cursor, delta, why):
        reasons = intake.reject(cursor, delta, USER_PURCHASE, found, why)
        intake.check_rejected(USER_PURCHASE, found, reasons, config.settings().allowance)
    variables = {
        "date": date,
        "window_begin": found.from_watermark,
        "window_end": found.to_watermark,
        "min_quantity": min_quantity,
    }
    days = writes.temporary(cursor, "replaced_day", statement("work/purchases/replaced_day", **variables))
    cursor.execute(
        "delete from stage.user_purchase as stage using replaced_day "
        "where stage.invoice_date >= replaced_day.day and stage.invoice_date < replaced_day.day + 1"
    )
    columns = writes.columns_of(cursor, "stage.user_purchase")
    rows = statement("work/purchases/stage_user_purchase")
    purchases = writes.insert(cursor, "stage.user_purchase", columns, rows)
    columns = writes.columns_of(cursor, "etl.user_purchase_day")
    loaded = statement("work/purchases/user_purchase_day", **variables)
    writes.merge(cursor, "etl.user_purchase_day", ("day",), columns, loaded)
    without = postgres.value(
        cursor,
        "select coalesce(sum(without_customer), 0)::bigint from etl.user_purchase_day "
        "inner join replaced_day using (day)",
    )
    return Loaded(days, purchases, without, _measure(cursor))


def _found(lake: Lake, where: str) -> Metadata:
    found = layout.metadata_in(lake, where)
    if found is None:
        raise layout.missing(lake, where, "ExtractPurchases")
    return found


def _measure(cursor: Cursor) -> int:
    after, newest = watermarks.read(cursor, METRIC, ("movie_review",))
    changed = statement("work/purchases/changed_behavior", movie_review_after=after["movie_review"])
    writes.temporary(cursor, "changed", changed)
    metric, key = f"dwh.{METRIC}", ("customerid", "insert_date")
    writes.delete(cursor, metric, key, sql.SQL("select customerid, insert_date from changed"))
    rows = statement(f"work/purchases/{METRIC}")
    written = writes.insert(cursor, metric, writes.columns_of(cursor, metric), rows)
    cursor.execute(
        "delete from mart.agg_behavior_day as day using (select distinct insert_date from changed) as changed "
        "where day.purchase_date = changed.insert_date"
    )
    columns, days = writes.columns_of(cursor, "mart.agg_behavior_day"), statement("work/purchases/agg_behavior_day")
    writes.insert(cursor, "mart.agg_behavior_day", columns, days)
    watermarks.note(cursor, METRIC, newest)
    return written


SEEN = f"{METRIC}.movie_review"
# A date that is loaded is loaded again alone; another one with whatever is missing before it.
WINDOW = """
select
    case
        when exists (select from etl.user_purchase_day where day >= %(date)s) then %(date)s
        else coalesce(min(day) filter (where loaded_to < day + 1), max(day) + 1)
    end,
    max(loaded_to) filter (where day = %(date)s)
from etl.user_purchase_day
"""
# Reviews of later dates are those dates' own: in a backfill they may be there before this date has ended.
LOADED_TO = """
select max(loaded_to) from etl.user_purchase_day
where day = %(date)s and min_quantity = %(min_quantity)s and not exists (
    select from stage.movie_review
    where review_date <= %(date)s
    and etl_batch > coalesce((select watermark from etl.watermark where table_name = %(seen)s), 0)
)
"""
