"""A world for loads: a source, a warehouse and a lake of the embedded services."""

import datetime as dt
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipeline import services
from pipeline.kernel.config import LUIGID_USER, S3
from pipeline.lake.objects import Lake
from pipeline.services.access import LOGINS
from pipeline.services.postgresql import PostgreSQL
from pipeline.services.source_postgresql import SourcePostgreSQL
from pipeline.tasks.runtime.scheduler import Luigid
from support import commands
from support.checksum import CHECKSUM, CONTENTS
from support.commands import ROOT as ROOT
from support.commands import Process
from support.databases import (
    admin_url,
    create_source_database,
    create_warehouse_database,
    database_of,
    drop_database,
    login,
    run,
    source_admin_url,
)

# A small simulated shop. Between the two later dates prices change, each once.
OPENED, BEFORE, LAST = dt.date(2026, 1, 26), dt.date(2026, 2, 6), dt.date(2026, 2, 10)


# Without reviews: each of its dates would start Spark.
SIMULATED = {
    "OCEAN_SIMULATE": "1",
    "OCEAN_SIMULATE_FEEDS": "0",
    "OCEAN_SHOP_SCALE": "0.2",
    "OCEAN_SHOP_OPENED_ON": str(OPENED),
}


@dataclass(frozen=True)
class World:
    """A source database, a warehouse database and a lake, for the roles that extract and load."""

    home: Path
    operational_url: str
    warehouse_url: str
    lake_url: str
    more: Mapping[str, str] = field(default_factory=dict)
    now: dt.datetime | None = None  # the time on the source's clock, if not the real one
    fault: str = ""  # what support.injected does to its commands

    def at(self, now: dt.datetime) -> "World":
        """The same world at another time."""
        return replace(self, now=now)

    def faulty(self, fault: str) -> "World":
        """The same world, whose luigi commands meet a fault (support.injected)."""
        return replace(self, fault=fault)

    def where(self, **environment: str) -> "World":
        """The same world with more variables set in the environment."""
        return replace(self, more={**self.more, **environment})

    @property
    def simulator_url(self) -> str:
        """The source for the role that owns it."""
        return login(self.home, "simulator_url", database_of(self.operational_url))

    @property
    def environment(self) -> dict[str, str]:
        """The variables that a user would set for this world."""
        return {
            "OCEAN_HOME": str(self.home),
            "OPERATIONAL_URL": self.operational_url,
            "OCEAN_SIMULATOR_URL": self.simulator_url,
            "WAREHOUSE_URL": self.warehouse_url,
            "LAKE_URL": self.lake_url,
            "OCEAN_MAX_REJECTED_ROWS": "0",  # inputs are small: each test sets how many rows may be bad
            "OCEAN_FORECAST": "off",
            **self.more,
        }

    def start(self, *words: str, local: bool = True, fresh: bool = False) -> Process:
        """Starts a luigi command in a process group of its own; without `local` luigid chooses its tasks."""
        words = (commands.LUIGI, "--module", "pipeline", *words, *["--local-scheduler"] * local)
        return commands.start(words, self.environment, now=self.now, fault=self.fault, fresh=fresh)

    def luigi(self, *words: str, expect: int = 0) -> str:
        """Runs a luigi command to its end and returns what it printed."""
        process = self.start(*words)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == expect, output
        return output

    def load(self, date: dt.date | str, *words: str, expect: int = 0) -> str:
        """Runs the main job for a date."""
        return self.luigi("DailyWarehouseLoad", "--date", str(date), *words, expect=expect)

    def command(self, *words: str, expect: int = 0) -> str:
        """Runs `python -m pipeline` to its end and returns what it printed."""
        process = commands.start(("-m", "pipeline", *words), self.environment, now=self.now)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == expect, output
        return output

    def status(self, *words: str) -> tuple[int | None, str, str]:
        """Runs `python -m pipeline status`; returns its exit code, what it printed, and its errors."""
        process = commands.start(("-m", "pipeline", "status", *words), self.environment, errors_apart=True)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors

    def findings(self) -> list[dict[str, str]]:
        """The entries of `python -m pipeline status --json` that need attention."""
        _, output, _ = self.status("--json")
        found: list[dict[str, str]] = json.loads(output)["findings"]
        return found

    def source(self, query: str, arguments: Any = None) -> list[Any]:
        """Runs a statement in the source, as its owner."""
        return run(self.simulator_url, query, arguments)

    def warehouse(self, query: str, arguments: Any = None) -> list[Any]:
        """Runs a statement in the warehouse, as its owner."""
        return run(self.warehouse_url, query, arguments)

    def rows(self, query: str) -> set[tuple[Any, ...]]:
        """The rows of a query in the warehouse, without their order."""
        return set(self.warehouse(query))

    def checksum(self) -> dict[str, tuple[int, str]]:
        """Rows and hash of each table of dwh, and of the KPIs: equal for warehouses with the same contents."""
        return {name: tuple(self.warehouse(CHECKSUM.format(query))[0]) for name, query in CONTENTS.items()}

    @property
    def lake(self) -> Lake:
        """The lake on the embedded S3."""
        found = json.loads((self.home / "services.json").read_text())
        return Lake(self.lake_url, S3(found["s3_endpoint"], found["s3_access_key"], found["s3_secret_key"]))


