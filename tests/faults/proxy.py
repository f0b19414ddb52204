"""A network between a load and a server that can be told to fail: a TCP proxy."""

import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Way = Literal["up", "down"]
HOST = "127.0.0.1"
PIECE = 1 << 16
# Closed with this, a connection ends as one whose machine was lost: with a reset, and what was on its way is gone.
RESET = struct.pack("ii", 1, 0)


@dataclass
class Fault:
    """What becomes of a connection after its client has said `when`, and `after` more bytes have passed one way.

    It is `cut`; or `silent`: nothing passes any more, and nobody says so; or the client gets an `answer` in place of
    the server's; or nothing passes for `seconds`. So often in all; `hits` is how often it was so.
    """

    when: re.Pattern[bytes]
    kind: Literal["cut", "silent", "answer", "stall"] = "cut"
    after: int = 0
    way: Way = "up"
    answer: bytes = b""
    seconds: float = 0
    times: int = 1
    hits: int = 0


@dataclass
class Proxy:
    """Passes on what comes to `port`; `faults` may change at any time."""

    server: tuple[str, int]
    port: int
    faults: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def through(self, url: str) -> str:
        """The URL of a server by way of the proxy."""
        parts = urlsplit(url)
        return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{self.port}").geturl()


class _Link:
    """One connection, and the fault that is to befall it."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.fault: Fault | None = None
        self.left = 0
        self.dead = False  # nothing passes any more
        self.open = 2  # ways

    def run(self) -> None:
        for way in ("up", "down"):
            threading.Thread(target=self._pass, args=(way,), daemon=True).start()

    def _pass(self, way: str) -> None:
        source, sink = (self.client, self.server) if way == "up" else (self.server, self.client)
        with suppress(OSError):
            while data := source.recv(PIECE):
                if way == "up" and self.fault is None:
                    self._listen(data, sink)
                elif self.fault and self.fault.way == way:
                    self._count(data, sink)
                elif not self.dead:
                    sink.sendall(data)
        if not self.dead:
            with suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
        with self.proxy.lock:
            self.open -= 1
            if self.open == 0 or self.dead:
                self._close()

    def _listen(self, data: bytes, sink: socket.socket) -> None:
        """Passes on what the client says, up to what a fault waits for."""
        end = 0
        with self.proxy.lock:
            for fault in self.proxy.faults:
                if fault.times and (said := fault.when.search(data)):
                    fault.times -= 1
                    self.fault, self.left, end = fault, fault.after, said.end()
                    break
        if self.fault and self.fault.kind == "answer":
            self._strike()
            return
        is_counted = self.fault and self.fault.way == "up"
        sink.sendall(data[:end] if is_counted else data)
        if is_counted:
            self._count(data[end:], sink)

    def _count(self, data: bytes, sink: socket.socket) -> None:
        if self.dead:
            return
        sink.sendall(data[: self.left])
        rest = data[self.left :]
        self.left -= len(data) - len(rest)
        if rest:
            self._strike()
            if not self.dead:
                sink.sendall(rest)

    def _strike(self) -> None:
        assert self.fault
        fault, self.dead = self.fault, self.fault.kind != "stall"
        with self.proxy.lock:
            fault.hits += 1
        if fault.kind == "cut":
            for end in (self.client, self.server):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RD)  # wakes who reads, and tells nobody
        elif fault.kind == "answer":
            self.client.sendall(fault.answer)
        elif fault.kind == "stall":
            time.sleep(fault.seconds)
            self.fault = None

    def _close(self) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RD)
            if self.open == 0:
                end.close()


@contextmanager
def running_proxy(server: tuple[str, int]) -> Iterator[Proxy]:
    """A proxy before a server, until the block ends."""
    with socket.create_server((HOST, 0)) as listener:
        # Little room for what is on its way: who sends soon feels what becomes of it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
        proxy = Proxy(server, listener.getsockname()[1])

        ended = threading.Event()

        def accept() -> None:
            while True:
                client, _ = listener.accept()
                if ended.is_set():
                    client.close()
                    return
                try:
                    _Link(proxy, client, socket.create_connection(server)).run()
                except OSError:
                    client.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            ended.set()
            socket.create_connection((HOST, proxy.port)).close()  # wakes it
            thread.join()
