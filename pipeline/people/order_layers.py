"""What source, stage and dwh have of one order, what it waits for, and the runs that loaded it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES, Fact, source_of
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.people.order_extracts import Extract
from pipeline.people.records import Record, masked, records

ORDERS, LINES = SOURCE_TABLES["ops.orders"], SOURCE_TABLES["ops.order_lines"]


@dataclass
class Staged:
    """The row of an order and those of its lines in stage, each with when its batch was loaded."""

    order: Record | None = None
    lines: list[Record] = field(default_factory=list)

    def by_table(self) -> dict[str, list[Record]]:
        """The rows by their source table."""
        return {ORDERS.name: [self.order] if self.order else [], LINES.name: self.lines}


@dataclass
class Starred:
    """The rows in dwh, each with its `members` by dimension, and what they wait for."""

    fact: Record | None = None
    lines: list[Record] = field(default_factory=list)
    waits: list[Record] = field(default_factory=list)


def of_source(cursor: Cursor, order_id: int) -> tuple[Record | None, list[Record]]:
    """The order and its lines as the source has them now."""
    found = []
    for table in (ORDERS, LINES):
        query = sql.SQL("select {} from {} where order_id = %s order by {}").format(
            identifiers(table.columns), qualified(table.name), identifiers(table.key)
        )
        found.append(records(cursor, query, (order_id,)))
    orders, lines = found
    return next(iter(orders), None), lines


def staged(cursor: Cursor, order_id: int) -> Staged:
    """The order and its lines in stage."""
    orders, lines = (
        records(cursor, sql.SQL(STAGED).format(qualified(f"stage.{table.short}"), sql.Literal(table.short)), [order_id])
        if _exists(cursor, f"stage.{table.short}")
        else []
        for table in (ORDERS, LINES)
    )
    return Staged(next(iter(orders), None), sorted(lines, key=lambda line: line["line_number"]))


def starred(cursor: Cursor, order_id: int, *, personal: bool) -> Starred:
    """The order and its lines in dwh."""
    if not _exists(cursor, "dwh.fact_order"):
        return Starred()
    orders, lines = (
        [
            row | {"members": _members(cursor, fact, row, personal=personal)}
            for row in records(
                cursor,
                sql.SQL("select * from {} where order_id = %s order by {}").format(
                    qualified(f"dwh.{fact.name}"), identifiers(fact.key)
                ),
                (order_id,),
            )
        ]
        for fact in (FACTS["fact_order"], FACTS["fact_order_line"])
    )
    keys = [str(order_id), *(f"{order_id}/{line['line_number']}" for line in lines)]
    return Starred(next(iter(orders), None), lines, records(cursor, WAITS, {"keys": keys}))


def rejected(cursor: Cursor, order_id: int, lines: Sequence[int]) -> list[Record]:
    """The input rows of the order and of known lines of it that could not be loaded, without their values."""
    if not _exists(cursor, "etl.rejected_row"):
        return []
    keys = [(ORDERS.name, [order_id]), *((LINES.name, [order_id, line]) for line in dict.fromkeys(lines))]
    return [
        row for source, key in keys for row in records(cursor, REJECTED, {"source": source, "key": json.dumps(key)})
    ]


def runs(cursor: Cursor, extracts: Sequence[Extract]) -> list[Record]:
    """The runs that extracted and staged these extracts, and the first ones after that of the tasks that follow."""
    found = [
        run
        for each in extracts
        for run in records(
            cursor, TAKEN, {"table": each.table, "extracted": each.extracted_at, "loaded": each.loaded_ts}
        )
    ]
    if extracts:
        found += records(cursor, FOLLOWED, {"loaded": max(each.loaded_ts for each in extracts)})
    unique = {(run["task"], run["table"], run["started"]): run for run in found}
    return sorted(unique.values(), key=lambda run: run["started"])


def _members(cursor: Cursor, fact: Fact, row: Record, *, personal: bool) -> Record:
    """The members that the surrogate keys of a row stand for, by dimension; days stand for themselves."""
    found: Record = {}
    for name in fact.dimensions:
        dimension = DIMENSIONS[name]
        if dimension.is_numbered:
            query = sql.SQL("select * from {} where {} = %s").format(
                qualified(f"dwh.{name}"), sql.Identifier(dimension.surrogate)
            )
            for member in records(cursor, query, (row[dimension.surrogate],)):
                found[name] = member if personal else masked(member, source_of(dimension.sources[0]))
    return found


def _exists(cursor: Cursor, table: str) -> bool:
    found: bool = postgres.value(cursor, "select to_regclass(%s) is not null", (table,))
    return found


STAGED = """
select
    staged.*,
    (
        select max(loaded_ts) from etl.stage_load
        where table_name = {1} and stage_load.batch = staged.etl_batch
    ) as loaded_ts
from {0} as staged
where staged.order_id = %s
"""
WAITS = """
select
    queue.business_key, queue.dimension, queue.dimension_key, queue.queued_ts, queue.attempts,
    run.status as last_load, run.finished as last_loaded, run.error
from etl.reprocessing_queue as queue
left join lateral (
    select * from etl.task_run as ran
    where
        ran.params ->> 'table' = queue.dimension and ran.task = 'LoadDimension'
        and ran.started > queue.queued_ts - interval '1 day'
    order by ran.started desc limit 1
) as run on true
where
    queue.resolved_ts is null and queue.fact_table in ('fact_order', 'fact_order_line')
    and queue.business_key = any(%(keys)s)
order by queue.business_key, queue.dimension
"""
REJECTED = """
select source, date, file, line, reason, rejected_ts from etl.rejected_row
where source = %(source)s and row_key = %(key)s
order by rejected_ts
"""
RUN = """
    task, coalesce(params ->> 'table', '') as table, params ->> 'date' as date, started, finished, status, rows
from etl.task_run
"""
# An extract is made, and stage loaded, while its run goes on.
TAKEN = f"""
select {RUN}
where
    (
        task in ('ExtractTable', 'ExtractLog', 'CopySource', 'ReconcileSource')
        and coalesce(params ->> 'table', %(table)s) = %(table)s
        and %(extracted)s::timestamptz between started and finished
    )
    or (
        task in ('LoadStage', 'ReconcileSource') and coalesce(params ->> 'table', %(table)s) = %(table)s
        and %(loaded)s between started and finished
    )
"""
FOLLOWED = f"""
select distinct on (task, params ->> 'table') {RUN}
where
    started >= %(loaded)s and status = 'done'
    and (
        (task = 'LoadFact' and params ->> 'table' in ('fact_order', 'fact_order_line'))
        or task in ('LoadMart', 'DailyWarehouseLoad')
    )
order by task, params ->> 'table', started
"""
