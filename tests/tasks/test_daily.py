"""The main job as a user runs it, by the luigi command: any way to the last date ends in the same warehouse."""

import datetime as dt
import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support import shop
from support.world import BEFORE, LAST, OPENED, SIMULATED, World, Worlds, closed_port, secrets_of

from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES
from pipeline.source import layout

DAY = dt.timedelta(days=1)
TASK_FAILED = 30
SECRET = "tide-and-foam"

BREAK = "alter table dwh.dim_customer add constraint broken check (customer_id = -1)"
REPAIR = "alter table dwh.dim_customer drop constraint broken"
KPIS = """
with order_amount as (
    select order_id, sum(quantity * unit_price) as amount from ops.order_lines group by order_id
)

select
    to_char(ordered_ts at time zone 'UTC', 'YYYY-MM') as month,
    sum(amount) filter (where not is_lost) as sales,
    count(*) as orders,
    sum(amount) filter (where not is_lost) / count(*) filter (where not is_lost) as average_order_value,
    1.0 * count(*) filter (where is_lost) / count(*) as lost_order_rate,
    avg(extract(epoch from delivered_ts - ordered_ts) / 86400) filter (where not is_lost) as average_fulfilment_days
from ops.orders
inner join ops.order_statuses using (order_status_id)
inner join order_amount using (order_id)
group by month
order by month
"""


@pytest.fixture(scope="module")
def before(worlds: Worlds) -> World:
    """Loaded up to a date, when the shop's business was no further."""
    world = worlds.new()
    world.where(**SIMULATED).load(BEFORE)
    return world


@pytest.fixture(scope="module")
def in_order(worlds: Worlds, before: World) -> World:
    """Went on day by day to the last date, each day simulated by its own load."""
    world = worlds.copy(before)
    for day in range(1, (LAST - BEFORE).days + 1):
        world.where(**SIMULATED).load(BEFORE + day * DAY)
    return world


@pytest.fixture(scope="module")
def single_load(worlds: Worlds, in_order: World) -> tuple[World, str]:
    """An empty warehouse after one load, of the last date, and what that printed."""
    world = worlds.new(in_order)
    return world, world.load(LAST)


@pytest.fixture(scope="module")
def single(single_load: tuple[World, str]) -> World:
    return single_load[0]


@pytest.fixture
def behind(worlds: Worlds, before: World, in_order: World) -> World:
    """Loaded some days ago; the shop is at the last date."""
    return worlds.copy(before)


@pytest.fixture
def fresh(worlds: Worlds, in_order: World) -> World:
    """Never loaded; the shop is at the last date."""
    return worlds.new(in_order)


def count(world: World, query: str) -> int:
    [(found,)] = world.warehouse(f"select count(*) from {query}")
    return int(found)


def assert_discreet(world: World, text: str) -> None:
    """No password, no key, and no customer's e-mail address is in a text."""
    emails = world.source("select email from ops.customers where email is not null")
    assert emails
    hidden = {SECRET, *secrets_of(world.home), *(email for (email,) in emails)}
    assert not [word for word in hidden if word in text]


def test_a_date_run_again_loads_nothing(single: World) -> None:
    checksum, runs = single.checksum(), count(single, "etl.task_run")
    assert "Did not run any tasks" in single.load(LAST)
    assert single.checksum() == checksum
    assert count(single, "etl.task_run") == runs


@pytest.mark.parametrize("workers", ["1", "4"])
def test_one_load_after_a_gap_equals_the_days_in_order(behind: World, in_order: World, workers: str) -> None:
    assert behind.checksum() != in_order.checksum()
    assert count(in_order, f"dwh.dim_product where valid_from > '{BEFORE + DAY}'") > 0  # prices changed in the gap
    behind.load(LAST, "--workers", workers)
    assert behind.checksum() == in_order.checksum()


@pytest.mark.parametrize("workers", ["1", "4"])
def test_a_backfill_equals_the_days_in_order(behind: World, in_order: World, workers: str) -> None:
    span = ("--start", str(BEFORE), "--stop", str(LAST + DAY))
    behind.luigi("RangeDaily", "--of", "DailyWarehouseLoad", *span, "--workers", workers)
    dates = loaded_dates(behind)
    # Several workers may end a date before an earlier one; one goes by the calendar.
    assert (dates if workers == "1" else sorted(dates)) == [
        BEFORE + day * DAY for day in range((LAST - BEFORE).days + 1)
    ]
    assert behind.checksum() == in_order.checksum()


def test_a_history_loads_the_ends_of_months_and_the_last_week(fresh: World, single: World) -> None:
    fresh.luigi("LoadHistory", "--start", str(OPENED + DAY), "--date", str(LAST))
    assert loaded_dates(fresh) == [dt.date(2026, 1, 31), *(LAST - day * DAY for day in reversed(range(7)))]
    assert fresh.checksum() == single.checksum()


