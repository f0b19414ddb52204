"""`python -m pipeline explain kpi`: a KPI explained, as text or JSON."""

import textwrap
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from pipeline import kpis
from pipeline.kernel import postgres
from pipeline.kernel.config import settings
from pipeline.operations.summary import table
from pipeline.people import kpi_explained, painted
from pipeline.people.kpi_explained import Explained
from pipeline.people.records import as_text


def show(name: str, period: str, *, as_json: bool) -> int:
    """Prints a KPI of a month or quarter; returns the exit code."""
    with postgres.session(settings().warehouse_url, "warehouse", purpose="explain") as cursor:
        found = kpi_explained.read(cursor, name, period)
    if as_json:
        print(as_text({**asdict(found), "period": str(found.period)}))
    else:
        painted.show(_text(found))
    return 0


def _text(found: Explained) -> str:
    kpi = found.kpi
    progress = "" if found.is_complete in (None, True) else " (in progress)"
    lines = [
        f"{kpi.label} ({kpi.name}) of {found.period}{progress}",
        f"{kpi.text} Unit: {kpi.unit}. Better: {kpi.good}.",
        f"Limit: {'; '.join(found.limits) or 'none'}.",
        "",
        textwrap.indent(found.query, "    "),
        "",
        _figures(found),
        "",
        _changed(found),
    ]
    return "\n".join(lines)


def _figures(found: Explained) -> str:
    kpi = found.kpi
    header = ["country", kpi.short, *found.figures[0].parts]
    if not found.unkept:
        header += ["before", "changed by the load of"]
    lines = []
    for each in found.figures:
        beyond = " !" if kpi.is_beyond(each.value) else ""
        line = [each.country, f"{kpis.shown(kpi, each.value)}{beyond}", *map(_part, each.parts.values())]
        if not found.unkept:
            line += [kpis.shown(kpi, each.before), str(each.changed_by or "-")]
        lines.append(line)
    return table(header, lines)


def _part(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,.2f}" if isinstance(value, Decimal) and value != int(value) else f"{int(value):,}"


def _changed(found: Explained) -> str:
    if found.unkept:
        return f"No changes are known: {found.unkept}."
    if found.last_load is None:
        return "No load has come to its end yet."
    new = sum(each.is_new for each in found.figures)
    ended = f"the load of {found.last_load}, {found.last_load_ended:%Y-%m-%d %H:%M} UTC"
    return f"The last load ({ended}) changed {new or 'none'} of these {len(found.figures)} values."
