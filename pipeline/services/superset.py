"""The embedded Superset: the dashboards of `superset/`, served by gunicorn from an environment of its own."""

import hashlib
import json
import os
import secrets
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from pipeline.kernel.errors import ServiceFailed
from pipeline.services.access import READER, READERS
from pipeline.services.luigid_service import CHECKOUT
from pipeline.services.service import Service, http_request, require_program
from pipeline.services.state_folder import make_folder, write_secret

SOURCE = CHECKOUT / "superset"
KPIS = CHECKOUT / "warehouse/kpis.toml"  # whose definitions the datasets take
PYTHON = CHECKOUT / ".venv-superset/bin/python"
COMPANY = "superset/dashboard/ocean-records/"  # the dashboard that viewers see, as in superset/roles.py
MARK, SECRETS, NEXT_SECRETS = "deployed", "superset.json", "superset.json.next"
WAREHOUSE_URL = "SUPERSET_WAREHOUSE_URL"
# The login of a reader of one country, with the country at the end: SUPERSET_WAREHOUSE_URL_GERMANY.
COUNTRY_URL = f"{WAREHOUSE_URL}_"


@dataclass(frozen=True)
class Settings:
    """superset.json: secrets, which are made once, and the settings from the environment of the last deployment."""

    secret_key: str = field(repr=False)
    admin_password: str = field(repr=False)
    viewer_password: str = field(repr=False)
    warehouse_url: str | None = field(repr=False)  # None: the embedded warehouse
    anonymous: bool
    https: bool
    country_urls: dict[str, str] = field(default_factory=dict, repr=False)  # by the variable's name
    assistant_key: str | None = field(default=None, repr=False)  # signs an assistant's tokens; None: there is none
    hosts: str = ""  # host names that browsers use, besides those of this machine

    @classmethod
    def read(cls, path: Path) -> "Settings":
        """Reads `path`. Raises FileNotFoundError, and ServiceFailed for a file that cannot be understood."""
        try:
            return cls(**json.loads(path.read_text()))
        except (ValueError, TypeError) as error:
            raise ServiceFailed(
                f"read {path}",
                f"it is not what `make dashboards` wrote ({type(error).__name__})",
                "remove it and run `make dashboards`: the dashboards stay, passwords become new ones",
            ) from None

    @classmethod
    def renewed(cls, path: Path, environment: Mapping[str, str]) -> "Settings":
        """The secrets of `path`, or new ones without the file, with the present settings of `environment`.

        Raises ServiceFailed for a value that cannot be understood.
        """
        try:
            known = asdict(cls.read(path))
        except FileNotFoundError:
            known = _new_secrets()
        assistant = _flag(environment, "SUPERSET_ASSISTANT")
        now = {
            "warehouse_url": environment.get(WAREHOUSE_URL) or None,
            "country_urls": {name: url for name, url in environment.items() if url and name.startswith(COUNTRY_URL)},
            "anonymous": _flag(environment, "SUPERSET_ANONYMOUS"),
            "https": _flag(environment, "SUPERSET_HTTPS"),
            "assistant_key": (known.get("assistant_key") or secrets.token_urlsafe(48)) if assistant else None,
            "hosts": environment.get("SUPERSET_HOSTS", ""),
        }
        return cls(**{**known, **now})

    def write(self, path: Path) -> None:
        """Writes the settings to `path`, for its owner alone."""
        write_secret(path, json.dumps(asdict(self), indent=2) + "\n")


