"""`python -m pipeline show order` where changes come from the source's log."""

import json

from support.shop import add_order, at, date, update
from support.world import World


def test_the_window_and_the_change_that_a_row_came_from_are_named(log_shop: World) -> None:
    add_order(log_shop, 1, at(2), 1)
    log_shop.load(date(2))
    add_order(log_shop, 2, at(3), 1)
    add_order(log_shop, 3, at(3), 1)
    update(log_shop, "orders", {"order_id": 2}, at(3, 13), order_status_id=2)
    log_shop.load(date(3))
    orders, lines = json.loads(log_shop.command("show", "order", "2", "--json"))["extracts"]
    [(window,)] = log_shop.warehouse(
        "select folder from etl.stage_load where table_name = 'orders' and batch = %s", (orders["batch"],)
    )
    assert orders["folder"] == lines["folder"] == window
    assert window.startswith("log/window=")
    assert [place["change"] for place in orders["places"]] == ["I", "U"]
    assert [(place["key"], place["change"]) for place in lines["places"]] == [([2, 1], "I")]
    assert f"{window}  (batch {orders['batch']}" in log_shop.command("show", "order", "2")
    log_shop.source("delete from ops.order_lines where order_id = 2")
    log_shop.load(date(4))
    _, lines = json.loads(log_shop.command("show", "order", "2", "--json"))["extracts"]
    assert [(place["key"], place["change"]) for place in lines["places"]] == [([2, 1], "D")]
