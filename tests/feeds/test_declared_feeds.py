"""The declaration of a feed: what is refused, and the stage table that is made from it."""

from dataclasses import replace

import pytest
from support.feeds_world import settings_of
from support.loads import create_warehouse
from support.world import World

from pipeline import catalog
from pipeline.kernel import writes
from pipeline.kernel.errors import BadContract
from pipeline.kernel.rejected import Unfit
from pipeline.vendors import declared_feeds
from pipeline.vendors.declared_feeds import PARTNER_ORDERS
from pipeline.vendors.vendor_fields import Feed, Field

KEY = Field("id", "integer", is_key=True)
FEED = Feed("parcels", (KEY, Field("sent_on", "timestamp", required=False)), instants=("sent_on",))
TEXTS = tuple(Field(name, "text", is_key=True) for name in "abc")


def test_the_feeds_are_the_folders_in_the_order_of_their_names() -> None:
    found = declared_feeds.contracts()
    assert list(found) == sorted(found) == ["movie_review", "partner_orders", "risk_score"]
    assert declared_feeds.checked("parcels", FEED) is FEED


@pytest.mark.parametrize(
    ("feed", "do"),
    [
        (replace(FEED, name="other"), "name it 'parcels', as its folder"),
        (
            replace(FEED, fields=(KEY, Field('"; drop table x; --', "text"))),
            "give it and its fields names of small letters, digits and _",
        ),
        (replace(FEED, fields=(KEY, KEY)), "give each field another name"),
        (replace(FEED, fields=(KEY, Field("etl_batch", "integer"))), "rename its field etl_batch"),
        (replace(FEED, fields=FEED.fields[1:]), "mark the fields of its key with primaryKey: true"),
        (replace(FEED, fields=(replace(KEY, required=False),)), "make the fields of its key required"),
        (replace(FEED, fields=TEXTS), "take at most 2 texts for its key"),
        (replace(FEED, instants=("id",)), "take its instants from its fields of kind timestamp"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_declaration_of_which_no_stage_table_can_be_made_is_refused(feed: Feed, do: str) -> None:
    with pytest.raises(BadContract, match=r"cannot use the feed of pipeline/vendors/parcels, because .*; ") as refused:
        declared_feeds.checked("parcels", feed)
    assert str(refused.value).endswith(do)


def test_a_field_that_is_new_to_a_feed_is_added_to_its_stage_table(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with settings_of(world):
        create_warehouse(world)
    before = [name for (name,) in world.warehouse(writes.COLUMNS, ("stage.partner_orders",))]
    world.warehouse("insert into stage.partner_orders (order_id, item_id, etl_batch) values ('A', '1', 1)")
    wider = replace(PARTNER_ORDERS, fields=(*PARTNER_ORDERS.fields, Field("price", "integer")))
    monkeypatch.setitem(catalog.VENDOR_FEEDS, "partner_orders", wider)
    with settings_of(world):
        create_warehouse(world)
        create_warehouse(world)
    assert [name for (name,) in world.warehouse(writes.COLUMNS, ("stage.partner_orders",))] == [*before, "price"]
    assert world.rows("select order_id, price from stage.partner_orders") == {("A", None)}


def test_of_a_bad_value_no_more_is_told_than_helps() -> None:
    score = Field("risk_score", "integer", lowest=1, highest=100)
    for value in ("101", "0"):
        with pytest.raises(Unfit, match="risk_score is not between 1 and 100"):
            score.canonical(value)
    assert score.not_whole("x" * 101).value == "x" * 100