def loaded_dates(world: World) -> list[dt.date]:
    query = "select load_date from etl.marker where update_id like 'DailyWarehouseLoad%' order by inserted"
    return [date for (date,) in world.warehouse(query)]


def test_two_machines_that_load_the_same_date_at_once_are_one(fresh: World, single: World) -> None:
    load_at_once(fresh, LAST, LAST)
    assert fresh.checksum() == single.checksum()


def test_two_machines_that_load_two_dates_at_once_end_as_if_in_order(behind: World, in_order: World) -> None:
    load_at_once(behind, LAST, BEFORE + DAY)
    assert behind.checksum() == in_order.checksum()


def load_at_once(world: World, *dates: dt.date) -> None:
    # On one machine Luigi itself keeps the same command from running twice.
    words = ("--no-lock", "--workers", "2")
    for process in [world.start("DailyWarehouseLoad", "--date", str(date), *words) for date in dates]:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output


@pytest.mark.parametrize("date", [LAST, LAST - DAY], ids=["same_date", "next_date"])
def test_a_dimension_that_fails_leaves_facts_that_the_next_run_heals(
    fresh: World, single: World, date: dt.date
) -> None:
    fresh.luigi("CreateWarehouse")
    fresh.warehouse(BREAK)
    output = fresh.load(date, expect=TASK_FAILED)
    assert f"cannot finish the load of {date}, because dim_customer could not be loaded" in output
    orders = count(fresh, "dwh.fact_order")
    assert orders
    assert count(fresh, "dwh.fact_order where customer_key = -1 and address_key > 0") == orders
    assert f"reprocessing queue: {orders:,} rows of fact_order wait for dim_customer" in output
    assert ["dim_customer", "failed"] in [line.split()[:2] for line in output.splitlines()]
    [(error,)] = fresh.warehouse("select error from etl.task_run where task = 'LoadDimension' and status = 'failed'")
    assert "CheckViolation in dwh.dim_customer" in error
    assert_discreet(fresh, output + error)
    fresh.load(date, expect=TASK_FAILED)

    fresh.warehouse(REPAIR)
    assert "reprocessing queue: empty" in fresh.load(LAST)
    assert fresh.checksum() == single.checksum()


def test_an_extract_that_fails_stops_only_what_needs_it(worlds: Worlds, in_order: World, single: World) -> None:
    world = worlds.copy_source(in_order)
    world.source("alter table ops.order_lines rename column line_number to line")
    output = world.load(LAST, expect=TASK_FAILED)
    [(error,)] = world.warehouse("select error from etl.task_run where status = 'failed'")
    assert error in output
    assert error.startswith("cannot extract ops.order_lines, because")
    assert "line_number" in error
    assert_discreet(world, output)
    extracted = "select params ->> 'table' from etl.task_run where task = 'ExtractTable' and status = 'done'"
    assert world.rows(extracted) == {(table,) for table in SOURCE_TABLES if table != "ops.order_lines"}
    assert count(world, "dwh.dim_customer") == count(single, "dwh.dim_customer")
    assert count(world, "dwh.fact_order") == 0

    world.source("alter table ops.order_lines rename column line to line_number")
    world.load(LAST)
    assert world.checksum() == single.checksum()


@pytest.mark.parametrize(
    ("service", "fix", "environment"),
    [
        ("operational database", "OPERATIONAL_URL", {"OPERATIONAL_URL": "postgresql://ocean:{secret}@{host}/shop"}),
        ("warehouse database", "WAREHOUSE_URL", {"WAREHOUSE_URL": "postgresql://ocean:{secret}@{host}/warehouse"}),
        (
            "S3",
            "AWS_ENDPOINT_URL",
            {"AWS_ENDPOINT_URL": "http://{host}", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "{secret}"},
        ),
    ],
)
def test_a_service_that_is_down_is_named_with_the_fix(
    single: World, service: str, fix: str, environment: dict[str, str]
) -> None:
    host = f"127.0.0.1:{closed_port()}"
    down = {name: text.format(host=host, secret=SECRET) for name, text in environment.items()}
    output = fail(single.where(**down))
    [message] = [line for line in output.splitlines() if " is not scheduled: cannot " in line]
    assert service in message
    assert host in message
    assert "`make up`" in message
    assert fix in message
    assert_discreet(single, output)


def test_services_that_were_never_started_are_said_to_be_started_by_make_up(single: World, tmp_path: Path) -> None:
    output = fail(single.where(OCEAN_HOME=str(tmp_path), WAREHOUSE_URL=""))
    assert f"none were started yet under {tmp_path}; run `make up`" in output


