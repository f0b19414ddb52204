"""Events of OpenLineage of loads that fail or end early, and receivers that do not take them."""

import datetime as dt
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support import commands, openlineage_models, shop
from support.databases import LOCKS_WAITED_FOR
from support.openlineage_models import by_run, end_of, states
from support.receivers import webhook
from support.world import World, Worlds

from pipeline.events import delivery
from pipeline.events.delivery import Delivery
from pipeline.events.happenings import Happening, Run, State
from pipeline.kernel import http, locks, postgres
from pipeline.kernel.errors import Undelivered

TASK_FAILED, TOLD_TO_STOP = 30, 143
PATH = "/api/v1/lineage"
DATE = shop.date(2)
LOST = "events of OpenLineage to openlineage_url, because"


@pytest.fixture(scope="module")
def opened(worlds: Worlds) -> World:
    """A shop with an order, and its warehouse that has day 1."""
    world = worlds.new()
    shop.open_shop(world)
    shop.add_order(world, 1, shop.at(1), 1)
    world.load(shop.date(1))
    return world


@pytest.fixture
def world(worlds: Worlds, opened: World) -> World:
    """A copy of that, with another order on day 2."""
    found = worlds.copy_all(opened)
    shop.add_order(found, 2, shop.at(2), 1)
    return found


@contextmanager
def waiting(world: World, url: str) -> Iterator[commands.Process]:
    """A load of day 2 with events, of which a task waits for a lock; others have been done."""
    with postgres.session(world.warehouse_url, "tests") as cursor:
        locks.lock_session(cursor, "stage.orders")
        process = world.where(OCEAN_OPENLINEAGE_URL=url).start("DailyWarehouseLoad", "--date", str(DATE))
        while postgres.value(cursor, LOCKS_WAITED_FOR) == 0:
            assert process.poll() is None
        yield process


def is_loaded(world: World) -> bool:
    """Whether the order of day 2 came to the mart."""
    return bool(world.warehouse("select sum(orders) from mart.kpi_monthly") == [(2,)])


def test_a_task_that_fails_and_the_load_without_it_tell_why(world: World) -> None:
    world.source("alter table ops.order_lines rename column line_number to line")
    with webhook(PATH) as receiver:
        output = world.where(OCEAN_OPENLINEAGE_URL=receiver.url).load(DATE, expect=TASK_FAILED)
    failed = end_of(receiver.posts, "ExtractTable.ops.order_lines")
    message = failed["run"]["facets"]["errorMessage"]
    assert failed["eventType"] == "FAIL"
    assert message["message"].startswith("cannot extract ops.order_lines, because")
    assert message["message"] in output
    assert "stackTrace" not in message
    main = end_of(receiver.posts, "DailyWarehouseLoad")
    assert (main["eventType"], main["run"]["facets"]["errorMessage"]["message"]) == ("FAIL", message["message"])
    assert states(receiver.posts, "LoadFact.fact_order_line") == []
    assert {tuple(found) for found in by_run(receiver.posts).values()} == {("START", "COMPLETE"), ("START", "FAIL")}
    for event in receiver.posts:
        openlineage_models.event(event)


def test_a_task_that_holds_its_failure_back_has_failed(world: World) -> None:
    world.warehouse("alter table dwh.dim_customer add constraint broken check (customer_id = -1) not valid")
    shop.update(world, "customers", {"customer_id": 1}, shop.at(2), last_name="Lovelace")
    with webhook(PATH) as receiver:
        world.where(OCEAN_OPENLINEAGE_URL=receiver.url).load(DATE, expect=TASK_FAILED)
    failed = end_of(receiver.posts, "LoadDimension.dim_customer")
    assert failed["eventType"] == "FAIL"
    assert "CheckViolation in dwh.dim_customer" in failed["run"]["facets"]["errorMessage"]["message"]
    assert "Lovelace" not in str(receiver.posts)
    assert end_of(receiver.posts, "LoadFact.fact_order")["eventType"] == "COMPLETE"


