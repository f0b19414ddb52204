"""The one place where Luigi is told to use our scheduler and our worker."""

import luigi
from luigi import interface
from luigi.cmdline_parser import CmdlineParser
from luigi.interface import core

from pipeline.kernel.errors import ConfigError
from pipeline.tasks.runtime import scheduler

# What Luigi makes its scheduler and worker with, unless it is given another: the `luigi` command gives none.
SEAM = "_WorkerSchedulerFactory"


def install() -> None:
    """Has every command of this process use them from now on, and find the embedded luigid.

    Where Luigi has the seam no more, a command runs with Luigi's own: it ends without our last lines, and `require`
    refuses luigid.
    """
    from pipeline.tasks.runtime.worker import Factory  # which imports tasks, whose base imports this

    if hasattr(interface, SEAM) and getattr(interface, SEAM) is not Factory:
        setattr(interface, SEAM, Factory)
        scheduler.use_embedded()


def require() -> None:
    """As `install`. Ends the command where it would have luigid choose its tasks without the seam that guards it."""
    install()
    if not hasattr(interface, SEAM) and CmdlineParser.get_instance() and not core().local_scheduler:
        scheduler.end(
            ConfigError(
                "load through luigid",
                f"Luigi {luigi.__version__} has no luigi.interface.{SEAM}, by which a command runs its own tasks alone",
                "install luigi<3.9, or add --local-scheduler",
            )
        )
