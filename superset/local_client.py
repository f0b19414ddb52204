"""The account of this machine that sends a request, so that limits count each account by itself."""

import ipaddress
import struct
from contextlib import suppress
from pathlib import Path

from flask import request
from flask_limiter.util import get_remote_address

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
MAPPED = bytes(10) + b"\xff\xff"  # the prefix of an IPv4 address in an IPv6 one
LOCAL, REMOTE, USER = 1, 2, 7  # columns


def client() -> str:
    """The client's address, or its account if it is on this machine and the kernel shows the account."""
    address = get_remote_address()
    try:
        if not ipaddress.ip_address(address).is_loopback:
            return address
    except ValueError:  # a proxy sent a name
        return address
    # Any account may use any address of the loopback.
    account = _account(address, int(request.environ.get("REMOTE_PORT") or 0), int(request.environ["SERVER_PORT"]))
    return f"this machine {account}"


def _account(address: str, port: int, server_port: int) -> str | None:
    """The user id of the socket at the other end of the connection; None if the kernel does not show it."""
    packed = ipaddress.ip_address(address).packed
    sockets = {f"{_hex(one)}:{port:04X}" for one in (packed, MAPPED + packed)}
    for table in TABLES:
        with suppress(FileNotFoundError), Path(table).open() as lines:
            for fields in map(str.split, lines):
                if fields[LOCAL] in sockets and fields[REMOTE].endswith(f":{server_port:04X}"):
                    return fields[USER]
    return None


def _hex(packed: bytes) -> str:
    """An address in the kernel's form: words of four bytes, each in the machine's byte order."""
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words)
