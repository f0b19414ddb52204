"""What dashboards read: KPIs, sales, operations and customers, against the facts and the bookkeeping themselves."""

from dataclasses import replace

import pytest
from support.comments import comments
from support.databases import database_of, login
from support.loads import load_day
from support.shop import add_order, add_product, at, date, insert, update
from support.world import World

from pipeline import kpis
from pipeline.catalog import FEEDS, SOURCE_TABLES
from pipeline.kernel.errors import DatabaseError
from pipeline.source.columns import BATCH, DELETED


@pytest.fixture
def shop(shop: World) -> World:
    insert(shop, "addresses", at(1), address_id=2, street="2 Quay", city="Callao", country="Peru")
    insert(shop, "customers", at(1), customer_id=2, first_name="Li", last_name="Po", registered_on=date(1))
    add_product(shop, 2, 5)
    return shop


def load(world: World, *days: int) -> None:
    for day in days:
        load_day(world, date(day))


@pytest.mark.parametrize(
    ("schema", "columns"), [("mart", 100), ("stage", 20), ("dwh", 90), ("etl", 130), ("analyst", 25)]
)
def test_every_table_view_and_column_says_what_it_is(shop: World, schema: str, columns: int) -> None:
    found = comments(shop.warehouse, schema)
    assert [each for each, said in found.items() if not said] == []
    assert len(found) > columns


def test_every_stage_table_says_what_its_own_columns_are(shop: World) -> None:
    load(shop, 1)
    found = comments(shop.warehouse, "stage")
    own = {each for each in found if each[1] in (BATCH, DELETED)}
    assert [each for each in own if not found[each]] == []
    sources = {table.short for table in SOURCE_TABLES.values()}
    assert {table for table, column in own if column == DELETED} == sources
    assert {table for table, column in own if column == BATCH} == sources | {*FEEDS, "products_version"}


