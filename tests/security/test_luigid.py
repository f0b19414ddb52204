"""Who may tell luigid what, and how far luigid's word goes: attacks on it from outside, over HTTP and in a browser."""

import base64
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from luigi.rpc import RemoteScheduler
from luigi.scheduler import RPC_METHODS
from luigid_attacks import ask, is_paused, known, schedule, tell
from support.world import LAST, ROOT, SIMULATED, World, embedded, luigid

from pipeline import services
from pipeline.tasks.runtime.scheduler import Luigid

HOSTILE = {
    "task_id": "X",
    "status": "PENDING",
    "deps": [],
    "priority": 10**12,
    "family": "RebuildWarehouse",
    "module": "pipeline",
    "params": {"replace": "True", "parallel": "1"},
}
API = [f"/api/{method}" for method in RPC_METHODS]
PAGES = ["/", "/history", "/metrics", "/static/visualiser/index.html"]
# What another account of the machine has: the port, and a Python.
AS_ANOTHER_ACCOUNT = """
import sys, urllib.error, urllib.request
for line in sys.stdin:
    method, url = line.split()
    request = urllib.request.Request(url, b"data={}" if method == "POST" else None, method=method)
    try:
        print(urllib.request.urlopen(request).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""


def test_who_does_not_know_the_password_may_ask_luigid_nothing(services_home: Path) -> None:
    url = known(services_home)["luigid_url"]
    asked = [(method, url + path) for path in [*API, *PAGES] for method in ("GET", "POST")]
    answers = subprocess.run(
        [sys.executable if os.geteuid() else "/usr/bin/python3", "-c", AS_ANOTHER_ACCOUNT],
        input="\n".join(" ".join(each) for each in asked),
        user="nobody" if os.geteuid() == 0 else None,
        cwd="/",
        env={},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert answers == ["401"] * len(asked)
    assert ask(services_home, "/api/pause", password="a guess").status == 401
    assert not is_paused(services_home)


def test_a_command_runs_what_it_scheduled_whatever_luigid_names(services_home: Path, world: World) -> None:
    """The attacker even knows the password: he names a task for the worker while the daily command runs."""
    simulated = world.where(**SIMULATED)
    simulated.load(LAST)
    before = simulated.warehouse("select oid from pg_class where oid = 'etl.marker'::regclass")
    attacker, seen = luigid(services_home), set[str]()
    process = simulated.start("DailyWarehouseLoad", "--date", str(LAST.replace(day=LAST.day + 1)), local=False)
    printed: list[str] = []
    reader = threading.Thread(target=lambda: printed.extend(process.communicate()))
    reader.start()
    while reader.is_alive():
        for worker in {each["name"] for each in attacker.worker_list()} - seen:
            seen.add(worker)
            RemoteScheduler.add_task(attacker, worker=worker, **HOSTILE)
    assert process.returncode == 0, printed[0]
    assert "luigid names the task 'X', which this command did not schedule; it is not run" in printed[0]
    assert simulated.warehouse("select oid from pg_class where oid = 'etl.marker'::regclass") == before


def test_a_task_is_run_as_it_was_scheduled_whatever_luigid_makes_of_it(
    services_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = luigid(services_home)
    monkeypatch.setattr(RemoteScheduler, "add_task", lambda *_, **__: None)
    monkeypatch.setattr(RemoteScheduler, "add_task_batcher", lambda *_, **__: None)
    schedule(command, "w", "T1", "T2")
    forged = {"task_family": "RebuildWarehouse", "task_module": "os", "task_params": {"replace": "True"}}
    ours = {"task_family": "ClassifyReviews", "task_module": "pipeline"}
    for named, expected in [
        ({"task_id": "T1"}, {**ours, "task_id": "T1", "task_params": {"date": "1", "classifier": "auto"}}),
        (
            {"task_id": None, "batch_id": "b", "batch_task_ids": ["T1", "T2"]},
            {
                **ours,
                "task_id": None,
                "task_params": {"date": ["1", "2"], "classifier": "auto"},
                "batch_id": "b",
                "batch_task_ids": ["T1", "T2"],
            },
        ),
        ({"task_id": None, "batch_id": "b", "batch_task_ids": ["T1", "X"]}, {"task_id": None}),
        ({"task_id": "X", "batch_task_ids": ["T1"]}, {"task_id": None}),
        ({"task_id": "T1", "batch_id": "b", "batch_task_ids": ["X"]}, {"task_id": None}),
    ]:
        monkeypatch.setattr(RemoteScheduler, "get_work", lambda *_, named=named, **__: {**forged, **named})
        assert command.get_work(worker="w") == expected


def test_a_task_that_is_done_is_not_run_again_because_luigid_says_so(
    services_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = luigid(services_home)
    monkeypatch.setattr(RemoteScheduler, "add_task", lambda *_, **__: None)
    monkeypatch.setattr(RemoteScheduler, "add_task_batcher", lambda *_, **__: None)
    schedule(command, "w", "T1")
    tell(command, "T1", "DONE")
    monkeypatch.setattr(RemoteScheduler, "get_work", lambda *_, **__: {"task_id": "T1", "task_params": {}})
    assert command.get_work(worker="w") == {"task_id": None}


def test_two_commands_at_once_run_their_own_of_what_luigid_would_join(services_home: Path) -> None:
    assert _given(services_home, "U", RemoteScheduler.get_work)[0] == {"U1", "U2", "U3"}
    first, second = _given(services_home, "T", Luigid.get_work)
    assert first in ({"T1"}, {"T2"}, {"T1", "T2"})
    assert second in ({"T2"}, {"T3"}, {"T2", "T3"})
    assert not first & second


def _given(home: Path, letter: str, get_work: Callable[..., dict[str, Any]]) -> list[set[str]]:
    """Which of three tasks each of two commands is given to run; the second task is of both."""
    commands, names = (luigid(home), luigid(home)), [f"{letter}{number}" for number in (1, 2, 3)]
    schedule(commands[0], "first", *names[:2])
    schedule(commands[1], "second", *names[1:])
    given = []
    for command, worker in zip(commands, ("first", "second"), strict=True):
        answer = get_work(command, worker=worker, current_tasks=[])
        given.append({answer["task_id"], *answer.get("batch_task_ids", ())} - {None})
        for name in given[-1]:
            tell(command, name, "DONE", worker)
    return given


def test_nothing_is_changed_by_get(services_home: Path) -> None:
    assert {ask(services_home, path, "GET").status for path in API} == {405}
    assert not is_paused(services_home)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example"},
        {"Host": "127.0.0.1.attacker.example:8082"},
        {"Origin": "http://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Host": "["},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
    ],
)
def test_a_browser_is_not_answered_in_the_name_of_another_page(services_home: Path, headers: dict[str, str]) -> None:
    assert ask(services_home, "/api/pause", **headers).status == 403
    assert not is_paused(services_home)


def test_half_an_address_is_refused_and_fills_no_log(services_home: Path) -> None:
    log = services_home / "log/luigid.log"
    before = log.stat().st_size
    for headers in ({"Origin": "http://["}, {"Host": "["}, {"Host": "[::1"}):
        assert ask(services_home, "/api/pause", password="a guess", **headers).status in (400, 403)
    assert log.stat().st_size == before


def test_a_link_to_luigid_may_be_followed(services_home: Path) -> None:
    assert ask(services_home, "/history", "GET", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200


def test_bad_requests_fill_no_log(services_home: Path) -> None:
    log = services_home / "log/luigid.log"
    before = log.stat().st_size
    for _ in range(100):
        assert ask(services_home, "/api/nonsense?data={", password="a guess").status == 401
        assert ask(services_home, "/nonsense", "GET").status == 404
    assert log.stat().st_size == before


def test_the_password_of_luigid_is_in_no_command_line_log_or_history(services_home: Path, world: World) -> None:
    simulated = world.where(**SIMULATED)
    process = simulated.start("DailyWarehouseLoad", "--date", str(LAST), local=False, fresh=True)
    arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes() if sys.platform == "linux" else b""
    output, _ = process.communicate()
    assert process.returncode == 0, output
    password = known(services_home)["luigid_password"]
    login = base64.b64encode(f"luigi:{password}".encode()).decode()
    [pid] = [state.pid for state in services.status(services_home) if state.name == "luigid"]
    arguments += subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, check=True).stdout
    kept = [path.read_bytes() for folder in ("log", "luigid") for path in (services_home / folder).rglob("*")]
    for secret in (password.encode(), login.encode()):
        assert not [each for each in (arguments, output.encode(), *kept) if secret in each]


def test_luigid_that_refuses_the_password_is_named_with_the_fix(services_home: Path) -> None:
    world = embedded(services_home, OCEAN_HOME="/nonexistent", OCEAN_LUIGID_PASSWORD="wrong", LUIGI_CONFIG_PATH="")
    output = run(world, "--scheduler-url", known(services_home)["luigid_url"], expect=40)
    assert "it answers 401, so it refuses the password; set OCEAN_LUIGID_PASSWORD" in output
    assert "wrong" not in output.replace("--scheduler-url", "")


@pytest.mark.parametrize("option", ["url", "host"])
def test_the_luigid_of_the_command_line_is_the_one_that_is_asked(services_home: Path, option: str) -> None:
    """Somebody else's luigid, which is down: not the embedded one, which is up."""
    words = ["--scheduler-url", "http://127.0.0.1:9"] if option == "url" else ["--scheduler-host", "127.0.0.9"]
    output = run(embedded(services_home), *words, expect=40)
    assert f"cannot reach luigid at 127.0.0.{'1:9' if option == 'url' else '9:8082'}, because" in output


def test_a_command_is_no_assistant(services_home: Path) -> None:
    output = run(embedded(services_home), "--assistant", expect=40)
    assert "cannot run as an assistant, because a command runs its own tasks alone; leave --assistant out" in output


def run(world: World, *words: str, expect: int) -> str:
    process = world.start("ChooseBound", "--date", str(LAST), *words, local=False)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == expect, output
    return output


def test_luigid_without_a_password_does_not_start() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.luigid", "--port", "0"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "OCEAN_LUIGID_PASSWORD"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "cannot start luigid, because OCEAN_LUIGID_PASSWORD is not set" in done.stderr
