"""A server that went down by itself: the error of who needs it says why."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg2
import pytest
from support.databases import admin_url
from support.world import LAST, SIMULATED, embedded

from pipeline import services
from pipeline.kernel import listener
from pipeline.kernel.server_log import last_words

FULL = """\
2026-11-29 14:00:00.000 UTC [7] LOG:  database system is ready to accept connections
2026-11-29 14:00:01.000 UTC [9] FATAL:  password authentication failed for user "etl_load"
2026-11-29 14:00:02.000 UTC [8] PANIC:  could not write to file "pg_wal/xlogtemp.8": No space left on device
2026-11-29 14:00:02.100 UTC [8] STATEMENT:  insert into stage.customer values ('hunter2')
2026-11-29 14:00:02.200 UTC [7] LOG:  client backend (PID 8) was terminated by signal 6: Aborted
2026-11-29 14:00:02.300 UTC [10] FATAL:  the database system is in recovery mode
2026-11-29 14:00:02.400 UTC [7] LOG:  database system is shut down
"""
ENDED = 'PANIC: could not write to file "pg_wal/xlogtemp.8": No space left on device'
MOST_REFUSED = 20_000  # logins, which takes longer than any start that succeeds
STOPPED = "2026-11-29 14:00:03.000 UTC [7] LOG:  received fast shutdown request\n"


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (FULL, ENDED),
        (FULL + STOPPED, None),
        (FULL.replace("PANIC", "LOG"), None),
        ("x" * 100_000 + "\n" + FULL, ENDED),
        ("", None),
        (None, None),
    ],
)
def test_the_last_words_are_those_of_the_server_itself(tmp_path: Path, log: str | None, words: str | None) -> None:
    path = tmp_path / "server.log"
    if log is not None:
        path.write_text(log)
    assert last_words(path) == words


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own with room for the services and little more."""
    folder = Path(tempfile.mkdtemp(prefix="ocean-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=400m,mode=711", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        folder.rmdir()
        pytest.skip("needs root, and to be allowed to mount a file system")
    try:
        yield folder
    finally:
        services.down(folder)
        subprocess.run(["umount", str(folder)], check=True)
        shutil.rmtree(folder)


def test_a_load_says_that_the_disk_is_full_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    state = services.up(small_disk)[0]
    port, server = int(state.address.rpartition(":")[2]), state.pid
    filler = small_disk / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(1 << 16))
    # Nothing but its write-ahead log grows, until it goes down. Without room to start again, PostgreSQL 18 may wait for
    # ever instead, with no process that starts it: then it is killed.
    refused = 0
    while listener.foreign(port, listener.users("postgresql", small_disk)) is None:
        try:
            with psycopg2.connect(admin_url(small_disk)) as connection:
                connection.cursor().execute("select pg_logical_emit_message(false, '', repeat('x', 10000000))")
        except psycopg2.Error as error:
            refused += "not yet accepting connections" in str(error)
        if refused > MOST_REFUSED:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(server).kill()
    world = embedded(small_disk, **SIMULATED)
    output = world.load(LAST, expect=35)
    assert "nothing listens there; the server's log ends with: " in output
    assert "No space left on device" in output
    filler.unlink()
    services.up(small_disk)
    assert world.warehouse("select 1") == [(1,)]
