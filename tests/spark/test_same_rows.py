"""The same reviews give the same rows on every engine; what these rows are."""

import csv
import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from emr_double import emr_double
from engine_support import new_lake, silent
from support.spark_cluster import standalone_cluster
from support.warm_spark import MODEL, SPARK

from pipeline.feeds import review_models
from pipeline.feeds.review_jobs import classify
from pipeline.lake.objects import Lake
from pipeline.spark.emr import EmrEngine
from pipeline.spark.job import Engine, Job
from pipeline.spark.local import LocalEngine

LANDING, TARGET = "landing/movie_review", "stage/movie_review"
DAY, NEXT, LATER = "2026-01-01", "2026-01-02", "2026-01-03"
REVIEWS: dict[str, list[tuple[str, str]]] = {
    DAY: [
        ("1", "A wonderful, touching film."),
        ("2", 'She said "a masterpiece", he said "superb"; both were happy.'),
        ("3", "A disaster.\nBoring from start to end,\nand awful in between."),
        ("4", "It was not good."),
        ("5", "It isn't a very good film."),
        ("6", "never really all that good"),
        ("7", "😍😍😍"),
        ("8", ""),
        ("9", "<p>Great&nbsp;fun!<br/>I loved it</p>"),
        ("10", "Not bad at all"),
        ("11", "GOOD"),
        ("12", "Goodness knows what they were thinking"),
        ("12", "Goodness knows what they were thinking"),
    ],
    NEXT: [("1", "A wonderful, touching film."), ("-1", "hopeless 😡")],
}
BAD_ROWS = "x,a number is missing\n1.5,a fraction\n14,too,many\n15\n99999999999999999999,too large\n"
# What the words of these reviews say; the lexicon has no mind of its own on Goodness.
POSITIVE = {1: True, 2: True, 3: False, 4: False, 5: False, 6: False, 7: True, 8: False, 9: True, 10: True, 11: True}

Row = tuple[int, bool, str, str, float | None]


def csv_file(rows: list[tuple[str, str]], more: str = "") -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("cid", "review_str"), *rows])
    return (text.getvalue() + more).encode()


def land(lake: Lake) -> None:
    first, second = REVIEWS[DAY][:5], REVIEWS[DAY][5:]
    lake.write(f"{LANDING}/date={DAY}/a.csv", csv_file(first, BAD_ROWS))
    lake.write(f"{LANDING}/date={DAY}/b.csv", csv_file(second))
    lake.write(f"{LANDING}/date={NEXT}/a.csv", csv_file(REVIEWS[NEXT]))
    lake.write(f"{LANDING}/date={LATER}/a.csv", csv_file([("1", "not asked for")]))


def job(classifier: str = "lexicon", *, dates: tuple[str, ...] = (DAY, NEXT), model: str = "", sha256: str = "") -> Job:
    return classify("classify reviews", LANDING, dates, TARGET, classifier, model, sha256)


def rows(lake: Lake, date: str) -> list[Row]:
    """The rows of a date in the order of its files."""
    found: list[Row] = []
    for entry in lake.objects(f"{TARGET}/date={date}"):
        table = pq.read_table(io.BytesIO(lake.read(entry.key) or b""))
        assert [str(field.type) for field in table.schema] == ["int64", "bool", "string", "string", "double"]
        found += [tuple(row.values()) for row in table.to_pylist()]
    return found


def all_rows(lake: Lake) -> dict[str, list[Row]]:
    return {date: rows(lake, date) for date in (DAY, NEXT)}


@pytest.fixture
def empty_lake(services_home: Path) -> Lake:
    return new_lake(services_home)


