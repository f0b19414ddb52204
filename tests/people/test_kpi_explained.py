"""`python -m pipeline explain kpi`: the value by country, what it is made of, what the last load changed."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.shop import add_order, at, date, insert, update
from support.world import World, Worlds

ERROR = 2


@pytest.fixture(scope="module")
def template(worlds: Worlds, shop_template: World) -> World:
    """In the USA an order and a lost one, in Peru an order."""
    shop = worlds.copy_all(shop_template)
    insert(shop, "addresses", at(1), address_id=2, street="1 Quay", city="Callao", country="Peru")
    add_order(shop, 1, at(2), 1)
    add_order(shop, 2, at(2), 1, order_status_id=2)
    add_order(shop, 3, at(2), 1, address_id=2)
    shop.load(date(2))
    return shop


@pytest.fixture
def loaded(copied: Callable[[World], World], template: World) -> World:
    """A copy of that."""
    return copied(template)


def explained(world: World, kpi: str, period: str) -> Any:
    return json.loads(world.command("explain", "kpi", kpi, period, "--json"))


def by_country(found: Any, field: str) -> dict[str, Any]:
    return {each["country"]: each[field] for each in found["figures"]}


def test_a_ratio_has_its_value_its_parts_and_its_limit(loaded: World) -> None:
    found = explained(loaded, "lost_order_rate", "2026-01")
    assert by_country(found, "value") == {"everywhere": pytest.approx(1 / 3), "USA": 0.5, "Peru": 0}
    assert by_country(found, "parts")["USA"] == {"sum(lost_orders)": 1, "sum(orders)": 2}
    assert found["limits"] == ["alert a_country_loses_orders: above 15.0%, complete months, each country"]
    assert [row[:2] for row in loaded.warehouse(found["query"])][1:] == [("Peru", 0), ("USA", 0.5)]
    shown = loaded.command("explain", "kpi", "lost_order_deviation", "2026-01")
    assert "above +0.0 pp is beyond the limit" in shown
    assert "+45.0 pp !" in shown
    assert "(in progress)" in shown


def test_what_the_last_load_changed_is_told_and_a_quiet_load_changed_none(loaded: World) -> None:
    first = explained(loaded, "sales", "2026-01")
    assert by_country(first, "is_new") == {"everywhere": True, "USA": True, "Peru": True}
    assert by_country(first, "before")["USA"] is None
    update(loaded, "order_lines", {"order_id": 3, "line_number": 1}, at(3), quantity=5)
    loaded.load(date(3))
    found = explained(loaded, "sales", "2026-01")
    assert by_country(found, "is_new") == {"everywhere": True, "USA": False, "Peru": True}
    assert by_country(found, "before") == {"everywhere": 40, "USA": None, "Peru": 20}
    assert by_country(found, "changed_by") == {"everywhere": "2026-01-03", "USA": "2026-01-02", "Peru": "2026-01-03"}
    loaded.load(date(4))
    assert "changed none of these 3 values" in loaded.command("explain", "kpi", "sales", "2026-01")


def test_a_kpi_of_quarters_is_explained_for_a_quarter_and_says_that_changes_are_not_kept(loaded: World) -> None:
    found = explained(loaded, "unique_customers", "2026-Q1")
    assert by_country(found, "value") == {"everywhere": 1, "USA": 1, "Peru": 1}
    assert by_country(explained(loaded, "sales", "2026-Q1"), "value")["everywhere"] == 40
    shown = loaded.command("explain", "kpi", "unique_customers", "2026-Q1")
    assert "No changes are known: mart.kpi_run keeps what loads changed of months" in shown


@pytest.mark.parametrize(
    ("kpi", "period", "says"),
    [
        ("profit", "2026-01", "warehouse/kpis.toml has none of that name; take sales, orders"),
        ("sales", "2026-13", "it is no month and no quarter; write 2026-10, or 2026-Q3"),
        ("unique_customers", "2026-01", "ask for a quarter, as 2026-Q3"),
        ("sales_growth", "2026-01", "see the dashboards"),
        ("sales", "2025-01", "has no order of that month; take one from 2026-01 to 2026-01"),
    ],
)
def test_what_cannot_be_explained_says_what_to_do(shop: World, kpi: str, period: str, says: str) -> None:
    if says.startswith("has no order"):
        add_order(shop, 1, at(2), 1)
        shop.load(date(2))
    assert says in shop.command("explain", "kpi", kpi, period, expect=ERROR)


def test_a_warehouse_without_orders_says_to_load_a_date(shop: World) -> None:
    assert "load a date with orders first" in shop.command("explain", "kpi", "sales", "2026-01", expect=ERROR)
