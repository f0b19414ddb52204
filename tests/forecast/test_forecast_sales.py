"""ForecastSales on a real warehouse: when it is due, what it keeps, and that a load does not depend on it."""

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.feeds_world import settings_of
from support.loads import create_warehouse
from support.world import SIMULATED, World, Worlds

from pipeline.forecast import environment, forecast_runs
from pipeline.kernel import config, postgres
from pipeline.kernel.errors import ConfigError, ForecastFailed
from pipeline.kernel.postgres import Cursor
from pipeline.tasks.forecast_sales import ForecastSales

FIRST, LAST = dt.date(2026, 1, 1), dt.date(2026, 3, 31)
SALES = f"""
insert into dwh.dim_order_status overriding system value values (1, 1, 'placed', false), (2, 2, 'lost', true);
insert into mart.order_status values (1, false), (2, true);
insert into etl.stage_batch (table_name, first_batch, last_batch, loaded_to)
values ('orders', 1, 1, '{LAST + dt.timedelta(days=1)} 00:00+00');
insert into mart.agg_order_day
select day, date_trunc('month', day)::date, country, 10, 100, 1
from generate_series('{FIRST}'::date, '{LAST}'::date, '1 day') as day, unnest(array['Chile', 'Peru']) as country;
insert into mart.agg_order_day
select day, date_trunc('month', day)::date, 'Chile', 1, 7, 2
from generate_series('{FIRST}'::date, '{LAST}'::date, '1 day') as day;
insert into mart.agg_order_month select month, country, sum(orders), sum(sales), 0, 0, order_status_key
from mart.agg_order_day group by month, country, order_status_key;
delete from mart.refill;
"""
needs_environment = pytest.mark.skipif(
    not environment.INSTALLED.exists(), reason="needs the environment of `make forecast`, which `make test` builds"
)


