"""How the log of an embedded PostgreSQL ends, for errors that say no more than that it is gone."""

import os
import re
from pathlib import Path

END = 1 << 16  # bytes that are read
# A server's messages when it goes down. It writes similar messages about clients, and goes on.
LAST_WORDS = re.compile(r"(?:FATAL|PANIC):  .*")
OF_CLIENTS = re.compile(
    "authentication failed|terminating connection|connection to client|starting up|shutting down|not yet accepting"
    "|in recovery mode|too many|connection slots|does not exist|permission denied for|password|pg_hba"
)
STOPPED = re.compile("received (smart|fast|immediate) shutdown request")


def last_words(log: Path) -> str | None:
    """Says why a server went down by itself: the last FATAL or PANIC line of its log; None if it was stopped."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - END))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        if STOPPED.search(line):
            return None
        if (found := LAST_WORDS.search(line)) and not OF_CLIENTS.search(line):
            return " ".join(found[0].split())
    return None
