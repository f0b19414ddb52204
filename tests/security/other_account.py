"""Another account of the machine: what it runs, where the tests run as root and so may be anybody."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.kernel import listener

# Not the account that may run PostgreSQL's server.
ACCOUNT = "daemon"
PYTHON = "/usr/bin/python3"  # the one of the virtual environment may lie where others may not enter
as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not Path(PYTHON).exists(), reason="only root may be another account, which needs a Python"
)
# Plays each server, tells that it listens, and at the end of its input what it was sent.
LISTEN = """
import os, socket, sys, threading
heard = bytearray()
def reply(kind, data):
    if kind == "http":
        return b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n[]"
    if data[4:7] == b"\\x04\\xd2\\x16":  # SSLRequest, GSSENCRequest
        return b"N"
    if data[4:8] != b"\\x00\\x03\\x00\\x00":
        return b""
    return b"R\\0\\0\\0\\x08\\0\\0\\0" + (b"\\x03" if kind == "clear text" else b"\\0Z\\0\\0\\0\\x05I")
def converse(client, kind):
    while data := client.recv(1 << 16):
        heard.extend(data)
        if answer := reply(kind, data):
            client.sendall(answer)
def accept(server, kind):
    while True:
        threading.Thread(target=converse, args=(server.accept()[0], kind), daemon=True).start()
for each in sys.argv[1:]:
    kind, host, port = each.rsplit("@", 2)
    server = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, int(port)))
    server.listen()
    threading.Thread(target=accept, args=(server, kind), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
sys.stdout.buffer.write(heard)
sys.stdout.flush()
os._exit(0)
"""


def start(arguments: list[str], *, account: bool = True, cwd: Path = Path("/")) -> subprocess.Popen[bytes]:
    """Starts Python as the other account, or else our own; it is to end with its input."""
    who: dict[str, Any] = {"user": ACCOUNT, "extra_groups": []} if account else {}
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, executable=PYTHON, stdin=pipe, stdout=pipe, env={}, cwd=cwd, **who)


class Heard:
    """What was sent to a listener; complete when its block has ended."""

    data = b""


@contextmanager
def listening(*servers: tuple[str, int], host: str = listener.ADDRESS, account: bool = True) -> Iterator[Heard]:
    """Until the block ends the other account, or else our own, plays these servers, each a kind and a port.

    The kinds: "http"; "clear text", a PostgreSQL that asks for the password; "open", one that asks for none.
    """
    arguments = [PYTHON, "-c", LISTEN, *(f"{kind}@{host}@{port}" for kind, port in servers)]
    process = start(arguments, account=account)
    heard = Heard()
    try:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield heard
    finally:
        heard.data = process.communicate()[0]
