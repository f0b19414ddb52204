"""Facts about the whole graph: what must bear on what, and that nothing is left out or made up."""

import time

import pytest

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import sql_files
from pipeline.kernel.reference import CHECKOUT
from pipeline.lineage import charts, select_files, warehouse
from pipeline.lineage.draft import Draft
from pipeline.lineage.graph import Column, Edge, Kind, Lineage
from pipeline.lineage.relations import table
from pipeline.lineage.select_files import LineageUnknown
from pipeline.lineage.warehouse import of_warehouse, relations

VALUE, CONDITION = Kind.VALUE, Kind.CONDITION
# The selects that say when rows are read, and no more of what is in them than those that are followed:
NOT_FOLLOWED = {
    # rows that a daily load of a fact looks at, which a first load has anyway,
    *("work/fact/changed_order", "work/fact/changed_partner_order", "work/fact/changed_review"),
    "work/fact/deleted_review",
    # what the aggregates take off and add again, as a fill would count it,
    *(f"work/aggregate/{name}" for name in ("written_customer", "written_line", "written_order", "written_score")),
    "work/aggregate/moved_score",
    # the newest row of each key, for any table of the source: the catalogue has its columns,
    *(f"work/stage/{name}" for name in ("last_change", "logged_values", "newest", "repaired_values", "seen_values")),
}
QUEUE = "work/queue/"  # rows that wait for a member


def column(name: str) -> Column:
    return Column(*name.rsplit(".", 1))


def kind(source: str, target: str) -> Kind | None:
    """How a column bears on another one, both ways."""
    down, up = of_warehouse().downstream(column(source)), of_warehouse().upstream(column(target))
    assert down.get(column(target)) == up.get(column(source))
    return down.get(column(target))


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("ops.orders.status", "stage.orders.status", None),
        ("ops.orders.customer_id", "stage.orders.customer_id", VALUE),
        ("ops.orders.customer_id", "dwh.fact_order.customer_key", CONDITION),
        ("ops.orders.customer_id", "mart.kpi_monthly.unique_customers", CONDITION),
        ("ops.orders.customer_id", "mart.kpi_quarterly_country.unique_customers_everywhere", CONDITION),
        ("ops.orders.customer_id", "chart.quarterly_customers.unique_customers", CONDITION),
        ("ops.orders.customer_id", "mart.kpi_monthly.sales", None),
        ("ops.orders.payment_method_id", "dwh.fact_order.payment_method_key", CONDITION),
        ("ops.orders.payment_method_id", "dwh.fact_order.order_amount", None),
        ("ops.orders.updated_ts", "mart.kpi_monthly.sales", CONDITION),
        ("ops.order_lines.quantity", "mart.kpi_monthly.sales", VALUE),
        ("ops.order_lines.quantity", "chart.top_products.sales", VALUE),
        ("ops.order_lines.product_id", "chart.top_products.sales", CONDITION),
        ("ops.order_lines.product_id", "mart.kpi_monthly.sales", None),
        ("ops.products.name", "chart.top_products.label", VALUE),
        ("ops.products.unit_price", "dwh.dim_product.valid_from", CONDITION),
        ("ops.products.unit_price", "dwh.dim_product.product_key", CONDITION),
        ("ops.products.unit_price", "dwh.fact_order_line.product_key", CONDITION),
        ("ops.products.updated_ts", "dwh.dim_product.valid_to", VALUE),
        ("ops.product_subtypes.name", "chart.top_subtypes.label", VALUE),
        ("ops.order_statuses.is_lost", "mart.kpi_monthly.sales", CONDITION),
        ("ops.order_statuses.name", "mart.kpi_monthly.sales", None),
        ("ops.addresses.country", "chart.top_countries.label", VALUE),
        ("ops.customers.email", "analyst.dim_customer.email", CONDITION),
        ("ops.customers.customer_id", "dwh.dim_customer.customer_key", CONDITION),
        ("dwh.dim_customer.customer_id", "dwh.dim_customer.customer_key", CONDITION),
        ("dwh.dim_customer.customer_key", "dwh.fact_review.customer_key", VALUE),
        ("retail.user_purchase.unit_price", "chart.spent_by_score.average_spent", VALUE),
        ("retail.user_purchase.quantity", "stage.user_purchase.country", CONDITION),
        ("feed.movie_review.review_str", "chart.review_share.positive_share", CONDITION),
        ("feed.risk_score.risk_score", "chart.customers_by_risk.risk_band", CONDITION),
        ("feed.partner_orders.item_name", "dwh.fact_partner_order.item_name", VALUE),
        ("feed.partner_orders.delivered_on", "dwh.dim_date.year", VALUE),
        ("etl.stage_batch.loaded_to", "chart.sales_growth.sales_growth", CONDITION),
        ("mart.kpi_monthly_country.month", "dataset.sales_growth.month", VALUE),
        ("mart.risk_band.sales", "chart.risk_table.orders", CONDITION),  # it is sorted by it
    ],
)
def test_a_column_bears_on_another_one(source: str, target: str, expected: Kind | None) -> None:
    assert kind(source, target) == expected