def test_a_luigid_that_is_down_is_named_with_the_fix(single: World, tmp_path: Path) -> None:
    services = json.loads((single.home / "services.json").read_text())
    services["luigid_url"] = f"http://127.0.0.1:{closed_port()}"
    (tmp_path / "services.json").write_text(json.dumps(services))
    output = fail(single.where(OCEAN_HOME=str(tmp_path)), local=False)
    assert urlsplit(services["luigid_url"]).netloc in output
    assert "`make up`" in output


def fail(world: World, local: bool = True) -> str:
    """Runs a load that cannot succeed and returns what it printed; the limit is there lest it waits for ever."""
    process = world.start("DailyWarehouseLoad", "--date", str(LAST + DAY), local=local)
    output, _ = process.communicate(timeout=20)
    assert process.returncode > 0, output
    return output


def test_the_summary_agrees_with_the_tables(single_load: tuple[World, str]) -> None:
    world, output = single_load
    assert f"Load of {LAST}" in output
    assert "reprocessing queue: empty" in output
    lines = {words[0]: words[1:] for words in map(str.split, output.splitlines()) if words}
    for table in SOURCE_TABLES.values():
        [(rows,)] = world.source(f"select count(*) from {table.name}")
        assert rows == count(world, f"stage.{table.short}")
        assert lines[table.short][:-1] == [f"{rows:,}"] * 2
    for name in DIMENSIONS:
        assert lines[name][:-1] == [f"{count(world, f'dwh.{name}') - 1:,}"]  # all but the unknown member
    for name in FACTS:
        assert lines[name][:-1] == [f"{count(world, f'dwh.{name}'):,}"]
    kpis = world.source(KPIS)
    assert [month for month, *_ in kpis] == ["2026-01", "2026-02"]
    for month, sales, orders, value, lost, days in kpis:
        assert lines[month if month == "2026-01" else f"{month}*"] == [
            f"{sales:,.0f}",
            f"{orders:,}",
            f"{value:,.2f}",
            f"{lost:.1%}",
            *f"{lost * 100 - 5:+.1f} pp".split(),
            *f"{days:.1f} d".split(),
        ]


def test_every_task_leaves_a_row_with_what_it_moved(single: World) -> None:
    runs: list[Any] = single.warehouse(
        "select task, params ->> 'date', params ->> 'table', rows, bytes from etl.task_run "
        "where status = 'done' and error is null and finished >= started"
    )
    assert 40 < len(runs) < 60  # docs/operations.md says how the table grows
    # The date after it could not be scheduled while a service was down.
    assert len(runs) == count(single, f"etl.task_run where params ->> 'date' is distinct from '{LAST + DAY}'")
    assert Counter(task for task, *_ in runs) == {
        "CreateWarehouse": 1,
        "ChooseBound": 1,
        "ExtractTable": len(SOURCE_TABLES),
        "LoadStage": len(SOURCE_TABLES),
        "LoadDimension": len(DIMENSIONS),
        "LoadFact": len(FACTS),
        # Of feeds that bring nothing: on the first day nobody knows that yet.
        **dict.fromkeys(("ClassifyReviews", "LoadReviews", "LoadPartnerOrders"), 1),
        **dict.fromkeys(("ExtractPurchases", "LoadUserBehavior", "LoadMart", "CheckWarehouse", "CheckMart"), 1),
        "DailyWarehouseLoad": 1,
    }
    assert {date for task, date, *_ in runs if task != "CreateWarehouse"} == {str(LAST)}
    moved = {(task, table): (rows, size) for task, _, table, rows, size in runs}
    for table in SOURCE_TABLES:
        found = layout.metadata(single.lake, table, LAST)
        assert found
        assert moved["ExtractTable", table] == moved["LoadStage", table] == (found.rows, found.bytes)
    for name in FACTS:
        assert moved["LoadFact", name] == (count(single, f"dwh.{name}"), None)


def test_a_source_of_somebody_else_is_simulated_only_on_demand_and_then_refused(worlds: Worlds) -> None:
    world = worlds.new()
    shop.open_shop(world)
    world.source("drop schema simulator cascade")
    shop.add_order(world, 1, shop.at(1), 1)
    world.load(shop.date(1))
    assert world.source("select to_regnamespace('simulator') is null, count(*) from ops.orders") == [(True, 1)]
    assert world.warehouse("select order_id from dwh.fact_order") == [(1,)]
    output = world.where(**SIMULATED).load(shop.date(2), expect=TASK_FAILED)
    assert "its schema ops belongs to another shop; set OCEAN_SIMULATE=0" in output


def test_a_simulated_shop_goes_on_only_on_demand(fresh: World) -> None:
    fresh.load(LAST + DAY)
    assert fresh.source("select max(business_date) from simulator.business_day") == [(LAST,)]
