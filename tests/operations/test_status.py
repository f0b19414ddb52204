"""`python -m pipeline status`: what it says of a warehouse in any state, and its exit code."""

import datetime as dt
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support import shop
from support.loads import create_warehouse
from support.world import World, Worlds, secrets_of

from pipeline.kernel import postgres

OK, WARN, ERROR = 0, 1, 2
TASK_FAILED = 30
DATE, NEXT = shop.date(1), shop.date(2)
# The shop's days are long past.
PATIENT = {"OCEAN_MAX_LAG_HOURS": "1000000"}
BREAK = "alter table ops.order_lines rename column line_number to line"
REPAIR = "alter table ops.order_lines rename column line to line_number"


@pytest.fixture(scope="module")
def loaded(worlds: Worlds) -> World:
    """A warehouse with one date."""
    world = worlds.new().where(**PATIENT)
    shop.open_shop(world)
    shop.add_order(world, 1, shop.at(1), 1)
    world.load(DATE)
    return world


@pytest.fixture
def copied(worlds: Worlds, loaded: World) -> World:
    """The same, to be changed."""
    return worlds.copy(loaded)


def status(world: World, *words: str, expect: int) -> str:
    code, shown, errors = world.status(*words)
    assert code == expect, shown + errors
    assert errors == ""
    assert not [secret for secret in secrets_of(world.home) if secret in shown]
    return shown


def as_json(world: World, *words: str, expect: int) -> Any:
    return json.loads(status(world, "--json", *words, expect=expect))


def test_a_warehouse_of_another_version_says_what_to_do(copied: World) -> None:
    copied.warehouse("delete from etl.migration where number > 1")
    assert "migrations behind\n    take a backup, then run" in status(copied, expect=WARN)
    copied.warehouse("insert into etl.migration values (9999, '9999_from_the_future', '', true)")
    assert "9999_from_the_future, has upgraded it; use that version" in status(copied, expect=ERROR)


def test_a_warehouse_in_order_needs_no_attention(loaded: World) -> None:
    shown = status(loaded, expect=OK)
    assert shown.rstrip().endswith("Nothing needs attention.")
    [line] = [line.split() for line in shown.splitlines() if line.startswith(str(DATE))]
    assert line[1:7] == ["done"] * 6
    assert "reprocessing queue: empty" in shown
    assert "postgresql running" in shown
    found = as_json(loaded, expect=OK)
    assert found["status"] == "ok"
    [day] = found["days"]
    assert set(day["layers"].values()) == {"done"}
    assert [mark["table"] for mark in found["watermarks"]] == sorted(mark["table"] for mark in found["watermarks"])
    assert {service["name"] for service in found["services"]} >= {"postgresql", "s3", "luigid"}
    assert found["checks"]


def test_dates_that_are_over_and_were_not_loaded_are_missing(loaded: World) -> None:
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    shown = status(loaded.where(OCEAN_MAX_LAG_HOURS="36"), expect=ERROR)
    assert f"missing: {NEXT} to {yesterday}" in shown
    assert "h behind the clock (max_lag_hours is 36)" in shown
    assert f"DailyWarehouseLoad --date {yesterday}" in shown


def test_a_stage_table_that_is_loaded_up_to_a_time_to_come_is_an_error(copied: World) -> None:
    soon = "update etl.stage_batch set loaded_to = now() + interval '{}' where table_name = 'orders'"
    copied.warehouse(soon.format("50 minutes"))  # which may be two clocks
    status(copied, expect=OK)
    copied.warehouse(soon.format("7000 years"))
    [finding] = as_json(copied, expect=ERROR)["findings"]
    assert finding["what"].startswith("stage.orders is said to be loaded up to 9")
    assert finding["do"].endswith("RebuildTable --table ops.orders")


def test_a_load_that_failed_is_named_with_its_reason_until_a_later_one_brings_it(worlds: Worlds, loaded: World) -> None:
    world = worlds.copy(loaded)
    world.source(BREAK)
    world.load(NEXT, expect=TASK_FAILED)
    world.source(REPAIR)
    found = as_json(world, expect=ERROR)
    [finding] = found["findings"]
    assert finding["what"].startswith(f"{NEXT}: ExtractTable(ops.order_lines) failed: cannot extract ops.order_lines")
    assert f"DailyWarehouseLoad --date {NEXT}" in finding["do"]
    layers = found["days"][0]["layers"]
    assert layers == {
        "extract": "failed", "stage": "missing", "dwh": "missing", "mart": "missing", "checks": "missing",
        "load": "missing",
    }  # fmt: skip
    assert found["days"][0]["open"] == {"extract": 1, "stage": 1, "dwh": 2, "mart": 1, "checks": 1, "load": 1}

    world.load(shop.date(3))
    found = as_json(world, "--days", "2", expect=OK)
    assert [(day["date"], day["layers"]["load"]) for day in found["days"]] == [
        (str(shop.date(3)), "done"),
        (str(NEXT), "by later"),
    ]


