"""The state of a warehouse for people, as tables for a terminal."""

import datetime as dt

from pipeline.operations.state import (
    FAILED,
    MISSING,
    Check,
    Day,
    Following,
    Queue,
    Rejected,
    Slot,
    Status,
    Watermark,
    WholePass,
)
from pipeline.operations.summary import table


def of(status: Status) -> str:
    """The state for people, without what needs attention."""
    if not status.days:
        return "The warehouse is empty."
    parts = [_days(status.days), *_missing(status.missing), ""]
    parts.append(_watermarks(status.watermarks))
    parts += [*_following(status.following), *_slot(status.slot)]
    if status.checks:
        parts += ["", *_checks(status.checks)]
    parts += _passes(status.passes)
    parts += ["", _queue(status.queue), _rejected(status.rejected)]
    return "\n".join(parts)


def _days(days: list[Day]) -> str:
    lines = []
    for day in days:
        cells = [
            f"{state} {day.open[column]}" if state in (FAILED, MISSING) and day.open[column] > 1 else state
            for column, state in day.layers.items()
        ]
        lines.append([str(day.date), *cells, f"{day.rows:,}", f"{day.seconds:.1f}"])
    return table(["date", *days[0].layers, "rows", "seconds"], lines)


def _missing(missing: list[dt.date]) -> list[str]:
    if not missing:
        return []
    return [f"missing: {missing[0]}" + (f" to {missing[-1]}, {len(missing)} dates" if len(missing) > 1 else "")]


def _watermarks(watermarks: list[Watermark]) -> str:
    if not watermarks:
        return "no stage table was loaded yet"
    groups: dict[tuple[dt.datetime, float], list[str]] = {}
    for each in watermarks:
        groups.setdefault((each.loaded_to, each.lag_hours), []).append(each.table)
    lines = [
        [", ".join(names) if len(names) < 4 else f"{len(names)} tables", f"{to:%Y-%m-%d %H:%M}", f"{lag:,.1f} h"]
        for (to, lag), names in groups.items()
    ]
    return table(["stage", "loaded to (UTC)", "lag"], lines)


def _following(found: Following | None) -> list[str]:
    if found is None:
        return []
    ended = "done" if found.is_done else "failed"
    seconds = (found.ended - found.begun).total_seconds()
    return [
        f"follow, every {found.every:g} s: last round {found.ended:%Y-%m-%d %H:%M:%S}, {ended} in {seconds:.1f} s; "
        f"{found.rounds:,} rounds of {found.date}, {found.failed:,} failed"
    ]


def _slot(found: Slot | None) -> list[str]:
    if found is None or not found.exists:
        return []
    idle = "" if found.idle_minutes is None else f", last read {found.idle_minutes:,.0f} minutes ago"
    return [f"slot {found.name}: the source keeps {found.kept_bytes:,} bytes of its log ({found.wal_status}){idle}"]


def _checks(checks: list[Check]) -> list[str]:
    date = max(check.date for check in checks)
    failing = [check for check in checks if check.failures]
    lines = [[check.name, check.severity, str(check.date), f"{check.failures:,}"] for check in failing]
    passed = f"checks up to {date}: {len(checks) - len(failing)} of {len(checks)} passed"
    return [passed, table(["check", "severity", "date", "rows"], lines)] if failing else [passed]


def _passes(passes: list[WholePass]) -> list[str]:
    """One line for each kind: the pass that lies back the furthest, or how many there have not been."""
    lines = []
    for kind, words in (
        ("check", "checks passed on the whole warehouse"),
        ("comparison", "tables found like the source"),
    ):
        of_kind = [each for each in passes if each.kind == kind]
        ever = [(each.date, each.name) for each in of_kind if each.date]
        oldest = [f"the oldest with {date} ({name})" for date, name in sorted(ever)[:1]]
        never = [f"{len(of_kind) - len(ever)} not yet"] if len(of_kind) > len(ever) else []
        if of_kind:
            lines.append(f"{words}: {', '.join([*oldest, *never])}")
    return lines


def _queue(waiting: list[Queue]) -> str:
    if not waiting:
        return "reprocessing queue: empty"
    lines = [[f"{each.fact} for {each.dimension}", f"{each.rows:,}", f"{each.oldest_hours:,.1f} h"] for each in waiting]
    return table(["waiting in the reprocessing queue", "rows", "oldest"], lines)


def _rejected(rejected: list[Rejected]) -> str:
    if not rejected:
        return "rejected rows of these dates: none"
    lines = [[f"{each.source} {each.date}: {each.reason}", f"{each.rows:,}"] for each in rejected]
    return table(["rejected rows", "rows"], lines)