@dataclass
class Worlds:
    """Makes worlds on running services, for fixtures that outlive a test; `drop` drops their databases."""

    home: Path
    name: str
    databases: list[str] = field(default_factory=list)
    lakes: int = 0

    def new(self, source: World | None = None) -> World:
        """An empty warehouse and lake, for the source of another world or an empty one."""
        operational_url = source.operational_url if source else self._source()
        return World(self.home, operational_url, self._warehouse(), self._lake_url())

    def copy(self, world: World) -> World:
        """A copy of a warehouse and its lake, for the same source."""
        return self.copy_lake(world, self.copy_warehouse(world))

    def copy_warehouse(self, world: World) -> str:
        """The URL of a copy of a warehouse."""
        return self._warehouse(world.warehouse_url)

    def copy_lake(self, world: World, warehouse_url: str | None = None) -> World:
        """A copy of a lake for the same source, with an empty warehouse if none is given."""
        found = replace(world, warehouse_url=warehouse_url or self._warehouse(), lake_url=self._lake_url())
        bucket = self.home / "s3" / found.lake.bucket
        if (bucket / world.lake.prefix).exists():
            # Beside the server, which takes a tenth of a request for each object. It looks into a folder when it has
            # seen that come.
            shutil.copytree(bucket / world.lake.prefix, bucket / found.lake.prefix)
            found.lake.write("come", b"")
            found.lake.delete(["come"])
        return found

    def copy_all(self, world: World) -> World:
        """A copy of a source, of its lake, and of its warehouse, which accepts the copy as its source."""
        found = replace(self.copy(world), operational_url=self._source(world.operational_url))
        found.warehouse("delete from etl.source")
        return found

    def copy_source(self, world: World) -> World:
        """A copy of a source, with an empty warehouse and lake."""
        return World(self.home, self._source(world.operational_url), self._warehouse(), self._lake_url())

    def copy_database_of_source(self, world: World) -> str:
        """The URL of a copy of a source, without a warehouse and a lake."""
        return self._source(world.operational_url)

    def replace_source(self, world: World, like: str) -> None:
        """Restores a source under its name from a copy: what a dump does that is restored on the same server."""
        name = database_of(world.operational_url)
        drop_database(self.home, name)
        create_source_database(self.home, name, database_of(like))

    def drop(self) -> None:
        """Drops all databases."""
        for database in self.databases:
            drop_database(self.home, database)

    def _source(self, like: str | None = None) -> str:
        self.databases.append(f"{self.name}_{len(self.databases)}")
        return create_source_database(self.home, self.databases[-1], like and database_of(like))

    def _warehouse(self, like: str | None = None) -> str:
        self.databases.append(f"{self.name}_{len(self.databases)}")
        return create_warehouse_database(self.home, self.databases[-1], like and database_of(like))

    def _lake_url(self) -> str:
        self.lakes += 1
        return f"s3://ocean-lake/{self.name}_{self.lakes}"


def embedded(home: Path, **environment: str) -> World:
    """The embedded services' own databases and lake, which a user without other settings gets."""
    found = json.loads((home / "services.json").read_text())
    unset = dict.fromkeys(("OPERATIONAL_URL", "OCEAN_SIMULATOR_URL", "WAREHOUSE_URL"), "")
    return World(home, found["operational_url"], found["warehouse_url"], "s3://ocean-lake", {**unset, **environment})


ROOM = 6 << 30  # bytes; the homes of two processes take a sixth of it


def in_memory() -> Path | None:
    """The file system in memory, where it has room for the services of all tests.

    Databases come and go by the hundred, and each is three hundred files, which a disk takes twice as long to make.
    """
    found = Path("/dev/shm")
    is_there = found.is_dir() and os.access(found, os.W_OK)
    return found if is_there and shutil.disk_usage(found).free > ROOM else None


@contextmanager
def running_services(prepared_transactions: int = 0, extraction: str = "watermark") -> Iterator[Path]:
    """The state folder of embedded services that run until the block ends.

    With `extraction` "log" the source has a server of its own.
    """
    commands.template()  # before a test changes the environment
    home = Path(tempfile.mkdtemp(prefix="ocean-tests-", dir=in_memory()))
    home.chmod(0o711)  # PostgreSQL runs as another user when the tests run as root
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PostgreSQL, "prepared_transactions", prepared_transactions)
            # The server looks through all of them whenever a table is emptied, or a database comes or goes.
            for server in (PostgreSQL, SourcePostgreSQL):
                patch.setattr(server, "most_buffers", 64)
            patch.setattr(SourcePostgreSQL, "most_slots", 100)  # those of all tests
            patch.setenv("OCEAN_EXTRACTION", extraction)
            patch.delenv("OPERATIONAL_URL", raising=False)
            services.up(home)
        _write_without_waiting(home)
        yield home
    finally:
        services.down(home)
        shutil.rmtree(home, ignore_errors=True)


def _write_without_waiting(home: Path) -> None:
    """Makes PostgreSQL leave it to the system when its files reach the disk, even after a restart.

    Waiting for the disk protects only from a crash of the machine, which ends the tests too. A killed server loses
    nothing. The wait is most of the time that it takes to drop a database, and each test has two.
    """
    for admin in {admin_url(home), source_admin_url(home)}:
        for setting in ("fsync", "full_page_writes"):
            run(admin, f"alter system set {setting} = off")
        run(admin, "select pg_reload_conf()")


def luigid(home: Path) -> Luigid:
    """The embedded luigid, with its password."""
    found = json.loads((home / "services.json").read_text())
    return Luigid(found["luigid_url"], (LUIGID_USER, found["luigid_password"]))


def closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def secrets_of(home: Path) -> set[str]:
    """Every password and key of the embedded services."""
    found = json.loads((home / "services.json").read_text())
    passwords = {urlsplit(value).password for name, value in found.items() if name.endswith("_url")}
    owners = {path.read_text() for path in home.glob("*.password")}  # one of each server
    keys = (found["s3_access_key"], found["s3_secret_key"], found["luigid_password"])
    secrets = {*owners, *keys, *(each for each in passwords if each)}
    assert len(secrets) == len(LOGINS) + 4 + len(owners)  # with the risk-score service's
    return secrets
