"""The live block on a terminal: it shows what runs, leaves no trace, and is nowhere else."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.commands import LUIGI, ROOT
from support.shop import add_order, at, date
from support.terminal import frames, screen, terminal, without_colours
from support.world import World, Worlds

from pipeline.kernel import postgres
from pipeline.tasks.runtime.block import Block, Command, said

OPTIONS = {"RISK_API_URL": "", "OCEAN_RECONCILE_DAYS": "0", "OCEAN_CHECK_WHOLE_DAYS": "0"}
HIDDEN, ALTERNATE = "\x1b[?25l", "\x1b[?1049h"
# A program that shows tasks, without Luigi and its databases.
SHOWS = """
import logging, os, sys, threading, time
from types import SimpleNamespace
from pipeline.tasks.runtime import live
live.SECONDS_BEFORE, live.SECONDS_BETWEEN = 0, 0.001
logging.basicConfig(format="log %(message)s", level=logging.INFO)
tasks = [SimpleNamespace(task_id=str(number)) for number in range(4)]
print("before")
with live.shown():
{first}
    counted = live.Counted()
    for task in tasks:
        counted.begin(task.task_id, f"LoadStage({'wide ' * 12}{task.task_id})")
{body}
    counted.end()
print("after", threading.active_count(), "rich" in sys.modules)
"""
FORKS = """
    children = []
    for task in tasks:
        if not (pid := os.fork()):
            for number in range(200):
                live.say(task, f"row {number}", number / 2, number, 200)
                logging.info("%s of %s %s", number, task.task_id, "x" * 70)
            sys.stdout.flush()
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
"""
# A process that is forked before the block is drawn, and writes when it is.
EARLY = """
    read, write = os.pipe()
    if not (early := os.fork()):
        os.read(read, 1)
        logging.info("early")
        os._exit(0)
"""
WAITS_FOR_EARLY = """
    sys.stdin.readline()
    with live._drawing:
        os.write(write, b"1")
        os.waitpid(early, 0)
"""
WAITS = """
    print("waits with", threading.active_count(), flush=True)
    sys.stdin.readline()
"""
DEBUGS = """
    print("waits with", threading.active_count(), flush=True)
    sys.stdin.readline()
    breakpoint()
    time.sleep(0.05)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "shows.py"


def written(program: Path, body: str, first: str = "") -> list[str]:
    program.write_text(SHOWS.replace("{body}", body).replace("{first}", first))
    return [str(program)]


def piped(words: list[str], **environment: str) -> bytes:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    ).stdout


def test_lines_of_several_processes_and_the_block_do_not_garble_each_other(program: Path) -> None:
    with terminal(written(program, FORKS)) as shown:
        output = shown.rest()
    lines = screen(output)
    assert lines[0] == "before"
    assert lines[-2:] == ["after 1 True", ""]
    logged = {f"log {number} of {task} {'x' * 70}" for number in range(200) for task in range(4)}
    assert set(lines[1:-2]) == logged
    assert len(lines) == len(logged) + 3
    assert any(re.search(r"LoadStage\(.*%.*row \d+ .*left$", line) for frame in frames(output) for line in frame)


def test_a_process_that_is_older_than_the_block_clears_it_too(program: Path) -> None:
    with terminal(written(program, WAITS_FOR_EARLY, EARLY)) as shown:
        shown.until("LoadStage")
        shown.type("\n")
        output = shown.rest()
    assert "\x1b[Jlog early" in output
    assert screen(output) == ["before", "log early", "after 1 True", ""]


@pytest.mark.parametrize("columns", [20, 40, 79, 80, 200])
def test_no_line_of_the_block_is_wider_than_the_terminal(program: Path, columns: int) -> None:
    with terminal(written(program, WAITS), columns=columns) as shown:
        shown.until("LoadS")
        shown.type("\n")
        output = shown.rest()
    found = [line for frame in frames(output) for line in frame]
    assert found
    assert max(map(len, found)) < columns
    assert screen(output, columns)[-2:] == ["after 1 True", ""]
    assert not any("Load" in line for line in screen(output, columns))


def test_in_a_pipe_nothing_is_shown_and_rich_is_not_imported(program: Path) -> None:
    assert piped(written(program, FORKS)) == b"before\nafter 1 False\n"
    assert piped(written(program, WAITS)) == b"before\nwaits with 1\nafter 1 False\n"


def test_on_a_terminal_that_cannot_or_shall_not_it_is_plain(program: Path) -> None:
    for environment in ({"TERM": "dumb"}, {"TERM": ""}):
        with terminal(written(program, WAITS), environment) as shown:
            shown.until("waits with 1")  # no thread draws
            shown.type("\n")
            assert "\x1b" not in shown.rest()
    with terminal(written(program, WAITS), {"NO_COLOR": "1"}) as shown:
        shown.until("LoadStage")
        shown.type("\n")
        assert not re.search(r"\x1b\[[\d;]*3\dm", shown.rest())


def test_a_debugger_has_the_terminal_for_itself(program: Path) -> None:
    with terminal(written(program, DEBUGS)) as shown:
        shown.until("LoadStage")
        shown.type("\n")
        shown.until("(Pdb) ")
        shown.type("continue\n")
        output = shown.rest()
    assert "\x1b" not in output[output.index("(Pdb) ") :]
    assert screen(output)[-2:] == ["(Pdb) after 1 True", ""]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_a_terminal_that_can_be_used(program: Path, number: signal.Signals) -> None:
    with terminal(written(program, WAITS)) as shown:
        shown.until("LoadStage")
        shown.process.send_signal(number)
        output = shown.rest()
    assert shown.process.returncode == -number
    require_usable(output)


