"""The embedded PostgreSQL 18: the programs of a wheel, started and stopped by our own code."""

import hashlib
import logging
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil

from pipeline.kernel import grants, limits, listener, postgres
from pipeline.kernel.errors import DatabaseError, ServiceDown, ServiceFailed
from pipeline.kernel.postgres import Cursor, sql
from pipeline.kernel.refusals import WILL_PASS, refusals
from pipeline.services import roles
from pipeline.services.access import REQUIRE_SCRAM, Access
from pipeline.services.postgresql_programs import ASIDE, as_user, aside, environment, give, programs
from pipeline.services.service import HOST, POLL_SECONDS, SECONDS_TO_START, Service
from pipeline.services.state_folder import make_folder, write_secret

logger = logging.getLogger("luigi-interface")

MEGABYTE = 1 << 20
RECOVERY_FAILED = "startup process failure"  # the last message of a postmaster that gives up
SERIOUS = re.compile(r"(?:FATAL|PANIC):  .*")


class PostgreSQL(Service):
    """Listens on 127.0.0.1 alone and asks everyone for a password. As root the server runs as another user."""

    name = listener.MAIN
    preferred_port = 15432
    # A prepared transaction keeps its locks after its session and after a restart. So nobody may prepare one.
    prepared_transactions = 0
    share_of_memory, most_buffers = 8, 2048  # its buffers are an eighth of the machine's memory, or so many MB
    # A fast shutdown, then an immediate one (the next start recovers), then SIGKILL.
    stop_signals = ((signal.SIGINT, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10))

    def __init__(self, home: Path, access: Access) -> None:
        super().__init__(home, access)
        self.data = self.folder / "data"
        self.owner_password = home / f"{self.name}.password"
        self.next_password = home / f"{self.name}.password.next"  # written before the server gets it
        self.who_may_connect = self.data / "pg_hba.conf"
        # In the title of every server process, the only thing that a process without its postmaster still shows.
        self.cluster = f"oceanrecords-{hashlib.sha256(os.fsencode(self.data)).hexdigest()[:8]}"

    def is_ours(self, arguments: list[str]) -> bool:
        """Whether the process is a postmaster on our data folder, or one of its children."""
        return self._is_postmaster(arguments) or " ".join(arguments).startswith(f"postgres: {self.cluster}: ")

    def processes(self) -> list[psutil.Process]:
        """The postmaster, which ends its children itself; or the children of a killed postmaster."""
        processes = super().processes()
        return [process for process in processes if self._is_postmaster(process.info["cmdline"])] or processes

    def up(self) -> bool:
        """Starts the server if needed. Waits for a server that recovers or is full: a restart would do harm."""
        deadline = time.monotonic() + SECONDS_TO_START
        while self.processes() and time.monotonic() < deadline:
            is_ours = listener.foreign(self.port, self.users) is None
            if not (is_ours and WILL_PASS.search(_refusal(self.access.url(next(iter(self._logins)))) or "")):
                break
            time.sleep(POLL_SECONDS)
        return super().up()

    def start(self) -> None:
        """Creates a missing data folder, starts the server, and creates or fixes roles and databases.

        The finished data folder is renamed into place. Roles and databases are created or fixed at every start. So a
        kill in between costs only time.
        """
        make_folder(self.folder, passage=True)
        for unfinished in self.folder.glob(f"{ASIDE}*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        if not self.data.exists():
            self._create_data()
        self._owner_url()  # raises before anything is started
        # No process of ours is left, so this file is stale. The server would refuse to start if its pid were alive,
        # even as another program. The server also sees by its shared memory that another server uses the data.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        if allowed := self._allowed_prepared_transactions():
            self._end_prepared_transactions(allowed)
        super().start()
        try:
            self._settle_owner()
            roles.create(self.access, self.name, self._owner_url)
            self._require_logins()
        except DatabaseError as error:
            _, because, _ = error.args
            raise ServiceFailed(f"create the databases of {self.name}", because, f"see {self.log}") from None

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts the postmaster, with settings that fit this machine."""
        # Not in the data folder: as root, we write no file where another user could put a link.
        settings = self.folder / "postgresql.conf"
        settings.write_text("".join(f"{name} = {_quoted(value)}\n" for name, value in self._settings().items()))
        settings.chmod(0o644)
        program = str(self._programs / "postgres")
        command = [program, "-D", str(self.data), "-p", str(self.port), f"--config-file={settings}"]
        return self.spawn(command, env=environment(), **as_user())

    def has_started(self) -> bool:
        """Whether the server's owner can log in."""
        return listener.foreign(self.port, self.users) is None and self._known_password() is not None

    def refuses(self) -> str | None:
        """The server's refusal of its owner; None without one, or for a refusal that passes."""
        if listener.foreign(self.port, self.users) is not None:
            return None
        return _refusal_for_good(self._owner_url())

    def may_start_again(self) -> bool:
        """Whether the recovery failed; the next start resumes it where it was. Keeps its log."""
        log = self.log.read_text(errors="replace")
        if RECOVERY_FAILED not in log:
            return False
        kept = self.log.with_suffix(".log.unrecovered")
        shutil.copy2(self.log, kept)
        reasons = [line for line in SERIOUS.findall(log) if not WILL_PASS.search(line)]
        reason = " ".join(reasons[-1].split()) if reasons else "it does not say why"
        logger.warning("%s did not recover (%s), its log is kept as %s; it is started again", self.name, reason, kept)
        return True

    def lets_in(self) -> bool:
        """Whether each role can log in to its databases, and the owner has no next password."""
        return not self.next_password.exists() and all(_refusal(self.access.url(name)) is None for name in self._logins)

    def renew(self) -> None:
        """Makes new secrets, and a new password for the owner."""
        super().renew()
        write_secret(self.next_password, secrets.token_urlsafe(24))

    def has_shop(self) -> bool:
        """Whether the running server has the simulated shop."""
        with postgres.session(self.access.url("simulator_url"), "embedded") as cursor:
            return bool(postgres.value(cursor, "select to_regnamespace('simulator') is not null"))

    def _require_logins(self) -> None:
        """Checks that the server accepts each role. Raises ServiceFailed."""
        for name in self._logins:
            if refusal := _refusal_for_good(self.access.url(name)):
                raise ServiceFailed(
                    f"log in to {self.name} as {name} of services.json says",
                    refusal,
                    f"correct {self.who_may_connect} or any other cause of the refusal, and run `make up` again",
                )

    def _known_password(self) -> Path | None:
        """The file whose password the server accepts from its owner, if it accepts one."""
        files = [self.owner_password, *[self.next_password] * self.next_password.exists()]
        return next((file for file in files if _refusal(self._owner_url(file=file)) is None), None)

    def _settle_owner(self) -> None:
        """Makes the next password the owner's, whether or not a killed command had set it in the server already."""
        if not self.next_password.exists():
            return
        if self._known_password() != self.next_password:
            with postgres.session(self._owner_url(), "embedded") as cursor:
                grants.set_password(cursor, "postgres", self.next_password.read_text())
        self.next_password.replace(self.owner_password)

    def _allowed_prepared_transactions(self) -> int:
        """The number of prepared transactions that the last server may have left."""
        command = [str(self._programs / "pg_controldata"), "-D", str(self.data)]
        done = subprocess.run(command, check=False, capture_output=True, env=environment(), cwd="/", **as_user())
        found = re.search(rb"^max_prepared_xacts setting: *(\d+)$", done.stdout, re.MULTILINE)
        # Without an answer the data is damaged. The server's own message says that best.
        return int(found[1]) if found else 0

    def _end_prepared_transactions(self, allowed: int) -> None:
        """Rolls back transactions prepared under an earlier version: a server that allows none fails with one left."""
        self.prepared_transactions = allowed
        super().start()
        with self._connected() as cursor:
            found = postgres.rows(cursor, "select gid, owner::text, database::text from pg_prepared_xacts")
        for gid, owner, database in found:
            with self._connected(database) as cursor:
                cursor.execute(sql.SQL("rollback prepared {}").format(sql.Literal(gid)))
            logger.warning("rolled back the prepared transaction %r of role %r in %s", gid, owner, database)
        self.down()
        self.prepared_transactions = 0

    @contextmanager
    def _connected(self, database: str = "postgres") -> Iterator[Cursor]:
        """The owner's connection to a server that is stopped afterwards: not kept for later calls."""
        url = self._owner_url(database, file=self._known_password())
        connecting = closing(postgres.connect(url, "embedded", autocommit=True))
        with refusals("embedded"), connecting as connection, connection.cursor() as cursor:
            yield cursor

    @property
    def _logins(self) -> dict[str, tuple[str, str]]:
        return self.access.logins(self.name)

    @property
    def _programs(self) -> Path:
        return programs(self.home / PostgreSQL.name)

    def _is_postmaster(self, arguments: list[str]) -> bool:
        return Path(arguments[0]).name == "postgres" and arguments[1:3] == ["-D", str(self.data)]

    def _owner_url(self, database: str = "postgres", *, file: Path | None = None) -> str:
        try:
            password = (file or self.owner_password).read_text()
        except FileNotFoundError:
            raise ServiceFailed(
                f"start {self.name}",
                f"{self.owner_password}, the password of its owner, is lost",
                f"restore that file, or give up the data and remove {self.data}",
            ) from None
        return f"postgresql://postgres:{password}@{HOST}:{self.port}/{database}?{REQUIRE_SCRAM}"

    def _settings(self) -> dict[str, object]:
        memory = psutil.virtual_memory().total // MEGABYTE
        return {
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "cluster_name": self.cluster,
            "timezone": "UTC",
            "log_timezone": "UTC",
            "lc_messages": "C",
            # Without DETAIL and CONTEXT, which quote rows.
            "log_error_verbosity": "terse",
            "reserved_connections": limits.RESERVED,
            "shared_buffers": f"{min(memory // self.share_of_memory, self.most_buffers)}MB",
            "effective_cache_size": f"{memory // 2}MB",
            "work_mem": "64MB",
            "maintenance_work_mem": "256MB",
            # A container's /dev/shm is often 64 MB, less than a parallel hash join needs.
            "dynamic_shared_memory_type": "sysv" if sys.platform == "linux" else "posix",
            "random_page_cost": 1.1,
            "jit": "off",
            "wal_level": "minimal",
            "max_wal_senders": 0,
            "max_wal_size": "4GB",
            "checkpoint_timeout": "15min",
            "max_prepared_transactions": self.prepared_transactions,
        }

    def _create_data(self) -> None:
        """Runs initdb in another folder and renames it last."""
        password = secrets.token_urlsafe(24)
        with aside(self.folder) as unfinished:
            password_file = unfinished / "password"
            write_secret(password_file, password)
            for path in (password_file, unfinished):
                give(path)
            command = [str(self._programs / "initdb"), "-D", str(unfinished / "data"), "-U", "postgres"]
            command += ["-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8"]
            command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            done = subprocess.run(command, check=False, capture_output=True, env=environment(), cwd="/", **as_user())
            if done.returncode != 0:
                because = " ".join(done.stderr.decode(errors="replace").split())
                raise ServiceFailed(f"create {self.data}", because, "fix that and run `make up` again")
            write_secret(self.owner_password, password)
            (unfinished / "data").rename(self.data)


def _quoted(value: object) -> str:
    """A value as postgresql.conf has it."""
    escaped = str(value).replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _refusal(url: str) -> str | None:
    """Why the server does not accept the login; None if it does."""
    try:
        postgres.connect(url, "embedded").close()
        return None
    except ServiceDown as error:
        _, because, _ = error.args
        return str(because)


def _refusal_for_good(url: str) -> str | None:
    """Why the server does not accept the login, if the server itself says so and waiting does not help."""
    refusal = _refusal(url)
    return refusal if refusal and "FATAL" in refusal and not WILL_PASS.search(refusal) else None
