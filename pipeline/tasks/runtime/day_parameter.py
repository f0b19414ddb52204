"""The parameter of a task that is a day."""

import datetime as dt
import sys
from typing import Any

import luigi

from pipeline.kernel import clock
from pipeline.kernel.errors import ConfigError

USAGE = 2  # argparse's exit code for usage errors


def day_parameter(**options: Any) -> Any:
    """A parameter with Luigi's options. On a task it is a date."""
    return DayParameter(**options)


class DayParameter(luigi.DateParameter):
    """A day, YYYY-MM-DD, today or yesterday (UTC). A wrong one ends the command with one line."""

    def parse(self, text: str) -> dt.date:
        """The day that a text means. Raises ConfigError."""
        return clock.day(text, "the date")

    def _parser_kwargs(self, param_name: str, task_name: str | None = None) -> dict[str, Any]:
        option = f"--{task_name}-{param_name}" if task_name else f"--{param_name}"

        def typed(text: str) -> str:
            try:
                return str(clock.day(text, option))
            except ConfigError as error:
                print(error, file=sys.stderr)
                sys.exit(USAGE)

        found: dict[str, Any] = super()._parser_kwargs(param_name, task_name)
        return {**found, "type": typed}
