"""Runs the script of the forecast in its own environment, whose packages nothing else needs."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from pipeline.kernel.errors import ConfigError, ForecastFailed

CHECKOUT = Path(__file__).parents[2]
OWN_PYTHON = CHECKOUT / ".venv-forecast/bin/python"
INSTALLED = CHECKOUT / ".venv-forecast/.installed"  # comes last when it is built
SCRIPT = Path(__file__).with_name("expected_days.py")
SECONDS = 600
# The script gets no password and no key.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def python(named: str) -> Path | None:
    """The Python that has the packages; None if there is none, and none was named. Raises ConfigError."""
    if not named:
        return OWN_PYTHON if INSTALLED.exists() else None
    if not Path(named).exists():
        raise ConfigError(
            "forecast sales", f"there is no {named}", "correct forecast_python, or build one with `make forecast`"
        )
    return Path(named)


def run(named: str, values: bytes) -> bytes:
    """What the script writes for these values, both CSV as it describes them; `named` is forecast_python.

    After a kill the script ends by itself, as nobody reads what it writes. Raises ConfigError without an environment,
    and ForecastFailed.
    """
    program = python(named)
    if program is None:
        raise ConfigError("forecast sales", "statsforecast is not installed", "install it with `make forecast`")
    process = subprocess.Popen(
        [str(program), "-I", str(SCRIPT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={name: os.environ[name] for name in INHERITED if name in os.environ},
        start_new_session=True,
    )
    try:
        made, said = process.communicate(values, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise _failed(f"it took longer than {SECONDS} seconds") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode:
        raise _failed(_last_line(said.decode(errors="replace")) or f"its process ended with {process.returncode}")
    return made


def _failed(because: str) -> ForecastFailed:
    return ForecastFailed("forecast sales", because, "run ForecastSales again once that is fixed; loads go on without")


def _last_line(text: str) -> str:
    """The last line of what the script said: its own words, or the exception."""
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("cannot forecast, because ") if lines else ""
