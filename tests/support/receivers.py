"""Receivers of alerts in the tests: a webhook and a mail server, which keep the alerts."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any


@dataclass
class Webhook:
    """Posts to `url` with their headers. It answers with each of `statuses` in turn, then with 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    posts: list[Any] = field(default_factory=list)
    headers: list[Message] = field(default_factory=list)


@contextmanager
def webhook(path: str, *statuses: int, length: int = 0) -> Iterator[Webhook]:
    """A server that takes alerts at this path. With `length` it announces a body of that size and never sends it."""
    found = Webhook(statuses=list(statuses))

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = 404 if self.path != path else found.statuses.pop(0) if found.statuses else 200
            found.posts.append(json.loads(body))
            found.headers.append(self.headers)
            self.send_response(status)
            if length:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            if length:
                self.rfile.read(1)  # until the other side gives up

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}{path}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    """The port of a mail server, and the mails that it received."""
    mails: list[str] = []

    class Session(StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 ready")
            for line in self.rfile:
                word = line.split()[0].upper() if line.strip() else b""
                if word == b"DATA":
                    self.say("354 go on")
                    mails.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                self.say("221 bye" if word == b"QUIT" else "250 fine")

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], mails
        server.shutdown()
