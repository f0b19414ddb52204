"""`python -m pipeline status`: what is loaded, what waits, what failed, and the services."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict

from pipeline import services
from pipeline.kernel import clock, config, postgres
from pipeline.kernel.errors import OceanError, printable
from pipeline.operations import findings, slots, status, status_text
from pipeline.operations.state import ERROR, EXIT_CODES, Finding, Status, worst_of
from pipeline.people import painted


def show(days: int, *, as_json: bool) -> int:
    """Prints the state of warehouse, source and services; returns the exit code."""
    with ThreadPoolExecutor(1) as beside:
        asking = beside.submit(embedded)
        found = _warehouse(days)
        _add_source(found)
        running, stopped = asking.result()
        # A stopped service causes other findings. So it comes first.
    found.findings[:0] = stopped
    worst = worst_of(found.findings)
    if as_json:
        shown = {"status": worst or "ok", **found.as_json(), "services": [asdict(state) for state in running]}
        print(json.dumps(shown, indent=1, default=str))
    else:
        painted.show(_text(found, running))
    return EXIT_CODES[worst]


def _warehouse(days: int) -> Status:
    try:
        settings = config.settings()
        with postgres.session(settings.warehouse_url, "warehouse", purpose="status") as cursor:
            found = status.read(cursor, clock.now(), days, settings)
            found.findings += findings.prepared(cursor, "warehouse")
            return found
    except OceanError as error:
        return Status(findings=[Finding(ERROR, str(error), "then ask again")])


def _add_source(found: Status) -> None:
    """Adds what the source says: its slot, and prepared transactions, which block loads.

    Nothing if it does not answer, as loads report that.
    """
    with suppress(OceanError):
        settings = config.settings()
        if not settings.operational_url:
            return
        with postgres.session(settings.operational_url, "operational", purpose="status") as cursor:
            found.findings += findings.prepared(cursor, "operational")
            found.slot = slots.read(cursor, settings)
            found.findings += slots.findings(found.slot, settings)


def embedded() -> tuple[list[services.State], list[Finding]]:
    """The embedded services, if any is used, and a finding that names those which do not run."""
    try:
        settings = config.settings()
        used = {settings.operational_url, settings.warehouse_url, settings.s3.endpoint}
        if not (config.home() / "services.json").exists() or used.isdisjoint(config.services_file().values()):
            return [], []
        states = services.status(config.home())
    except OceanError:  # the warehouse's findings have this error already
        return [], []
    stopped = [state.name for state in states if state.state == "stopped"]
    what = f"stopped: {', '.join(stopped)}"
    return states, [Finding(ERROR, what, "start them with `make up`")] if stopped else []


def _text(found: Status, running: list[services.State]) -> str:
    # Even without any date there may be a finding: that the warehouse does not answer.
    parts = [status_text.of(found)] if found.days else []
    if running:
        parts.append("\n".join(f"{state.name:<11}{state.state:<9}{state.address}" for state in running))
    attention = [f"{each.severity}: {printable(each.what)}\n    {printable(each.do)}" for each in found.findings]
    parts.append("\n".join(["Needs attention", *attention]) if attention else "Nothing needs attention.")
    return "\n\n".join(parts)
