"""The embedded PostgreSQL of the source alone, for extraction from its log."""

import subprocess
from pathlib import Path

from pipeline.kernel import listener
from pipeline.services.access import Access
from pipeline.services.postgresql import PostgreSQL
from pipeline.services.state_folder import write_secret

# Without the keyword `replication`: no standby and no pg_basebackup. `all` includes connections with
# replication=database, which export a snapshot. Who has the attribute REPLICATION may read the whole server through
# these, whatever this list says: so nothing but the source may be in it.
WHO_MAY_CONNECT = "host all all 127.0.0.1/32 scram-sha-256\n"


class SourcePostgreSQL(PostgreSQL):
    """Has the simulated shop in a server of its own.

    The log of one server is of all its databases, and every extract would read through what the warehouse writes. The
    main server also keeps less in its log, so that bulk loads are faster.
    """

    name = listener.SOURCE
    preferred_port = 15433
    share_of_memory, most_buffers = 32, 512
    most_slots = 4

    def __init__(self, home: Path, access: Access) -> None:
        super().__init__(home, access)
        self.who_may_connect = self.folder / "pg_hba.conf"

    @classmethod
    def is_in(cls, home: Path) -> bool:
        """Whether a home has this server. That is decided once, when its folder is made."""
        return (home / cls.name).is_dir()

    def launch(self) -> subprocess.Popen[bytes]:
        """Starts the postmaster, with its own list of who may connect. Keeps a list that was changed."""
        if not self.who_may_connect.exists():
            write_secret(self.who_may_connect, WHO_MAY_CONNECT)
        self.who_may_connect.chmod(0o644)
        return super().launch()

    def _settings(self) -> dict[str, object]:
        return {
            **super()._settings(),
            "hba_file": self.who_may_connect,
            "wal_level": "logical",
            "max_wal_senders": self.most_slots,
            "max_replication_slots": self.most_slots,
            # A slot that nobody reads any more is given up before it fills the disk.
            "max_slot_wal_keep_size": "4GB",
        }
