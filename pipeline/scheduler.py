"""Which luigid a command talks to: the one that luigi.cfg names, else the embedded one where it really listens."""

import contextlib
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from luigi.configuration import get_config
from luigi.interface import core

from pipeline import config
from pipeline.errors import OceanError, ServiceDown

UNHANDLED = 40  # the exit code that luigi.cfg gives what no task is to blame for
SETTINGS = {"default-scheduler-url", "default-scheduler-host", "default-scheduler-port"}


def use_embedded() -> None:
    """Points Luigi at the embedded luigid, whose port may not be 8082 if somebody else's server has that one."""
    # The settings of luigi.rpc share a section with those of luigi.core, which would warn of each.
    core.ignore_unconsumed |= {"rpc_connect_timeout", "rpc_retry_attempts", "rpc_retry_wait", *map(_key, SETTINGS)}
    cfg = get_config()
    if any(cfg.get("core", name, "") for name in SETTINGS):
        return
    with contextlib.suppress(OceanError):  # no embedded services: Luigi's own default
        cfg.set("core", "default-scheduler-url", config.embedded("luigid_url"))


def without_metrics() -> None:
    """Has a scheduler of the command's own collect no metrics: it ends before anybody could ask for them."""
    get_config().set("scheduler", "metrics_collector", "none")


def check() -> None:
    """Ends a `luigi` command that needs a luigid which does not answer: with what to do instead of a stack trace."""
    if Path(sys.argv[0]).name != "luigi" or "--local-scheduler" in sys.argv or "--help" in sys.argv:
        return
    options = core()
    parts = urlsplit(options.scheduler_url or f"http://{options.scheduler_host}:{options.scheduler_port}")
    if options.local_scheduler or not parts.hostname:
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), timeout=1).close()
    except OSError as error:
        where = f"reach luigid at {parts.hostname}:{port}"  # the URL may hold a password
        print(ServiceDown(where, str(error), "run `make up`, or add --local-scheduler"), file=sys.stderr)
        sys.exit(UNHANDLED)


def _key(name: str) -> str:
    return name.replace("-", "_")