@pytest.fixture(scope="module")
def local(services_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with the reviews classified by the lexicon on local[2]; a date that was there before."""
    lake = new_lake(services_home)
    land(lake)
    lake.write(f"{TARGET}/date={LATER}/part-00000.parquet", b"of another day")
    lake.write(f"{TARGET}/date={DAY}/part-00007.parquet", b"of a larger run before")
    # The name of a folder that a shell would split.
    LocalEngine(SPARK, lake, tmp_path_factory.mktemp("logs") / "with a blank").run(job(), silent)
    return lake


def answers(found: list[Row]) -> dict[int, bool]:
    return {cid: positive for cid, positive, *_ in found}


def test_the_lexicon_understands_negation_quotes_line_breaks_emoji_and_empty_texts(local: Lake) -> None:
    found = answers(rows(local, DAY))
    assert {cid: found[cid] for cid in POSITIVE} == POSITIVE
    assert answers(rows(local, NEXT)) == {1: True, -1: False}


def test_bad_rows_are_left_out_and_all_others_are_there_once(local: Lake) -> None:
    for date in (DAY, NEXT):
        assert sorted(row[0] for row in rows(local, date)) == sorted(int(cid) for cid, _ in REVIEWS[date])


def test_a_review_id_is_the_hash_of_what_was_said_and_how_often(local: Lake) -> None:
    def sha(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    for date, reviews in REVIEWS.items():
        expected = {
            sha(f"{sha(f'{date}|{cid}|{text}')}|{reviews[:position].count((cid, text)) + 1}")
            for position, (cid, text) in enumerate(reviews)
        }
        assert {row[2] for row in rows(local, date)} == expected


def test_rows_stand_in_the_order_of_their_ids_in_one_file_for_each_date(local: Lake) -> None:
    for date in (DAY, NEXT):
        assert len(local.objects(f"{TARGET}/date={date}")) == 1
        ids = [row[2] for row in rows(local, date)]
        assert ids == sorted(ids)


def test_another_date_stays_as_it_was(local: Lake) -> None:
    assert local.read(f"{TARGET}/date={LATER}/part-00000.parquet") == b"of another day"


def test_a_standalone_cluster_gives_the_same_rows(local: Lake, empty_lake: Lake, tmp_path: Path) -> None:
    land(empty_lake)
    with standalone_cluster(tmp_path) as master:
        LocalEngine(replace(SPARK, master=master), empty_lake, tmp_path).run(job(), silent)
        log = (tmp_path / "cluster.log").read_text()
    assert all_rows(empty_lake) == all_rows(local)
    assert log.count("Asked to launch executor") == 2


def test_emr_gives_the_same_rows(local: Lake, empty_lake: Lake, tmp_path: Path) -> None:
    land(empty_lake)
    with emr_double(tmp_path, empty_lake.s3) as double:
        EmrEngine(replace(SPARK, emr_cluster=double.cluster()), empty_lake).run(job(), silent)
    assert all_rows(empty_lake) == all_rows(local)
    assert len(double.commands) == 3


def test_other_files_in_another_order_give_the_same_rows(
    local: Lake, empty_lake: Lake, warm: Callable[[Lake], Engine]
) -> None:
    for date in (DAY, NEXT):
        for number, row in enumerate(reversed(REVIEWS[date])):
            empty_lake.write(f"{LANDING}/date={date}/{number:02}.csv", csv_file([row]))
    warm(empty_lake).run(job(), silent)
    assert all_rows(empty_lake) == all_rows(local)


def test_the_keyword_rule_knows_the_word_good_and_nothing_else(
    local: Lake, empty_lake: Lake, warm: Callable[[Lake], Engine]
) -> None:
    land(empty_lake)
    kept = b"of the lexicon"
    empty_lake.write(f"{TARGET}/date={NEXT}/part-00000.parquet", kept)
    warm(empty_lake).run(job("keyword", dates=(DAY,)), silent)
    found = rows(empty_lake, DAY)
    assert {cid for cid, positive, *_ in found if positive} == {4, 5, 6, 11}
    assert {row[3:] for row in found} == {("keyword", None)}
    assert [row[2] for row in found] == [row[2] for row in rows(local, DAY)]
    assert empty_lake.read(f"{TARGET}/date={NEXT}/part-00000.parquet") == kept


def test_a_model_that_was_trained_on_the_lake_classifies(trained: Lake, warm: Callable[[Lake], Engine]) -> None:
    land(trained)
    sha256 = review_models.digest(trained, MODEL)
    warm(trained).run(job("trained", dates=(NEXT,), model=MODEL, sha256=sha256), silent)
    # What so few reviews teach is no matter here; that the model was found and used is.
    found = rows(trained, NEXT)
    assert {(cid, classifier) for cid, _, _, classifier, _ in found} == {(1, "trained"), (-1, "trained")}
    for _, positive, _, _, probability in found:
        assert probability is not None
        assert 0 <= probability <= 1
        assert positive == (probability >= 0.5)


def test_without_reviews_no_spark_is_started(empty_lake: Lake, tmp_path: Path) -> None:
    said: list[Any] = []
    LocalEngine(SPARK, empty_lake, tmp_path / "logs").run(job(), said.append)
    assert said == ["classify reviews: nothing to read"]
    assert not (tmp_path / "logs").exists()
