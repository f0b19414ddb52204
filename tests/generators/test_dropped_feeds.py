"""The vendors' files: the same ones however, when and by whom they are dropped."""

import csv
import datetime as dt
import io
import re
from collections import Counter
from itertools import count
from pathlib import Path
from threading import Lock

import luigi
import pytest
from support.world import World

from pipeline.generators.books import ONE_DAY, Shop
from pipeline.generators.deliveries import Dropped, drop_feeds
from pipeline.generators.drops import PARTNER_ORDERS, REVIEWS, partner_orders_key, reviews_key
from pipeline.generators.entities import customers_at_opening
from pipeline.generators.shop import find_shop, simulate
from pipeline.kernel import postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import ServiceDown, SimulationError
from pipeline.lake.objects import Lake
from pipeline.tasks.simulate import SimulateFeeds

OPENED = dt.date(2026, 1, 20)
DAYS = 30
DATES = [OPENED + dt.timedelta(days=day) for day in range(DAYS)]
LAST = DATES[-1]
SHOP = Shop(seed=7, scale=1, opened_on=OPENED)
SMALL = Shop(seed=7, scale=0.1, opened_on=OPENED)
EMOJI = re.compile("[\U0001f300-\U0001faff\u2b50\u2764]")

_numbers = count()


class Killed(Lake):
    """A lake that takes so many objects, and then no more."""

    left = 10**6
    _lock = Lock()

    def write(self, key: str, data: bytes) -> None:
        with self._lock:
            self.left -= 1
            if self.left < 0:
                raise ServiceDown("write", "the process was killed", "run it again")
        super().write(key, data)


def new_lake(home: Path) -> Killed:
    lake = World(home, "", "", f"s3://ocean-lake/feeds-{next(_numbers)}").lake
    return Killed(lake.url, lake.s3)


@pytest.fixture
def lake(services_home: Path) -> Killed:
    return new_lake(services_home)


@pytest.fixture(scope="module")
def month(services_home: Path) -> Lake:
    """A month of files, dropped in one call."""
    found = new_lake(services_home)
    assert drop_feeds(found, SHOP, LAST, None).days == DAYS
    return found


def content(lake: Lake) -> dict[str, bytes]:
    return {entry.key: lake.read(entry.key) or b"" for entry in lake.objects("landing")}


def table(lake: Lake, key: str) -> list[list[str]]:
    """The rows of a file, its header first."""
    return list(csv.reader(io.StringIO((lake.read(key) or b"").decode(), newline="")))


@pytest.fixture(scope="module")
def reviews(month: Lake) -> list[list[str]]:
    return [row for date in DATES for row in table(month, reviews_key(date))[1:]]


@pytest.fixture(scope="module")
def orders(month: Lake) -> list[list[str]]:
    return [row for date in DATES for row in table(month, partner_orders_key(date))[1:]]


def test_each_day_has_both_files_with_the_header_of_the_contract(month: Lake) -> None:
    assert month.dates(REVIEWS) == month.dates(PARTNER_ORDERS) == DATES
    assert len(content(month)) == 2 * DAYS
    for date in DATES:
        for key, header in (
            (reviews_key(date), ["cid", "review_str"]),
            (partner_orders_key(date), ["order_id", "customer_id", "item_id", "item_name", "delivered_on"]),
        ):
            rows = table(month, key)
            assert rows[0] == header
            assert len(rows) > 1
            assert {len(row) for row in rows} == {len(header)}


def test_days_one_by_one_give_the_same_bytes_as_all_in_one_call(lake: Killed, month: Lake) -> None:
    for date in (*DATES[:3], DATES[1], DATES[10], LAST):
        drop_feeds(lake, SHOP, date, None)
    assert content(lake) == content(month)


def test_running_again_does_nothing(lake: Killed) -> None:
    first = drop_feeds(lake, SMALL, DATES[4], None)
    before = content(lake)
    lake.left = 0
    assert first.days == 5
    assert first.rows == sum(len(table(lake, key)) - 1 for key in before)
    assert first.bytes == sum(map(len, before.values()))
    for date in (DATES[4], DATES[2], OPENED - ONE_DAY):
        assert drop_feeds(lake, SMALL, date, None) == Dropped(0, 0, 0)


