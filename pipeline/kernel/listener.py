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
from contextlib import suppress
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.kernel import config
from pipeline.kernel.errors import OceanError

ADDRESS = "127.0.0.1"  # of all embedded services
LOOPBACK = (ADDRESS, "localhost", "::1")
# The embedded services that are servers of PostgreSQL: the main one, and the one that some homes have for the source.
MAIN, SOURCE = DATABASE_SERVERS = ("postgresql", "source")
# sock_diag(7): a request for the TCP sockets that listen at a port, and where address and user are in an answer.
SOCK_DIAG, BY_FAMILY, DUMP, LISTENING = 4, 20, 0x301, 1 << 10
ERROR, DONE = 2, 3
NOTHING, REMEDY = "nothing listens there", "run `make up`, which finds a free port"
ADDRESS_AT, USER_AT = 24, 80
NO_COOKIE = b"\xff" * 8
LISTEN_IN_PROC = "0A"
EXACT, MAPPED = bytes((127, 0, 0, 1)), bytes(10) + b"\xff\xff"  # MAPPED before an IPv4 address makes it an IPv6 one
Listener = tuple[bytes, int]  # the address that it listens at, and its user


def problem(host: str, port: int) -> str | None:
    """Says why no secret may go to an address; None if it may: the listener is ours, or no embedded service has it.

    `users` are the accounts that are ours. An address with another name ("localhost") is checked as well.
    """
    return foreign(port, _own(service), host) if (service := service_at(host, port)) else None


def service_at(host: str, port: int) -> str | None:
    """The name of the embedded service that has an address; None if none has it."""
    if host in LOOPBACK:
        with suppress(OceanError):  # embedded services were never started
            return _embedded().get(port)
    return None


def foreign(port: int, own: frozenset[int], host: str = ADDRESS) -> str | None:
    """Says why the listener at a port of this machine belongs to none of these users; None if it belongs to one."""
    found = _asked(host, _listeners(host, port))
    if not found:
        return NOTHING
    return f"a program of another account (user id {min(found - own)}) listens there" if found - own else None


def users(service: str, home: Path) -> frozenset[int]:
    """The users whose processes and sockets are an embedded service's own: ours, and those that `home` belongs to."""
    own = {os.geteuid()}
    for path in (home, home / "services.json"):
        with suppress(OSError):
            own.add(path.stat().st_uid)
    return frozenset(own | {server_user()} if 0 in own and service in DATABASE_SERVERS else own)


def server_user() -> int:
    """The user that runs PostgreSQL's server for root, whom it does not obey."""
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        return pwd.getpwnam("nobody").pw_uid


def _embedded() -> dict[int, str]:
    """The ports of the embedded services, with their names."""
    found = config.services_file()
    names = {"s3_endpoint": "s3", "luigid_url": "luigid", "risk_api_url": "risk"}
    names |= {"superset_url": "superset", "assistant_url": "assistant"}
    of_source = dict.fromkeys(("operational_url", "simulator_url"), SOURCE)
    ports = {name: urlsplit(text).port for name, text in found.items() if name.endswith(("_url", "_endpoint"))}
    services = {port: service for name, service in of_source.items() if (port := ports.pop(name, None))}
    # The source is in the main server if both have one port.
    return services | {port: names.get(name, MAIN) for name, port in ports.items() if port}


@cache
def _own(service: str) -> frozenset[int]:
    return users(service, config.home())


def _asked(host: str, listeners: set[Listener]) -> set[int]:
    """The users of those listeners that may be asked at `host`.

    A listener at the very address is asked before one at all addresses, and one at another address, as anybody may
    have it, is not asked at all. What "localhost" stands for is not looked up: all of them may be asked.
    """
    if host != ADDRESS:
        return {user for _, user in listeners}
    exact = {user for address, user in listeners if address in (EXACT, MAPPED + EXACT)}
    return exact or {user for address, user in listeners if not any(address)}


def _listeners(host: str, port: int) -> set[Listener]:
    """What listens at a TCP port of this machine, whatever the address, as far as it may be asked at `host`.

    This is asked before every request, so it makes few calls of the kernel: while one waits, other threads go on.
    """
    if not hasattr(socket, "AF_NETLINK"):
        return set(_of_own_processes(port))
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as kernel:
            found = set(_of_kernel(kernel, socket.AF_INET, port))
            # Beside a listener at the very address, only its own user can have another one there, of either family.
            if host != ADDRESS or EXACT not in {address for address, _ in found}:
                found.update(_of_kernel(kernel, socket.AF_INET6, port))
            return found
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT):
            raise
        return set(_of_proc(port))  # a kernel without sock_diag


def _of_kernel(kernel: socket.socket, family: int, port: int) -> Iterator[Listener]:
    body = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, 0, LISTENING) + struct.pack("!H38x", port) + NO_COOKIE
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
            length = 4 if answer[16] == socket.AF_INET else 16
            yield answer[ADDRESS_AT : ADDRESS_AT + length], struct.unpack_from("=I", answer, USER_AT)[0]
            answer = answer[size + 3 & ~3 :]


def _of_proc(port: int) -> Iterator[Listener]:
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(name).read_text().splitlines()[1:]:
            fields = line.split()
            address, _, number = fields[1].rpartition(":")
            if fields[3] == LISTEN_IN_PROC and int(number, 16) == port:
                # Words of four bytes, each in the machine's order.
                words = [int(address[at : at + 8], 16) for at in range(0, len(address), 8)]
                yield struct.pack(f"={len(words)}I", *words), int(fields[7])


def _of_own_processes(port: int) -> Iterator[Listener]:
    """Those of our own processes alone: other systems show no more."""
    import psutil

    for process in psutil.process_iter(["uids"]):
        try:
            sockets = process.net_connections("tcp") if process.info["uids"] else ()
        except psutil.Error:
            continue
        for each in sockets:
            if each.laddr.port == port and each.status == psutil.CONN_LISTEN:
                family = socket.AF_INET6 if ":" in each.laddr.ip else socket.AF_INET
                yield socket.inet_pton(family, each.laddr.ip), process.info["uids"].real
