"""The KPIs of warehouse/kpis.toml: a wrong definition is named, and a changed one changes all that shows it."""

from typing import Any

import pytest
from support.loads import create_warehouse, load_day
from support.shop import add_order, at, date
from support.world import ROOT, World

from pipeline import kpis
from pipeline.kernel import postgres
from pipeline.operations import kpi_limits, summary
from pipeline.star import schema

RATE = """
[rate]
label = "Rate"
short = "rate"
text = "Lost per order."
unit = "share"
digits = 1
over = ["mart.kpi_monthly_country"]
expression = "sum(lost_orders) / sum(orders)"
dimensions = ["month"]
good = "less"
"""
COLUMNS = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0"


@pytest.fixture
def kpi_file(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces the definitions by those of a text."""

    def use(text: str) -> None:
        found = kpis.parsed(text)
        monkeypatch.setattr(kpis, "kpis", lambda: found)

    return use


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"share"', '"percent"', "take its unit from currency, orders"),
        ('"less"', '"up"', "take good from more, less"),
        ('short = "rate"\n', "", "give it the fields"),
        ("digits = 1", 'digits = "1"', "a whole number of digits"),
        ("digits = 1", "digits = 1\nlimit = '5 %'", "a number as limit"),
        ("[rate]", '["Rate!"]', "name it in small letters"),
    ],
)
def test_a_wrong_definition_is_named(old: str, new: str, says: str) -> None:
    assert kpis.parsed(RATE)["rate"].text == "Lost per order."
    with pytest.raises(ValueError, match=says):
        kpis.parsed(RATE.replace(old, new))


def test_every_kpi_has_what_it_is_made_of(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    load_day(shop, date(2))
    for kpi in kpis.kpis().values():
        views = [name for name in kpi.over if name.startswith("mart.")]
        for view in views:
            assert len(shop.warehouse(f"select {kpi.expression} from {view}")) == 1
        columns = {name for view in views for (name,) in shop.warehouse(COLUMNS, (view,))}
        assert not views or set(kpi.dimensions) <= columns, kpi.name


def test_a_changed_definition_changes_the_mart_the_limits_and_the_table_on_the_terminal(
    shop: World, kpi_file: Any
) -> None:
    add_order(shop, 1, at(2), 1)
    add_order(shop, 2, at(2), 1, order_status_id=2)
    load_day(shop, date(2))
    read = "select average_order_value::float from mart.kpi_monthly"
    assert shop.warehouse(read) == [(20.0,)]
    before = schema.version(lost_order_limit=0.05)
    as_defined = (ROOT / "warehouse/kpis.toml").read_text()
    changed = as_defined.replace("sum(sales) / nullif(sum(orders_not_lost), 0)", "sum(sales) / sum(orders)")
    kpi_file(
        changed.replace('short = "average order"', 'short = "per order"').replace("Sales per order that", "Sales of")
    )
    assert schema.version(lost_order_limit=0.05) != before, "the next load does not make the views again"
    create_warehouse(shop)
    assert shop.warehouse(read) == [(10.0,)]
    assert shop.warehouse(read.replace("monthly", "quarterly")) == [(10.0,)]
    said = "select col_description('mart.kpi_monthly'::regclass, 4)"
    assert shop.warehouse(said) == [("Sales of is not lost.",)]
    rule = 'kpi = "average_order_value"\nlimit = 15\nwhen = "under way"\nwho = ["ann"]\nchannel = "post"'
    with postgres.session(shop.warehouse_url, "warehouse") as cursor:
        [passed] = kpi_limits.untold(cursor, kpi_limits.parsed(f"[small]\n{rule}"))
        assert passed.value == 10
        shown = summary.kpi_table(cursor, date(2), 1).splitlines()
    assert "  per order  " in shown[0]
    assert "  10.00  " in shown[-1]