@pytest.mark.parametrize("written", [0, 1, 2, 7, 45])
def test_a_kill_leaves_whole_files_without_a_hole_before_partner_orders(
    lake: Killed, month: Lake, written: int
) -> None:
    lake.left = written
    with pytest.raises(ServiceDown):
        drop_feeds(lake, SHOP, LAST, None)
    there, wanted = content(lake), content(month)
    assert len(there) == written
    assert there.items() <= wanted.items()
    whole = lake.dates(PARTNER_ORDERS)
    assert whole == DATES[: len(whole)]
    assert set(whole) <= set(lake.dates(REVIEWS))
    lake.left = 2 * DAYS - written
    drop_feeds(lake, SHOP, LAST, None)
    assert content(lake) == wanted


def test_what_somebody_else_drops_is_left_alone_and_does_not_count(lake: Killed, month: Lake) -> None:
    late = {f"{PARTNER_ORDERS}/date={date}/late.csv": b"theirs" for date in DATES}
    for key, data in late.items():
        lake.write(key, data)
    drop_feeds(lake, SHOP, LAST, None)
    assert content(lake) == content(month) | late


def test_progress_hears_each_day_in_its_order(lake: Killed) -> None:
    heard: list[tuple[dt.date, int, int]] = []
    drop_feeds(lake, SMALL, DATES[2], lambda *words: heard.append(words))
    assert heard == [(date, number, 3) for number, date in enumerate(DATES[:3], 1)]


@pytest.mark.parametrize(
    "other",
    [Shop(8, 1, OPENED), Shop(7, 1.5, OPENED), Shop(7, 1, OPENED - dt.timedelta(days=100))],
    ids=["seed", "scale", "opening"],
)
def test_another_shop_gets_other_files(lake: Killed, month: Lake, other: Shop) -> None:
    drop_feeds(lake, other, OPENED, None)
    for key in (reviews_key(OPENED), partner_orders_key(OPENED)):
        assert lake.read(key) != month.read(key)


def test_scale_multiplies_rows_and_the_smallest_shop_has_one_a_day(
    lake: Killed, services_home: Path, reviews: list[list[str]], orders: list[list[str]]
) -> None:
    ten = drop_feeds(lake, Shop(7, 10, OPENED), DATES[5], None)
    assert ten.rows / 6 == pytest.approx(10 * (len(reviews) + len(orders)) / DAYS, rel=0.25)
    assert 8 < len(reviews) / DAYS < 16
    tiny = new_lake(services_home)
    drop_feeds(tiny, Shop(7, 0.01, OPENED), DATES[5], None)
    assert {len(table(tiny, reviews_key(date))) for date in DATES[:6]} == {2}
    assert all(len({row[0] for row in table(tiny, partner_orders_key(date))[1:]}) == 1 for date in DATES[:6])


def test_reviews_hold_what_makes_csv_hard_and_opinions_hard_to_tell(reviews: list[list[str]]) -> None:
    texts = [text for _, text in reviews]
    for part in ('"', ",", "\n", "'", "not ", "n't"):
        assert sum(part in text for text in texts) > 5
    assert sum(bool(EMOJI.search(text)) for text in texts) > 5
    assert min(map(len, texts)) < 40
    assert max(map(len, texts)) > 1000
    assert len(set(texts)) > 0.9 * len(texts)


def test_partner_orders_have_several_items_and_names_that_need_quotes(orders: list[list[str]]) -> None:
    items = Counter(order for order, *_ in {tuple(row) for row in orders})
    assert set(items.values()) == {1, 2, 3, 4, 5}
    assert all(re.fullmatch(r"PO-\d{6}", order) for order in items)
    names = {item: name for _, _, item, name, _ in orders}
    assert all(re.fullmatch(r"NB-\d+", item) for item in names)
    assert all(names[row[2]] == row[3] for row in orders)
    assert all(any(part in name for name in names.values()) for part in (",", '"'))


