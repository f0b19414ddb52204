"""A date with all feeds that is killed at random moments and run again ends in the same warehouse as one left alone."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
import shop
from feeds_world import add_customer, classify, deliver_orders, deliver_reviews, running_api
from support import World, Worlds

DAY = 2
LOAD = ("DailyWarehouseLoad", "--date", str(shop.date(DAY)), "--workers", "2")
KILLS, SPARK_KILLS = 4, 1
SECONDS = 120
SPARK_SECONDS = 8  # that Spark takes, more or less


@dataclass(frozen=True)
class Case:
    """A world before the date, the seconds of a load that finds nothing to do and of one that does it all, its end."""

    before: World
    worlds: Worlds
    at_rest: float
    seconds: float
    checksum: dict[str, tuple[int, str]]

    def start(self) -> World:
        return deliver(self.worlds.copy(self.before).where(**self.before.more))


@pytest.fixture(scope="module")
def case(services_home: Path) -> Iterator[Case]:
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

        undisturbed = deliver(worlds.copy(before).where(**before.more))
        classify(undisturbed, DAY)
        seconds, at_rest = timed_load(undisturbed), timed_load(undisturbed)
        yield Case(before, worlds, at_rest, seconds, undisturbed.checksum())


def deliver(world: World) -> World:
    """What vendors have for the date, and late for the day before it; of each feed something waits for its customer."""
    deliver_reviews(world, 1, (1, "good"), (2, "fine"))
    deliver_reviews(world, DAY, (2, "good"), (2, "good"), (3, "bad"), (7, "good"))
    for day in (1, DAY):
        for file in "ab":
            lines = (f"{file},{customer},{day},Kelp,26-01-0{day} 08:00:00" for customer in (1, 2, 7, ""))
            deliver_orders(world, day, *lines, f"{file}{day},7,1,Coral,26-01-0{day} 09:00:00", file=file)
    return world


def timed_load(world: World) -> float:
    started = time.monotonic()
    world.luigi(*LOAD)
    return time.monotonic() - started


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_the_undisturbed_load_has_something_of_every_feed(case: Case) -> None:
    assert all(rows for table, (rows, _) in case.checksum.items() if "address" not in table)


def test_a_load_killed_at_any_moment_ends_in_the_same_warehouse(case: Case) -> None:
    random, kills = Random("feeds"), KILLS
    while kills:
        world, done = case.start(), False
        classify(world, DAY)
        while kills and not done:
            process = world.start(*LOAD)
            try:
                output, _ = process.communicate(timeout=random.uniform(case.at_rest, case.seconds))
                assert process.returncode == 0, output
            except subprocess.TimeoutExpired:
                kill(process)
            done = process.returncode == 0  # what was done before its time had come does not count
            kills -= not done
        world.luigi(*LOAD)
        assert world.checksum() == case.checksum


def test_a_load_killed_while_spark_classifies_ends_in_the_same_warehouse(case: Case) -> None:
    random, kills = Random("spark"), SPARK_KILLS
    world = case.start()
    while kills:
        logs = spark_logs(world)
        process = world.start(*LOAD)
        deadline = time.monotonic() + SECONDS
        while spark_logs(world) == logs:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "Spark was not started"
            time.sleep(0.05)
        try:
            process.communicate(timeout=random.uniform(0, SPARK_SECONDS))
            world = case.start()  # it was quicker
        except subprocess.TimeoutExpired:
            kill(process)
            kills -= 1
    world.luigi(*LOAD)
    assert world.checksum() == case.checksum


def spark_logs(world: World) -> set[tuple[str, float]]:
    return {(log.name, log.stat().st_mtime) for log in (world.home / "log").glob("spark-*")}
