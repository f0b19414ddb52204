"""services.json: where the embedded services listen and what opens them."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import ServiceFailed
from pipeline.services.folders import write_secret

ROLE = "ocean"
READER = "bi_reader"
OPERATIONAL, WAREHOUSE, METADATA = "oceanrecords", "warehouse", "superset"


@dataclass
class Access:
    """Ports by the services' names, and secrets. Only `save` writes."""

    path: Path
    ports: dict[str, int]
    database_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    s3_access_key: str = field(default_factory=lambda: secrets.token_hex(10).upper(), repr=False)
    s3_secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)
    risk_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    reader_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    metadata_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @classmethod
    def read(cls, home: Path, preferred_ports: dict[str, int]) -> "Access":
        """What `home`/services.json says; with no such file the preferred ports and new secrets.

        A file of an earlier version, without the risk-score service or dashboards, gets what is missing at the next
        `save`.
        Raises ServiceFailed for a file that cannot be understood.
        """
        path = home / "services.json"
        try:
            kept = json.loads(path.read_text())
            database = urlsplit(kept["operational_url"])
            urls = {
                "postgresql": database,
                "s3": urlsplit(kept["s3_endpoint"]),
                "luigid": urlsplit(kept["luigid_url"]),
            }
            access = cls(path, {}, database.password, kept["s3_access_key"], kept["s3_secret_key"])
            if "risk_api_url" in kept:
                urls["risk"] = urlsplit(kept["risk_api_url"])
                access.risk_password = urls["risk"].password
            if "bi_reader_url" in kept:
                access.reader_password = urlsplit(kept["bi_reader_url"]).password
                access.metadata_password = urlsplit(kept["superset_metadata_url"]).password
            if "superset_url" in kept:
                urls["superset"] = urlsplit(kept["superset_url"])
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

    def database_url(self, database: str) -> str:
        """The URL of a database for the pipeline's role."""
        return self._login(ROLE, self.database_password, database)

    @property
    def bi_reader_url(self) -> str:
        """The URL of the warehouse for who may only read schema mart."""
        return self._login(READER, self.reader_password, WAREHOUSE)

    @property
    def superset_metadata_url(self) -> str:
        """The URL of the database in which Superset keeps its own things, for its own role."""
        return self._login(METADATA, self.metadata_password, METADATA)

    @property
    def superset_url(self) -> str:
        """Where the dashboards are served."""
        return f"http://127.0.0.1:{self.ports['superset']}"

    @property
    def risk_api_url(self) -> str:
        """The URL of the risk scores, user and password in it."""
        return f"http://{ROLE}:{self.risk_password}@127.0.0.1:{self.ports['risk']}/risk-scores"

    def save(self) -> None:
        """Writes services.json, whole or not at all."""
        kept = {
            "operational_url": self.database_url(OPERATIONAL),
            "warehouse_url": self.database_url(WAREHOUSE),
            "s3_endpoint": f"http://127.0.0.1:{self.ports['s3']}",
            "s3_access_key": self.s3_access_key,
            "s3_secret_key": self.s3_secret_key,
            "luigid_url": f"http://127.0.0.1:{self.ports['luigid']}",
            "risk_api_url": self.risk_api_url,
            "bi_reader_url": self.bi_reader_url,
            "superset_metadata_url": self.superset_metadata_url,
        }
        if "superset" in self.ports:  # once there are dashboards to serve
            kept["superset_url"] = self.superset_url
        write_secret(self.path, json.dumps(kept, indent=2) + "\n")

    def _login(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{password}@127.0.0.1:{self.ports['postgresql']}/{database}"
