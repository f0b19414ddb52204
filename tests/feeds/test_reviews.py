"""Reviews: what is classified of each date is what the warehouse has, however often it is delivered or classified."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from support import shop
from support.feeds_world import (
    KNOWN,
    add_customer,
    as_parquet,
    classify,
    customer_comes,
    deliver,
    deliver_reviews,
    load_behavior,
    load_fact,
    open_queue,
    run,
    settings_of,
    tasks_of,
)
from support.loads import create_warehouse
from support.world import World

from pipeline.feeds import review_jobs, reviews
from pipeline.kernel.errors import BadExtract, ConfigError, TooManyRejected
from pipeline.source import bounds
from pipeline.tasks.load_reviews import LoadReviews
from pipeline.vendors.declared_feeds import REVIEWS

TASK_FAILED = 30
FACT = "fact_review"
MOODS = "select review_date, positive_review, classifier from dwh.fact_review"
PROBABILITIES = "select review_date, positive_probability from dwh.fact_review"
METRIC = "select insert_date, customerid, review_score, review_count from dwh.user_behavior_metric"


def load(world: World, day: int) -> Exception | None:
    """Loads stage and fact of what is classified; what failed is returned."""
    failure = run(world, LoadReviews(shop.date(day)))
    load_fact(world, FACT)
    return failure


def test_all_dates_up_to_the_date_are_loaded_at_once_and_a_replay_changes_nothing(opened: World) -> None:
    for day in (1, 2, 3):
        deliver_reviews(opened, day, (KNOWN, "good film"), (KNOWN, f"bad {day}"))
        classify(opened, day)
    assert load(opened, 2) is None
    assert opened.rows(MOODS) == {
        (shop.date(day), is_positive, "keyword") for day in (1, 2) for is_positive in (True, False)
    }
    assert opened.rows("select review_date_key from dwh.fact_review") == {(20260101,), (20260102,)}

    checksum, batches = opened.checksum(), opened.rows("select review_id, etl_batch from stage.movie_review")
    assert load(opened, 2) is None
    opened.warehouse("delete from etl.feed_date")  # as if nothing was loaded yet
    assert load(opened, 2) is None
    assert opened.checksum() == checksum
    assert opened.rows("select review_id, etl_batch from stage.movie_review") == batches


def test_another_classifier_changes_what_a_date_says_and_no_other_date(opened: World) -> None:
    for day in (1, 2):
        deliver_reviews(opened, day, (KNOWN, "fine"), (KNOWN, "good"))
        classify(opened, day)
    assert load(opened, 2) is None
    keys = opened.rows("select review_id, review_key from dwh.fact_review")

    classify(opened, 1, "lexicon")
    assert load(opened, 2) is None
    assert opened.rows(MOODS) == {
        (shop.date(1), True, "lexicon"),
        (shop.date(2), True, "keyword"),
        (shop.date(2), False, "keyword"),
    }
    assert opened.rows("select review_id, review_key from dwh.fact_review") == keys
    require_shown(opened)


def test_a_date_that_was_classified_again_is_loaded_by_its_own_command(opened: World) -> None:
    deliver_reviews(opened, 1, (KNOWN, "fine"))
    classify(opened, 1)
    opened.luigi("LoadReviews", "--date", str(shop.date(1)))
    classify(opened, 1, "lexicon")
    opened.luigi("LoadReviews", "--date", str(shop.date(1)))
    assert opened.rows("select classifier from stage.movie_review") == {("lexicon",)}


def test_a_review_that_is_no_longer_delivered_goes_from_fact_and_metric_and_may_come_back(opened: World) -> None:
    extract_bound(opened, 1)
    deliver_reviews(opened, 1, (KNOWN, "good"), (KNOWN, "bad"), file="a")
    deliver_reviews(opened, 1, (KNOWN, "good too"), file="b")

    def reload() -> tuple[int, set[object]]:
        classify(opened, 1)
        assert load(opened, 1) is None
        load_behavior(opened, 1)
        require_shown(opened)
        [(count,)] = opened.warehouse("select count(*) from dwh.fact_review")
        return count, set(opened.warehouse(METRIC))

    assert reload() == (3, {(shop.date(1), KNOWN, 2, 3)})
    deliver_reviews(opened, 1, (KNOWN, "bad"), file="a")
    assert reload() == (2, {(shop.date(1), KNOWN, 1, 2)})
    deliver_reviews(opened, 1, file="a")
    deliver_reviews(opened, 1, file="b")
    assert reload() == (0, set())
    deliver_reviews(opened, 1, (KNOWN, "good"), file="a")
    assert reload() == (1, {(shop.date(1), KNOWN, 1, 1)})
    assert open_queue(opened) == set()


def require_shown(world: World) -> None:
    """Returns if the mart shows of reviews and behaviour what dwh holds."""
    for shown, held in SHOWN:
        assert world.rows(shown) == world.rows(held)


SHOWN = (
    (
        "select month, reviews, positive_reviews from mart.review_volume",
        "select date_trunc('month', review_date)::date, count(*), count(*) filter (where positive_review) "
        "from dwh.fact_review group by 1",
    ),
    (
        "select purchase_date, sum(customer_days), sum(amount_spent), sum(reviews), sum(positive_reviews) "
        "from mart.customer_behavior group by 1",
        "select insert_date, count(*), sum(amount_spent), sum(review_count), sum(review_score) "
        "from dwh.user_behavior_metric group by 1",
    ),
)


def extract_bound(world: World, day: int) -> None:
    """The bound of a day that is over."""
    world.lake.write(bounds.key_of(shop.date(day)), f'{{"to_watermark": "{shop.at(day + 1, 0).isoformat()}"}}'.encode())


def test_reviews_of_unknown_customers_are_queued_and_healed_and_leave_the_queue_when_they_vanish(opened: World) -> None:
    deliver_reviews(opened, 1, (7, "good"), (8, "good"), (KNOWN, "good"))
    classify(opened, 1)
    assert load(opened, 1) is None
    customers = "select customer_id from dwh.fact_review inner join dwh.dim_customer using (customer_key)"
    assert sorted(opened.warehouse(customers)) == [(-1,), (-1,), (KNOWN,)]
    waiting = dict(opened.warehouse("select cid, review_id from stage.movie_review where cid > 1"))
    assert open_queue(opened) == {(FACT, review, "dim_customer") for review in waiting.values()}

    customer_comes(opened, 7, day=2)
    load_fact(opened, FACT)
    assert sorted(opened.warehouse(customers)) == [(-1,), (KNOWN,), (7,)]
    assert open_queue(opened) == {(FACT, waiting[8], "dim_customer")}

    deliver_reviews(opened, 1, (7, "good"), (KNOWN, "good"))
    classify(opened, 1)
    assert load(opened, 1) is None
    assert open_queue(opened) == set()


def test_a_trained_model_that_is_not_there_is_asked_for(opened: World) -> None:
    with pytest.raises(ConfigError, match="there is none on the lake; run TrainReviewClassifier first"):
        classify(opened, 1, "trained")


def test_a_lexicon_that_is_not_installed_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_jobs, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match="vaderSentiment is not installed; install it with `make env`"):
        review_jobs.lexicon_files()


def test_parquet_without_its_marker_is_not_there(opened: World) -> None:
    deliver_reviews(opened, 1, (KNOWN, "good"))
    opened.lake.write(
        f"{reviews.STAGE}/date={shop.date(1)}/part-0.parquet", as_parquet([(KNOWN, True, "x")], "keyword")
    )
    assert load(opened, 1) is None
    assert opened.rows(MOODS) == set()
    classify(opened, 1)
    assert load(opened, 1) is None
    assert opened.rows(MOODS) == {(shop.date(1), True, "keyword")}


def test_how_sure_the_classifier_is_goes_to_the_fact_and_is_null_in_files_of_an_earlier_version(
    opened: World,
) -> None:
    for day in (1, 2):
        deliver_reviews(opened, day, (KNOWN, "good"))
        classify(opened, day)
    told(opened, 1, pa.array([0.875], pa.float64()))
    told(opened, 2, None)
    assert load(opened, 2) is None
    assert opened.rows("select positive_probability from stage.movie_review") == {(0.875,), (None,)}
    assert opened.rows(PROBABILITIES) == {(shop.date(1), 0.875), (shop.date(2), None)}


def test_a_warehouse_of_an_earlier_version_gets_the_probability_at_the_next_load(opened: World) -> None:
    deliver_reviews(opened, 1, (KNOWN, "good"))
    classify(opened, 1)
    told(opened, 1, pa.array([0.875], pa.float64()))
    assert load(opened, 1) is None
    for table in ("stage.movie_review", "dwh.fact_review"):
        opened.warehouse(f"alter table {table} drop column positive_probability")
    with settings_of(opened):
        create_warehouse(opened)
    load_fact(opened, FACT)
    assert opened.rows(PROBABILITIES) == {(shop.date(1), None)}

    opened.warehouse("delete from etl.feed_date")  # the date is loaded again
    assert load(opened, 1) is None
    assert opened.rows(PROBABILITIES) == {(shop.date(1), 0.875)}


def told(world: World, day: int, probabilities: pa.Array | None) -> None:
    """Writes the classified reviews of a day again with these probabilities, or without the column."""
    key = f"{reviews.STAGE}/date={shop.date(day)}/part-0.parquet"
    table = parquet.read_table(pa.BufferReader(world.lake.read(key) or b"")).drop_columns(["positive_probability"])
    if probabilities is not None:
        table = table.append_column("positive_probability", probabilities)
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)
    world.lake.write(key, sink.getvalue().to_pybytes())


def test_a_broken_parquet_file_is_named_and_nothing_of_the_load_stays(opened: World) -> None:
    for day in (1, 2):
        deliver_reviews(opened, day, (KNOWN, "good"))
        classify(opened, day)
    key = f"{reviews.STAGE}/date={shop.date(2)}/part-0.parquet"
    whole = opened.lake.read(key) or b""
    opened.lake.write(key, whole[:-20])
    failure = load(opened, 2)
    assert isinstance(failure, BadExtract)
    assert key in str(failure)
    assert opened.rows(MOODS) == set()
    assert opened.rows("select 1 from etl.feed_date") == set()


def test_bad_reviews_are_kept_with_line_reason_and_file(opened: World) -> None:
    lenient = opened.where(OCEAN_MAX_REJECTED="0.5")
    deliver(opened, REVIEWS, 1, f'{KNOWN},"a good\nfilm"', "x,fine", file="a")
    deliver(opened, REVIEWS, 1, f"{KNOWN},good", f"{KNOWN},", file="b")
    classify(lenient, 1)
    assert load(opened, 1) is None
    folder = f"landing/movie_review/date={shop.date(1)}"
    assert opened.rows('select source, date, file, line, reason, "row" from etl.rejected_row') == {
        ("movie_review", shop.date(1), f"{folder}/a.csv", 4, "cid is not a whole number", "x,fine"),
        ("movie_review", shop.date(1), f"{folder}/b.csv", 3, "review_str is missing", f"{KNOWN},"),
    }
    assert opened.warehouse("select rows, rejected from etl.feed_date") == [(2, 2)]

    deliver_reviews(opened, 1, (KNOWN, "fine"), file="a")
    deliver_reviews(opened, 1, (KNOWN, "good"), file="b")
    classify(opened, 1)
    assert load(opened, 1) is None
    assert opened.rows("select 1 from etl.rejected_row") == set()


def test_too_many_bad_reviews_leave_what_was_classified_before(opened: World) -> None:
    deliver_reviews(opened, 1, (KNOWN, "good"))
    classify(opened, 1)
    deliver(opened, REVIEWS, 1, "x,good", f"{KNOWN},good", file="b")
    with pytest.raises(TooManyRejected, match="movie_review of 2026-01-01"):
        classify(opened, 1)
    assert load(opened, 1) is None
    assert opened.rows(MOODS) == {(shop.date(1), True, "keyword")}


def test_a_backfill_classifies_all_dates_in_one_spark_application(world: World) -> None:
    lenient = world.where(OCEAN_MAX_REJECTED="0.5", OCEAN_SPARK_MASTER="local[1]", OCEAN_REVIEW_CLASSIFIER="keyword")
    shop.open_shop(world)
    add_customer(world, 2, 1)
    shop.add_order(world, 1, shop.at(1), 1, 1)
    shop.add_order(world, 2, shop.at(2), 1, customer_id=2)
    world.source("update ops.order_lines set quantity = 3")
    deliver_reviews(world, 1, (KNOWN, "good, as ever"), (2, "hardly ☹\nwatchable"))
    deliver(world, REVIEWS, 2, '2,"no, ""good"" it is not"', "7,good", "x,good")
    logs = spark_logs(world)
    span = ("--start", str(shop.date(1)), "--stop", str(shop.date(3)))
    lenient.luigi("RangeDaily", "--of", "DailyWarehouseLoad", *span)

    assert len(spark_logs(world) - logs) == 1
    assert world.warehouse("select rows from etl.task_run where task = 'ClassifyReviews'") == [(4,)]
    assert world.rows(
        "select review_date::text, customer_id, positive_review, classifier from dwh.fact_review "
        "inner join dwh.dim_customer using (customer_key)"
    ) == {
        ("2026-01-01", 1, True, "keyword"),
        ("2026-01-01", 2, False, "keyword"),
        ("2026-01-02", 2, True, "keyword"),
        ("2026-01-02", -1, True, "keyword"),
    }
    assert world.rows(METRIC) == {(shop.date(1), KNOWN, 1, 1), (shop.date(2), 2, 1, 2)}
    assert world.rows('select source, date, line, reason, "row" from etl.rejected_row') == {
        ("movie_review", shop.date(2), 4, "cid is not a whole number", "x,good")
    }
    assert [queued[::2] for queued in open_queue(world)] == [(FACT, "dim_customer")]
    assert "Did not run any tasks" in lenient.load(shop.date(2))


def spark_logs(world: World) -> set[Path]:
    return set((world.home / "log").glob("spark-*"))


def test_where_spark_cannot_start_reviews_fail_alone_and_a_date_without_any_does_not_notice(
    world: World, tmp_path: Path
) -> None:
    broken = world.where(JAVA_HOME=str(tmp_path), OCEAN_SPARK_MASTER="spark://127.0.0.1:1")
    shop.open_shop(world)
    shop.add_order(world, 1, shop.at(1), 1)
    broken.load(shop.date(1))
    deliver_reviews(world, 2, (KNOWN, "good"))
    shop.add_order(world, 2, shop.at(2), 1)
    output = broken.load(shop.date(2), expect=TASK_FAILED)
    assert re.search(r"cannot finish the load of 2026-01-02, because movie_review[a-z_, ]* could not be loaded", output)
    assert "JAVA_HOME" in output
    assert ["movie_review", "failed"] in [line.split()[:2] for line in output.splitlines()]
    assert world.rows("select order_id from dwh.fact_order") == {(1,), (2,)}
    assert ("ClassifyReviews", "", "failed") in tasks_of(world, 2)
    assert {task[0] for task in tasks_of(world, 2) if task[2] == "failed"} <= {"ClassifyReviews", "DailyWarehouseLoad"}
