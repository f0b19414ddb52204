"""luigid as an attacker reaches it: by HTTP, and from pages in the browser of somebody who is logged in."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import urllib3

from pipeline.tasks.runtime.scheduler import Luigid


def known(home: Path) -> dict[str, str]:
    """What services.json says."""
    found: dict[str, str] = json.loads((home / "services.json").read_text())
    return found


def ask(home: Path, path: str, method: str = "POST", password: str | None = None, **headers: str) -> Any:
    """The answer of luigid to who knows its password, or says another one."""
    found = known(home)
    login = urllib3.make_headers(basic_auth=f"luigi:{password or found['luigid_password']}")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib3.request(method, found["luigid_url"] + path, headers={**login, **named}, redirect=False)


def is_paused(home: Path) -> bool:
    """Whether luigid gives out no task."""
    paused: bool = ask(home, "/api/is_paused").json()["response"]["paused"]
    return paused


def schedule(command: Luigid, worker: str, *names: str) -> None:
    """Schedules tasks that Luigi may make one, also with those of others, as they need a resource: T1 is of date 1."""
    command.add_task_batcher(worker=worker, task_family="ClassifyReviews", batched_args=["date"])
    for name in names:
        params = {"date": name[1:], "classifier": "auto"}
        more = {"batchable": True, "deps": [], "resources": {"spark": 1}}
        tell(command, name, "PENDING", worker, family="ClassifyReviews", params=params, **more)


def tell(command: Luigid, name: str, status: str, worker: str = "w", **more: Any) -> None:
    """Tells luigid of a task."""
    command.add_task(
        **{"task_id": name, "status": status, "worker": worker, "module": "pipeline", "family": name, "params": {}}
        | more
    )


@contextmanager
def foreign_page(html: str) -> Iterator[str]:
    """The address of a page that somebody else serves."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
