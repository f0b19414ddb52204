"""What moves in dwh and the mart when a column of the source changes is in the column's lineage."""

import os

import pytest
from support.world import Worlds

from lineage.source_world import COLUMNS_OF_FEEDS, SourceWorld, moved
from pipeline.catalog import SOURCE_TABLES, USER_PURCHASE
from pipeline.lineage.graph import Column
from pipeline.lineage.warehouse import of_warehouse, relations

EVERY = int(os.environ.get("OCEAN_TEST_KILLS", "10")) >= 100
# What the pipeline notes of its own work, which moves with each load, and the views on that.
NOTES = ("mart.data_version", "mart.orders_loaded", "mart.refill")
OPERATIONS = "warehouse/ddl/43_operations.sql"

# By column a column of the mart that its change has to move.
SAMPLE = {
    "ops.orders.customer_id": "mart.kpi_monthly.unique_customers",
    "ops.orders.order_status_id": "mart.kpi_monthly.sales",
    "ops.order_lines.product_id": "mart.sales_by_product.orders",
    "ops.order_statuses.is_lost": "mart.kpi_quarterly.lost_order_rate",
    "ops.addresses.country": "mart.sales_by_country.sales",
    "retail.user_purchase.customer_id": "mart.customer_behavior.amount_spent",
    "feed.movie_review.review_str": "mart.review_volume.positive_reviews",
}
# A key tells rows apart: with another value a row is another row.
CHANGEABLE = [
    *(Column(table.name, name) for table in SOURCE_TABLES.values() for name in table.columns if name not in table.key),
    *(Column(USER_PURCHASE.name, name) for name in USER_PURCHASE.columns),
    *(
        Column(f"feed.{feed}", name)
        for feed, names in COLUMNS_OF_FEEDS.items()
        for name in names
        if (feed, name) not in {("movie_review", "review_id"), ("movie_review", "review_date")}
    ),
]


@pytest.fixture(scope="module")
def world(worlds: Worlds) -> SourceWorld:
    found = SourceWorld(worlds.new().where(RISK_API_URL=""))
    found.open()
    return found


def _identities() -> dict[str, list[str]]:
    """The relations of dwh and the mart that are looked at, with what tells their rows apart."""
    lineage = of_warehouse()
    operations = {edge.target.relation for edge in lineage.edges if edge.where == OPERATIONS}
    return {
        name: sorted(relation.identity)
        for name, relation in relations().items()
        if name.startswith(("dwh.", "mart.")) and name not in NOTES and name not in operations
    }


@pytest.mark.parametrize("column", [each for each in CHANGEABLE if EVERY or str(each) in SAMPLE], ids=str)
def test_what_a_column_moves_is_in_its_lineage(world: SourceWorld, column: Column) -> None:
    identities = _identities()
    before = world.snapshot(identities)
    world.change(column)
    found = moved(before, world.snapshot(identities), identities)
    if str(column) in SAMPLE:
        assert SAMPLE[str(column)] in {str(each) for each in found}

    assert sorted(map(str, found - of_warehouse().downstream(column).keys())) == []
