"""A load that wrote any row waits for the disk before it is done; one that wrote none does not."""

import json

import pytest
from support.feeds_world import classify, deliver_reviews, settings_of
from support.shop import add_order, at, date, open_shop, update
from support.world import World

from pipeline.tasks.load_risk_scores import LoadRiskScores

# Looks at the setting that the commit goes by: after all that the transaction itself does.
AT_COMMIT = """
create table public.at_commit (update_id text, waits text);
create function public.note_commit() returns trigger language plpgsql as $$
begin
    insert into public.at_commit values (new.update_id, current_setting('synchronous_commit'));
    return null;
end $$;
create constraint trigger note_commit after insert or update on etl.marker deferrable initially deferred
for each row execute function public.note_commit()
"""


@pytest.fixture
def loaded(world: World) -> World:
    """Two reviews and an order, loaded; from here on commits are looked at."""
    open_shop(world)
    add_order(world, 1, at(2), 1)
    deliver_reviews(world, 2, (1, "a good film"), (1, "a bad one"))
    classify(world, 2)
    found = world.where(RISK_API_URL="")
    found.load(date(2))
    found.warehouse(AT_COMMIT)
    return found


def commits(world: World) -> dict[str, str]:
    """Of the tables that were loaded since it was asked last, whether the commit waited: on or off."""
    found = world.warehouse("select update_id, waits from public.at_commit")
    world.warehouse("delete from public.at_commit")
    return {update_id.partition(",")[0]: waits for update_id, waits in found}


def test_a_load_waits_for_the_disk_where_it_wrote_rows(loaded: World) -> None:
    loaded.load(date(3))
    quiet = commits(loaded)
    loads = {name: waits for name, waits in quiet.items() if name.startswith(("LoadStage", "LoadFact", "LoadMart"))}
    assert {name for name, waits in loads.items() if waits == "on"} == set()
    assert quiet["DailyWarehouseLoad(mart.kpi_monthly"] == "on"

    update(loaded, "orders", {"order_id": 1}, at(4), order_status_id=2)
    loaded.load(date(4))
    waits = {name for name, waits in commits(loaded).items() if waits == "on"}
    assert {"LoadStage(stage.ops.orders", "LoadFact(dwh.fact_order", "LoadMart(mart.agg_order_month"} <= waits
    assert not {"LoadStage(stage.ops.customers", "LoadDimension(dwh.dim_customer", "LoadFact(dwh.fact_review"} & waits


def test_a_review_that_is_taken_away_counts_as_written_and_its_load_waits_for_the_disk(loaded: World) -> None:
    deliver_reviews(loaded, 2, (1, "a good film"))
    classify(loaded, 2)
    loaded.load(date(3))
    assert loaded.rows("select count(*) from dwh.fact_review") == {(1,)}
    assert commits(loaded)["LoadFact(dwh.fact_review"] == "on"
    counted = "select rows from etl.task_run where task = 'LoadFact' and params ->> 'table' = 'fact_review'"
    assert loaded.rows(f"{counted} and params ->> 'date' = '{date(3)}'") == {(1,)}


def test_an_answer_with_scores_before_one_without_waits_for_the_disk(loaded: World) -> None:
    for folder, scores in (("", []), ("/until=20260103T090000Z", [{"customer_id": 1, "risk_score": 7}])):
        where = f"extract/api.risk_score/date={date(3)}{folder}"
        loaded.lake.write(f"{where}/answer.json", json.dumps(scores).encode())
        loaded.lake.write(f"{where}/_SUCCESS", b"{}")
    loaded.lake.write(f"extract/bound/date={date(3)}/bound.json", b"{}")
    with settings_of(loaded.where(OCEAN_FROM_LAKE="1")):
        task = LoadRiskScores(date(3))
        task.run()
        assert task.error is None
    assert commits(loaded)["LoadRiskScores(stage.risk_score"] == "on"
