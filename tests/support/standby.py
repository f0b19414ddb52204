"""A standby of the embedded source, with a port and a folder of its own, which can be promoted."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.services.postgresql_programs import as_user, environment, give, programs
from support.databases import run, source_admin_url
from support.world import World, closed_port

NAME = "standby"  # of its physical slot
REPLICATION = "host replication postgres 127.0.0.1/32 scram-sha-256\n"
SECONDS = 60


@dataclass
class Standby:
    """A copy of the server of the source in a home, which follows it until it is promoted."""

    home: Path
    data: Path
    port: int

    def url(self, of: str) -> str:
        """The URL of a database of the primary, here."""
        parts = urlsplit(of)
        return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{self.port}").geturl()

    def world(self, world: World) -> World:
        """A world whose source is here."""
        parts = {each.name: getattr(world, each.name) for each in fields(world)}
        return Moved(**parts | {"operational_url": self.url(world.operational_url)}, standby=self)

    def sql(self, query: str, database: str = "postgres") -> list[Any]:
        """Runs a statement as the superuser."""
        admin = urlsplit(source_admin_url(self.home))
        return run(self.url(admin._replace(path=f"/{database}").geturl()), query)

    def start(self) -> None:
        """Starts it."""
        self._control("start", "-l", str(self.data / "log"), "-o", f"-p {self.port}")

    def stop(self) -> None:
        """Stops it at once."""
        self._control("stop", "-m", "immediate")

    def promote(self) -> None:
        """Makes it a primary."""
        self._control("promote")

    def configure(self, **settings: str) -> None:
        """Adds settings, for its next start."""
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def _control(self, *words: str) -> None:
        program(self.home, "pg_ctl", words[0], "-D", str(self.data), "-w", *words[1:])


@dataclass(frozen=True)
class Moved(World):
    """A world whose source is a standby."""

    standby: Standby | None = None

    @property
    def simulator_url(self) -> str:
        """The source for the role that owns it."""
        assert self.standby
        return self.standby.url(super().simulator_url)


def program(home: Path, name: str, *words: str, password: str = "") -> None:
    """Runs a program of the server as its user."""
    command = [str(programs(home / "postgresql") / name), *words]
    more = {"PGPASSWORD": password} if password else {}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**environment(), **more}, cwd="/", **as_user())


@contextmanager
def running_standby(home: Path) -> Iterator[Standby]:
    """A standby that follows, and that has the slots of the primary too, until the block ends."""
    admin = source_admin_url(home)
    who = home / "source/pg_hba.conf"
    before = who.read_text()
    who.write_text(before + REPLICATION)
    run(admin, "select pg_reload_conf()")
    parts = urlsplit(admin)
    folder = Path(tempfile.mkdtemp(prefix="ocean-standby-"))
    give(folder)
    standby = Standby(home, folder / "data", closed_port())
    try:
        run(admin, "select pg_create_physical_replication_slot(%s)", (NAME,))
        words = ["-h", str(parts.hostname), "-p", str(parts.port), "-U", "postgres", "-D", str(standby.data)]
        words += ["-X", "stream", "-c", "fast", "--no-sync"]
        program(home, "pg_basebackup", *words, password=str(parts.password))
        for name in ("postgresql.conf", "pg_hba.conf"):  # the primary's own lie elsewhere
            shutil.copy(home / "source" / name, standby.data / name)
            give(standby.data / name)
        (standby.data / "standby.signal").touch()
        give(standby.data / "standby.signal")
        primary = f"host=127.0.0.1 port={parts.port} user=postgres password={parts.password} dbname=postgres"
        standby.configure(
            hba_file=str(standby.data / "pg_hba.conf"),
            primary_conninfo=primary,
            primary_slot_name=NAME,
            hot_standby_feedback="on",
            sync_replication_slots="on",
        )
        standby.start()
        yield standby
    finally:
        if (standby.data / "postmaster.pid").exists():
            standby.stop()
        run(
            admin,
            "select pg_terminate_backend(active_pid, 10000) from pg_replication_slots where slot_name = %s",
            (NAME,),
        )
        run(admin, "select pg_drop_replication_slot(%s)", (NAME,))
        who.write_text(before)
        run(admin, "select pg_reload_conf()")
        shutil.rmtree(folder)


def wait_until(condition: Callable[[], Any]) -> None:
    """Returns once a condition holds."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.05)