def require_usable(output: str) -> None:
    """The cursor was never hidden, the screen is the usual one, and no colour is left."""
    assert HIDDEN not in output
    assert ALTERNATE not in output
    assert re.findall(r"\x1b\[[\d;]*m", output)[-1:] in ([], ["\x1b[0m"])


@pytest.fixture(scope="module")
def template(worlds: Worlds, shop_template: World) -> World:
    """A shop with one day loaded, and another to come."""
    found = worlds.copy_all(shop_template).where(**OPTIONS)
    add_order(found, 1, at(1), 1)
    found.load(date(1))
    add_order(found, 2, at(2), 1)
    return found


@pytest.fixture
def waiting(copied: Callable[[World], World], template: World) -> World:
    """A copy of that."""
    return copied(template).where(**OPTIONS)


@contextmanager
def held_up(world: World) -> Iterator[None]:
    """While the block runs, no load gets beyond LoadFact."""
    with postgres.transaction(world.warehouse_url, "tests") as cursor:
        cursor.execute("lock table dwh.fact_order in share mode")
        yield


def words(day: int, *more: str) -> list[str]:
    daily = [LUIGI, "--module", "pipeline", "DailyWarehouseLoad", "--date", str(date(day)), "--local-scheduler"]
    return [*daily, *more]


def printed(lines: list[str]) -> list[str]:
    """What a load printed that is no line of a log, without its figures; Luigi lists tasks in no order."""
    kept = [line for line in lines if line and not re.match(r"(INFO|DEBUG|WARNING): .|    - ", line)]
    return [re.sub(r"[-+\d.,:% ]+", " ", line) for line in kept]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_load_on_a_terminal_shows_the_block_and_ends_with_the_lines_of_one_in_a_pipe(
    waiting: World, workers: str
) -> None:
    with terminal(words(2, "--workers", workers), waiting.environment) as shown:
        with held_up(waiting):
            shown.until("tasks done")
            shown.until("LoadFact(2026-01-02, fact_order)  ")
        output = shown.rest()
    assert shown.process.returncode == 0
    require_usable(output)
    left = screen(output)
    assert not any("tasks done" in line for line in left)
    assert waiting.warehouse("select count(*) from dwh.fact_order") == [(2,)]

    add_order(waiting, 3, at(3), 1)
    plain = waiting.load(date(3), "--workers", workers)
    assert "\x1b" not in plain
    assert printed(screen(output, 1000)) == printed(plain.split("\n"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_load_that_is_stopped_leaves_a_terminal_that_can_be_used(waiting: World, number: signal.Signals) -> None:
    with terminal(words(2), waiting.environment) as shown, ExitStack() as stack:
        stack.enter_context(held_up(waiting))
        shown.until("LoadFact(2026-01-02, fact_order)  ")
        shown.process.send_signal(number)
        if number == signal.SIGINT:  # Python waits for the statement
            stack.close()
        output = shown.rest()
    require_usable(output)
    left = "\n".join(screen(output))
    assert ("tasks done" in left) == (number == signal.SIGKILL)
    if number != signal.SIGKILL:
        assert "First failed" in left or "interrupted" in left or "told to stop" in left


def test_the_block_counts_tasks_and_tells_speed_and_time_left() -> None:
    block = Block(began=0)
    block.note(["command", "outer", Command(1, 0, 0, {"r": ("RebuildWarehouse()", 0.0)})])
    block.note(["command", "inner", [20, 5, 1, {"s": ["LoadStage(ops.orders)", 10.0]}]])
    for seconds, rows in ((10.0, 0), (20.0, 250)):
        block.note(["said", "s", seconds, f"{rows} rows", None, rows, 1000])
    head, outer, inner = (without_colours(line) for line in block.lines(120, 10, now=20.0))
    assert head == "5 of 21 tasks done, 1 failed, 0:20"
    assert outer.split() == ["RebuildWarehouse()", "0:20"]
    assert re.split(r"\s{2,}", inner)[0] == "LoadStage(ops.orders)"
    assert re.split(r"\s{2,}", inner)[2:] == ["25%", "250 rows", "25 rows/s", "0:30 left"]


def test_the_time_left_is_measured_anew_when_a_task_begins_another_file() -> None:
    block = Block(began=0)
    block.note(["command", "c", [1, 0, 0, {"s": ["LoadStage(ops.orders)", 0.0]}]])
    for seconds, percentage in ((0.0, 0), (10.0, 90), (11.0, 0), (12.0, 50)):
        block.note(["said", "s", seconds, "reads", percentage, None, None])
    assert without_colours(block.lines(120, 10, now=12.0)[1]).endswith("0:01 left")


def test_a_terminal_that_is_low_gets_fewer_lines_and_is_told_how_many_are_missing() -> None:
    block = Block(began=0)
    block.note(["command", "c", [9, 0, 0, {str(number): [f"Task{number}()", 0.0] for number in range(9)}]])
    lines = [without_colours(line) for line in block.lines(100, 5, now=1.0)]
    assert lines[0] == "0 of 9 tasks done, 6 more running, 0:01"
    assert len(lines) == 4


def test_a_message_shows_itself_and_does_no_more() -> None:
    told = said("\x1b[2J[bold]\nx", None, None, None)
    block = Block(began=0)
    block.note(["command", "c", [1, 0, 0, {"s": ["Task()", 0.0]}]])
    block.note(["said", "s", *told])
    shown = without_colours("\n".join(block.lines(100, 5, now=1.0)))
    assert "[bold]" in shown
    assert "\x1b" not in shown
    assert shown.count("\n") == 1