def test_a_month_is_complete_once_all_of_it_is_loaded(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    load(shop, 2, 30)
    complete = "select month::text, is_complete from mart.kpi_monthly order by 1"
    assert shop.warehouse(complete) == [("2026-01-01", False)]
    add_order(shop, 2, at(32), 1)
    load(shop, 31)
    assert shop.warehouse(complete) == [("2026-01-01", True)]
    load(shop, 32)
    assert shop.warehouse(complete) == [("2026-01-01", True), ("2026-02-01", False)]
    assert shop.rows("select quarter_label, is_complete from mart.kpi_quarterly_country") == {("2026-Q1*", False)}


def test_customers_of_two_countries_count_once_everywhere(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    add_order(shop, 2, at(2), 1, address_id=2)
    add_order(shop, 3, at(2), 1, address_id=2, customer_id=2)
    load(shop, 2)
    assert shop.rows(
        "select country, unique_customers, unique_customers_everywhere, countries_everywhere "
        "from mart.kpi_quarterly_country"
    ) == {("USA", 1, 2, 2), ("Peru", 2, 2, 2)}
    assert shop.rows("select unique_customers from mart.kpi_quarterly") == {(2,)}
    assert shop.rows("select unique_customers from mart.kpi_monthly") == {(2,)}


def test_the_kpis_of_a_quarter_follow_their_definitions(shop: World) -> None:
    add_order(shop, 1, at(2), 1, 1, delivered_ts=at(4))
    add_order(shop, 2, at(33), 1, delivered_ts=at(34))
    add_order(shop, 3, at(33), 1, order_status_id=2)
    load(shop, 33)
    assert shop.warehouse(
        "select sales::float, orders, average_order_value::float, round(lost_order_rate, 6)::float, "
        "round(lost_order_deviation, 6)::float, average_fulfilment_days::float from mart.kpi_quarterly"
    ) == [(60, 3, 30, 0.333333, 0.283333, 1.5)]


def test_sales_follow_a_product_that_is_renamed_and_a_subtype_that_it_moves_to(shop: World) -> None:
    add_order(shop, 1, at(2), 1, 1, 2)
    load(shop, 2)
    by_label = "select label, sales::float, orders from mart.sales_by_{}"
    assert shop.rows(by_label.format("product")) == {("Record 1", 40, 1), ("Record 2", 20, 1)}
    assert shop.rows(by_label.format("subtype")) == {("Vinyl", 60, 1)}
    insert(shop, "product_subtypes", at(3), product_subtype_id=2, product_type_id=1, name="Tape")
    update(shop, "products", {"product_id": 2}, at(3), name="Cassette", product_subtype_id=2)
    load(shop, 3)
    assert shop.rows(by_label.format("product")) == {("Record 1", 40, 1), ("Cassette", 20, 1)}
    assert shop.rows(by_label.format("subtype")) == {("Vinyl", 40, 1), ("Tape", 20, 1)}
    assert shop.rows(by_label.format("country")) == {("USA", 60, 1)}


def test_an_address_that_is_corrected_to_another_country_takes_its_orders_along(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    load(shop, 2)
    update(shop, "addresses", {"address_id": 1}, at(3), country="Canada")
    load(shop, 3)
    assert shop.rows("select country, orders from mart.kpi_monthly_country") == {("Canada", 1)}


def test_a_status_that_becomes_lost_takes_its_orders_out_of_the_sales(shop: World) -> None:
    add_order(shop, 1, at(2), 1, delivered_ts=at(4))
    add_order(shop, 2, at(2), 2, order_status_id=2)
    load(shop, 2)
    kpis = (
        "select orders, lost_orders, orders_not_lost, sales::float, fulfilment_days::float "
        "from mart.kpi_monthly_country"
    )
    assert shop.rows(kpis) == {(2, 1, 1, 20, 2)}
    shown = {f"select label, sales::float, orders from mart.sales_by_{what}" for what in ("product", "subtype")}
    assert {row for query in shown for row in shop.rows(query)} == {("Record 1", 20, 1), ("Vinyl", 20, 1)}
    update(shop, "order_statuses", {"order_status_id": 1}, at(3), is_lost=True)
    update(shop, "order_statuses", {"order_status_id": 2}, at(3), is_lost=False)
    load(shop, 3)
    assert shop.rows(kpis) == {(2, 1, 1, 20, 0)}
    assert {row for query in shown for row in shop.rows(query)} == {("Record 2", 20, 1), ("Vinyl", 20, 1)}


def test_operations_show_a_row_also_where_nothing_happened(shop: World) -> None:
    shop.warehouse(
        "insert into etl.task_run (task, params, started, finished, status, rows) values "
        """('ExtractTable', '{"table": "ops.orders", "date": "2026-01-02"}', now(), now() + '2 s', 'done', 5), """
        """('LoadStage', '{"table": "ops.orders", "date": "2026-01-02"}', now(), now() + '1 s', 'failed', null), """
        """('LoadStage', '{"table": "ops.orders", "date": "2026-01-02"}', now(), now() + '1 s', 'done', 4)"""
    )
    assert shop.rows(
        "select load_date::text, task_runs, seconds::float, failed_tasks, rows_extracted, rows_stage, rows_dwh, "
        "rejected_rows from mart.load_day"
    ) == {("2026-01-02", 3, 4, 1, 5, 4, 0, 0)}
    assert shop.rows("select fact_table, waiting_rows, age_hours::float from mart.queue_depth") == {
        (fact, 0, 0) for fact in ("fact_order", "fact_order_line", "fact_review", "fact_partner_order")
    }


def test_rows_that_moved_are_added_up_by_the_layer_that_received_them(shop: World) -> None:
    layers = {
        "1 extract": ("ExtractTable", "ExtractPurchases", "ExtractRiskScores", "ClassifyReviews"),
        "2 stage": ("LoadStage", "LoadFeed", "LoadReviews", "LoadPartnerOrders", "LoadRiskScores"),
        "3 dwh": ("LoadDimension", "LoadFact", "LoadUserBehavior"),
        "": ("LoadMart", "CheckWarehouse", "CheckMart", "DailyWarehouseLoad"),
    }
    tasks = [(task, 2**number) for number, task in enumerate(task for found in layers.values() for task in found)]
    for task, rows in tasks:
        for day, times in ((2, 1), (3, 5)):
            shop.warehouse(
                "insert into etl.task_run (task, params, started, finished, status, rows) "
                "values (%s, jsonb_build_object('date', %s::date), now(), now() + '1 min', 'done', %s)",
                (task, date(day), rows * times),
            )
    sums = {layer: sum(rows for task, rows in tasks if task in found) for layer, found in layers.items() if layer}
    assert shop.rows("select load_date, layer, rows from mart.layer_rows") == {
        (date(day), layer, rows * times) for layer, rows in sums.items() for day, times in ((2, 1), (3, 5))
    }
    assert shop.rows("select load_date, seconds::float, rows_extracted, rows_stage, rows_dwh from mart.load_day") == {
        (date(day), 60 * len(tasks), *(rows * times for rows in sums.values())) for day, times in ((2, 1), (3, 5))
    }


def test_only_open_rows_of_the_queue_wait_and_their_age_is_in_hours(shop: World) -> None:
    # One transaction, in which now() stands still.
    found = shop.warehouse(
        "insert into etl.reprocessing_queue (fact_table, business_key, dimension, queued_ts, resolved_ts) values "
        "('fact_order', '1', 'dim_customer', now() - interval '9 h', now()), "
        "('fact_order', '1', 'dim_customer', now() - interval '3 h', null), "
        "('fact_order', '1', 'dim_address', now() - interval '2 h', null), "
        "('fact_order_line', '1/1', 'dim_product', now() - interval '5 h', now()), "
        "('fact_review', 'R1', 'dim_customer', now() - interval '30 min', null); "
        "select fact_table, waiting_rows, extract(epoch from now() - oldest_ts)::float, age_hours::float "
        "from mart.queue_depth order by fact_table"
    )
    assert found == [
        ("fact_order", 2, 10800, 3),
        ("fact_order_line", 0, None, 0),
        ("fact_partner_order", 0, None, 0),
        ("fact_review", 1, 1800, 0.5),
    ]


def test_how_far_stage_is_behind_is_in_hours(shop: World) -> None:
    found = shop.warehouse(
        "insert into etl.stage_batch values ('orders', 1, 1, now() - interval '2 days'), "
        "('products', 2, 3, now() - interval '90 min'); "
        "select table_name, lag_hours::float from mart.watermark_lag order by table_name"
    )
    assert found == [("orders", 48), ("products", 1.5)]


def test_a_third_of_the_scores_is_a_band_of_risk(shop: World) -> None:
    scores = {
        "1 low (1-33)": (1, 33),
        "2 medium (34-66)": (34, 50, 66),
        "3 high (67-100)": (67, 100),
        "4 unknown": (None,),
    }
    expected = set()
    customer = order = 10
    for number, (band, of_band) in enumerate(scores.items()):
        for _ in of_band:
            customer += 1
            insert(shop, "customers", at(1), customer_id=customer, first_name="A", last_name="B", registered_on=date(1))
        for _ in range(number):  # no order in the first band, three in the last one
            order += 1
            add_order(shop, order, at(2), 1, customer_id=customer)
        expected.add((band, len(of_band), number, 20 * number))
    shop.source("delete from ops.customers where customer_id < 10")
    load(shop, 2)
    for number, score in enumerate((score for of_band in scores.values() for score in of_band), 11):
        shop.warehouse("update dwh.dim_customer set risk_score = %s where customer_id = %s", (score, number))
    shop.luigi("RebuildTable", "--table", "mart")
    assert shop.rows("select risk_band, customers, orders, sales::float from mart.risk_band") == expected


def test_customers_without_an_order_that_is_not_lost_count_in_their_band(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    add_order(shop, 2, at(2), 1, order_status_id=2)
    load(shop, 2)
    shop.warehouse("update dwh.dim_customer set risk_score = 67 where customer_id = 1")
    shop.luigi("RebuildTable", "--table", "mart")
    shown = "select risk_band, customers, orders, lost_orders, orders_not_lost, sales::float from mart.risk_band"
    assert shop.rows(shown) == {("3 high (67-100)", 1, 2, 1, 1, 20), ("4 unknown", 1, 0, 0, 0, 0)}


def test_a_country_grows_by_its_complete_months_that_have_a_year_before(shop: World) -> None:
    for number, (day, lines, address) in enumerate(
        [(-363, 1, 1), (-363, 1, 2), (-332, 1, 1), (2, 2, 1), (2, 3, 2), (33, 1, 2), (61, 3, 1)], start=1
    ):
        add_order(shop, number, at(day), *[1] * lines, address_id=address)
    load(shop, 61)
    growth = kpis.kpis()["yearly_growth"].expression
    by_country = f"select country, ({growth})::float from mart.sales_by_country group by country"
    assert shop.rows(by_country) == {("USA", 1.0), ("Peru", 2.0)}
    assert shop.warehouse(f"select ({growth})::float from mart.sales_by_country where month = '2026-03-01'") == [
        (None,)
    ]


def test_who_reads_for_the_dashboards_reads_the_mart_alone(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    load(shop, 2)
    as_reader = replace(shop, warehouse_url=login(shop.home, "bi_reader_url", database_of(shop.warehouse_url)))
    for view in {view for view, _ in comments(shop.warehouse, "mart")}:
        as_reader.warehouse(f"select * from mart.{view}")
    for statement in (
        "select * from dwh.dim_customer",
        "select * from stage.customers",
        "select * from etl.task_run",
        "delete from mart.agg_order_month",
        "create table mart.mine ()",
    ):
        with pytest.raises(DatabaseError, match="42501"):
            as_reader.warehouse(f"set transaction read write; {statement}")


def test_a_limit_that_is_set_back_is_applied_again(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    load(shop, 2)
    for limit in (0.05, 0.04, 0.05):
        shop.where(OCEAN_LOST_ORDER_LIMIT=str(limit)).luigi("CreateWarehouse")
        assert shop.rows("select lost_order_limit::float from mart.kpi_monthly_country") == {(limit,)}
