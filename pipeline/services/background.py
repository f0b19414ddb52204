"""Programs that go on when a command has ended, until they are done or `down` stops them."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from pipeline.services.luigid_service import CHECKOUT

PROGRAMS = ("pipeline.demo_forecast",)
# A make that has ended does not hand out the jobs of which these tell.
OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "GNUMAKEFLAGS")


def start(home: Path, program: str, log: Path) -> None:
    """Starts a module of PROGRAMS with the folder of the services as its argument, which tells whose it is."""
    with open(log, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as output:
        subprocess.Popen(
            [sys.executable, "-m", program, str(home)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=CHECKOUT,
            env={name: value for name, value in os.environ.items() if name not in OF_MAKE},
            start_new_session=True,
        )


def stop(home: Path) -> None:
    """Ends the programs of a home with all that they started. A rerun does nothing."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words[1:] in [["-m", program, str(home)] for program in PROGRAMS]:
            # A program of somebody else that has these arguments is stopped too, which harms nobody but them.
            with suppress(ProcessLookupError, PermissionError, psutil.Error):
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
