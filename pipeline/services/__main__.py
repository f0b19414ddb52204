"""The command `python -m pipeline.services`."""

import argparse
import sys

from pipeline import services
from pipeline.kernel import config
from pipeline.kernel.errors import OceanError

EXIT_NOT_RUNNING = 3
COMMANDS = {
    "up": services.up,
    "down": services.down,
    "status": services.status,
    "dashboards": services.status,
    "rotate": services.rotate,
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    command = _parser().parse_args(arguments).command
    try:
        if command == "dashboards":
            print(services.dashboards(config.home()))
        states = COMMANDS[command](config.home())
    except OceanError as error:
        print(error, file=sys.stderr)
        return 1
    for state in states:
        pid = f"pid {state.pid}" if state.pid else ""
        print(f"{state.name:<11}{state.state:<9}{state.address:<24}{pid}".rstrip())
    stopped = any(state.state == "stopped" for state in states)
    return EXIT_NOT_RUNNING if command == "status" and stopped else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.services",
        description="The embedded PostgreSQL, S3, luigid, risk-score service and, once there are dashboards, Superset "
        "and a service for assistants; their state is in OCEAN_HOME.",
        epilog="example: OCEAN_HOME=/tmp/ocean python -m pipeline.services up",
    )
    parser.add_argument(
        "command",
        choices=COMMANDS,
        help="up: start stopped services; down: stop all, keep the data; "
        f"status: show each, exit code {EXIT_NOT_RUNNING} when one does not run; "
        "dashboards: start all, deploy the dashboards and serve them; "
        "rotate: start all again, each password and key a new one",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
