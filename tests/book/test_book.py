"""The data book: what it says of a warehouse in several states, that it is safe to open, and how it looks."""

import datetime as dt
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urldefrag, urljoin

import pytest
import urllib3
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from support import shop
from support.browser import running_browser
from support.loads import create_warehouse
from support.world import ROOT, World, Worlds, secrets_of

from pipeline import kpis
from pipeline.book import freshness, site
from pipeline.book.site import Book
from pipeline.kernel import config
from pipeline.vendors.declared_feeds import CONTRACTS, PARTNER_ORDERS

NOW = dt.datetime(2026, 2, 4, 6, tzinfo=dt.UTC)
PAGES = ["index.html", "star.html", "tables.html", "kpis.html", "checks.html", "tables/dwh.fact_order.html"]
IBAN = "DE02 1203 0000 0000 2020 51"
MARKUP = "<script>alert(1)</script>"
LINK = re.compile(r'<a [^>]*href="([^"]+)"')
IDS = re.compile(r' id="([^"]+)"')
SMALL = """
() => [...document.querySelectorAll("body *")].filter(
    (each) => each.checkVisibility() && [...each.childNodes].some((node) => node.nodeType == 3 && node.data.trim())
        && parseFloat(getComputedStyle(each).fontSize) < 12
).map((each) => each.outerHTML)
"""


@pytest.fixture(scope="module")
def loaded(worlds: Worlds) -> World:
    """A shop whose January is complete, loaded for the ends of two months and for a day of the third."""
    world = worlds.new()
    shop.open_shop(world)
    for number in range(2, 9):  # enough for the server to know common values
        person = {"customer_id": number, "first_name": "Ottilie", "last_name": "Brontë", "email": "o@example.com"}
        shop.insert(world, "customers", shop.at(1), **person, registered_on=shop.date(1))
    shop.add_product(world, 2, 5)
    shop.update(world, "products", {"product_id": 2}, shop.at(1, 13), name=MARKUP)
    for number, day in enumerate((-20, -10, 3, 5, 33), start=1):
        shop.add_order(world, number, shop.at(day), number % 2 + 1)
    shop.add_order(world, 6, shop.at(6), 1, order_status_id=2)
    world.source(f"alter table ops.customers add column iban text default '{IBAN}'")
    for day in (0, 31, 34):
        world.load(shop.date(day))
    world.warehouse("analyze")
    world.source("analyze")
    return world


