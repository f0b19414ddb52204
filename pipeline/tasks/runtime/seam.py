"""The one place that makes Luigi use our scheduler and our worker."""

import luigi
from luigi import interface
from luigi.cmdline_parser import CmdlineParser
from luigi.configuration import get_config
from luigi.interface import core

from pipeline.kernel.errors import ConfigError
from pipeline.tasks.runtime import scheduler

# Luigi makes its scheduler and worker with this class unless it gets another one. The `luigi` command passes none.
SEAM = "_WorkerSchedulerFactory"


def install() -> None:
    """Makes every later command of this process use them, and find the embedded luigid, without Luigi's own lock.

    If Luigi no longer has the seam, a command runs with Luigi's own worker and scheduler. It ends without our last
    lines, and `require` refuses luigid.
    """
    from pipeline.tasks.runtime.worker import Factory  # imports tasks, whose base imports this module

    if hasattr(interface, SEAM) and getattr(interface, SEAM) is not Factory:
        setattr(interface, SEAM, Factory)
        scheduler.use_embedded()
        # The loads have locks of their own. Luigi's lies in a folder of whoever ran Luigi first on this machine.
        if not get_config().get("core", "no_lock", ""):
            get_config().set("core", "no_lock", "true")


def require() -> None:
    """Installs them. Ends a command that would let luigid choose its tasks without the seam that guards it."""
    install()
    if not hasattr(interface, SEAM) and CmdlineParser.get_instance() and not core().local_scheduler:
        scheduler.end(
            ConfigError(
                "load through luigid",
                f"Luigi {luigi.__version__} has no luigi.interface.{SEAM}, by which a command runs its own tasks alone",
                "install luigi<3.9, or add --local-scheduler",
            )
        )
