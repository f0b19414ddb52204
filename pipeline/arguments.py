"""The commands of `python -m pipeline`, and the words that each takes."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline import source_log

PROGRAM = "oceanrecords"  # the same in an environment where the package is installed
JSON = "the same for machines"


def parser() -> argparse.ArgumentParser:
    """The parser of all commands, by the name that the program was called by."""
    made = argparse.ArgumentParser(
        prog=PROGRAM if Path(sys.argv[0]).name == PROGRAM else "python -m pipeline",
        description="The OceanRecords warehouse. Loads are run by luigi --module pipeline.",
    )
    commands = made.add_subparsers(dest="command", required=True)
    for add in (_status, _doctor, _show, _explain, _check_feed, _follow, _book, _source, _completion):
        add(commands)
    return made


Commands = argparse._SubParsersAction  # which argparse gives no public name


def _status(commands: "Commands[argparse.ArgumentParser]") -> None:
    status = commands.add_parser(
        "status",
        help="show loaded, waiting and failed data, and the services",
        description="Shows the rows of the newest dates in each layer, how far stage is behind the clock, waiting "
        "rows, rejected rows, checks, and the embedded services.",
        epilog="Exit code: 0 when nothing needs attention, 1 for a warning, 2 for an error. "
        "example: .venv/bin/python -m pipeline status --days 14",
    )
    status.add_argument("--json", action="store_true", help=JSON)
    status.add_argument("--days", type=_days, default=7, help="how many dates (default: 7)")


def _doctor(commands: "Commands[argparse.ArgumentParser]") -> None:
    doctor = commands.add_parser(
        "doctor",
        help="check settings, services, rights, versions, disks and clocks",
        description="Looks at all that a load needs before it runs: settings, databases and the rights of their "
        "roles, S3, luigid, the risk-score service, packages, migrations, disks, clocks, and the modes of secret "
        "files. It starts nothing and changes nothing. status tells of the data.",
        epilog="Exit code: 0 when all is well, 1 for a warning, 2 for an error. "
        "example: .venv/bin/python -m pipeline doctor",
    )
    doctor.add_argument("--json", action="store_true", help=JSON)


def _show(commands: "Commands[argparse.ArgumentParser]") -> None:
    show = commands.add_parser(
        "show",
        help="show the way of one order through all layers",
        description="Shows an order in the source, in its extracts on the lake, in stage, in dwh and in the mart, what "
        "it waits for, and the runs that loaded it. Who somebody is, is masked.",
        epilog="Exit code: 0, or 2 for an error. example: .venv/bin/python -m pipeline show order 4711",
    )
    show.add_argument("what", choices=["order"])
    show.add_argument("order_id", type=int, metavar="number", help="the order's number in the source")
    show.add_argument("--personal", action="store_true", help="show names, addresses and e-mail addresses too")
    show.add_argument("--json", action="store_true", help=JSON)


def _explain(commands: "Commands[argparse.ArgumentParser]") -> None:
    explain = commands.add_parser(
        "explain",
        help="show a KPI of a month: definition, SQL, countries, changes",
        description="Shows the definition of a KPI, its SQL, its value in total and by country with the parts that "
        "it is made of, what the last load changed, and its limit.",
        epilog="Exit code: 0, or 2 for an error. example: .venv/bin/python -m pipeline explain kpi sales 2026-10",
    )
    explain.add_argument("what", choices=["kpi"])
    explain.add_argument("kpi", metavar="name", help="its name in warehouse/kpis.toml, such as sales")
    explain.add_argument("period", help="a month, 2026-10, or a quarter, 2026-Q3")
    explain.add_argument("--json", action="store_true", help=JSON)


def _check_feed(commands: "Commands[argparse.ArgumentParser]") -> None:
    check = commands.add_parser(
        "check-feed",
        help="check a vendor's file: what would be kept, and why the rest would not",
        description="Reads a file of a vendor, or an answer of the risk-score service, as the load does, by the "
        "contract of its feed. Shows how many rows would be kept, and each problem with line, column, rule and fix. It "
        "needs no service and no settings, and changes nothing. What tells of a person is masked.",
        epilog="Exit code: 0 when all rows are kept, 1 when some are rejected, 2 when the file is refused, or for an "
        "error. example: .venv/bin/python -m pipeline check-feed orders.csv",
    )
    check.add_argument("file", type=Path, help="a CSV file, also as .gz or .zst, or a JSON file")
    check.add_argument("--feed", help="its feed (default: by its folder in landing, else by its header)")
    check.add_argument("--personal", action="store_true", help="show values that tell of a person too")
    check.add_argument("--json", action="store_true", help=JSON)


def _follow(commands: "Commands[argparse.ArgumentParser]") -> None:
    follow = commands.add_parser(
        "follow",
        help="load the date under way again and again",
        description="Loads what is new every so many seconds until it is stopped (Ctrl-C, SIGTERM). With extraction = "
        "log each round takes about a second. A round that fails says so, and the next one tries again.",
        epilog="Exit code: that of the last round, 0 or 1. example: .venv/bin/python -m pipeline follow --every 60",
    )
    follow.add_argument("--every", type=_seconds, default=60, help="seconds from one round to the next (default: 60)")
    follow.add_argument("--rounds", type=int, help="how many rounds (default: until it is stopped)")
    follow.add_argument("--json", action="store_true", help="a line of JSON for each round; the rest goes to stderr")


def _book(commands: "Commands[argparse.ArgumentParser]") -> None:
    book = commands.add_parser(
        "book",
        help="write the data book: KPIs, freshness, tables, lineage",
        description="Writes a site of static pages: the KPIs and what is loaded, the star schema, each table and "
        "column with its lineage, the KPIs' definitions and the checks. luigid shows it at /book/.",
        epilog="Exit code: 0, or 2 for an error. example: .venv/bin/python -m pipeline book --to /srv/www/book",
    )
    book.add_argument("--to", type=Path, help="the folder, whose book is replaced (default: book in OCEAN_HOME)")
    book.add_argument("--json", action="store_true", help=JSON)


def _source(commands: "Commands[argparse.ArgumentParser]") -> None:
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
    source.add_argument("--json", action="store_true", help=JSON)


def _completion(commands: "Commands[argparse.ArgumentParser]") -> None:
    completion = commands.add_parser(
        "completion",
        help="print the script by which a shell completes the words of a command",
        description=f"Prints a script for a shell, which then completes commands, options, KPIs and feeds of the "
        f"program {PROGRAM}: that is `python -m pipeline` under a name of its own.",
        epilog='example for ~/.bashrc: eval "$(.venv/bin/oceanrecords completion bash)"',
    )
    completion.add_argument("shell", choices=["bash", "zsh", "fish"])


def commands_of(made: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The parser of each command."""
    [commands] = [action for action in made._actions if isinstance(action, argparse._SubParsersAction)]
    return commands.choices


def words_of(made: argparse.ArgumentParser) -> Sequence[argparse.Action]:
    """The words and options that all commands take."""
    return [action for command in commands_of(made).values() for action in command._actions]


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