def test_a_date_under_way_needs_no_attention(copied: World) -> None:
    shop.add_order(copied, 2, shop.at(2, 8), 1)
    copied.at(shop.at(2, 9)).load(NEXT)
    found = as_json(copied, "--days", "1", expect=OK)
    assert (found["days"][0]["date"], found["days"][0]["layers"]["load"]) == (str(NEXT), "under way")
    copied.source("delete from ops.order_lines where order_id = 2; delete from ops.orders where order_id = 2")


def test_a_load_that_ended_without_a_word_is_named(copied: World) -> None:
    copied.warehouse("delete from etl.marker where update_id like 'DailyWarehouseLoad(%'")
    [finding] = as_json(copied, expect=ERROR)["findings"]
    assert finding["what"] == f"{DATE}: its load did not come to an end"


def test_a_load_that_is_under_way_is_no_failure(copied: World) -> None:
    copied.warehouse("delete from etl.marker where update_id like 'DailyWarehouseLoad(%'")
    with postgres.session(copied.warehouse_url, "warehouse"):
        found = as_json(copied, expect=OK)
    assert found["days"][0]["layers"]["load"] == "running"


def test_what_waits_too_long_was_rejected_or_found_by_a_check_needs_attention(copied: World) -> None:
    copied.warehouse(
        "insert into etl.reprocessing_queue (fact_table, business_key, dimension, queued_ts) values "
        "('fact_order', '1', 'dim_customer', now() - interval '30 hours'), "
        "('fact_order', '2', 'dim_customer', now()), ('fact_order', '3', 'dim_address', now())"
    )
    copied.warehouse(
        "insert into etl.rejected_row (source, date, reason) values ('ops.orders', %s, 'it is blue')", (DATE,)
    )
    found = as_json(copied, expect=WARN)
    assert [(each["dimension"], each["rows"]) for each in found["queue"]] == [("dim_address", 1), ("dim_customer", 2)]
    assert found["rejected"] == [{"source": "ops.orders", "date": str(DATE), "reason": "it is blue", "rows": 1}]
    assert [(each["severity"], each["what"]) for each in found["findings"]] == [
        ("warn", "2 rows of fact_order wait for dim_customer, the oldest for 30 h"),
        ("warn", f"{DATE}: 1 input rows were rejected"),
    ]
    copied.warehouse("update etl.check_result set failures = 3 where check_name = 'order_amounts'")
    copied.warehouse(
        "insert into etl.check_result (check_name, severity, whole, load_date, failures, query) "
        "values ('is_blue', 'error', false, %s, 5, 'select')",
        (DATE,),
    )
    assert f"error: {DATE}: the check is_blue found 5 rows" in status(copied, expect=ERROR)


def test_what_waits_for_longer_than_an_alarm_is_of_use_is_listed_and_calls_nobody(copied: World) -> None:
    waiting = (
        "insert into etl.reprocessing_queue (fact_table, business_key, dimension, queued_ts) values (%s, %s, %s, %s)"
    )
    days_ago = [dt.datetime.now(dt.UTC) - dt.timedelta(days=days) for days in range(8)]
    for row in (("fact_order", "1", "dim_customer"), ("fact_review", "R1", "dim_customer")):
        copied.warehouse(waiting, (*row, days_ago[7]))
    # What vendors say of strangers comes every day.
    copied.warehouse(waiting, ("fact_review", "R2", "dim_customer", days_ago[2]))
    found = as_json(copied, expect=OK)
    assert [(each["fact"], each["rows"]) for each in found["queue"]] == [("fact_order", 1), ("fact_review", 2)]
    assert "fact_order for dim_customer" in status(copied, expect=OK)
    longer = copied.where(**PATIENT, OCEAN_QUEUE_ALARM_DAYS="8")
    [finding] = as_json(longer, expect=WARN)["findings"]
    assert finding["what"] == "1 rows of fact_order wait for dim_customer, the oldest for 168 h"
    copied.warehouse(waiting, ("fact_order", "2", "dim_customer", days_ago[2]))
    [finding] = as_json(copied, expect=WARN)["findings"]
    assert finding["what"] == "1 rows of fact_order wait for dim_customer, the oldest for 48 h"


