"""Which luigid a command talks to: the one that luigi.cfg names, else the embedded one where it really listens."""

import contextlib

from luigi.configuration import get_config
from luigi.interface import core

from pipeline import config
from pipeline.errors import OceanError

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


def _key(name: str) -> str:
    return name.replace("-", "_")