def test_an_order_is_one_customers_and_in_one_file(month: Lake, orders: list[list[str]]) -> None:
    assert len({(row[0], row[1]) for row in orders}) == len({row[0] for row in orders})
    files = [{row[0] for row in table(month, partner_orders_key(date))[1:]} for date in DATES]
    assert sum(map(len, files)) == len(set().union(*files))


def test_a_few_lines_come_twice_and_otherwise_an_item_is_once_in_an_order(orders: list[list[str]]) -> None:
    twice = [row for row, times in Counter(map(tuple, orders)).items() if times > 1]
    assert 0 < len(twice) < 0.08 * len(orders)
    assert len({(row[0], row[2]) for row in orders}) == len(orders) - len(twice)


def test_deliveries_are_of_the_date_or_shortly_before(month: Lake) -> None:
    days = Counter[int]()
    for date in DATES:
        for *_, delivered in table(month, partner_orders_key(date))[1:]:
            days[(date - dt.datetime.strptime(delivered, "%y-%m-%d %H:%M:%S").date()).days] += 1
    assert set(days) == {0, 1, 2}
    assert days[0] > 0.7 * days.total()


def test_most_customers_are_those_that_the_shop_has_by_then(
    simulator_url: str, reviews: list[list[str]], orders: list[list[str]], month: Lake
) -> None:
    simulate(simulator_url, LAST, seed=7, scale=1, opened_on=OPENED, progress=None)
    with postgres.session(simulator_url, "tests") as cursor:
        query = "select business_date, last_customer_id from simulator.business_day"
        known = dict(postgres.rows(cursor, query))
    assert known[LAST] > customers_at_opening(1) + 150
    strangers = {date: [int(row[0]) > known[date] for row in table(month, reviews_key(date))[1:]] for date in DATES}
    unknown = sum(map(sum, strangers.values()))
    assert 0 < unknown < 0.05 * len(reviews)
    assert 0 < sum(int(row[1]) > known[LAST] for row in orders) < 0.08 * len(orders)
    newest = [int(cid) for cid, _ in reviews if known[LAST] - 750 < int(cid) <= known[LAST]]
    assert len(newest) > len(reviews) / 2


# The task


@pytest.fixture
def small(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("OCEAN_SHOP_SCALE", "0.1")
    monkeypatch.setenv("OCEAN_SHOP_SEED", "7")
    monkeypatch.setenv("OCEAN_SHOP_OPENED_ON", str(OPENED))
    settings.cache_clear()
    return world


def test_the_task_drops_what_is_missing_since_the_opening_without_a_shop(small: World, lake: Killed) -> None:
    task = SimulateFeeds(date=DATES[3])
    assert not task.complete()
    assert luigi.build([task], local_scheduler=True)
    assert [SimulateFeeds(date=date).complete() for date in DATES[:5]] == [True] * 4 + [False]
    assert find_shop(small.simulator_url) is None
    dropped = drop_feeds(lake, SMALL, DATES[3], None)
    assert (task.rows, task.bytes) == (dropped.rows, dropped.bytes)
    assert content(small.lake) == content(lake)


def test_a_date_before_the_opening_has_no_files(small: World) -> None:
    assert SimulateFeeds(date=OPENED - ONE_DAY).complete()
    SimulateFeeds(date=OPENED - ONE_DAY).run()
    assert content(small.lake) == {}


def test_a_shop_that_is_open_counts_for_more_than_the_settings(
    small: World, lake: Killed, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate(small.simulator_url, DATES[1], seed=9, scale=0.2, opened_on=DATES[1], progress=None)
    assert find_shop(small.simulator_url) == Shop(9, 0.2, DATES[1])
    assert SimulateFeeds(date=OPENED).complete()
    SimulateFeeds(date=DATES[2]).run()
    drop_feeds(lake, Shop(9, 0.2, DATES[1]), DATES[2], None)
    assert content(small.lake) == content(lake)


def test_files_of_a_day_that_is_not_over_are_refused(small: World) -> None:
    with pytest.raises(SimulationError, match="not over yet"):
        SimulateFeeds(date=dt.datetime.now(dt.UTC).date()).run()
    assert content(small.lake) == {}