def test_every_end_of_an_edge_is_a_column_that_there_is() -> None:
    known = {Column(name, each) for name, relation in relations().items() for each in relation.columns}
    assert {end for edge in of_warehouse().edges for end in (edge.source, edge.target)} <= known


def test_every_edge_names_a_file_of_the_project() -> None:
    assert all((CHECKOUT / where).is_file() for where in {edge.where for edge in of_warehouse().edges})


def test_every_column_of_the_mart_and_of_charts_comes_from_the_source_or_from_what_the_pipeline_notes() -> None:
    origins = ("ops", "retail", "feed", "etl")
    for name, relation in relations().items():
        if name.startswith(("dwh.", "mart.", "dataset.", "chart.")) and name not in (
            "mart.data_version",
            "mart.kpi_run",
            "mart.refill",
        ):
            for each in relation.columns:
                found = of_warehouse().upstream(Column(name, each))
                assert any(source.relation.startswith(origins) for source in found), f"{name}.{each}"


def test_every_column_of_the_source_is_in_stage() -> None:
    for name, source in SOURCE_TABLES.items():
        for each in source.columns:
            assert Edge(
                Column(name, each), Column(f"stage.{source.short}", each), VALUE, "pipeline/catalog.py"
            ) in of_warehouse().targets(Column(name, each))


def test_every_select_of_a_load_is_followed_or_says_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    followed, of_file = set(), select_files.of_file

    def noted(path: str, *rest: object) -> object:
        followed.add(path)
        return of_file(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(select_files, "of_file", noted)
    warehouse._draft.__wrapped__()
    files = {path for path in sql_files.files("work") if not path.startswith(QUEUE)}
    assert files - followed == NOT_FOLLOWED


def test_it_is_the_same_each_time_and_quick() -> None:
    begun = time.process_time()
    again = Lineage(frozenset(warehouse._draft.__wrapped__().edges))
    assert time.process_time() - begun < 3
    assert again == of_warehouse()


def test_a_select_that_lacks_a_column_of_its_table_is_an_error() -> None:
    with pytest.raises(LineageUnknown, match=r"columns of warehouse/work/dimension/dim_supplier.sql, because .* not"):
        Draft().fill("dwh.dim_order_status", "work/dimension/dim_supplier")


@pytest.mark.parametrize(
    ("params", "because"),
    [
        ({"metric": "nothing"}, "dataset.d has no nothing"),
        ({"metric": "m", "adhoc_filters": [{"expressionType": "SIMPLE", "subject": "gone"}]}, "has no gone"),
        ({"metrics": [{"label": "own"}]}, "its metrics is a definition of its own"),
        ({"metric": "m", "adhoc_filters": [{"expressionType": "SQL"}]}, "a filter of it is SQL"),
    ],
)
def test_a_chart_that_names_what_its_dataset_lacks_is_an_error(params: charts.Config, because: str) -> None:
    dataset = table("dataset.d", ("m",))
    with pytest.raises(LineageUnknown, match=r"columns of superset/assets/charts/c\.yaml") as error:
        charts.what_is_shown(params, dataset, "superset/assets/charts/c.yaml")
    assert because in str(error.value)


def test_dashboards_show_charts_that_there_are() -> None:
    found = charts.dashboards()
    assert found["ocean-records"][:2] == ["key_figures", "lost_orders"]
    assert {f"chart.{name}" for names in found.values() for name in names} == {
        name for name in relations() if name.startswith("chart.")
    }
