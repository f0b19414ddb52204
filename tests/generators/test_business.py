"""Fourteen months of business: what always holds in them, and whether they look like a shop's."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.databases import create_source_database, drop_database, login

from pipeline.generators.shop import simulate
from pipeline.kernel import postgres

OPENED = dt.date(2024, 3, 1)
LAST = dt.date(2025, 4, 10)
# What a reader who comes after each day sees changed.
SEEN = """
create table seen_order as select date '2000-01-01' as seen_on, * from ops.orders with no data;
create table seen_product as select date '2000-01-01' as seen_on, * from ops.products with no data
"""
SEE = """
insert into seen_order select %(date)s, o.* from ops.orders as o
where updated_ts >= %(date)s and updated_ts < %(date)s + interval '1 day';
insert into seen_product select %(date)s, p.* from ops.products as p
where updated_ts >= %(date)s and updated_ts < %(date)s + interval '1 day'
"""


class Business:
    """A shop after fourteen months, and what a daily reader saw of it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, query: str) -> list[Any]:
        with postgres.session(self.url, "tests") as cursor:
            return postgres.rows(cursor, query)

    def value(self, query: str) -> Any:
        [(only,)] = self.rows(query)
        return only


@pytest.fixture(scope="module")
def shop(services_home: Path) -> Iterator[Business]:
    create_source_database(services_home, "fourteen_months")
    url = login(services_home, "simulator_url", "fourteen_months")
    simulate(url, OPENED, seed=11, scale=0.3, opened_on=OPENED, progress=None)
    with postgres.session(url, "tests") as cursor:
        cursor.execute(SEEN)
        cursor.execute(SEE, {"date": OPENED})

        def look(date: dt.date, done: int, of: int) -> None:
            cursor.execute(SEE, {"date": date})

        simulate(url, LAST, seed=11, scale=0.3, opened_on=OPENED, progress=look)
    yield Business(url)
    drop_database(services_home, "fourteen_months")


def test_every_foreign_key_holds(shop: Business) -> None:
    keys = shop.rows(
        "select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint "
        "where contype = 'f' and connamespace = 'ops'::regnamespace"
    )
    assert len(keys) == 12
    with postgres.session(shop.url, "tests") as cursor:
        for table, name, definition in keys:
            # Made again, a constraint looks at every row.
            cursor.execute(f"alter table {table} drop constraint {name}, add constraint {name} {definition}")


def test_every_row_of_a_day_was_changed_within_that_day(shop: Business) -> None:
    assert (
        shop.value("select count(*) from seen_order where updated_ts::date <> seen_on or updated_ts < created_ts") == 0
    )
    for table in ("orders", "order_lines", "customers", "addresses", "customers_addresses", "products"):
        outside = f"updated_ts < created_ts or created_ts < '{OPENED}' or updated_ts >= date '{LAST}' + 1"
        assert shop.value(f"select count(*) from ops.{table} where {outside}") == 0
    # The reader missed nothing: the last version of each order is what the shop holds.
    assert not shop.rows(
        "(select * from ops.orders) except (select distinct on (order_id) order_id, customer_id, address_id, "
        "payment_method_id, order_status_id, ordered_ts, delivered_ts, created_ts, updated_ts "
        "from seen_order order by order_id, updated_ts desc)"
    )


def test_an_order_goes_to_an_address_its_customer_had(shop: Business) -> None:
    assert (
        shop.value("""
            select count(*) from ops.orders as o
            left join ops.customers_addresses as h
                on h.customer_id = o.customer_id and h.address_id = o.address_id and h.created_ts <= o.ordered_ts
            where h.customer_id is null""")
        == 0
    )


def test_customers_and_products_are_there_before_they_are_ordered(shop: Business) -> None:
    assert (
        shop.value("""
            select count(*) from ops.order_lines as l
            join ops.orders as o using (order_id)
            join ops.customers as c using (customer_id)
            join ops.products as p using (product_id)
            where o.ordered_ts < c.created_ts or o.ordered_ts < p.created_ts""")
        == 0
    )


def test_a_line_costs_what_was_in_force_at_that_moment(shop: Business) -> None:
    lines, wrong = shop.rows("""
        with version as (
            select product_id, unit_price, updated_ts as valid_from,
                lead(updated_ts, 1, 'infinity') over (partition by product_id order by updated_ts) as valid_to
            from seen_product
        )
        select count(*), count(*) filter (where l.unit_price <> v.unit_price)
        from ops.order_lines as l
        join ops.orders as o using (order_id)
        join version as v on v.product_id = l.product_id and v.valid_from <= o.ordered_ts and o.ordered_ts < v.valid_to
    """)[0]
    assert (lines, wrong) == (shop.value("select count(*) from ops.order_lines"), 0)


def test_two_price_changes_of_a_product_are_at_least_27_days_apart(shop: Business) -> None:
    changes, nearest = shop.rows("""
        with version as (
            select product_id, unit_price, updated_ts,
                lag(unit_price) over (partition by product_id order by updated_ts) as old_price
            from seen_product
        ),
        change as (
            select product_id, updated_ts - lag(updated_ts) over (partition by product_id order by updated_ts) as apart
            from version where unit_price <> old_price
        )
        select count(*), min(apart) from change""")[0]
    assert changes > 200
    assert nearest >= dt.timedelta(days=27)


