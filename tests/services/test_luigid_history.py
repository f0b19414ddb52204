"""What luigid keeps of the tasks that ran: written by the batch, and shown as if each event were written at once."""

import asyncio
import datetime as dt
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import urllib3
from luigi.scheduler import Task
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from support.world import ROOT, closed_port, luigid
from tornado.ioloop import IOLoop

from pipeline.luigid_history import BatchedHistory
from pipeline.tasks.runtime.scheduler import Luigid

EVENTS = "select t.task_id, e.event_name from tasks t join task_events e on e.task_id = t.id order by e.id"
STATES = ("PENDING", "RUNNING", "DONE")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a history is written."""
    monkeypatch.setenv("OCEAN_TASK_HISTORY", str(tmp_path / "history.db"))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield tmp_path / "history.db"
    loop.close()
    asyncio.set_event_loop(None)


def task(name: str) -> Any:
    return Task(name, "PENDING", [], family="LoadStage", module="pipeline", params={"table": name})


def events(path: Path, query: str = EVENTS) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def tell_all(history: BatchedHistory, *names: str) -> None:
    for name in names:
        told = task(name)
        history.task_scheduled(told)
        history.task_started(told, "here")
        history.task_finished(told, True)


def test_the_events_of_a_second_are_written_together_each_with_its_own_time(path: Path) -> None:
    history, begin = BatchedHistory(), dt.datetime.now()
    tell_all(history, "a", "b")
    told = dt.datetime.now()
    assert events(path) == []
    IOLoop.current().call_later(2, IOLoop.current().stop)
    IOLoop.current().start()
    assert events(path) == [(name, state) for name in "ab" for state in STATES]
    times = [dt.datetime.fromisoformat(at) for (at,) in events(path, "select ts from task_events order by id")]
    assert begin <= times[0] <= times[-1] <= told
    assert times == sorted(times)
    tell_all(history, "c")
    history.write()
    assert events(path, "select task_id, host from tasks") == [("a", "here"), ("b", "here"), ("c", "here")]


def test_a_page_sees_what_still_waits(path: Path) -> None:
    history = BatchedHistory()
    tell_all(history, "a")
    with history._session() as session:
        [found] = history.find_all_by_name("LoadStage", session)
        assert {event.event_name for event in found.events} == {*STATES}


def test_a_history_that_cannot_be_written_is_a_warning_and_mixes_up_no_tasks(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    history, told = BatchedHistory(), task("a")
    history.task_scheduled(told)
    with pytest.MonkeyPatch.context() as patch:  # as if somebody else had the file for too long
        patch.setattr(Session, "commit", lambda _: (_ for _ in ()).throw(OperationalError("commit", {}, Exception())))
        history.write()
    assert "Cannot write the history of 1 events" in caplog.text
    tell_all(history, "b")
    history.write()
    history.task_finished(told, True)
    history.write()
    assert events(path) == [*(("b", state) for state in STATES), ("a", "DONE")]


def test_the_page_of_luigid_shows_what_it_was_told_before(services_home: Path) -> None:
    asked = luigid(services_home)
    asked.add_task(task_id="Told_1", status="DONE", worker="w", family="ToldBefore", module="pipeline", params={})
    password = json.loads((services_home / "services.json").read_text())["luigid_password"]
    login = urllib3.make_headers(basic_auth=f"luigi:{password}")
    page = urllib3.request("GET", f"{asked._url}/history", headers=login)
    assert b"ToldBefore" in page.data


def test_a_luigid_that_is_told_to_stop_writes_what_waits(path: Path) -> None:
    port = closed_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.luigid", "--address", "127.0.0.1", "--port", str(port), "--state-path",
         str(path.with_name("state"))],
        cwd=ROOT,
        env={**os.environ, "OCEAN_LUIGID_PASSWORD": "secret"},
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    asked = Luigid(f"http://127.0.0.1:{port}", ("luigi", "secret"))
    asked._rpc_retry_attempts = 20
    asked.add_task(task_id="a", status="DONE", worker="w", family="Told", module="pipeline", params={})
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert events(path) == [("a", "DONE")]