class Superset(Service):
    """Two processes with threads, enough for one company. `make up` starts it after the first deployment."""

    name = "superset"
    preferred_port = 8088

    @classmethod
    def is_deployed(cls, home: Path) -> bool:
        """Whether a deployment has finished, and its secrets are not lost."""
        return (home / cls.name / MARK).exists() and (home / SECRETS).exists()

    def is_current(self) -> bool:
        """Whether the last deployment had the same files and the same settings."""
        try:
            return self._mark.read_text() == self._fingerprint(Settings.renewed(self.secrets_file, os.environ))
        except FileNotFoundError:
            return False

    def deploy(self) -> None:
        """Sets Superset's database, dashboards, roles and users to the files of `superset/`.

        A running server goes on serving the old state while this runs, and after it fails. At the end the server is
        stopped, and the next start takes the new files. Raises ServiceFailed with the deployment's last message.
        """
        settings = Settings.renewed(self.secrets_file, os.environ)
        self._deploy(settings)

    def _deploy(self, settings: Settings) -> None:
        make_folder(self.folder)
        log = self.log.with_name("superset-deploy.log")
        make_folder(log.parent)
        with log.open("w") as file:
            done = subprocess.run(
                [self._python(), str(SOURCE / "deploy.py")],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={
                    **self.environment(settings),
                    "PYTHONUNBUFFERED": "1",  # keeps the messages in their order
                    "SUPERSET_ADMIN_PASSWORD": settings.admin_password,
                    "SUPERSET_VIEWER_PASSWORD": settings.viewer_password,
                    "SUPERSET_ANONYMOUS": str(int(settings.anonymous)),
                    "SUPERSET_ASSISTANT": str(int(settings.assistant_key is not None)),
                },
            )
        if done.returncode != 0:
            last = log.read_text().strip().rpartition("\n")[2]
            raise ServiceFailed(
                "deploy the dashboards",
                last.removeprefix("cannot deploy the dashboards, because "),
                f"fix that and run `make dashboards` again; the whole output is in {log}",
            )
        self.down()
        settings.write(self.secrets_file)
        write_secret(self._mark, self._fingerprint(settings))
        self.next_secrets.unlink(missing_ok=True)

    def renew(self) -> None:
        """Makes new secrets and users' passwords for the next `start`; keeps the settings from the environment."""
        known = asdict(Settings.read(self.secrets_file))
        assistant = {"assistant_key": secrets.token_urlsafe(48)} if known["assistant_key"] else {}
        Settings(**known | _new_secrets() | assistant).write(self.next_secrets)

    def start(self) -> None:
        """Starts the server. First deploys new secrets that `renew` has left, even if that command was killed."""
        if self.next_secrets.exists():
            self._deploy(Settings.read(self.next_secrets))
        super().start()

    def is_ours(self, arguments: list[str]) -> bool:
        """Whether the process is a gunicorn with our folder."""
        return arguments[1:5] == ["-m", "gunicorn", "--worker-tmp-dir", str(self.folder)]

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts gunicorn with the settings of the last deployment."""
        command = [self._python(), "-m", "gunicorn", "--worker-tmp-dir", str(self.folder)]
        command += ["--config", str(SOURCE / "gunicorn.conf.py"), "--bind", self.address]
        return self.spawn(command, env=self.environment(Settings.read(self.secrets_file)))

    def lets_in(self) -> bool:
        """Whether our own process has the port and can show the login page, which needs its database."""
        return not self.next_secrets.exists() and self._is_whole() and self.listens() and self._shows_login()

    @property
    def secrets_file(self) -> Path:
        """The file of the passwords."""
        return self.home / SECRETS

    @property
    def next_secrets(self) -> Path:
        """The file of the next secrets, until they are deployed."""
        return self.home / NEXT_SECRETS

    @property
    def _mark(self) -> Path:
        return self.folder / MARK

    def _is_whole(self) -> bool:
        """Whether there is a master with a worker, all with the present addresses and secrets.

        A worker without its master still answers, but ends within a second. One worker is enough: the master
        replaces the other.
        """
        wanted, processes = self.environment(Settings.read(self.secrets_file)).items(), self.processes()
        with suppress(psutil.Error):
            pids = [process.pid for process in processes if wanted <= process.environ().items()]
            return any(process.ppid() in pids for process in processes)
        return False

    def _shows_login(self) -> bool:
        answer = http_request("GET", self.port, "/login/", {"X-Forwarded-Proto": "https"})
        return answer is not None and answer[0] == 200

    def _python(self) -> str:
        return str(require_program(PYTHON, self.name, "make dashboards"))

    def environment(self, settings: Settings) -> dict[str, str]:
        """The variables of Superset's processes."""
        # None of our variables: any SUPERSET_ variable may be a setting. `ps` does not show secrets passed this way.
        return {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "PYTHONUTF8": "1",
            "TZ": "UTC",
            "SUPERSET_HOME": str(self.folder),
            "SUPERSET_CONFIG_PATH": str(SOURCE / "superset_config.py"),
            "SUPERSET_SECRET_KEY": settings.secret_key,
            "SUPERSET_METADATA_URL": self.access.url("superset_metadata_url"),
            **self._warehouse_urls(settings),
            "SUPERSET_HTTPS": str(int(settings.https)),
            "SUPERSET_HOSTS": settings.hosts,
        }

    def _warehouse_urls(self, settings: Settings) -> dict[str, str]:
        """URLs by variable. A warehouse elsewhere gets no country's URL of the embedded warehouse."""
        if settings.warehouse_url:
            return {WAREHOUSE_URL: settings.warehouse_url, **settings.country_urls}
        suffixes = {reader: reader.removeprefix(READER).upper() for reader in READERS}
        embedded = {WAREHOUSE_URL + suffix: self.access.url(f"{reader}_url") for reader, suffix in suffixes.items()}
        return embedded | settings.country_urls

    def _fingerprint(self, settings: Settings) -> str:
        """A hash of the files and settings."""
        found = hashlib.sha256(json.dumps(asdict(settings)).encode())
        files = sorted(path for path in SOURCE.rglob("*") if path.suffix in (".py", ".yaml", ".lock"))
        for path in [*files, KPIS]:
            found.update(f"{path.relative_to(CHECKOUT)}\n".encode() + path.read_bytes())
        return found.hexdigest()


def _new_secrets() -> dict[str, str]:
    names = ("admin_password", "viewer_password")
    return {"secret_key": secrets.token_urlsafe(48)} | {name: secrets.token_urlsafe(24) for name in names}


def _flag(environment: Mapping[str, str], name: str) -> bool:
    value = environment.get(name) or "0"
    if value not in ("0", "1"):
        raise ServiceFailed(f"use {name}={value}", "it is neither 0 nor 1", "correct it, or leave it out")
    return value == "1"