def test_a_price_is_dated_by_the_last_change_of_its_product(shop: Business) -> None:
    """Or a reader who comes weekly would date it wrong."""
    assert (
        shop.value("""
            with version as (
                select unit_price, updated_ts, lag(unit_price) over product as old_price,
                    first_value(unit_price) over product as first_price
                from seen_product window product as (partition by product_id order by updated_ts)
            )
            select count(*) from version where unit_price = old_price and unit_price <> first_price""")
        == 0
    )


def test_orders_move_as_the_shop_allows(shop: Business) -> None:
    moves = shop.rows("""
        select distinct a.name, b.name from (
            select order_status_id, lead(order_status_id) over (partition by order_id order by updated_ts) as next_id
            from seen_order
        ) as m
        join ops.order_statuses as a on a.order_status_id = m.order_status_id
        join ops.order_statuses as b on b.order_status_id = m.next_id""")
    assert set(moves) <= {
        *(("placed", "paid"), ("placed", "shipped"), ("placed", "delivered"), ("placed", "cancelled")),
        *(("placed", "refunded"), ("paid", "shipped"), ("paid", "delivered"), ("paid", "refunded")),
        *(("shipped", "delivered"), ("shipped", "lost"), ("delivered", "returned")),
    }
    assert {("paid", "shipped"), ("shipped", "delivered"), ("delivered", "returned")} <= set(moves)


def test_delivered_orders_alone_have_a_moment_of_delivery(shop: Business) -> None:
    assert (
        shop.value("""
            select count(*) from ops.orders join ops.order_statuses as s using (order_status_id)
            where (delivered_ts is not null) <> (s.name in ('delivered', 'returned'))
                or delivered_ts - ordered_ts not between interval '1 day' and interval '9 days'""")
        == 0
    )


def test_no_order_stays_open_for_ever(shop: Business) -> None:
    oldest = shop.value("select min(ordered_ts) from ops.orders where order_status_id < 4")
    assert oldest.date() > LAST - dt.timedelta(days=25)


def test_about_one_order_in_twenty_is_lost_and_months_lie_on_both_sides(shop: Business) -> None:
    shares = [
        float(share)
        for (share,) in shop.rows("""
            select avg(s.is_lost::int) from ops.orders join ops.order_statuses as s using (order_status_id)
            where ordered_ts < '2025-03-01' group by date_trunc('month', ordered_ts)""")
    ]
    assert len(shares) == 12
    assert min(shares) < 0.05 < max(shares)
    assert 0.04 < sum(shares) / 12 < 0.06
    assert min(shares) > 0.02
    assert max(shares) < 0.085


def test_business_grows_by_a_quarter_a_year_and_peaks_before_christmas(shop: Business) -> None:
    months = dict(shop.rows("select to_char(ordered_ts, 'YYYY-MM'), count(*) from ops.orders group by 1"))
    assert 1.15 < months["2025-03"] / months["2024-03"] < 1.4
    assert months["2024-12"] > 1.3 * months["2024-08"]
    assert 0.85 < months["2024-04"] / months["2024-03"] < 1.2


def test_one_country_outgrows_the_others(shop: Business) -> None:
    share = """
        select avg((country = 'Brazil')::int)::float from ops.orders inner join ops.addresses using (address_id)
        where ordered_ts {} '2024-06-01'::timestamptz + interval '{} months'"""
    early, late = shop.value(share.format("<", 0)), shop.value(share.format(">=", 9))
    assert late > 1.5 * early


def test_customers_share_addresses_move_and_are_corrected(shop: Business) -> None:
    links = "select count(*) from (select from ops.customers_addresses group by {} having count(*) > 1) as t"
    assert shop.value(links.format("address_id")) > 5
    assert shop.value(links.format("customer_id")) > 20
    assert shop.value("select count(*) from ops.customers where updated_ts > created_ts") > 5
    assert (
        shop.value(
            "select count(*) from (select from seen_product group by product_id having count(distinct name) > 1) as t"
        )
        > 0
    )


def test_user_purchase_is_a_row_for_each_line_with_the_country_of_the_order(shop: Business) -> None:
    assert shop.value("select count(*) from retail.user_purchase") == shop.value("select count(*) from ops.order_lines")
    [(order, product, customer, address, ordered)] = shop.rows(
        "select order_id, product_id, customer_id, address_id, ordered_ts from ops.orders join ops.order_lines "
        "using (order_id) order by order_id desc, line_number limit 1"
    )
    [(sku, name)] = shop.rows(f"select sku, name from ops.products where product_id = {product}")
    [(country,)] = shop.rows(f"select country from ops.addresses where address_id = {address}")
    [purchase, *_] = shop.rows(
        "select invoice_number, stock_code, detail, invoice_date, customer_id, country from retail.user_purchase "
        f"where invoice_number = '{order}' and stock_code = '{sku}'"
    )
    assert purchase == (str(order), sku, name, ordered.replace(tzinfo=None), customer, country)
