"""The command `python -m pipeline`."""

import argparse
import json
import sys
from collections.abc import Callable

from pipeline import arguments, source_log
from pipeline.kernel.errors import OceanError
from pipeline.operations.state import ERROR, EXIT_CODES
from pipeline.people import completion, doctor, feed_report, kpi_report, order_report, overview


def main(words: list[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    asked = arguments.parser().parse_args(words)
    try:
        return COMMANDS[asked.command](asked)
    except OceanError as error:
        print(error, file=sys.stderr)
        return EXIT_CODES[ERROR]


def _follow(asked: argparse.Namespace) -> int:
    from pipeline.follow import follow  # imports Luigi's tasks

    return follow(asked.every, asked.rounds, as_json=asked.json)


def _book(asked: argparse.Namespace) -> int:
    from pipeline.book import made  # imports the template engine and the parser of SQL

    book = made.make(asked.to)
    print(json.dumps({"book": str(book)}) if asked.json else f"Book: {book}")
    return 0


def _completion(asked: argparse.Namespace) -> int:
    parser = arguments.parser()
    print(completion.script(parser, arguments.words_of(parser), arguments.PROGRAM, asked.shell))
    return 0


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "status": lambda asked: overview.show(asked.days, as_json=asked.json),
    "doctor": lambda asked: doctor.show(as_json=asked.json),
    "show": lambda asked: order_report.show(asked.order_id, personal=asked.personal, as_json=asked.json),
    "explain": lambda asked: kpi_report.show(asked.kpi, asked.period, as_json=asked.json),
    "check-feed": lambda asked: feed_report.show(asked.file, asked.feed, personal=asked.personal, as_json=asked.json),
    "follow": _follow,
    "book": _book,
    "source": lambda asked: source_log.COMMANDS[asked.what](as_json=asked.json),
    "completion": _completion,
}

if __name__ == "__main__":
    sys.exit(main())
