"""The dashboards in a browser: every chart is drawn, and shows what SQL finds in dwh without the help of the mart."""

import datetime as dt
import statistics
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page
from support.browser import Chart, Dashboard, log_in, open_dashboard, running_browser
from support.superset_site import Site

MORE = "Key figures, more is better (last complete month, shop's currency)"
LESS = "Key figures, less is better (last complete month, pp: percentage points)"
DEVIATION = "Lost orders against the limit (pp, complete months)"
GROWTH = "Sales growth (month over month, complete months)"
QUARTERLY_SALES = "Total sales per quarter (shop's currency, * in progress)"
QUARTERLY_CUSTOMERS = "Unique customers per quarter (* in progress)"
TOP = {
    "Top products by sales (shop's currency)": "product.name",
    "Top subtypes by sales (shop's currency)": "product.product_subtype",
}
TOP_COUNTRIES = "Top countries by sales (shop's currency)"
LIMIT = 5  # percent of the orders
EVER = (dt.date(2000, 1, 1), dt.date(2100, 1, 1))

# Every order line, with what a dashboard may ask of it; an order without lines counts too.
LINES = """
    select
        ord.order_id,
        ord.customer_key,
        (ord.ordered_ts at time zone 'UTC')::date as day,
        extract(epoch from ord.delivered_ts - ord.ordered_ts) / 86400 as days_to_delivery,
        status.is_lost,
        address.country,
        line.line_amount,
        {label} as label
    from dwh.fact_order as ord
    inner join dwh.dim_order_status as status using (order_status_key)
    inner join dwh.dim_address as address using (address_key)
    left join dwh.fact_order_line as line on ord.order_id = line.order_id
    left join dwh.dim_product as version using (product_key)
    left join dwh.dim_product as product on version.product_id = product.product_id and product.is_current
    where address.country = %(country)s or %(country)s is null
"""
MONTHS = f"""
with line as ({LINES.format(label="null")}),
ord as (
    select distinct order_id, date_trunc('month', day)::date as month, is_lost, days_to_delivery from line
),
sold as (
    select date_trunc('month', day)::date as month, sum(line_amount) as sales from line where not is_lost group by 1
)
select
    month,
    sales,
    sales / count(*) filter (where not is_lost),
    avg(days_to_delivery) filter (where not is_lost),
    100.0 * count(*) filter (where is_lost) / count(*) - {LIMIT}
from ord left join sold using (month)
group by month, sales order by month
"""
QUARTERS = f"""
with line as ({LINES.format(label="null")})
select
    to_char(day, 'YYYY-"Q"Q'),
    coalesce(sum(line_amount) filter (where not is_lost), 0),
    count(distinct customer_key) filter (where customer_key <> -1)
from line
where date_trunc('quarter', day) >= %(start)s and date_trunc('quarter', day) < %(stop)s
group by 1 order by 1
"""
LARGEST = f"""
with line as ({LINES})
select label, sum(line_amount) as sales, count(distinct order_id)
from line
where not is_lost and date_trunc('month', day) >= %(start)s and date_trunc('month', day) < %(stop)s
group by label having sum(line_amount) is not null
order by sales desc limit 10
"""


