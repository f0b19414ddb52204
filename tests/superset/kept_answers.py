"""A server that keeps its answers, without Superset: run in Superset's environment, by several processes at once.

    kept_answers.py FOLDER REQUESTS CACHE_TIMEOUT [fail]

Asks REQUESTS times at once, from as many threads. Each computation is a line in FOLDER/computed; prints the answers.
"""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from answers import keep_answers  # type: ignore[import-not-found]
from flask import Flask, Response, jsonify
from result_cache import Folder  # type: ignore[import-not-found]

FOLDER, REQUESTS, TIMEOUT = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


class Everybody(Folder):
    """Answers for one audience and one version."""

    def _scope(self) -> str:
        return "everybody "

    def assets_changed(self) -> None:
        """No process begins again: the test is of several that run."""


app = Flask(__name__)
keep_answers(app, Everybody(FOLDER, "postgresql://nowhere.invalid/none"), lambda: None)
start = threading.Barrier(REQUESTS)


def data() -> Response:
    """An answer that takes a while, or fails."""
    with (FOLDER / "computed").open("a") as file:
        file.write("once\n")
    time.sleep(0.2)
    if "fail" in sys.argv:
        raise RuntimeError("no answer")
    return jsonify({"result": [{"cache_timeout": TIMEOUT}]})


app.add_url_rule("/data", "ChartDataRestApi.data", data, methods=["POST"])


def ask(_: int) -> int:
    """The status of an answer to what all ask for at the same moment."""
    start.wait()
    return app.test_client().post("/data", json={"chart": 1}).status_code


with ThreadPoolExecutor(REQUESTS) as threads:
    print(*threads.map(ask, range(REQUESTS)))
