"""The differences that a comparison found, for people: a table of their counts, and what to do about them."""

import datetime as dt
from collections.abc import Sequence

from pipeline.catalog import DIMENSIONS, FACTS
from pipeline.operations import summary
from pipeline.trust.reconcile import IN_DWH, Difference

LUIGI = ".venv/bin/luigi --module pipeline"
HEADER = ["table", "source", "stage", "missing", "changed", "vanished", "dwh: missing", "changed", "more"]


def report(found: Sequence[Difference], *, has_dwh: bool) -> str:
    """The counts by table; those of dwh where it was compared."""
    lines = []
    for each in found:
        counts = [each.source_rows, each.stage_rows, len(each.missing), len(each.changed), len(each.vanished)]
        if has_dwh and each.table.short in IN_DWH:
            counts += [each.dwh_missing, each.dwh_changed, each.dwh_vanished]
        cells = [f"{count:,}" for count in counts]
        lines.append([each.table.name, *cells, *[""] * (len(HEADER) - 1 - len(cells))])
    return summary.table(HEADER, lines)


def advice(date: dt.date, differing: Sequence[Difference], rejected: str, *, is_repair: bool) -> str:
    """The next step for the differences that are left, with those that a repair cannot remove.

    `rejected` is the table that says why rows could not be kept.
    """
    this = f"{LUIGI} ReconcileSource --date {date} --repair"
    if not is_repair:
        return f"run {this}"
    if not all(each.is_same_in_stage for each in differing):
        return f"fix in the source the rows that were rejected ({rejected} says why), then run {this}"
    targets = [IN_DWH[each.table.short].name for each in differing]
    facts = [f"{LUIGI} RebuildTable --table {name}" for name in targets if name in FACTS]
    members = [
        f"mark the rows of dwh.{name} that stage does not have as deleted" for name in targets if name in DIMENSIONS
    ]
    return "; ".join([*([f"run {', then '.join(facts)}"] if facts else []), *members, f"then run {this}"])
