"""What lies on the lake in the place of classified reviews is loaded in its one form, or refused by its file."""

import json
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from support import shop
from support.feeds_world import KNOWN, classify, deliver_reviews, open_warehouse, run, settings_of
from support.world import World, Worlds

from pipeline.feeds import reviews
from pipeline.kernel.errors import BadExtract
from pipeline.tasks.load_reviews import LoadReviews

FOLDER = f"{reviews.STAGE}/date={shop.date(1)}"
FILE = f"{FOLDER}/part-0.parquet"
COLUMNS: dict[str, tuple[Any, Any]] = {
    "cid": (1, pa.int64()),
    "positive_review": (True, pa.bool_()),
    "review_id": ("x", pa.string()),
    "classifier": ("trained", pa.string()),
    "positive_probability": (0.75, pa.float64()),
}


@pytest.fixture(scope="module")
def opened(worlds: Worlds) -> World:
    world = worlds.new()
    with settings_of(world):
        open_warehouse(world)
    deliver_reviews(world, 1, (KNOWN, "good"))
    classify(world, 1)
    return world


@pytest.fixture
def attacked(opened: World) -> Any:
    """A date that is classified and not loaded; afterwards it is as it was."""
    before = {file.key: opened.lake.read(file.key) or b"" for file in opened.lake.objects(FOLDER)}
    yield opened
    opened.lake.delete([file.key for file in opened.lake.objects(FOLDER)])
    opened.lake.write_all(before)
    opened.warehouse("delete from etl.feed_date")
    opened.warehouse("delete from stage.movie_review")


def as_file(columns: dict[str, tuple[Any, Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({name: pa.array([value], type_) for name, (value, type_) in columns.items()}), sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


OTHERS = {
    "a column more": COLUMNS | {"review_date": ("2020-01-01", pa.string())},
    "a column less": {name: column for name, column in COLUMNS.items() if name != "classifier"},
    "a number of another type": COLUMNS | {"cid": (1, pa.int32())},
    "a text for a truth": COLUMNS | {"positive_review": ("true", pa.string())},
    "a text for a probability": COLUMNS | {"positive_probability": ("0.75", pa.string())},
    "another name for the probability": {
        name.replace("positive_probability", "probability"): column for name, column in COLUMNS.items()
    },
    "bytes for a text": COLUMNS | {"review_id": (b"x", pa.binary())},
    "a list": COLUMNS | {"review_id": (["x"], pa.list_(pa.string()))},
    "a name like another": {name.upper(): column for name, column in COLUMNS.items()},
}


@pytest.mark.parametrize("columns", OTHERS.values(), ids=OTHERS)
def test_parquet_of_another_schema_is_refused_by_its_name(attacked: World, columns: dict[str, Any]) -> None:
    attacked.lake.write(FILE, as_file(columns))
    failure = run(attacked, LoadReviews(shop.date(1)))
    assert isinstance(failure, BadExtract)
    assert f"{FILE}, because its columns are not those that were written there; delete the folder" in str(failure)
    assert attacked.rows("select 1 from stage.movie_review") == set()


def test_parquet_of_the_schema_is_loaded(attacked: World) -> None:
    attacked.lake.write(FILE, as_file(dict(reversed(COLUMNS.items()))))
    assert run(attacked, LoadReviews(shop.date(1))) is None
    assert attacked.rows("select review_id, cid, positive_probability from stage.movie_review") == {("x", 1, 0.75)}


@pytest.mark.parametrize(
    "body",
    [
        {"rows": 1},
        {"rows": "1; drop", "rejected": []},
        {"rows": 1, "rejected": [{"file": "a", "line": 1, "reason": "r", "row": "\0"}]},
        {"rows": 1, "rejected": [], "more": 1},
        [],
    ],
)
def test_a_marker_of_another_form_is_refused_by_its_name(attacked: World, body: Any) -> None:
    [key] = [file.key for file in attacked.lake.objects(FOLDER) if "_SUCCESS" in file.key]
    attacked.lake.write(key, json.dumps(body).encode())
    failure = run(attacked, LoadReviews(shop.date(1)))
    assert isinstance(failure, BadExtract)
    assert key in str(failure)


def test_folders_and_files_that_are_no_date_s_are_nobody_s(attacked: World) -> None:
    foreign = [
        f"{reviews.STAGE}/date=2026-99-99/_SUCCESS-0a-keyword",
        f"{reviews.STAGE}/date=2026-01-05/<b>.parquet",
        f"{reviews.STAGE}/date=2026-01-05/_SUCCESS-0a-keyword;",
    ]
    for key in foreign:
        attacked.lake.write(key, b"{}")
    assert list(reviews.classified(attacked.lake)) == [shop.date(1)]
    attacked.lake.delete(foreign)