class Month(NamedTuple):
    """The KPIs of a month."""

    month: dt.date
    sales: float
    order_value: float
    fulfilment: float
    deviation: float


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser."""
    with running_browser() as found:
        yield found


@pytest.fixture(scope="module")
def viewer(site: Site, chromium: Browser) -> Page:
    """A page in which somebody of the company has logged in."""
    return log_in(chromium, site.url, "viewer", site.password("viewer"))


@pytest.fixture(scope="module")
def operator(site: Site, chromium: Browser) -> Page:
    """A page in which the admin has logged in."""
    return log_in(chromium, site.url, "admin", site.password("admin"))


@pytest.fixture(scope="module")
def loaded_to(site: Site) -> dt.date:
    """The first day that is not loaded; it ends no month, so that one is in progress."""
    [(loaded,)] = site.world.warehouse("select loaded_to from etl.stage_batch where table_name = 'orders'")
    day: dt.date = loaded.astimezone(dt.UTC).date()
    assert day.day > 1
    return day


def test_the_company_dashboard_shows_what_the_warehouse_holds(site: Site, viewer: Page, loaded_to: dt.date) -> None:
    dashboard = open_dashboard(viewer, site.url, "ocean-records")
    charts = sound(dashboard, dashboard.charts())
    assert len(charts) == 13
    shows(charts, site, loaded_to)
    # What is in progress is left out of the lines, and marked on the bars.
    newest = charts[DEVIATION].data[-1]["month"]
    assert as_date(newest) == (loaded_to.replace(day=1) - dt.timedelta(days=1)).replace(day=1)
    assert [row["quarter_label"][-1] == "*" for row in charts[QUARTERLY_SALES].data] == [False, False, True]


def test_a_country_leaves_its_own_figures_alone_on_every_chart_also_when_the_page_is_loaded_again(
    site: Site, viewer: Page, loaded_to: dt.date
) -> None:
    dashboard = open_dashboard(viewer, site.url, "ocean-records")
    dashboard.charts()
    charts = sound(dashboard, dashboard.choose("Country", "Germany"))
    shows(charts, site, loaded_to, country="Germany")
    assert [row["label"] for row in charts[TOP_COUNTRIES].data] == ["Germany"]

    viewer.wait_for_url("**native_filters_key=**")
    dashboard.answers.clear()
    viewer.reload(wait_until="domcontentloaded")
    shows(sound(dashboard, dashboard.charts()), site, loaded_to, country="Germany")


def test_a_time_range_leaves_its_own_months_alone_on_every_chart(site: Site, viewer: Page, loaded_to: dt.date) -> None:
    start, stop = dt.date(2025, 10, 1), dt.date(2026, 1, 1)
    dashboard = open_dashboard(viewer, site.url, "ocean-records")
    dashboard.charts()
    charts = sound(dashboard, dashboard.between(str(start), str(stop)))
    shows(charts, site, loaded_to, span=(start, stop))
    assert [as_date(row["month"]).month for row in charts[GROWTH].data] == [10, 11, 12]

    # A single month has no growth in the table, and an empty range says so.
    charts = sound(dashboard, dashboard.between("2026-01-01", "2026-02-01"))
    assert [row[3] for row in charts[MORE].rows + charts[LESS].rows] == ["–"] * 4
    assert [row["sales_growth"] is not None for row in charts[GROWTH].data] == [True]

    charts = dashboard.between("2020-01-01", "2021-01-01")
    assert not dashboard.problems
    of_a_time = [chart for name, chart in charts.items() if name != "State of the forecast"]
    assert {(chart.is_empty, chart.error) for chart in of_a_time} == {(True, "")}


def test_pipeline_health_shows_what_the_loads_left(site: Site, operator: Page) -> None:
    dashboard = open_dashboard(operator, site.url, "pipeline-health")
    charts = sound(dashboard, dashboard.charts())
    query = site.world.warehouse
    runs = query("select params ->> 'date', count(*) from etl.task_run where params ? 'date' group by 1 order by 1")
    shown = charts["Runs of tasks per load date"].data
    assert [(row["load_label"], row["done_tasks"] + row["failed_tasks"]) for row in shown] == runs

    steps = dict(
        query("""
            select task, sum(extract(epoch from finished - started)) / count(distinct params ->> 'date')
            from etl.task_run where params ? 'date' group by task
        """)
    )
    shown = charts["Duration by step (seconds per load date)"].data
    assert {row["task"]: row["seconds_per_date"] for row in shown} == pytest.approx(
        {task: float(seconds) for task, seconds in steps.items()}
    )

    waiting = query("select fact_table, count(*) from etl.reprocessing_queue where resolved_ts is null group by 1")
    depths = {row[0]: row[1] for row in charts["Reprocessing queue by fact table"].rows}
    assert waiting
    assert {fact: rows for fact, rows in depths.items() if rows != "0"} == {fact: f"{n:,}" for fact, n in waiting}
    assert [row["waiting_rows"] for row in charts["Queued rows"].data] == [sum(n for _, n in waiting)]

    tables = {name for (name,) in query("select table_name from etl.stage_batch")}
    assert {row[0] for row in charts["Watermark lag by stage table"].rows} == tables
    assert charts["Rows per layer and load date"].data[0].keys() >= {"1 extract", "2 stage", "3 dwh"}


def test_customer_behaviour_shows_what_customers_did(site: Site, operator: Page) -> None:
    dashboard = open_dashboard(operator, site.url, "customer-behaviour")
    charts = sound(dashboard, dashboard.charts())
    query = site.world.warehouse
    days = query("select count(*), sum(amount_spent) from dwh.user_behavior_metric where review_score = review_count")
    [all_positive] = [
        row["average_spent"]
        for row in charts["Amount spent per customer and day by review score (shop's currency)"].data
        if row["positive_share_band"] == "100 %"
    ]
    assert all_positive == pytest.approx(float(days[0][1] / days[0][0]))
    bands = [row["positive_share_band"] for row in charts["Customer days by review score"].data]
    assert bands == [band for band in ("0 %", "1-33 %", "34-66 %", "67-99 %", "100 %") if band in bands]

    reviews = query("""
        select count(*) filter (where positive_review), count(*) filter (where not positive_review)
        from dwh.fact_review group by date_trunc('month', review_date) order by min(review_date)
    """)
    shown = charts["Reviews per month (the newest month so far)"].data
    assert [(row["positive_reviews"], row["other_reviews"]) for row in shown] == reviews

    [high] = query("select count(*) from dwh.dim_customer where risk_score between 67 and 100")
    shown = charts["Customers by risk band (score)"].data
    assert [row["customers"] for row in shown if row["risk_band"].startswith("3 high")] == list(high)


def test_every_column_and_metric_of_a_dataset_says_what_it_is(site: Site) -> None:
    client = site.client("admin")
    _, found = client.get("/api/v1/dataset/?q=(page_size:100)")
    assert found["count"] >= 15
    for dataset in found["result"]:
        _, answer = client.get(f"/api/v1/dataset/{dataset['id']}")
        about = answer["result"]
        assert about["description"], about["table_name"]
        assert [column["column_name"] for column in about["columns"] if not column["description"]] == []
        metrics = about["metrics"]
        assert [
            metric["metric_name"] for metric in metrics if not metric["description"] or not metric["d3format"]
        ] == []


def sound(dashboard: Dashboard, charts: dict[str, Chart]) -> dict[str, Chart]:
    """The charts, none of which failed, is empty, was drawn from nothing or needs scrolling."""
    assert not dashboard.problems
    assert [(chart.name, chart.error) for chart in charts.values() if chart.error or chart.is_empty] == []
    assert [chart.name for chart in charts.values() if not chart.rows and not chart.data] == []
    assert [chart.name for chart in charts.values() if chart.is_cut_off] == []
    return charts


def shows(
    charts: dict[str, Chart],
    site: Site,
    loaded_to: dt.date,
    country: str | None = None,
    span: tuple[dt.date, dt.date] = EVER,
) -> None:
    """Every chart of the company dashboard shows the figures of the country and the span, as dwh has them."""
    asked = {"country": country, "start": span[0], "stop": span[1]}
    query = site.world.warehouse
    ever = [Month(month, *map(float, kpis)) for month, *kpis in query(MONTHS, asked)]
    complete = [found for found in ever if found.month < loaded_to.replace(day=1)]
    months = [found for found in complete if span[0] <= found.month < span[1]]

    assert charts[MORE].rows == [
        key_figure("Sales", [found.sales for found in months]),
        key_figure("Average order value", [found.order_value for found in months]),
    ]
    assert charts[LESS].rows == [
        key_figure("Average order fulfilment (days)", [found.fulfilment for found in months], in_percent=False),
        key_figure("Deviation from the limit (pp)", [found.deviation for found in months], in_percent=False),
    ]

    assert series(charts[DEVIATION], "lost_order_deviation") == pytest.approx(
        {found.month: found.deviation for found in months}
    )
    before = dict(zip([found.month for found in complete[1:]], [found.sales for found in complete], strict=False))
    growth = {found.month: found.sales / before[found.month] - 1 if found.month in before else None for found in months}
    assert series(charts[GROWTH], "sales_growth") == pytest.approx(growth)

    quarters = [(label, pytest.approx(float(sales)), customers) for label, sales, customers in query(QUARTERS, asked)]
    assert bars(charts[QUARTERLY_SALES], "sales") == [(label, sales) for label, sales, _ in quarters]
    assert bars(charts[QUARTERLY_CUSTOMERS], "unique_customers") == [(label, count) for label, _, count in quarters]
    for title, label in TOP.items():
        largest = query(LARGEST.format(label=label), asked)
        assert charts[title].rows == [[name, shown(sales, ",.0f"), f"{orders:,}"] for name, sales, orders in largest]
    largest = query(LARGEST.format(label="address.country"), asked)
    bars_of_countries = [(row["label"], row["sales"]) for row in reversed(charts[TOP_COUNTRIES].data)]
    assert bars_of_countries == [(name, pytest.approx(float(sales))) for name, sales, _ in largest]


def key_figure(name: str, values: Sequence[float], *, in_percent: bool = True) -> list[str]:
    """A row of a table of key figures: current, average, growth or difference, and the line."""
    newest, before = values[-1], values[-2]
    figures = [shown(value, ",.2f") for value in (newest, statistics.fmean(values))]
    change = shown(newest / before - 1, "+,.1%") if in_percent else shown(newest - before, "+,.2f")
    return [name, *figures, change, "line"]


def shown(value: float | Decimal, pattern: str) -> str:
    """A figure as browsers show it: as a float, of which a half is rounded up."""
    with localcontext(rounding=ROUND_HALF_UP):
        return format(Decimal(float(value)), pattern)


def series(chart: Chart, metric: str) -> dict[dt.date, Any]:
    """The points of a line by month."""
    return {as_date(row["month"]): row[metric] for row in chart.data}


def bars(chart: Chart, metric: str) -> list[tuple[str, Any]]:
    """The bars by quarter, in their order from the left."""
    return [(row["quarter_label"].rstrip("*"), row[metric]) for row in chart.data]


def as_date(milliseconds: float) -> dt.date:
    """The day of a point on an axis of time."""
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC).date()