def test_a_run_whose_process_is_killed_has_failed(worlds: Worlds) -> None:
    world = worlds.new()
    shop.open_shop(world)
    world.luigi("CreateWarehouse")
    with webhook(PATH) as receiver, postgres.session(world.warehouse_url, "tests") as cursor:
        locks.lock_session(cursor, f"extract ops.orders {DATE}")
        process = world.where(OCEAN_OPENLINEAGE_URL=receiver.url).start(
            "DailyWarehouseLoad", "--date", str(DATE), "--workers", "2"
        )
        assert process.stdout
        running = (re.search(r"\[pid (\d+)\].* running +ExtractTable\(.*ops\.orders", line) for line in process.stdout)
        os.kill(next(int(found[1]) for found in running if found), signal.SIGKILL)
        process.communicate(timeout=60)
    assert process.returncode == TASK_FAILED
    failed = end_of(receiver.posts, "ExtractTable.ops.orders")
    assert failed["eventType"] == "FAIL"
    assert "its process died unexpectedly with exit code -9" in failed["run"]["facets"]["errorMessage"]["message"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_runs_of_a_command_that_is_stopped_are_aborted(world: World, number: int) -> None:
    with webhook(PATH) as receiver, waiting(world, receiver.url) as process:
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode != 0
    aborted = end_of(receiver.posts, "LoadStage.ops.orders")
    assert aborted["eventType"] == "ABORT"
    assert "its command was interrupted" in aborted["run"]["facets"]["errorMessage"]["message"]
    assert states(receiver.posts, "DailyWarehouseLoad") == ["START", "ABORT"]
    assert {len(found) for found in by_run(receiver.posts).values()} == {2}


def test_a_load_that_is_killed_leaves_runs_open_and_says_nothing_else(world: World) -> None:
    with webhook(PATH) as receiver, waiting(world, receiver.url) as process:
        while not states(receiver.posts, "LoadStage.ops.orders"):
            assert process.poll() is None
        commands.kill(process)
    assert states(receiver.posts, "LoadStage.ops.orders") == ["START"]
    assert states(receiver.posts, "DailyWarehouseLoad") == ["START"]
    assert {found[-1] for found in by_run(receiver.posts).values()} <= {"START", "COMPLETE"}
    assert all(found[0] == "START" for found in by_run(receiver.posts).values())


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}{PATH}"


def test_a_receiver_that_never_answers_does_not_fail_a_load(world: World, silent: str) -> None:
    soon = "import pipeline.events.delivery as delivery; delivery.LAST_WAIT = 0.5"
    output = load_alone(world.where(OCEAN_OPENLINEAGE_URL=silent), soon)
    assert is_loaded(world)
    assert output.count(LOST) == 1


def test_a_receiver_that_is_not_there_does_not_fail_a_load(world: World) -> None:
    output = world.where(OCEAN_OPENLINEAGE_URL=f"http://127.0.0.1:9{PATH}").load(DATE, "--workers", "2")
    assert is_loaded(world)
    assert output.count(LOST) == 1
    assert "no connection could be made" in output


@pytest.mark.parametrize("url", ["ftp://marquez/api", "http://me:pa@ss@marquez/api"])
def test_a_url_that_is_none_is_said_without_quoting_it(world: World, url: str) -> None:
    if url.startswith("ftp"):
        output = world.where(OCEAN_OPENLINEAGE_URL=url).load(DATE, expect=35)
    else:
        output = world.where(OCEAN_OPENLINEAGE_URL=url).load(DATE)
        assert output.count("no events of OpenLineage are sent: cannot post events of OpenLineage") == 1
        assert is_loaded(world)
    assert "openlineage_url" in output
    assert url not in output


def run() -> Happening:
    return Happening(State.START, Run("", "LoadFact", {}), dt.datetime.now(dt.UTC))


def posting(url: str) -> Delivery:
    where = http.parsed(url)
    assert where
    return Delivery(where, lambda happening: b'{"of": "' + happening.run.family.encode() + b'"}')


def test_an_event_that_is_not_taken_at_once_is_posted_again() -> None:
    with webhook(PATH, 503, 429) as receiver:
        sends = posting(receiver.url)
        sends.send(run())
        sends.close()
    assert receiver.posts == [{"of": "LoadFact"}] * 3


def test_failures_that_are_not_in_a_row_do_not_end_the_delivery() -> None:
    with webhook(PATH, 500, 500, 200, 500, 500, 200) as receiver:
        sends = posting(receiver.url)
        for _ in range(3):
            sends.send(run())
        sends.close()
    assert len(receiver.posts) == 7


