"""How a command ends that did not do all it was to: its last lines, one alert, and no secret in either."""

import datetime as dt
import json
import logging
import signal
from collections.abc import Iterator
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import pytest
from support import shop
from support.databases import LOCKS_WAITED_FOR
from support.loads import create_warehouse
from support.receivers import mail_server, webhook
from support.world import World, Worlds, secrets_of

from pipeline.kernel import config, locks, postgres
from pipeline.kernel.errors import ConfigError, Undelivered
from pipeline.operations import alerts, summary
from pipeline.operations.outcome import Outcome, Task

TASK_FAILED, SCHEDULING_ERROR, TOLD_TO_STOP = 30, 35, 143
DATE = shop.date(2)
TOKEN = "shells-and-sand"
PATH = f"/hook/{TOKEN}"
BREAK = "alter table ops.order_lines rename column line_number to line"
REPAIR = "alter table ops.order_lines rename column line to line_number"


@pytest.fixture(scope="module")
def loaded(worlds: Worlds) -> World:
    """A shop, and its warehouse that has day 1."""
    world = worlds.new()
    shop.open_shop(world)
    shop.add_order(world, 1, shop.at(1), 1)
    world.load(shop.date(1))
    return world


@pytest.fixture
def broken(loaded: World) -> Iterator[World]:
    """The lines of its orders cannot be extracted."""
    loaded.source(BREAK)
    yield loaded
    loaded.source(REPAIR)


def last_lines(output: str) -> list[str]:
    """What a command said after all that Luigi did."""
    return output.rpartition("\n\n")[2].splitlines()


def assert_discreet(world: World, text: str) -> None:
    assert not [secret for secret in (TOKEN, *secrets_of(world.home)) if secret in text]


def test_the_last_lines_of_a_load_that_failed_say_what_failed_first_and_what_to_do(broken: World) -> None:
    output = broken.load(DATE, expect=TASK_FAILED)
    headline, first, why, kept, again, command = last_lines(output)
    assert headline.startswith(f"The load of {DATE} failed: of its tasks 1 failed, ")
    assert first == f"First failed ExtractTable({DATE}, ops.order_lines):"
    assert why.strip().startswith("cannot extract ops.order_lines, because")
    assert kept.startswith(f"Not run because of it: LoadStage({DATE}, ops.order_lines), ")
    assert kept.endswith(f"DailyWarehouseLoad({DATE})")
    assert again == "Once the cause is fixed, run this; what is done is not done again:"
    assert command.endswith(f"bin/luigi --module pipeline DailyWarehouseLoad --date {DATE} --local-scheduler")


def test_a_load_that_failed_sends_one_alert(broken: World) -> None:
    with webhook(PATH) as receiver:
        output = broken.where(OCEAN_ALERT_URL=receiver.url).load(DATE, "--workers", "2", expect=TASK_FAILED)
    [alert] = receiver.posts
    assert alert["severity"] == "error"
    assert alert["dates"] == [str(DATE)]
    assert alert["first_failed"] == alert["failed"][0]
    assert alert["first_failed"]["task"] == f"ExtractTable({DATE}, ops.order_lines)"
    assert alert["first_failed"]["error"] in output
    assert f"LoadFact({DATE}, fact_order)" in alert["not_run_because_of_first"]
    assert alert["counts"] == {"failed": 1, "not_run": len(alert["not_run"]), "done": alert["counts"]["done"]}
    assert alert["counts"]["done"] + alert["counts"]["not_run"] + 1 == output_count(output)
    assert alert["command"].endswith(f"DailyWarehouseLoad --date {DATE} --workers 2 --local-scheduler")
    assert alert["text"].splitlines() == last_lines(output)
    assert_discreet(broken, output + str(alert))


def output_count(output: str) -> int:
    """How many tasks Luigi says it scheduled, less those that were done before."""
    words = output.split()
    scheduled = int(words[words.index("Scheduled") + 1])
    before = [int(line.split()[1]) for line in output.splitlines() if line.endswith("complete ones were encountered:")]
    return scheduled - sum(before)


