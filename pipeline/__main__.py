"""The command `python -m pipeline`."""

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pipeline import services, source_log
from pipeline.kernel import clock, config, postgres
from pipeline.kernel.errors import OceanError, printable
from pipeline.operations import findings, slots, status, status_text
from pipeline.operations.state import ERROR, WARN, Finding, Status

# The exit codes of monitoring tools: good, a warning, an error.
EXIT_CODES = {None: 0, WARN: 1, ERROR: 2}


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    asked = _parser().parse_args(arguments)
    try:
        if asked.command == "follow":
            from pipeline.follow import follow  # imports Luigi's tasks

            return follow(asked.every, asked.rounds)
        if asked.command == "source":
            return source_log.COMMANDS[asked.what]()
        if asked.command == "book":
            from pipeline.book import made  # imports the template engine and the parser of SQL

            print(f"Book: {made.make(asked.to)}")
            return 0
    except OceanError as error:
        print(error, file=sys.stderr)
        return 2
    return _status(asked)


def _status(asked: argparse.Namespace) -> int:
    with ThreadPoolExecutor(1) as beside:
        asking = beside.submit(_services)
        found = _warehouse(asked.days)
        _add_source(found)
        running, stopped = asking.result()
        # A stopped service causes other findings. So it comes first.
    found.findings[:0] = stopped
    severities = {finding.severity for finding in found.findings}
    worst = ERROR if ERROR in severities else WARN if severities else None
    if asked.json:
        shown = {"status": worst or "ok", **found.as_json(), "services": [asdict(state) for state in running]}
        print(json.dumps(shown, indent=1, default=str))
    else:
        print(_text(found, running))
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


def _services() -> tuple[list[services.State], list[Finding]]:
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline", description="The OceanRecords warehouse. Loads are run by luigi --module pipeline."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    shown = commands.add_parser(
        "status",
        help="show loaded, waiting and failed data, and the services",
        description="Shows the rows of the newest dates in each layer, how far stage is behind the clock, waiting "
        "rows, rejected rows, checks, and the embedded services.",
        epilog="Exit code: 0 when nothing needs attention, 1 for a warning, 2 for an error. "
        "example: .venv/bin/python -m pipeline status --days 14",
    )
    shown.add_argument("--json", action="store_true", help="the same for machines")
    shown.add_argument("--days", type=_days, default=7, help="how many dates (default: 7)")
    following = commands.add_parser(
        "follow",
        help="load the date under way again and again",
        description="Loads what is new every so many seconds until it is stopped (Ctrl-C, SIGTERM). With extraction = "
        "log each round takes about a second. A round that fails says so, and the next one tries again.",
        epilog="Exit code: that of the last round, 0 or 1. example: .venv/bin/python -m pipeline follow --every 60",
    )
    following.add_argument(
        "--every", type=_seconds, default=60, help="seconds from one round to the next (default: 60)"
    )
    following.add_argument("--rounds", type=int, help="how many rounds (default: until it is stopped)")
    book = commands.add_parser(
        "book",
        help="write the data book: KPIs, freshness, tables, lineage",
        description="Writes a site of static pages: the KPIs and what is loaded, the star schema, each table and "
        "column with its lineage, the KPIs' definitions and the checks. luigid shows it at /book/.",
        epilog="Exit code: 0, or 2 for an error. example: .venv/bin/python -m pipeline book --to /srv/www/book",
    )
    book.add_argument("--to", type=Path, help="the folder, whose book is replaced (default: book in OCEAN_HOME)")
    source = commands.add_parser(
        "source",
        help="prepare a source for extraction from its log",
        description="check: lists what the source lacks for extraction = log, with the statements to run. prepare: "
        "makes the publication and the replication slot. drop: removes the slot, so that the source keeps its log for "
        "it no longer, and the publication.",
        epilog="Exit code: 0 when nothing is lacking, 1 when something is, 2 for an error. "
        "example: .venv/bin/python -m pipeline source check",
    )
    source.add_argument("what", choices=list(source_log.COMMANDS))
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds >= 1:
        raise argparse.ArgumentTypeError("at least one second")
    return seconds


def _days(text: str) -> int:
    days = int(text)
    if days < 1:
        raise argparse.ArgumentTypeError("at least one date")
    return days


if __name__ == "__main__":
    sys.exit(main())
