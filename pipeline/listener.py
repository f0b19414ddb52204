"""Whether what listens at the address of an embedded service is that service, before a password goes there.

While a service is down, its port is free for any account of the machine, which then is asked in its place. The kernel
knows whose socket it is.
"""

import errno
import os
import pwd
import socket
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from pipeline import config
from pipeline.errors import OceanError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# sock_diag(7): a request for the TCP sockets that listen, and where their port and user are in an answer.
SOCK_DIAG, BY_FAMILY, DUMP, LISTENING = 4, 20, 0x301, 1 << 10
ERROR, DONE = 2, 3
NOTHING, REMEDY = "nothing listens there", "run `make up`, which finds a free port"
PORT_AT, USER_AT = 20, 80
NO_COOKIE = b"\xff" * 8


def problem(host: str, port: int) -> str | None:
    """Why no secret may go to an address; None where it may: its listener is ours, or it is no embedded service's.

    Ours is what belongs to the owner of services.json, or is PostgreSQL's server, which for root is another user.
    """
    if host not in LOOPBACK or port not in _embedded():
        return None
    owner = (config.home() / "services.json").stat().st_uid
    return foreign(port, users(_embedded()[port], owner))


def foreign(port: int, own: frozenset[int]) -> str | None:
    """Why a listener at a port of this machine is of none of these users; None where it is. Takes some 40 µs."""
    found = _listeners(port)
    if not found:
        return NOTHING
    return f"a program of another account (user id {min(found - own)}) listens there" if found - own else None


def users(service: str, owner: int) -> frozenset[int]:
    """The users whose processes and sockets are an embedded service's own."""
    return frozenset({owner, server_user()} if owner == 0 and service == "postgresql" else {owner})


def server_user() -> int:
    """The user that runs PostgreSQL's server for root, whom it does not obey."""
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        return pwd.getpwnam("nobody").pw_uid


@cache
def _embedded() -> dict[int, str]:
    """The ports of the embedded services, with their names; none where they were never started."""
    try:
        found = config.services_file()
    except OceanError:
        return {}
    names = {"s3_endpoint": "s3", "luigid_url": "luigid", "risk_api_url": "risk", "superset_url": "superset"}
    urls = {name: urlsplit(text) for name, text in found.items() if name.endswith(("_url", "_endpoint"))}
    return {url.port: names.get(name, "postgresql") for name, url in urls.items() if url.port}


def _listeners(port: int) -> set[int]:
    """The users whose sockets listen at a TCP port of this machine, whatever the address."""
    if hasattr(socket, "AF_NETLINK"):
        try:
            return {user for family in (socket.AF_INET, socket.AF_INET6) for user in _of_kernel(family, port)}
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT):
                raise
            return set(_of_proc(port))  # a kernel without sock_diag
    return set(_of_own_processes(port))


def _of_kernel(family: int, port: int) -> Iterator[int]:
    body = struct.pack("=BBBxI4x", family, socket.IPPROTO_TCP, 0, LISTENING) + bytes(36) + NO_COOKIE
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as kernel:
        kernel.send(struct.pack("=IHHII", 16 + len(body), BY_FAMILY, DUMP, 1, 0) + body)
        while True:
            answer = kernel.recv(1 << 16)
            while answer:
                size, kind = struct.unpack_from("=IH", answer)
                if kind == DONE:
                    return
                if kind == ERROR:
                    code = -struct.unpack_from("=i", answer, 16)[0]
                    raise OSError(code, os.strerror(code))
                if struct.unpack_from("!H", answer, PORT_AT)[0] == port:
                    yield struct.unpack_from("=I", answer, USER_AT)[0]
                answer = answer[size + 3 & ~3 :]


def _of_proc(port: int) -> Iterator[int]:
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(name).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                yield int(fields[7])


def _of_own_processes(port: int) -> Iterator[int]:
    """Those of our own processes alone: other systems show no more."""
    import psutil

    for process in psutil.process_iter(["uids"]):
        try:
            sockets = process.net_connections("tcp") if process.info["uids"] else ()
        except psutil.Error:
            continue
        if any(each.laddr.port == port and each.status == psutil.CONN_LISTEN for each in sockets):
            yield process.info["uids"].real
