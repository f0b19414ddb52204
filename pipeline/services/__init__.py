"""The embedded services on 127.0.0.1, with their state in one folder: PostgreSQL, S3, luigid, risk scores, Superset.

With SUPERSET_ASSISTANT=1 there is a service for assistants beside Superset.
A home whose source is extracted from PostgreSQL's log has a second PostgreSQL, for the source alone.

No pid file is believed. A process is ours if its command line names our data, and it runs if it answers our login.
So any command and any service may be killed at any instant; the next `up` fixes it.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.kernel import config
from pipeline.kernel.errors import ServiceFailed
from pipeline.services import background
from pipeline.services.access import Access
from pipeline.services.assistant import Assistant
from pipeline.services.luigid_service import Luigid
from pipeline.services.postgresql import PostgreSQL
from pipeline.services.postgresql_programs import require_passage
from pipeline.services.risk_service import Risk
from pipeline.services.s3 import S3
from pipeline.services.service import Service
from pipeline.services.source_postgresql import SourcePostgreSQL
from pipeline.services.state_folder import make_folder, tighten
from pipeline.services.superset import COMPANY, Superset

__all__ = ["Dashboards", "State", "dashboards", "down", "rotate", "status", "up"]

# The services of every home. Some have a server for the source too, and one with deployed dashboards has Superset.
SERVICES: tuple[type[Service], ...] = (PostgreSQL, S3, Luigid, Risk)


@dataclass(frozen=True)
class State:
    """The state of a service; `pid` is None unless it runs."""

    name: str
    state: str
    address: str
    pid: int | None


@dataclass(frozen=True)
class Dashboards:
    """The address of the dashboards, and the file with their passwords; with an assistant the same of its service."""

    url: str
    secrets_file: Path
    assistant_url: str | None = None
    token_file: Path | None = None

    def __str__(self) -> str:
        said = f"Dashboards: {self.url} (users admin and viewer, passwords in {self.secrets_file})"
        if self.assistant_url is None:
            return said
        server = {"type": "http", "url": self.assistant_url, "headers": {"Authorization": "Bearer ${OCEAN_TOKEN}"}}
        return (
            f"{said}\nAssistant: {self.assistant_url} (MCP, bearer token in {self.token_file}); for a client:\n"
            f'  export OCEAN_TOKEN="$(cat {self.token_file})"\n'
            f"  {json.dumps({'mcpServers': {'oceanrecords': server}})}"
        )


def up(home: Path) -> list[State]:
    """Starts every service and writes their addresses to `home`/services.json; returns `started` or `running` of each.

    A rerun starts only services that do not answer. Two runs at once start each service once: the second waits for the
    first. Services of an earlier version, with fewer roles in the database, are all started again and keep their data.
    If the source is extracted from the log, a new home gets a server for it, and keeps that. Raises ServiceFailed.
    """
    home = home.expanduser().resolve()
    require_passage(home)
    with _locked(home):
        if config.embedded_source_has_log() and not SourcePostgreSQL.is_in(home):
            _add_source(home)
        found = _services(home)
        if found[0].access.is_outdated:  # a service with the earlier version's code may log in as the wrong role
            for service in reversed(found):
                service.down()
        return [_state(service, "started" if service.up() else "running") for service in found]


def rotate(home: Path) -> list[State]:
    """Starts every service with new generated secrets; the old ones open nothing any more.

    Stops all services first, which also ends sessions that began with an old secret. So do not run it during a load.
    After a kill the next `up` continues, possibly with old secrets; a rerun makes new ones again. Raises ServiceFailed.
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
    """Starts every service, and has Superset serve the dashboards of the folder `superset/`.

    SUPERSET_WAREHOUSE_URL, _ANONYMOUS, _ASSISTANT, _HTTPS and _HOSTS of the environment apply until the next call.
    A rerun undoes changes made by hand. Without `again` it does nothing if files and settings are the same.
    Raises ServiceFailed.
    """
    up(home)
    home = home.expanduser().resolve()
    with _locked(home):
        access = _access(home, *_classes(home), Superset, Assistant)
        superset, assistant = Superset(home, access), Assistant(home, access)
        if again or not superset.is_current():
            assistant.down()  # what it may see changes
            superset.deploy()
            assistant.down()  # without the switch its token goes
    up(home)
    access = _access(home, *_classes(home))
    url = f"{access.superset_url}/{COMPANY}"
    if not Assistant.is_on(home):
        return Dashboards(url, superset.secrets_file)
    assistant = Assistant(home, access)
    return Dashboards(url, superset.secrets_file, assistant.url, assistant.token_file)


def down(home: Path) -> list[State]:
    """Stops every service; keeps data and addresses. A rerun does nothing.

    Raises ServiceFailed if a process survives even SIGKILL.
    """
    home = home.expanduser().resolve()
    if not home.exists():
        return status(home)
    background.stop(home)
    with _locked(home):
        for service in reversed(_services(home)):
            service.down()
    return status(home)


def status(home: Path) -> list[State]:
    """The state of each service, `running` or `stopped`. Changes nothing and does not wait for the lock."""
    services = _services(home.expanduser().resolve())
    return [_state(service, "running" if service.runs() else "stopped") for service in services]


def _services(home: Path) -> list[Service]:
    classes = _classes(home)
    access = _access(home, *classes)
    return [service(home, access) for service in classes]


def _classes(home: Path) -> list[type[Service]]:
    """The services of a home, in the order of their starts."""
    main, *others = SERVICES
    source = [SourcePostgreSQL] * SourcePostgreSQL.is_in(home)
    return [main, *source, *others, *[Superset] * Superset.is_deployed(home), *[Assistant] * Assistant.is_on(home)]


def _add_source(home: Path) -> None:
    """Gives a home a server for the source. Raises ServiceFailed if the main one has a shop already."""
    main = PostgreSQL(home, _access(home, *_classes(home)))
    if main.data.exists():
        main.up()
        if main.has_shop():
            raise ServiceFailed(
                "extract the embedded shop from its log",
                "it lies in the warehouse's server, whose log it shares",
                "set OCEAN_HOME to a new folder, or extraction to watermark",
            )
        main.down()  # the next start takes away the roles of the source
    make_folder(home / SourcePostgreSQL.name, passage=True)


def _access(home: Path, *classes: type[Service]) -> Access:
    return Access.read(home, {service.name: service.preferred_port for service in classes})


def _state(service: Service, state: str) -> State:
    pid = None if state == "stopped" else next((process.pid for process in service.processes()), None)
    return State(service.name, state, service.address, pid)


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Holds the lock of `home` against other commands. The kernel releases it when its holder dies.

    Python's descriptors are not inherited, so the services do not hold the lock. Files made meanwhile are readable by
    their owner alone. That includes the services' own files, because services inherit the umask.
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