@pytest.fixture(scope="module")
def book(loaded: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its book."""
    return made(loaded, tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


def read(world: World, now: dt.datetime = NOW) -> Book:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in world.environment.items():
            patch.setenv(name, value)
        config.settings.cache_clear()
        found = site.read(config.settings(), {}, now)
    config.settings.cache_clear()
    return found


def made(world: World, below: Path, now: dt.datetime = NOW) -> Path:
    return site.write(read(world, now), below / "book").parent


def text_of(page: Path) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text())))


def test_the_morning_page_has_the_kpis_of_the_last_complete_month(book: Path) -> None:
    shown = text_of(book / "index.html")
    assert "January 2026 The last complete month" in shown
    assert "February 2026 is in progress" in shown
    assert "Lost orders 33.3%" in shown
    assert "Deviation from the limit +28.3 pp ▲ +33.3 pp worse ⚠ beyond its limit" in shown
    assert "Needs attention" in shown


def test_a_day_that_no_load_brought_does_not_look_like_one_that_is_loaded(book: Path) -> None:
    page = (book / "index.html").read_text()
    [row] = re.findall(r"<tr><th[^>]*>(?:<a[^>]*>)?orders(?:</a>)?</th>(.*?)</tr>", page, re.DOTALL)
    states = dict(re.findall(r'title="(\S+): ([^"]+)"', row))
    assert list(states) == [str(day) for day in freshness.days(NOW.date())]
    assert states["2026-02-03"] == "loaded"
    assert states["2026-02-02"] == states["2026-02-01"] == "by a later load"
    assert states["2026-01-31"] == "loaded"
    assert re.findall('class="sign (loaded|by-a-later-load)"', row).count("loaded") == 2


def test_a_day_after_the_last_load_is_not_loaded(loaded: World, tmp_path: Path) -> None:
    later = made(loaded, tmp_path, NOW + dt.timedelta(days=2))
    page = (later / "index.html").read_text()
    [row] = re.findall(r"<tr><th[^>]*>(?:<a[^>]*>)?orders(?:</a>)?</th>(.*?)</tr>", page, re.DOTALL)
    states = dict(re.findall(r'title="(\S+): ([^"]+)"', row))
    assert states["2026-02-04"] == states["2026-02-05"] == "not loaded"
    assert "missing" in text_of(later / "index.html") or "behind the clock" in text_of(later / "index.html")


def test_an_empty_warehouse_has_a_book_too(worlds: Worlds, tmp_path: Path) -> None:
    world = worlds.new()
    shop.open_shop(world)
    create_warehouse(world)
    shown = text_of(made(world, tmp_path) / "index.html")
    assert "No month is complete yet" in shown
    assert "nothing was loaded yet" in shown


def test_without_a_warehouse_there_is_nothing_to_show(worlds: Worlds, tmp_path: Path) -> None:
    world = worlds.new()
    said = world.command("book", "--to", str(tmp_path / "book"), expect=2)
    assert "because the warehouse has no tables yet" in said
    assert not (tmp_path / "book").exists()


def test_a_failed_load_shows_as_failed(worlds: Worlds, loaded: World, tmp_path: Path) -> None:
    world = worlds.copy_all(loaded)
    world.source("alter table ops.orders rename column ordered_ts to placed_ts")
    world.luigi("DailyWarehouseLoad", "--date", str(shop.date(35)), expect=30)
    page = (made(world, tmp_path, NOW + dt.timedelta(days=2)) / "index.html").read_text()
    [row] = re.findall(r"<tr><th[^>]*>(?:<a[^>]*>)?orders(?:</a>)?</th>(.*?)</tr>", page, re.DOTALL)
    states = dict(re.findall(r'title="(\S+): ([^"]+)"', row))
    assert (states["2026-02-04"], states["2026-02-05"]) == ("failed", "not loaded")


def test_a_check_that_found_rows_shows_on_both_pages(worlds: Worlds, loaded: World, book: Path, tmp_path: Path) -> None:
    assert re.search(r"✓ \d+ checks found no row", text_of(book / "index.html"))
    world = worlds.copy_all(loaded)
    world.warehouse("update etl.check_result set failures = 3 where check_name = 'lines_without_order'")
    folder = made(world, tmp_path)
    assert ": 3 rows on 2026-02-03" in text_of(folder / "index.html")
    assert "checks found no row" not in text_of(folder / "index.html")
    assert text_of(folder / "checks.html").count("⚠ 3 rows, 2026-02-03") == 1


def test_a_table_of_any_name_has_a_page_in_the_folder(worlds: Worlds, loaded: World, tmp_path: Path) -> None:
    world = worlds.copy_all(loaded)
    world.warehouse('create table mart."../../x <b>" (id int)')
    folder = made(world, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["book"]
    assert (folder / "tables/mart...~2f..~2fx~20~3cb~3e.html").exists()
    assert "mart.../../x &lt;b&gt;" in (folder / "tables.html").read_text()


def test_without_a_mart_no_old_figures_are_shown(loaded: World, tmp_path: Path) -> None:
    shown = text_of(made(loaded.where(OCEAN_MART="0"), tmp_path) / "index.html")
    assert "The KPIs are not kept: mart = 0" in shown
    assert "January 2026" not in shown
    assert "agg_order_month" not in shown


def test_a_rejected_row_is_not_an_example(worlds: Worlds, loaded: World, tmp_path: Path) -> None:
    world = worlds.copy_all(loaded)
    world.warehouse(
        "insert into etl.rejected_row (source, date, line, reason, row) "
        "select 'ops.customers', '2026-02-01', n, 'x', 'ann@example.com' from generate_series(1, 50) as n"
    )
    world.warehouse("analyze")
    folder = made(world, tmp_path)
    assert not [path for path in folder.rglob("*") if path.is_file() and "ann@example.com" in path.read_text()]


def test_every_link_leads_somewhere_and_every_table_has_a_page(book: Path, loaded: World) -> None:
    pages = {path.as_uri(): path.read_text() for path in book.rglob("*.html")}
    for address, text in pages.items():
        for link in LINK.findall(text):
            page, anchor = urldefrag(urljoin(address, html.unescape(link)))
            assert page in pages, f"{link} on {address}"
            assert not anchor or anchor in IDS.findall(pages[page]), f"{link} on {address}"
    tables = loaded.rows(
        "select schemaname || '.' || relname from pg_stat_user_tables where schemaname in ('dwh', 'mart', 'etl')"
    )
    assert {name for (name,) in tables} <= {path.stem for path in (book / "tables").iterdir()}


def test_what_comes_from_the_warehouse_is_no_markup(book: Path) -> None:
    pages = "".join(path.read_text() for path in book.rglob("*.html"))
    assert html.escape(MARKUP) in pages
    assert MARKUP not in pages
    assert not re.search(r"<script(?! src=)", pages)


def test_no_page_shows_who_somebody_is_or_a_secret(book: Path, loaded: World) -> None:
    everything = "".join(path.read_text() for path in book.rglob("*") if path.is_file())
    kept = loaded.warehouse("select count(*) from pg_stats where most_common_vals::text like '%Ottilie%'")
    assert kept[0][0] >= 2, "the server has examples of it in stage and dwh"
    columns = [column for page in read(loaded).pages for column in page.columns]
    assert not [column for column in columns if column.is_personal and column.examples]
    assert [column for column in columns if column.examples]
    [people] = loaded.warehouse("select array_agg(first_name || '|' || coalesce(email, '-')) from stage.customers")
    assert not [
        value for person in people[0] for value in person.split("|") if len(value) > 2 and f">{value}<" in everything
    ]
    assert "For example" not in (book / "tables/etl.task_run.html").read_text()
    for name in ("ops.customers", "stage.customers"):
        page = (book / f"tables/{name}.html").read_text()
        assert page.count("For example: masked") == 5
        assert ' id="iban"' in page, "a column that only the source and stage have"
    assert IBAN not in everything
    assert not [secret for secret in secrets_of(loaded.home) if secret in everything]


def test_a_feed_and_its_stage_table_say_what_the_contract_does(book: Path) -> None:
    for name, contract in CONTRACTS.items():
        page = html.unescape((book / f"tables/feed.{name}.html").read_text())
        assert contract.feed.says in page
        assert [each.says for each in contract.feed.fields if each.says not in page] == []
        assert page.count("For example: masked") == len(contract.feed.personal)
    page = html.unescape((book / "tables/stage.partner_orders.html").read_text())
    assert [each.says for each in PARTNER_ORDERS.fields if each.says not in page] == []


def test_the_folder_is_its_owners_alone_and_nothing_else_is_replaced(loaded: World, tmp_path: Path) -> None:
    book = tmp_path / "below" / "book"
    for _ in range(2):
        assert loaded.command("book", "--to", str(book)).strip() == f"Book: {book.as_uri()}/index.html"
    assert {path.stat().st_mode & 0o077 for path in [book, *book.rglob("*")]} == {0}
    assert [path.name for path in book.parent.iterdir()] == ["book"]
    for name in ("of_somebody", "below/book.old/of_somebody", "below/book.new/of_somebody"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
        to = tmp_path if file.parent == tmp_path else book
        assert "which the book would replace" in loaded.command("book", "--to", str(to), expect=2)
        file.unlink()
        if file.parent != tmp_path:
            file.parent.rmdir()


def test_a_renamed_column_of_the_source_shows_what_it_breaks(worlds: Worlds, loaded: World, tmp_path: Path) -> None:
    world = worlds.copy_all(loaded)
    world.source("alter table ops.order_statuses rename column is_lost to lost")
    broken = made(world, tmp_path)
    assert "✗ Missing in the source: ops.order_statuses.is_lost" in text_of(broken / "index.html")
    assert "The source does not have it any more" in text_of(broken / "tables/ops.order_statuses.html")
    for name in ("dwh.dim_order_status", "mart.kpi_monthly", "chart.lost_order_deviation"):
        assert "✗ broken" in text_of(broken / f"tables/{name}.html"), name
    assert "✗ broken" not in text_of(broken / "tables/dwh.dim_supplier.html")


def test_a_changed_kpi_changes_the_book(
    book: Path, loaded: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = text_of(book / "kpis.html")
    assert "Sales per order that is not lost." in shown
    assert "sum(sales) / nullif(sum(orders_not_lost), 0)" in shown
    as_defined = (ROOT / "warehouse/kpis.toml").read_text()
    changed = kpis.parsed(
        as_defined.replace("sum(sales) / nullif(sum(orders_not_lost), 0)", "sum(sales) / sum(orders)").replace(
            'label = "Average order value"', 'label = "Sales per order"'
        )
    )
    monkeypatch.setattr(kpis, "kpis", lambda: changed)
    after = made(loaded, tmp_path)
    assert "sum(sales) / sum(orders)" in text_of(after / "kpis.html")
    assert "Sales per order" in text_of(after / "index.html")


def test_the_morning_page_can_be_mailed_as_one_file(loaded: World) -> None:
    page = site.morning_page(read(loaded))
    assert "January 2026" in page
    assert not re.search(r'(src|href)="(?!#)', page)
    assert "<script" not in page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_right_on_a_phone_and_at_a_desk(book: Path, browser: Browser, scheme: Literal["light", "dark"]) -> None:
    for width in (390, 1280, 1600):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        for name in PAGES:
            page.goto((book / name).as_uri())
            wide = page.evaluate("document.scrollingElement.scrollWidth")
            assert wide <= width, f"{name} scrolls sideways at {width}"
            assert page.evaluate(SMALL) == [], f"{name} at {width}"
            if width != 1280:
                found = Axe().run(page)
                assert found.violations_count == 0, f"{name} at {width}: {found.generate_report()}"
        context.close()


def test_the_search_finds_a_column_and_leads_to_it(book: Path, browser: Browser) -> None:
    page = browser.new_page()
    page.goto((book / "index.html").as_uri())
    page.fill("#search", "fact_order customer_key")
    page.click("#found a >> nth=0")
    assert page.url.endswith("/tables/dwh.fact_order.html#customer_key")
    page.fill("#search", "no such thing")
    assert page.inner_text("#found") == "Nothing has these words."
    page.close()


def test_an_old_page_says_that_it_is_old(book: Path, browser: Browser) -> None:
    page = browser.new_page()
    page.clock.install(time=NOW + dt.timedelta(days=3))
    page.goto((book / "index.html").as_uri())
    assert page.inner_text("#age").startswith("This page is 3 days old")
    page.clock.set_fixed_time(NOW + dt.timedelta(hours=1))
    page.reload()
    assert not page.is_visible("#age")
    page.close()


def test_luigid_shows_it_to_those_who_know_its_password(services_home: Path, book: Path) -> None:
    known = json.loads((services_home / "services.json").read_text())
    folder = services_home / "book"
    folder.mkdir()
    try:
        (folder / "index.html").write_text("the book")
        address = f"{known['luigid_url']}/book/"
        login = urllib3.make_headers(basic_auth=f"luigi:{known['luigid_password']}")
        answer = urllib3.request("GET", address, headers=login)
        assert (answer.status, answer.data) == (200, b"the book")
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert urllib3.request("GET", address).status == 401
        assert urllib3.request("GET", f"{address}%2e%2e/services.json", headers=login).status in (403, 404)
    finally:
        (folder / "index.html").unlink()
        folder.rmdir()