def test_a_failure_that_was_held_back_is_named_first_be_it_in_a_process_of_its_own(
    worlds: Worlds, loaded: World
) -> None:
    world = worlds.new(loaded)
    world.luigi("CreateWarehouse")
    world.warehouse("alter table dwh.dim_customer add constraint broken check (customer_id = -1)")
    with webhook(PATH) as receiver:
        output = world.where(OCEAN_ALERT_URL=receiver.url).load(DATE, "--workers", "2", expect=TASK_FAILED)
    [alert] = receiver.posts
    assert alert["first_failed"]["task"] == f"LoadDimension({DATE}, dim_customer)"
    assert "CheckViolation in dwh.dim_customer" in alert["first_failed"]["error"]
    assert f"DailyWarehouseLoad({DATE})" in [failed["task"] for failed in alert["failed"]]
    assert any(line.startswith("Failed too: ") for line in last_lines(output))


def test_what_cannot_be_scheduled_is_recorded_and_alerted_of(loaded: World) -> None:
    s3 = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": TOKEN}
    with webhook(PATH) as receiver:
        output = loaded.where(OCEAN_ALERT_URL=receiver.url, **s3).load(shop.date(9), expect=SCHEDULING_ERROR)
    [alert] = receiver.posts
    assert alert["first_failed"]["task"] == f"DailyWarehouseLoad({shop.date(9)})"
    assert "start the embedded S3 with `make up`" in last_lines(output)[2]
    [(status, error)] = loaded.warehouse(
        "select status, error from etl.task_run where params ->> 'date' = %s", (str(shop.date(9)),)
    )
    assert (status, error) == ("failed", alert["first_failed"]["error"])
    assert_discreet(loaded, output + str(alert))


def test_a_load_that_is_told_to_stop_says_so_and_ends_whatever_it_waits_for(worlds: Worlds, loaded: World) -> None:
    world, date = worlds.copy(loaded), str(shop.date(5))  # of which no other test has extracts
    with webhook(PATH) as receiver, postgres.session(world.warehouse_url, "tests") as cursor:
        locks.lock_session(cursor, f"extract ops.orders {date}")
        process = world.where(OCEAN_ALERT_URL=receiver.url).start("DailyWarehouseLoad", "--date", date)
        while postgres.value(cursor, LOCKS_WAITED_FOR) == 0:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)  # while what it waits for does not come
    assert process.returncode == TOLD_TO_STOP
    [alert] = receiver.posts
    assert alert["cut_short"] == "it was told to stop (SIGTERM)"
    assert alert["text"].splitlines() == last_lines(output)
    world.load(date)


@pytest.mark.parametrize("home", ["never_started", "down"])
def test_with_no_service_at_all_an_alert_is_sent_all_the_same(loaded: World, tmp_path: Path, home: str) -> None:
    down = "postgresql://ocean:shells@127.0.0.1:9/warehouse" if home == "down" else ""
    with webhook(PATH) as receiver:
        world = loaded.where(OCEAN_ALERT_URL=receiver.url, OCEAN_HOME=str(tmp_path), WAREHOUSE_URL=down)
        output = world.load(DATE, expect=SCHEDULING_ERROR)
    [alert] = receiver.posts
    assert "run `make up`" in alert["text"] or "`make up` for the embedded one" in alert["text"]
    assert_discreet(loaded, output + str(alert))


def test_an_alert_that_nobody_takes_is_logged_and_changes_no_exit_code(broken: World) -> None:
    with webhook(PATH, 500, 500, 500) as receiver:
        output = broken.where(OCEAN_ALERT_URL=receiver.url).load(DATE, expect=TASK_FAILED)
    assert len(receiver.posts) == alerts.ATTEMPTS == 3
    because = "it answered 500 Internal Server Error, at the last of 3 attempts"
    assert f"WARNING: no alert was sent: cannot post the alert to alert_url, because {because}" in output
    assert "bin/luigi --module pipeline DailyWarehouseLoad" in last_lines(output)[-1]
    assert_discreet(broken, output)


@pytest.mark.parametrize("status", [404, 302])
def test_an_alert_that_is_refused_is_not_posted_again(status: int) -> None:
    with webhook(PATH, status) as receiver, pytest.raises(Undelivered, match=f"it answered {status}"):
        alerts.post(receiver.url, b"{}")
    assert len(receiver.posts) == 1


