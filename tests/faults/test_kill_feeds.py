"""A date with all feeds that is killed at random moments and run again ends in the same warehouse as one left alone."""

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest
from support import shop
from support.feeds_world import add_customer, classify, deliver_orders, deliver_reviews, running_api
from support.world import World, Worlds

from faults.disturbed import FAULTS, Case, Tally, disturb, kill_command, undisturbed, wait_for

DAY = 2
LOAD = ("DailyWarehouseLoad", "--date", str(shop.date(DAY)), "--workers", "2")
KILLS, SPARK_KILLS = max(1, FAULTS * 2 // 5), max(1, FAULTS // 10)
SPARK_SECONDS = 8  # that Spark takes, more or less


@pytest.fixture(scope="module")
def feeds(services_home: Path) -> Iterator[Case]:
    """A date with all feeds."""
    worlds = Worlds(services_home, "kill_feeds")
    with running_api() as api:
        api.answer = [{"customer_id": customer, "risk_score": 10 * customer} for customer in (1, 2, 3)]
        spark = {"OCEAN_SPARK_MASTER": "local[1]", "OCEAN_REVIEW_CLASSIFIER": "keyword"}
        before = worlds.new().where(RISK_API_URL=api.url, **spark)
        shop.open_shop(before)
        shop.add_order(before, 1, shop.at(1), 1)
        before.luigi("DailyWarehouseLoad", "--date", str(shop.date(1)))
        for customer in (2, 3):
            add_customer(before, customer, DAY)
            shop.add_order(before, customer, shop.at(DAY), 1, 1, customer_id=customer)
        before.source("update ops.order_lines set quantity = 3")
        yield undisturbed(
            "feeds", lambda: deliver(worlds.copy(before).where(**before.more)), LOAD, before=lambda w: classify(w, DAY)
        )


def deliver(world: World) -> World:
    """What vendors have for the date, and late for the day before it; of each feed something waits for its customer."""
    deliver_reviews(world, 1, (1, "good"), (2, "fine"))
    deliver_reviews(world, DAY, (2, "good"), (2, "good"), (3, "bad"), (7, "good"))
    for day in (1, DAY):
        for file in "ab":
            lines = (f"{file},{customer},{day},Kelp,26-01-0{day} 08:00:00" for customer in (1, 2, 7, ""))
            deliver_orders(world, day, *lines, f"{file}{day},7,1,Coral,26-01-0{day} 09:00:00", file=file)
    return world


def test_the_undisturbed_load_has_something_of_every_feed(feeds: Case) -> None:
    assert all(rows for table, (rows, _) in feeds.checksum.items() if "address" not in table)


def test_a_load_of_all_feeds_killed_at_any_moment_ends_in_the_same_warehouse(feeds: Case, tally: Tally) -> None:
    disturb(feeds, KILLS, kill_command, tally, before=lambda world: classify(world, DAY))


def test_a_load_killed_while_spark_classifies_ends_in_the_same_warehouse(feeds: Case, tally: Tally) -> None:
    random, kills = Random("spark"), SPARK_KILLS
    world = feeds.start()
    while kills:
        logs = spark_logs(world)
        process = world.start(*LOAD)
        wait_for(partial(has_other_logs, world, logs), process)
        try:
            process.communicate(timeout=random.uniform(0, SPARK_SECONDS))
            world = feeds.start()  # it was quicker
        except subprocess.TimeoutExpired:
            kills -= kill_command(process)
            tally.count("faults")
    tally.count("reruns")
    world.luigi(*LOAD)
    tally.compare(world, feeds.checksum)


def has_other_logs(world: World, than: set[tuple[str, float]]) -> bool:
    return spark_logs(world) != than


def spark_logs(world: World) -> set[tuple[str, float]]:
    return {(log.name, log.stat().st_mtime) for log in (world.home / "log").glob("spark-*")}
