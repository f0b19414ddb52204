"""mart.kpi_run: each load adds the values of KPIs that it changed, once, and no others."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.databases import database_of, login
from support.loads import keep_mart, load_day, locks_waited_for
from support.shop import add_order, at, date, insert, update
from support.world import World

from pipeline.kernel import postgres
from pipeline.kernel.errors import DatabaseError
from pipeline.operations import kpi_runs, summary
from pipeline.tasks.daily import DailyWarehouseLoad

ROWS = "select month::text, country, kpi, value::float, is_newest from mart.kpi_run order by written_ts, 1, 2, 3"
FEBRUARY = 33  # the day of the shop that is 2026-02-02
# Sales, orders, average order value, share of lost orders and its deviation; nothing was delivered.
OF_A_CELL = 5


@pytest.fixture
def loaded(shop: World) -> World:
    """An order in January and one in February, and their values."""
    add_order(shop, 1, at(2), 1)
    add_order(shop, 2, at(FEBRUARY), 1)
    load_day(shop, date(FEBRUARY))
    assert note(shop, FEBRUARY) == 2 * 2 * OF_A_CELL  # of the country, and of everywhere
    return shop


def note(world: World, day: int) -> int:
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        return kpi_runs.note(cursor, date(day))


def newest(world: World) -> dict[tuple[str, str, str], Any]:
    return {(month, where, kpi): value for month, where, kpi, value, is_newest in world.warehouse(ROWS) if is_newest}


def test_a_first_load_writes_every_value_and_a_quiet_one_none(loaded: World) -> None:
    first = newest(loaded)
    assert first["2026-01-01", "USA", "sales"] == first["2026-01-01", "everywhere", "sales"] == 20
    assert first["2026-02-01", "USA", "lost_order_deviation"] == -0.05
    load_day(loaded, date(FEBRUARY + 1))
    assert note(loaded, FEBRUARY + 1) == 0
    assert newest(loaded) == first


def test_a_changed_order_of_an_old_month_writes_that_month_alone_and_keeps_what_was(loaded: World) -> None:
    update(loaded, "order_lines", {"order_id": 1, "line_number": 1}, at(FEBRUARY + 1), quantity=3)
    load_day(loaded, date(FEBRUARY + 1))
    assert note(loaded, FEBRUARY + 1) == 4
    dated = "select month::text, kpi, value::float from mart.kpi_run where load_date = %s"
    changed = {("2026-01-01", "sales", 30.0), ("2026-01-01", "average_order_value", 30.0)}
    assert set(loaded.warehouse(dated, (date(FEBRUARY + 1),))) == changed
    was = "select value::float from mart.kpi_run where not is_newest and kpi = 'sales' and country = 'USA'"
    assert loaded.warehouse(was) == [(20.0,)]


def test_a_month_that_a_country_has_no_order_of_any_more_has_no_values(loaded: World) -> None:
    insert(loaded, "addresses", at(FEBRUARY + 1), address_id=2, street="1 Quay", city="Callao", country="Peru")
    update(loaded, "orders", {"order_id": 1}, at(FEBRUARY + 1), address_id=2)
    load_day(loaded, date(FEBRUARY + 1))
    assert note(loaded, FEBRUARY + 1) == 2 * OF_A_CELL
    found = newest(loaded)
    assert found["2026-01-01", "USA", "sales"] is None
    assert found["2026-01-01", "Peru", "sales"] == 20
    assert note(loaded, FEBRUARY + 1) == 0


def test_aggregates_that_are_counted_again_change_no_value(loaded: World) -> None:
    loaded.warehouse("insert into mart.refill (reason) values ('a test')")
    keep_mart(loaded)
    assert note(loaded, FEBRUARY) == 0


def test_the_main_job_writes_the_values_and_a_rerun_of_its_date_none(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    shop.load(date(2))
    assert len(shop.warehouse(ROWS)) == 2 * OF_A_CELL
    shop.luigi("ClearDate", "--date", str(date(2)))
    shop.load(date(2))
    assert len(shop.warehouse(ROWS)) == 2 * OF_A_CELL


def test_the_main_job_writes_a_first_set_where_there_is_none_unless_the_mart_is_switched_off(loaded: World) -> None:
    loaded.warehouse("delete from mart.kpi_run")
    loaded.where(OCEAN_MART="0").load(date(FEBRUARY + 1))
    assert loaded.warehouse(ROWS) == []
    loaded.load(date(FEBRUARY + 2))
    assert len(loaded.warehouse(ROWS)) == 2 * 2 * OF_A_CELL


def test_a_load_that_is_ended_before_its_marker_counts_has_written_no_value(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_order(shop, 1, at(2), 1)
    load_day(shop, date(2))

    def ended(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(summary, "of_date", ended)
    task = DailyWarehouseLoad(date(2))
    monkeypatch.setattr(task, "_dimensions", list)
    monkeypatch.setattr(task, "_others", list)
    with pytest.raises(KeyboardInterrupt):
        task.run()
    assert shop.warehouse(ROWS) == []
    assert not task.marker.exists()
    monkeypatch.setattr(summary, "of_date", lambda *_: "")
    task.run()
    assert len(shop.warehouse(ROWS)) == 2 * OF_A_CELL


def test_of_two_loads_at_once_one_writes_the_values(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    load_day(shop, date(2))
    with ThreadPoolExecutor(1) as beside:
        with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
            assert kpi_runs.note(cursor, date(2)) == 2 * OF_A_CELL
            other = beside.submit(note, shop, 3)
            assert locks_waited_for(shop, other) == [("advisory", "ExclusiveLock")]
        assert other.result() == 0


def test_a_reader_of_one_country_may_not_read_them(loaded: World) -> None:
    url = login(loaded.home, "bi_reader_germany_url", database_of(loaded.warehouse_url))
    with pytest.raises(DatabaseError, match="kpi_run"), postgres.session(url, "tests") as cursor:
        cursor.execute("select from mart.kpi_run")