def test_an_alert_that_is_not_taken_at_once_is_posted_again() -> None:
    with webhook(PATH, 503, 429) as receiver:
        alerts.post(receiver.url, b'{"text": "hello"}')
    assert receiver.posts == [{"text": "hello"}] * 3


def test_an_alert_is_delivered_once_where_the_end_of_the_answer_never_comes() -> None:
    with webhook(PATH, length=100) as receiver:
        alerts.post(receiver.url, b'{"text": "hello"}')
    assert receiver.posts == [{"text": "hello"}]


def test_nothing_says_where_alerts_go(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with webhook(PATH, 500) as receiver:
        alerts.post(receiver.url.replace("//", f"//ocean:{TOKEN}@"), b"{}")
    assert receiver.headers[0]["Authorization"].startswith("Basic ")
    with pytest.raises(Undelivered) as caught:
        alerts.post(f"http://127.0.0.1:9{PATH}", b"{}")
    with pytest.raises(Undelivered) as unreadable:
        alerts.post(f"http://[{PATH}", b"{}")
    assert TOKEN not in caplog.text + str(caught.value) + str(unreadable.value)


def test_a_url_for_alerts_that_is_none_is_refused_without_quoting_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCEAN_ALERT_URL", f"hooks.example.com{PATH}")
    with pytest.raises(ConfigError, match="cannot use the setting alert_url") as caught:
        config.alert_url()
    assert TOKEN not in str(caught.value)


def test_a_load_that_brings_what_somebody_should_see_sends_a_warning_and_any_other_nothing(
    worlds: Worlds, loaded: World
) -> None:
    world = worlds.copy_source(loaded)
    with webhook(PATH) as receiver:
        world = world.where(OCEAN_ALERT_URL=receiver.url, OCEAN_MAX_REJECTED="1")
        world.load(shop.date(1))
        assert receiver.posts == []
        shop.insert(world, "suppliers", shop.at(2), supplier_id=-1, name="Nobody", country="USA")
        output = world.load(shop.date(2))
        world.load(shop.date(2))
    [alert] = receiver.posts
    assert alert["severity"] == "warn"
    assert alert["warnings"] == [
        f"{shop.date(2)}: 1 rows of ops.suppliers were rejected: supplier_id -1 is the unknown member's"
    ]
    assert alert["failed"] == []
    assert "First failed" not in output


def test_warnings_are_of_checks_rejected_rows_and_what_waits_too_long(world: World) -> None:
    create_warehouse(world)
    hours = dt.timedelta(hours=1)
    found = """
    insert into etl.check_result (check_name, severity, whole, load_date, failures, query) values
    ('is_warned', 'warn', false, '2026-01-02', 7, ''),
    ('is_error', 'error', false, '2026-01-02', 7, ''),
    ('is_fine', 'warn', false, '2026-01-02', 0, '')
    """
    world.warehouse(found)
    for _ in range(2):
        world.warehouse(
            "insert into etl.rejected_row (source, date, reason) values ('ops.orders', '2026-01-02', 'blue')"
        )
    world.warehouse(
        "insert into etl.reprocessing_queue (fact_table, business_key, dimension, queued_ts) "
        "values ('fact_order', '1', 'dim_customer', now() - %s), ('fact_order', '2', 'dim_address', now() - %s)",
        (25 * hours, 23 * hours),
    )
    with postgres.session(world.warehouse_url, "warehouse") as cursor:
        told = alerts.warnings(cursor, 60, config.settings())
        world.warehouse("update etl.check_result set checked_ts = now() - %s", (2 * hours,))
        world.warehouse("update etl.rejected_row set rejected_ts = now() - %s", (2 * hours,))
        later = alerts.warnings(cursor, 60, config.settings())
    waits = "1 rows of fact_order wait for dim_customer, the oldest for 25 h"
    assert told == [
        "2026-01-02: the check is_warned found 7 rows",
        "2026-01-02: 2 rows of ops.orders were rejected: blue",
        waits,
    ]
    assert later == [waits]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<!channel> <!here|x>", "&lt;!channel&gt; &lt;!here|x&gt;"),
        ("<https://example.com|the dashboard>", "&lt;https://example.com|the dashboard&gt;"),
        ("<mailto:ann@example.com|ann>", "&lt;mailto:ann@\u200bexample.com|ann&gt;"),
        ("<at>everyone</at>", "&lt;at&gt;everyone&lt;/at&gt;"),
        ("<@U024BE7LH>", "&lt;@\u200bU024BE7LH&gt;"),
        ("@here @channel, (@everyone)", "@\u200bhere @\u200bchannel, (@\u200beveryone)"),
        ("[all is well](https://example.com)", "[all is well]\u200b(https://example.com)"),
        ("a &lt; b & c", "a &amp;lt; b &amp; c"),
    ],
)
def test_a_name_in_an_alert_calls_nobody_and_links_to_nothing(name: str, shown: str) -> None:
    outcome = Outcome("luigi A")
    outcome.note("a", Task("LoadReviews", "", "LoadReviews()"), "FAILED", [], f"cannot read {name}, because; do")
    posted = json.loads(alerts.of_failure(outcome).to_json())
    assert posted["text"].splitlines()[2].strip() == f"cannot read {shown}, because; do"
    assert posted["first_failed"]["error"] == f"cannot read {name}, because; do"
    warned = json.loads(alerts.of_warnings(outcome, [name]).to_json())
    assert (warned["text"].splitlines()[1], warned["warnings"]) == (shown, [name])
    assert json.loads(alerts.Alert("warn", name, "", {}).to_json())["subject"] == shown