@pytest.fixture
def world(world: World, tmp_path: Path) -> Iterator[World]:
    """A warehouse that knows three months of two countries, and an environment that is there."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    found = world.where(OCEAN_FORECAST="month", OCEAN_FORECAST_PYTHON=str(program))
    with settings_of(found):
        create_warehouse(found)
        found.warehouse(SALES)
        yield found


@pytest.fixture
def cursor(world: World) -> Iterator[Cursor]:
    with postgres.session(world.warehouse_url, "warehouse") as found:
        yield found


def is_due(cursor: Cursor, date: dt.date) -> bool:
    return forecast_runs.is_due(cursor, config.settings(), date)


def made(cursor: Cursor, run_day: dt.date) -> None:
    forecast_runs.begin(cursor, run_day)
    cursor.execute("update mart.forecast_run set made_ts = begun_ts where run_day = %s", (run_day,))


def test_the_first_one_is_due_as_soon_as_there_are_56_days(cursor: Cursor) -> None:
    assert [is_due(cursor, FIRST + dt.timedelta(days=days)) for days in (54, 55, 56)] == [False, True, True]


def test_the_next_one_is_due_when_a_month_is_new(cursor: Cursor) -> None:
    made(cursor, dt.date(2026, 2, 27))
    assert not is_due(cursor, dt.date(2026, 2, 27))
    assert is_due(cursor, dt.date(2026, 2, 28))  # it begins on March 1
    made(cursor, dt.date(2026, 2, 28))
    assert not is_due(cursor, dt.date(2026, 2, 28))
    assert not is_due(cursor, dt.date(2026, 3, 30))
    assert is_due(cursor, dt.date(2026, 3, 31))


def test_one_that_was_left_out_or_failed_is_made_up_for(cursor: Cursor) -> None:
    made(cursor, dt.date(2026, 1, 31))
    assert is_due(cursor, dt.date(2026, 3, 10))
    forecast_runs.begin(cursor, dt.date(2026, 3, 10))
    forecast_runs.fail(cursor, dt.date(2026, 3, 10), "it was too late")
    assert is_due(cursor, dt.date(2026, 3, 11))


@pytest.mark.parametrize(("setting", "due"), [("week", [True, False]), ("month", [False, False]), ("off", [False] * 2)])
def test_the_setting_says_when(world: World, cursor: Cursor, setting: str, due: list[bool]) -> None:
    made(cursor, dt.date(2026, 3, 12))  # a Thursday
    with settings_of(world.where(OCEAN_FORECAST=setting)):
        # The week begins on Monday, the 16th.
        assert [is_due(cursor, dt.date(2026, 3, 15)), is_due(cursor, dt.date(2026, 3, 14))] == due


def test_without_the_mart_or_an_environment_none_is_due(
    world: World, cursor: Cursor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with settings_of(world.where(OCEAN_MART="0")):
        assert not is_due(cursor, LAST)
    monkeypatch.setattr(environment, "INSTALLED", tmp_path / "nothing")
    with settings_of(world.where(OCEAN_FORECAST_PYTHON="")):
        assert not is_due(cursor, LAST)
        with pytest.raises(
            ConfigError, match="because statsforecast is not installed; install it with `make forecast`"
        ):
            ForecastSales(LAST).run()


def test_a_python_that_is_named_must_be_there(world: World, cursor: Cursor) -> None:
    with settings_of(world.where(OCEAN_FORECAST_PYTHON="/nowhere/python")), pytest.raises(ConfigError, match="nowhere"):
        is_due(cursor, LAST)


def test_a_date_that_is_not_loaded_is_refused(world: World) -> None:
    with pytest.raises(
        ForecastFailed, match="orders are loaded up to 2026-03-31; run DailyWarehouseLoad --date 2026-04"
    ):
        ForecastSales(LAST + dt.timedelta(days=1)).run()
    assert world.warehouse("select * from mart.forecast_run") == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "its process ended with 3"),
        ("echo first >&2; echo 'ValueError: no such model' >&2; exit 1", "ValueError: no such model"),
        ("kill -9 $$", "its process ended with -9"),
        ("echo sales,Chile", None),
    ],
)
def test_a_failure_is_noted_and_leaves_the_forecast_before_it(world: World, script: str, reason: str | None) -> None:
    program = Path(world.more["OCEAN_FORECAST_PYTHON"])
    program.write_text("#!/bin/sh\ncat >/dev/null\nfor day in 2026-03-01; do echo sales,Chile,$day,5,4,6,3,7; done\n")
    ForecastSales(dt.date(2026, 2, 28)).run()
    program.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n")
    with pytest.raises(Exception) as raised:  # noqa: PT011
        ForecastSales(LAST).run()
    [(state,)] = world.warehouse("select distinct state from mart.forecast_state")
    assert state == "The newest forecast failed. The one before it is shown."
    if reason:
        assert isinstance(raised.value, ForecastFailed)
        assert f"because {reason};" in str(raised.value)
    assert world.warehouse("select country, day from mart.sales_outlook where expected is not null") == [
        ("Chile", dt.date(2026, 3, 1))
    ]


def test_the_script_gets_no_secret(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    program = Path(world.more["OCEAN_FORECAST_PYTHON"])
    program.write_text(f"#!/bin/sh\ncat >/dev/null\nenv >'{tmp_path}/seen'\n")
    ForecastSales(LAST).run()
    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen
    assert "hidden" not in seen
    assert world.warehouse_url not in seen
    assert not any(line.startswith(("OCEAN_", "WAREHOUSE", "OPERATIONAL")) for line in seen.splitlines())


def test_the_state_says_what_there_is(world: World, cursor: Cursor) -> None:
    def state() -> str:
        [(found,)] = world.warehouse("select distinct state from mart.forecast_state")
        return str(found)

    assert state() == "There is no forecast yet."
    forecast_runs.begin(cursor, LAST)
    assert state().startswith("A forecast is being made since 2")
    made(cursor, LAST)
    assert state() == "The forecast knows all days up to 2026-03-31."
    made(cursor, dt.date(2026, 1, 31))  # made up for later
    assert state() == "The forecast knows all days up to 2026-03-31."


def test_the_error_of_a_month_is_that_of_the_newest_forecast_before_it_began(world: World, cursor: Cursor) -> None:
    for run_day, expected in {"2026-01-31": 90, "2026-02-27": 104, "2026-03-01": 100}.items():
        made(cursor, dt.date.fromisoformat(run_day))
        cursor.execute(
            "insert into mart.sales_forecast select %s, measure, country, day, %s, 0, 0, 0, 0 "
            "from generate_series(%s::date + 1, %s::date + 90, '1 day') as day, "
            "unnest(array['sales', 'orders']) as measure, unnest(array['Chile', 'Peru', 'everywhere']) as country",
            (run_day, expected, run_day, run_day),
        )
    found = world.warehouse("select month, country, run_day, sales, expected from mart.forecast_error order by 1, 2")
    assert found == [
        (dt.date(2026, 2, 1), "Chile", dt.date(2026, 1, 31), 2800, 28 * 90),
        (dt.date(2026, 2, 1), "Peru", dt.date(2026, 1, 31), 2800, 28 * 90),
        (dt.date(2026, 3, 1), "Chile", dt.date(2026, 2, 27), 3100, 31 * 104),
        (dt.date(2026, 3, 1), "Peru", dt.date(2026, 2, 27), 3100, 31 * 104),
    ]


@needs_environment
def test_a_real_one_knows_the_days_up_to_its_date_alone(world: World) -> None:
    with settings_of(world.where(OCEAN_FORECAST_PYTHON="")):
        task = ForecastSales(dt.date(2026, 3, 15))
        assert not task.complete()
        world.warehouse("update mart.agg_order_day set sales = 1e6 where day > '2026-03-15'")
        task.run()
        assert task.complete()
        rows = world.warehouse(
            "select measure, country, min(day), max(day), count(*), round(avg(expected)) from mart.sales_forecast "
            "group by measure, country order by measure, country"
        )
        begin, end = dt.date(2026, 3, 16), dt.date(2026, 6, 13)
        assert rows == [
            ("orders", "Chile", begin, end, 90, 11),
            ("orders", "Peru", begin, end, 90, 10),
            ("orders", "everywhere", begin, end, 90, 21),
            ("sales", "Chile", begin, end, 90, 100),
            ("sales", "Peru", begin, end, 90, 100),
            ("sales", "everywhere", begin, end, 90, 200),
        ]
        before = world.warehouse("select ctid, * from mart.sales_forecast")
        task.run()  # of two runs at once the second one finds it made
        assert world.warehouse("select ctid, * from mart.sales_forecast") == before


@needs_environment
def test_a_load_forecasts_when_all_is_done_and_does_not_fail_with_it(worlds: Worlds, tmp_path: Path) -> None:
    opened, date = dt.date(2026, 1, 26), dt.date(2026, 3, 25)
    shop = {**SIMULATED, "OCEAN_SHOP_OPENED_ON": str(opened), "OCEAN_SHOP_SCALE": "0.01", "RISK_API_URL": ""}
    world = worlds.new().where(**shop, OCEAN_FORECAST="week")
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\nexit 1\n")
    failing.chmod(0o755)
    said = world.where(OCEAN_FORECAST_PYTHON=str(failing)).luigi("DailyWarehouseLoad", "--date", str(date))
    assert "Forecasting sales of the next 90 days; all is loaded ..." in said
    assert "cannot forecast sales" in said
    assert world.warehouse("select run_day, made_ts, failure is null from mart.forecast_run") == [(date, None, False)]
    later = date + dt.timedelta(days=1)
    world.luigi("DailyWarehouseLoad", "--date", str(later))
    assert world.warehouse("select run_day from mart.forecast_run where made_ts is not null") == [(later,)]
    # Of the same week none is due.
    world.luigi("DailyWarehouseLoad", "--date", str(later + dt.timedelta(days=1)))
    assert world.warehouse("select count(*) from mart.forecast_run") == [(2,)]


def test_the_loads_import_nothing_of_it() -> None:
    code = "import pipeline, sys; print(sorted({'numpy', 'pandas', 'statsforecast'} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
