"""`python -m pipeline show order`: the way of one order, as text or JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from pipeline.kernel.config import settings
from pipeline.kernel.errors import printable
from pipeline.operations.summary import table
from pipeline.people import order_trail, painted
from pipeline.people.order_extracts import Extract
from pipeline.people.order_layers import Starred
from pipeline.people.order_mart import Counted
from pipeline.people.order_trail import Trail
from pipeline.people.records import Record, as_text, said
from pipeline.source.columns import BATCH, DELETED

# What is shown of each member; JSON has all of it.
SHOWN = {
    "dim_customer": ("customer_id", "first_name", "last_name"),
    "dim_address": ("country", "city", "street"),
    "dim_payment_method": ("name",),
    "dim_order_status": ("name", "is_lost"),
    "dim_supplier": ("name",),
    "dim_product": ("product_id", "name", "unit_price", "valid_from", "valid_to"),
}
OF_ORDER = ("customer_id", "address_id", "order_status_id", "ordered_ts", "delivered_ts", "updated_ts")
OF_LINE = ("line_number", "product_id", "quantity", "unit_price", "updated_ts")
OF_STAGE = (DELETED, BATCH, "loaded_ts")


def show(order_id: int, *, personal: bool, as_json: bool) -> int:
    """Prints the way of an order; returns the exit code."""
    trail = order_trail.follow(order_id, settings(), personal=personal)
    if as_json:
        print(as_text(asdict(trail)))
    else:
        painted.show(_text(trail))
    return 0


def _text(trail: Trail) -> str:
    parts = [
        f"Order {trail.order_id}",
        _layer("Source, now", trail.problems.get("source"), trail.source_order, trail.source_lines),
        _section("Lake", _lake(trail)),
        _layer("Stage", None, trail.stage.order, trail.stage.lines, OF_STAGE),
        _section("Rejected", _rejected(trail.rejected)) if trail.rejected else "",
        _section("dwh", _star(trail.star)),
        _section("mart", _mart(trail.mart)) if trail.mart else "",
        _section("Runs", _runs(trail.runs)),
    ]
    return "\n\n".join(filter(None, parts))


def _section(title: str, lines: Iterable[str]) -> str:
    return "\n".join([title, *lines])


def _layer(
    title: str, problem: str | None, order: Record | None, lines: Sequence[Record], more: Sequence[str] = ()
) -> str:
    if problem:
        return _section(title, [f"not asked: {printable(problem)}"])
    if not order and not lines:
        return _section(title, ["nothing"])
    shown = [_table(OF_ORDER + tuple(more), [order]) if order else "no row of the order"]
    return _section(title, [*shown, _table(OF_LINE + tuple(more), lines) if lines else "no lines"])


def _table(names: Sequence[str], rows: Iterable[Record]) -> str:
    return table(list(names), [[said(row.get(name)) for name in names] for row in rows])


def _lake(trail: Trail) -> list[str]:
    if "lake" in trail.problems:
        return [f"not asked: {printable(trail.problems['lake'])}"]
    return [line for each in trail.extracts for line in _extract(each)] or ["nothing"]


def _extract(found: Extract) -> list[str]:
    head = f"{found.folder}  (batch {found.batch}, in stage since {said(found.loaded_ts)})"
    if found.problem:
        return [head, f"    {found.problem}"]
    places = []
    for place in found.places:
        change = f" ({place.change})" if place.change else ""
        places.append(f"    {'/'.join(map(str, place.key))}: {place.file}, line {place.line}{change}")
    return [head, *(places or ["    no line: it says that the row is deleted"])]


def _rejected(rows: Iterable[Record]) -> list[str]:
    return [
        printable(f"{row['source']} {row['date']}: {row['reason']} (line {said(row['line'])} of {said(row['file'])})")
        for row in rows
    ]


def _star(star: Starred) -> list[str]:
    if not star.fact and not star.lines:
        return ["nothing"]
    lines = []
    for name, row in [("fact_order", star.fact), *(("fact_order_line", line) for line in star.lines)]:
        if row is None:
            lines.append("fact_order: no row")
            continue
        number = f" {row['line_number']}" if "line_number" in row else ""
        amount = row["line_amount"] if "line_amount" in row else row["order_amount"]
        lines.append(f"{name}{number}: amount {said(amount)}{', is_deleted' * row['is_deleted']}")
        key = f"{row['order_id']}{number.replace(' ', '/')}"
        lines += [f"    {_member(dimension, row, star.waits, key)}" for dimension in row["members"]]
    return lines


def _member(dimension: str, row: Record, waits: Iterable[Record], business_key: str) -> str:
    surrogate = f"{dimension.removeprefix('dim_')}_key"
    name = f"{surrogate} {row[surrogate]}"
    if row[surrogate] != -1:
        member = row["members"][dimension]
        return printable(f"{name}: {', '.join(f'{each} {said(member[each])}' for each in SHOWN[dimension])}")
    for wait in waits:
        if (wait["business_key"], wait["dimension"]) == (business_key, dimension):
            load = f"; its last load: {wait['last_load']}" if wait["last_load"] else ""
            why = f", {wait['error']}" if wait["error"] else ""
            return printable(
                f"{name}, waits for {dimension} {wait['dimension_key']} since {said(wait['queued_ts'])}{load}{why}"
            )
    return f"{name}: unknown, and waits for nothing"


def _mart(mart: Counted) -> list[str]:
    state = mart.left_out or (
        f"not counted yet as it is now: noted in {', '.join(mart.waits)}; LoadMart counts it"
        if mart.waits
        else "counted"
    )
    names = ("aggregate", "month", "country", "order_status", "of", "orders", "sales")
    return [state, *([_table(names, mart.cells)] if mart.cells and not mart.left_out else [])]


def _runs(runs: Sequence[Record]) -> list[str]:
    if not runs:
        return ["none is known"]
    return [_table(("task", "table", "date", "started", "finished", "status", "rows"), runs)]
