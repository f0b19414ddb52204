"""The template of commands: a process that has imported what commands import, and forks one for each request.

`support.commands` starts it, and asks over the socket whose number is the one argument.
"""

import gc
import importlib
import json
import os
import runpy
import socket
import struct
import sys
from contextlib import suppress
from datetime import datetime
from typing import Any

import luigi.retcodes
import luigi.setup_logging  # noqa: F401

import pipeline
from pipeline import services  # noqa: F401  for the status
from pipeline.kernel.config import S3
from pipeline.lake import client
from pipeline.operations import alerts, status_text  # noqa: F401
from pipeline.source import source_clock
from support import injected

NUMBER = struct.Struct("i")
NOWHERE = S3("http://127.0.0.1:9", "nobody", "nobody")
Request = dict[str, Any]


def serve(requests: socket.socket) -> Request | None:
    """Forks for each request until there are no more; returns a request in the process that is to run it."""
    while True:
        message, received, _, _ = socket.recv_fds(requests, 1, 3)
        _reap()
        if not message:
            return None
        connection, *output = received
        if os.fork() == 0:
            requests.close()
            return _watch(socket.socket(fileno=connection), output)
        for each in received:
            os.close(each)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _watch(connection: socket.socket, output: list[int]) -> Request:
    """Forks the command, and returns there; tells its number, and how it ended."""
    with connection:
        with connection.makefile() as asked:
            request: Request = json.loads(asked.readline())
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.dup2(output[0], 1)
            os.dup2(output[-1], 2)
        for each in output:
            os.close(each)
        if pid == 0:
            connection.sendall(NUMBER.pack(os.getpid()))
            return request
        _, status = os.waitpid(pid, 0)
        with suppress(OSError):  # nobody asks any more
            connection.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def run(request: Request) -> None:
    """Becomes the command: a script, or the module after -m."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if request["now"]:
        now = datetime.fromisoformat(request["now"])
        source_clock.now = lambda cursor: now
    if request["fault"]:
        injected.install(request["fault"])
    words = request["words"]
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        importlib.import_module("luigi.cmdline")
        importlib.reload(pipeline)  # which now sees that it is a command
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    client.client_of(NOWHERE)  # reads the models of S3, and asks nobody
    gc.freeze()
    if found := serve(socket.socket(fileno=int(sys.argv[1]))):
        run(found)
