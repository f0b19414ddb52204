"""services.json: the addresses, logins and secrets of the embedded services."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.kernel.errors import ServiceFailed
from pipeline.kernel.listener import DATABASE_SERVERS, MAIN, SOURCE
from pipeline.services.state_folder import write_secret

# Databases and roles. No role may do more than its work needs. SIMULATOR is the shop's own application, EXTRACT reads
# the source, LOAD owns the warehouse, READER is for dashboards, ANALYST for people, METADATA for Superset.
OPERATIONAL, WAREHOUSE, METADATA = "oceanrecords", "warehouse", "superset"
SIMULATOR, EXTRACT, LOAD, READER, ANALYST = "ocean", "etl_extract", "etl_load", "bi_reader", "bi_analyst"
# READER sees every country. Every other reader sees the countries that analyst.country_access gives it.
READERS = (READER, f"{READER}_germany")

# Role and database of each login, by its name in services.json.
LOGINS = {
    "operational_url": (EXTRACT, OPERATIONAL),
    "warehouse_url": (LOAD, WAREHOUSE),
    "simulator_url": (SIMULATOR, OPERATIONAL),
    **{f"{reader}_url": (reader, WAREHOUSE) for reader in READERS},
    "bi_analyst_url": (ANALYST, WAREHOUSE),
    "superset_metadata_url": (METADATA, METADATA),
}
RISK_USER = "ocean"
# A server that asks for the password in plain text, or for none, is not ours.
REQUIRE_SCRAM = "require_auth=scram-sha-256"


def _new_passwords() -> dict[str, str]:
    return {role: secrets.token_urlsafe(24) for role, _ in LOGINS.values()}


@dataclass
class Access:
    """Ports by service name, and secrets; those of the database by role. Only `save` writes."""

    path: Path
    ports: dict[str, int]
    passwords: dict[str, str] = field(default_factory=_new_passwords, repr=False)
    s3_access_key: str = field(default_factory=lambda: secrets.token_hex(10).upper(), repr=False)
    s3_secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)
    risk_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    luigid_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    is_outdated: bool = False  # written by an earlier version, which had fewer roles and passwords

    @classmethod
    def read(cls, home: Path, preferred_ports: dict[str, int]) -> "Access":
        """Reads `home`/services.json; without the file, takes the preferred ports and new secrets.

        The source has a server of its own if `preferred_ports` has a port for it.
        A file of an earlier version may lack a role, the risk-score service or dashboards. The next `save` adds them.
        Raises ServiceFailed for a file that cannot be understood.
        """
        path = home / "services.json"
        try:
            kept = json.loads(path.read_text())
            urls = {
                MAIN: urlsplit(kept["warehouse_url"]),
                "s3": urlsplit(kept["s3_endpoint"]),
                "luigid": urlsplit(kept["luigid_url"]),
            }
            access = cls(path, {}, s3_access_key=kept["s3_access_key"], s3_secret_key=kept["s3_secret_key"])
            # By the role in each URL, not by the URL's name: in earlier versions one role had several URLs.
            logins = [urlsplit(kept[name]) for name in LOGINS if name in kept]
            access.passwords |= {
                login.username: login.password
                for login in logins
                if login.username in access.passwords and login.password
            }
            is_complete = len(logins) == len(LOGINS) and "luigid_password" in kept
            access.is_outdated = not is_complete or any(login.query != REQUIRE_SCRAM for login in logins)
            access.luigid_password = kept.get("luigid_password", access.luigid_password)
            if SOURCE in preferred_ports and urlsplit(kept["operational_url"]).port != urls[MAIN].port:
                urls[SOURCE] = urlsplit(kept["operational_url"])
            if "risk_api_url" in kept:
                urls["risk"] = urlsplit(kept["risk_api_url"])
                access.risk_password = urls["risk"].password
            if "superset_url" in kept:
                urls["superset"] = urlsplit(kept["superset_url"])
            if "assistant_url" in kept:
                urls["assistant"] = urlsplit(kept["assistant_url"])
            access.ports = preferred_ports | {name: int(url.port) for name, url in urls.items()}
            return access
        except FileNotFoundError:
            return cls(path, preferred_ports)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ServiceFailed(
                f"read {path}",
                f"it is not what `make up` wrote ({type(error).__name__})",
                "remove it and run `make up`: the data stays, passwords and keys become new ones",
            ) from None

    def renew(self, service: str) -> None:
        """Makes new secrets for a service, which takes them at its next start."""
        new = Access(self.path, {})
        if service in DATABASE_SERVERS:
            self.passwords |= {role: new.passwords[role] for role, _ in self.logins(service).values()}
        elif service == "s3":
            self.s3_access_key, self.s3_secret_key = new.s3_access_key, new.s3_secret_key
        elif service == "risk":
            self.risk_password = new.risk_password
        elif service == "luigid":
            self.luigid_password = new.luigid_password

    def logins(self, server: str) -> dict[str, tuple[str, str]]:
        """Role and database of each login to one of the servers, by its name in services.json."""
        return {name: login for name, login in LOGINS.items() if self._server(login[1]) == server}

    def _server(self, database: str) -> str:
        return SOURCE if database == OPERATIONAL and SOURCE in self.ports else MAIN

    def url(self, name: str) -> str:
        """The URL of a database with role and password, by its name in services.json."""
        role, database = LOGINS[name]
        server = f"127.0.0.1:{self.ports[self._server(database)]}"
        return f"postgresql://{role}:{self.passwords[role]}@{server}/{database}?{REQUIRE_SCRAM}"

    @property
    def superset_url(self) -> str:
        """The URL of the dashboards."""
        return f"http://127.0.0.1:{self.ports['superset']}"

    @property
    def risk_api_url(self) -> str:
        """The URL of the risk scores with user and password."""
        return f"http://{RISK_USER}:{self.risk_password}@127.0.0.1:{self.ports['risk']}/risk-scores"

    def save(self) -> None:
        """Writes services.json completely or not at all."""
        kept = {
            **{name: self.url(name) for name in LOGINS},
            "s3_endpoint": f"http://127.0.0.1:{self.ports['s3']}",
            "s3_access_key": self.s3_access_key,
            "s3_secret_key": self.s3_secret_key,
            "luigid_url": f"http://127.0.0.1:{self.ports['luigid']}",
            "luigid_password": self.luigid_password,
            "risk_api_url": self.risk_api_url,
        }
        if "superset" in self.ports:  # once there are dashboards to serve
            kept["superset_url"] = self.superset_url
        if "assistant" in self.ports:
            kept["assistant_url"] = f"http://127.0.0.1:{self.ports['assistant']}"
        write_secret(self.path, json.dumps(kept, indent=2) + "\n")