def test_what_was_not_seen_whole_for_longer_than_its_period_needs_attention(copied: World) -> None:
    """By the dates of the loads and by the clock: a backfill is no reason, and neither is a night without a load."""
    shown = status(copied, expect=OK)
    assert f"checks passed on the whole warehouse: the oldest with {DATE} (amounts_of_lines)" in shown
    assert "tables found like the source: 12 not yet" in shown
    passes = as_json(copied, expect=OK)["passes"]
    assert [(each["date"], each["name"]) for each in passes[:1]] == [(str(DATE), "amounts_of_lines")]
    later = DATE + dt.timedelta(days=7)
    load = "insert into etl.marker (update_id, target_table, load_date) values ('DailyWarehouseLoad(x)', 'x', %s)"
    copied.warehouse(load, (later,))
    assert as_json(copied, expect=OK)["findings"] == []
    copied.warehouse("delete from etl.marker where load_date = %s", (later,))
    copied.warehouse("update etl.marker set inserted = inserted - interval '7 days' where load_date = %s", (DATE,))
    copied.warehouse("update etl.whole_pass set passed_ts = passed_ts - interval '7 days' where name = 'keys_of_lines'")
    copied.warehouse("insert into etl.whole_pass values ('check', 'gone_by_now', %s, %s, false)", (DATE, shop.OPENING))
    copied.warehouse("insert into etl.whole_pass values ('comparison', 'ops.orders', %s, now(), false)", (DATE,))
    assert as_json(copied, expect=OK)["findings"] == []
    copied.warehouse(load, (later,))
    findings = as_json(copied, expect=WARN)["findings"]
    assert [(each["severity"], each["what"]) for each in findings] == [
        (
            "warn",
            f"the check keys_of_lines has not passed on everything since {DATE} (check_whole_days is 7)",
        ),
        ("warn", "ops.order_lines and 10 more: not found like the source yet (reconcile_days is 7)"),
    ]
    assert [f"--date {later}" in each["do"] for each in findings] == [True, True]
    never = {"OCEAN_CHECK_WHOLE_DAYS": "0", "OCEAN_RECONCILE_DAYS": "0"}
    assert as_json(copied.where(**never), expect=OK)["findings"] == []


def test_a_table_that_differs_is_named_though_others_were_compared_since(copied: World) -> None:
    for table, day, missing in (("ops.orders", 1, 0), ("ops.orders", 2, 3), ("ops.states", 3, 0)):
        copied.warehouse(
            "insert into etl.reconciliation values (%s, %s, clock_timestamp(), 5, 5, %s, 0, 0, 0, 0, 0)",
            (shop.date(day), table, missing),
        )
    [finding] = as_json(copied, expect=ERROR)["findings"]
    assert finding["what"] == f"{NEXT}: source and warehouse differ in 3 rows of ops.orders"


def test_an_empty_warehouse_says_what_to_do(world: World) -> None:
    shown = status(world, expect=WARN)
    assert "nothing was loaded yet" in shown
    assert "make demo" in shown
    create_warehouse(world)
    found = as_json(world, expect=WARN)
    assert found["days"] == []
    assert [finding["what"] for finding in found["findings"]] == ["nothing was loaded yet"]


def test_services_that_are_down_are_said_to_be_started_by_make_up(loaded: World, tmp_path: Path) -> None:
    kept = json.loads((loaded.home / "services.json").read_text())
    for name in [name for name in kept if name.endswith(("_url", "_endpoint"))]:
        parts = urlsplit(kept[name])
        kept[name] = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", ":9")).geturl()
    (tmp_path / "services.json").write_text(json.dumps(kept))
    down = loaded.where(OCEAN_HOME=str(tmp_path), WAREHOUSE_URL="", OPERATIONAL_URL="")
    shown = status(down, expect=ERROR)
    assert "postgresql stopped  127.0.0.1:9" in shown
    assert "error: stopped: postgresql, s3, luigid, risk\n    start them with `make up`" in shown
    assert "error: cannot reach the warehouse database at 127.0.0.1:9, because" in shown
    found = as_json(down, expect=ERROR)
    assert {service["state"] for service in found["services"]} == {"stopped"}


def test_services_that_were_never_started_are_said_to_be_started_by_make_up(loaded: World, tmp_path: Path) -> None:
    shown = status(loaded.where(OCEAN_HOME=str(tmp_path), WAREHOUSE_URL=""), expect=ERROR)
    assert f"none were started yet under {tmp_path}; run `make up`" in shown


def test_the_help_has_an_example_that_runs(loaded: World) -> None:
    shown = " ".join(status(loaded, "--help", expect=OK).split())
    command = shown.rpartition("example: ")[2].split()
    assert command[:3] == [".venv/bin/python", "-m", "pipeline"]
    status(loaded, *command[4:], expect=OK)
