"""What may pass by itself is tried again, and nothing else; a server that was never there is down at once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import luigi
import pytest
from support import shop
from support.databases import admin_url, database_of
from support.world import World

import pipeline
from pipeline.kernel import locks, postgres, retries
from pipeline.kernel.config import S3
from pipeline.kernel.errors import DatabaseError, ServiceDown, ServiceLost, StatementLost, Transient
from pipeline.lake.objects import Lake

LOST = ServiceLost("reach the warehouse", "the connection was refused", "run `make up`")
KILL = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and application_name like 'ocean%%'"
WAITS = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock' and application_name = 'oceanrecords warehouse'
"""


# What only runs other tasks.
RUN_OTHERS = {"LoadHistory", "RebuildWarehouse"}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without waits between tries, and with nothing given up before."""
    monkeypatch.setattr(retries, "FIRST_WAIT", 0)
    monkeypatch.setattr(retries, "JITTER", 0)
    retries._given_up[0] = 0
    yield
    retries._given_up[0] = 0


class Work:
    """Fails with each of the errors in turn, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.times = list(errors), 0

    def __call__(self) -> str:
        self.times += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_what_may_pass_is_tried_again_and_told_of_each_time(at_once: None) -> None:
    told: list[str] = []
    work = Work(LOST, LOST)
    assert retries.patiently(work, 3, told.append) == "done"
    assert told == [f"{LOST}; once more in 0.0 s ({number} of 3)" for number in (1, 2)]


@pytest.mark.parametrize(("tries", "seconds"), [(3, 4), (7, 35)])
def test_as_many_tries_as_the_setting_says_bridge_as_long_as_it_says(
    at_once: None, monkeypatch: pytest.MonkeyPatch, tries: int, seconds: float
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.5)
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    with pytest.raises(ServiceLost):
        retries.patiently(Work(*[LOST] * 9), tries, lambda _: None)
    assert len(waits) == tries
    assert max(waits) <= retries.LONGEST_WAIT
    assert sum(waits) == pytest.approx(seconds, abs=1)


def test_what_does_not_pass_fails_at_once(at_once: None) -> None:
    work = Work(DatabaseError("finish a statement", "there is no such table", "create it"))
    with pytest.raises(DatabaseError, match="no such table"):
        retries.patiently(work, 3, lambda _: None)
    assert work.times == 1


def test_once_tries_were_in_vain_other_work_is_not_waited_for_until_some_succeeds(at_once: None) -> None:
    for expected in (4, 1):
        work = Work(*[LOST] * 9)
        with pytest.raises(ServiceLost):
            retries.patiently(work, 3, lambda _: None)
        assert work.times == expected
    assert retries.patiently(Work(), 3, lambda _: None) == "done"
    assert retries.patiently(Work(LOST), 3, lambda _: None) == "done"


def test_every_task_is_retried() -> None:
    tasks = [task for name in pipeline.__all__ if issubclass(task := getattr(pipeline, name), luigi.Task)]
    own = {task for task in tasks if task.__module__.startswith("pipeline.")}
    assert {task.__name__ for task in own if not hasattr(task.run, "__wrapped__")} == RUN_OTHERS


@pytest.mark.parametrize(
    ("code", "is_transient"),
    [
        *((code, True) for code in ("08006", "40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300")),
        *((code, False) for code in ("23505", "22P02", "42P01", "57014", "53100", "40002", "28P01")),
    ],
)
def test_what_postgresql_refuses_is_told_apart_by_its_code(warehouse_url: str, code: str, is_transient: bool) -> None:
    with pytest.raises(DatabaseError) as caught, postgres.transaction(warehouse_url, "warehouse") as cursor:
        cursor.execute(f"do $$ begin raise sqlstate '{code}'; end $$")
    assert isinstance(caught.value, Transient) == is_transient


def test_a_lost_connection_may_pass(world: World) -> None:
    with pytest.raises(StatementLost), postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        cursor.execute(f"select {kill_sessions(world)}")


def test_a_connection_that_was_lost_while_it_lay_idle_is_made_again(world: World) -> None:
    with postgres.session(world.warehouse_url, "warehouse"):
        pass
    kill_sessions(world)
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        assert postgres.value(cursor, "select 1") == 1