def test_alerts_go_by_mail_too_one_for_all_tasks_that_failed(broken: World, tmp_path: Path) -> None:
    broken.source("alter table ops.customers rename column email to mail")
    with mail_server() as (port, mails):
        overlay = tmp_path / "mail.cfg"
        overlay.write_text(
            f"[email]\nreceiver = ann@example.com, bob@example.com\n[smtp]\nhost = 127.0.0.1\nport = {port}\n"
        )
        output = broken.where(LUIGI_CONFIG_PATH=str(overlay)).load(shop.date(3), expect=TASK_FAILED)
    broken.source("alter table ops.customers rename column mail to email")
    [mail] = [message_from_string(mail, policy=policy.default) for mail in mails]
    assert mail["To"] == "ann@example.com, bob@example.com"
    assert mail["Subject"].startswith(f"OceanRecords: The load of {shop.date(3)} failed: of its tasks 2 failed")
    [part] = mail.iter_parts()
    text = part.get_content()
    assert text.strip().splitlines() == last_lines(output)
    assert_discreet(broken, output + text)


def test_a_single_task_that_failed_ends_in_words_but_alerts_nobody(broken: World) -> None:
    with webhook(PATH) as receiver:
        words: list[Any] = ["ExtractTable", "--table", "ops.order_lines", "--date", str(DATE)]
        output = broken.where(OCEAN_ALERT_URL=receiver.url).luigi(*words, expect=TASK_FAILED)
    assert receiver.posts == []
    assert last_lines(output)[0].startswith("The command failed: of its tasks 1 failed, 0 not run")


def test_a_command_whose_tasks_another_one_runs_says_so() -> None:
    outcome = Outcome("luigi A")
    outcome.note("b", Task("B", "", "B()"), "PENDING", [], None)
    outcome.note("a", Task("A", "", "A()"), "PENDING", ["b"], None)
    lines = summary.of_failure(outcome).strip().splitlines()
    assert lines[:2] == [
        "The command did not finish: of its tasks 0 failed, 2 not run, 0 done.",
        "Left to another command, or held by luigid: A(), B()",
    ]


def test_a_task_that_failed_and_was_done_in_the_end_is_no_failure() -> None:
    outcome = Outcome("luigi A")
    for state, error in (("PENDING", None), ("FAILED", "cannot"), ("DONE", None)):
        outcome.note("a", Task("A", "", "A()"), state, [], error)
    assert (outcome.failed, [task.name for task in outcome.done]) == ([], ["A()"])
