"""A date without feeds: what it runs is what a warehouse without feeds would."""

from collections import Counter
from pathlib import Path

from support import shop
from support.feeds_world import tasks_of
from support.world import World

FEEDS = {"ClassifyReviews", "LoadReviews", "LoadPartnerOrders", "ExtractRiskScores", "LoadRiskScores"}
PURCHASES = {"ExtractPurchases", "LoadUserBehavior"}


def test_a_date_without_feeds_runs_no_task_of_theirs(world: World, tmp_path: Path) -> None:
    quiet = world.where(RISK_API_URL="", JAVA_HOME=str(tmp_path), OCEAN_SPARK_MASTER="spark://127.0.0.1:1")
    shop.open_shop(world)
    world.source("drop view retail.user_purchase")
    shop.add_order(world, 1, shop.at(1), 1)
    quiet.load(shop.date(1))
    shop.add_order(world, 2, shop.at(2), 1)
    quiet.load(shop.date(2))
    for day in (1, 2):
        ran = tasks_of(world, day)
        assert {status for *_, status in ran} == {"done"}
        assert not {task for task, *_ in ran} & (PURCHASES | {"ExtractRiskScores", "LoadRiskScores"})
    tasks = Counter(task for task, *_ in tasks_of(world, 2))
    assert not set(tasks) & FEEDS
    assert {table for task, table, _ in tasks_of(world, 2) if task == "LoadFact"} == {"fact_order", "fact_order_line"}
    assert world.rows("select order_id from dwh.fact_order") == {(1,), (2,)}
    assert world.lake.objects("landing") == world.lake.objects("stage") == world.lake.objects("work") == []