@pytest.mark.parametrize("status", [500, 404])
def test_a_receiver_that_refuses_is_left_alone(status: int) -> None:
    with webhook(PATH, *[status] * 100) as receiver:
        sends = posting(receiver.url)
        for _ in range(5):
            sends.send(run())
        with pytest.raises(Undelivered, match=f"it answered {status}"):
            sends.close()
    assert len(receiver.posts) == delivery.FAILURES == 3


def test_more_events_than_may_wait_are_lost_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MOST_WAITING", 2)
    written, goes_on = threading.Event(), threading.Event()

    def write(_: Happening) -> bytes:
        written.set()
        goes_on.wait()
        return b"{}"

    with webhook(PATH) as receiver:
        where = http.parsed(receiver.url)
        assert where
        sends = Delivery(where, write)
        sends.send(run())
        written.wait()
        for _ in range(4):  # of which two may wait
            sends.send(run())
        goes_on.set()
        with pytest.raises(Undelivered, match="deliver 2 events of OpenLineage"):
            sends.close()
    assert receiver.posts == [{}] * 3


def test_an_event_that_cannot_be_written_costs_no_other_one_and_shows_no_value() -> None:
    def write(happening: Happening) -> bytes:
        if happening.state is State.FAIL:
            raise KeyError("hunter2")
        return b"{}"

    with webhook(PATH) as receiver:
        where = http.parsed(receiver.url)
        assert where
        sends = Delivery(where, write)
        sends.send(Happening(State.FAIL, run().run, run().at))
        sends.send(run())
        with pytest.raises(Undelivered, match=r"deliver 1 events.* an unexpected KeyError") as caught:
            sends.close()
    assert receiver.posts == [{}]
    assert "hunter2" not in str(caught.value)


OFF = """
import sys, luigi.cmdline
{before}
try:
    luigi.cmdline.luigi_run(sys.argv[1:])
except SystemExit as ended:
    names = ("openlineage", "sqlglot", "pipeline.events", "httpx2")
    print("imported:", *(name for name in names if sys.modules.get(name)))
    sys.exit(ended.code)
"""


def load_alone(world: World, before: str = "", expect: int = 0) -> str:
    """Loads day 2 in a Python of its own, which tells of packages that it has imported."""
    words = ("--module", "pipeline", "DailyWarehouseLoad", "--date", str(DATE), "--local-scheduler")
    process = commands.start(("-c", OFF.format(before=before), *words), world.environment, fresh=True)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == expect, output
    return str(output)


def test_without_events_a_load_imports_nothing_for_them(world: World) -> None:
    assert load_alone(world).splitlines()[-1] == "imported:"


def test_a_load_without_the_package_says_how_to_install_it_once(world: World) -> None:
    with webhook(PATH) as receiver:
        output = load_alone(world.where(OCEAN_OPENLINEAGE_URL=receiver.url), "sys.modules['openlineage'] = None")
    assert output.count("WARNING: no events of OpenLineage are sent: cannot write events of OpenLineage, because") == 1
    assert "install the extra `events`" in output
    assert is_loaded(world)
    assert receiver.posts == []


def test_an_error_that_is_not_ours_is_told_by_its_kind_alone(world: World) -> None:
    breaks = "import pipeline.star.mart as mart; mart.keep = lambda *_: {}['hunter2']"
    with webhook(PATH) as receiver:
        output = load_alone(world.where(OCEAN_OPENLINEAGE_URL=receiver.url), breaks, TASK_FAILED)
    assert "hunter2" in output
    message = end_of(receiver.posts, "LoadMart")["run"]["facets"]["errorMessage"]["message"]
    assert message == "an unexpected KeyError; its trace is in the log"
    assert "hunter2" not in str(receiver.posts)


def test_a_run_that_asks_for_other_tasks_begins_once(world: World) -> None:
    with webhook(PATH) as receiver:
        span = ("--start", str(shop.date(1)), "--date", str(DATE))
        world.where(OCEAN_OPENLINEAGE_URL=receiver.url).luigi("LoadHistory", *span)
    assert states(receiver.posts, "LoadHistory") == ["START", "COMPLETE"]
    [daily] = {e["run"]["runId"] for e in receiver.posts if e["job"]["name"] == "DailyWarehouseLoad"}
    [parent] = {e["run"]["facets"]["parent"]["job"]["name"] for e in receiver.posts if e["run"]["runId"] == daily}
    assert parent == "LoadHistory"
