"""The embedded services on 127.0.0.1, with their state in one folder: PostgreSQL, S3, luigid, risk scores, Superset.

No pid file is believed: a process is ours when its command line names our data, and it runs when it answers
our login. A command may therefore be killed at any instant, and so may any service; the next `up` fixes it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.kernel.errors import ServiceFailed
from pipeline.services.access import Access
from pipeline.services.luigid_service import Luigid
from pipeline.services.postgresql import PostgreSQL
from pipeline.services.postgresql_programs import require_passage
from pipeline.services.risk_service import Risk
from pipeline.services.s3 import S3
from pipeline.services.service import Service
from pipeline.services.state_folder import make_folder, tighten
from pipeline.services.superset import COMPANY, Superset

__all__ = ["Dashboards", "State", "dashboards", "down", "rotate", "status", "up"]

# Those that every home has; Superset is one more where dashboards were deployed.
SERVICES: tuple[type[Service], ...] = (PostgreSQL, S3, Luigid, Risk)


@dataclass(frozen=True)
class State:
    """What is known of a service; `pid` is None unless it runs."""

    name: str
    state: str
    address: str
    pid: int | None


@dataclass(frozen=True)
class Dashboards:
    """Where the dashboards are, and the file with the passwords that open them."""

    url: str
    secrets_file: Path

    def __str__(self) -> str:
        return f"Dashboards: {self.url} (users admin and viewer, passwords in {self.secrets_file})"


def up(home: Path) -> list[State]:
    """Every service runs and `home`/services.json says how to reach it; the state is `started` or `running`.

    A rerun starts only what does not answer. Two at once are one: the second waits for the first. Where the services
    are of an earlier version, with fewer roles in the database, all are started again, with their data.
    Raises ServiceFailed.
    """
    home = home.expanduser().resolve()
    require_passage(home)
    with _locked(home):
        found = _services(home)
        if found[0].access.is_outdated:  # a service that runs the earlier version's code may log in as the wrong role
            for service in reversed(found):
                service.down()
        return [_state(service, "started" if service.up() else "running") for service in found]


def rotate(home: Path) -> list[State]:
    """Every service runs, each generated secret is a new one, and no old one opens anything.

    All are stopped first, so nobody stays who came in with an old one: not while a load runs. After a kill the next
    `up` goes on where it stopped, be it with old secrets; a rerun makes new ones again. Raises ServiceFailed.
    """
    home = home.expanduser().resolve()
    require_passage(home)
    with _locked(home):
        found = _services(home)
        for service in reversed(found):
            service.down()
        for service in found:
            service.renew()
        found[0].access.save()
    return up(home)


def dashboards(home: Path, *, again: bool = True) -> Dashboards:
    """Every service runs, and Superset serves the dashboards as `superset/` has them.

    What the environment says (SUPERSET_WAREHOUSE_URL, _ANONYMOUS, _HTTPS, _HOSTS) holds until the next time.
    A rerun undoes what was changed by hand; without `again` it does nothing when the files and settings are the same.
    Raises ServiceFailed.
    """
    up(home)
    home = home.expanduser().resolve()
    with _locked(home):
        superset = Superset(home, _access(home, Superset))
        if again or not superset.is_current():
            superset.deploy()
    up(home)
    address = _access(home, Superset).superset_url
    return Dashboards(f"{address}/{COMPANY}", superset.secrets_file)


def down(home: Path) -> list[State]:
    """No service runs any more; data and addresses are kept. A rerun does nothing.

    Raises ServiceFailed when a process survives even SIGKILL.
    """
    home = home.expanduser().resolve()
    if not home.exists():
        return status(home)
    with _locked(home):
        for service in reversed(_services(home)):
            service.down()
    return status(home)


def status(home: Path) -> list[State]:
    """The state of each service, `running` or `stopped`. Changes nothing and waits for nobody."""
    services = _services(home.expanduser().resolve())
    return [_state(service, "running" if service.runs() else "stopped") for service in services]


def _services(home: Path) -> list[Service]:
    classes: tuple[type[Service], ...] = (*SERVICES, Superset) if Superset.is_deployed(home) else SERVICES
    access = _access(home, *classes)
    return [service(home, access) for service in classes]


def _access(home: Path, *classes: type[Service]) -> Access:
    return Access.read(home, {service.name: service.preferred_port for service in classes})


def _state(service: Service, state: str) -> State:
    pid = None if state == "stopped" else next((process.pid for process in service.processes()), None)
    return State(service.name, state, service.address, pid)


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Alone among the commands on `home`. The kernel lets go of the lock when its holder dies.

    Python's descriptors are not inherited, so the services do not hold it. What comes into being meanwhile is its
    owner's alone, the services' own files too, as they inherit the umask.
    """
    umask = os.umask(0o077)
    try:
        make_folder(home, passage=True)
        tighten(home)
        with (home / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise ServiceFailed(
            f"keep the services' state under {home}",
            str(error),
            "see that you may write there, or set OCEAN_HOME to another folder",
        ) from None
    finally:
        os.umask(umask)