def test_a_copy_whose_connection_is_lost_may_pass(world: World) -> None:
    class Dying:
        def read(self, size: int = -1, /) -> bytes:
            kill_sessions(world)
            return b"1\n" * (size // 2)

    world.warehouse("create table numbers (number int)")
    with pytest.raises(StatementLost), postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        postgres.copy_in(cursor, postgres.sql.Identifier("numbers"), ["number"], Dying(), "format csv")


def test_a_server_that_is_full_may_let_in_later(world: World) -> None:
    database = database_of(world.warehouse_url)
    with postgres.session(admin_url(world.home), "tests") as cursor:
        cursor.execute(f"alter database {database} connection limit 0")
    with pytest.raises(ServiceLost, match="too many connections"):
        postgres.connect(world.warehouse_url, "warehouse")


def test_a_server_that_answered_before_may_come_back_and_one_that_never_did_is_down(world: World) -> None:
    with listening() as port:
        url = f"postgresql://ocean@127.0.0.1:{port}/warehouse"
        with pytest.raises(ServiceDown) as caught:
            postgres.connect(url, "warehouse")
        assert not isinstance(caught.value, Transient)
        postgres._reached.add(url)
        with pytest.raises(ServiceLost):
            postgres.connect(url, "warehouse")


def test_a_login_that_is_refused_is_not_tried_again(world: World) -> None:
    url = world.warehouse_url.replace("//etl_load:", "//etl_load:not-")
    postgres._reached.add(url)
    with pytest.raises(ServiceDown, match="password authentication failed") as caught:
        postgres.connect(url, "warehouse")
    assert not isinstance(caught.value, Transient)


@pytest.mark.parametrize(("status", "is_transient"), [(503, True), (500, True), (429, True), (403, False)])
def test_what_s3_refuses_is_told_apart_by_its_status(status: int, is_transient: bool) -> None:
    with s3_that_answers(status) as (lake, _), pytest.raises(ServiceDown, match=f"it answered {status}") as caught:
        lake.exists("key")
    assert isinstance(caught.value, Transient) == is_transient


def test_an_s3_that_never_answered_is_down_after_one_attempt_and_one_that_did_may_come_back() -> None:
    with s3_that_answers(None, 404, None, None, None) as (lake, times):
        with pytest.raises(ServiceDown) as caught:
            lake.exists("key")
        assert not isinstance(caught.value, Transient)
        assert len(times) == 1
        assert not lake.exists("key")
        with pytest.raises(ServiceLost):
            lake.exists("key")
        assert len(times) == 5


def test_a_load_that_loses_its_connection_goes_on(world: World) -> None:
    shop.open_shop(world)
    shop.add_order(world, 1, shop.at(1), 1)
    world.luigi("CreateWarehouse")
    with held(world, "stage.orders"):
        process = world.start("DailyWarehouseLoad", "--date", str(shop.date(1)))
        while world.warehouse(WAITS) == [(0,)] and process.poll() is None:
            pass
        kill_sessions(world)
        assert process.stdout
        said = next(line for line in process.stdout if "once more in" in line)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "LoadStage(date=2026-01-01, table=ops.orders): cannot finish a statement in the warehouse database" in said
    assert world.warehouse("select count(*) from dwh.fact_order") == [(1,)]
    assert world.warehouse("select count(*) from etl.task_run where status = 'failed'") == [(0,)]


def test_a_load_waits_for_a_lock_again_and_fails_when_it_never_gets_it(world: World) -> None:
    shop.open_shop(world)
    world.luigi("CreateWarehouse")
    database = database_of(world.warehouse_url)
    with postgres.session(admin_url(world.home), "tests") as cursor:
        cursor.execute(f"alter database {database} set lock_timeout = '50ms'")
    with held(world, "stage.orders"):
        words = ("LoadStage", "--table", "ops.orders", "--date", str(shop.date(1)))
        output = world.where(OCEAN_RETRIES="1").luigi(*words, expect=30)
    assert output.count("once more in") == 1
    [(error,)] = world.warehouse("select error from etl.task_run where status = 'failed'")
    assert "55P03: canceling statement due to lock timeout" in error
    world.luigi(*words)


@contextmanager
def held(world: World, name: str) -> Iterator[None]:
    """Somebody else has the lock of that name."""
    with postgres.session(world.warehouse_url, "tests", purpose="holder") as cursor:
        locks.lock_session(cursor, name)
        cursor.execute("set application_name = 'holder'")
        yield


def kill_sessions(world: World) -> int:
    """Ends all connections of the pipeline to the warehouse; returns how many."""
    with postgres.session(admin_url(world.home), "tests") as cursor:
        cursor.execute(KILL, (database_of(world.warehouse_url),))
        return int(cursor.rowcount)


@contextmanager
def listening() -> Iterator[int]:
    """A port where whoever connects is sent away without a word."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _silent([], [])) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@contextmanager
def s3_that_answers(*statuses: int | None) -> Iterator[tuple[Lake, list[int | None]]]:
    """A lake whose endpoint gives these answers, the last one for ever (None: none), and those that it gave."""
    given: list[int | None] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), _silent(list(statuses), given)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Lake("s3://bucket", S3(f"http://127.0.0.1:{server.server_address[1]}", "key", "secret")), given
        server.shutdown()


def _silent(statuses: list[int | None], given: list[int | None]) -> type[BaseHTTPRequestHandler]:
    class Answer(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            if not statuses:
                self.close_connection = True
                return
            super().handle_one_request()

        def do_HEAD(self) -> None:
            given.append(statuses.pop(0) if len(statuses) > 1 else statuses[0])
            self.close_connection = True
            if given[-1] is not None:
                self.send_response(given[-1])
                self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    return Answer
