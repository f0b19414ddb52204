"""Whoever holds the lake's key alone runs nothing in the warehouse: what lies there is data, whatever it says."""

import ast
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lake_attacks import SQL, SQL_INSIDE, columns_with, forge, got_in, vouch
from support.feeds_world import settings_of
from support.loads import create_warehouse, extract_date, load_stages
from support.shop import date, open_shop
from support.world import World, Worlds

import pipeline
from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.errors import BadExtract
from pipeline.lake import forms
from pipeline.source import layout
from pipeline.source.columns import Column
from pipeline.stage import repairs

MIB = 1 << 20
STATES = "ops.states"
EXTRACT = layout.folder(STATES, date(1))
NEXT = layout.folder(STATES, date(2))
REPAIR = f"repair/{STATES}/date={date(1)}/at=20260102T000000000000"
ROOT = Path(pipeline.__file__).parent
TASK_FAILED = 30


@pytest.fixture(scope="module")
def shop(worlds: Worlds) -> World:
    """Loaded with the states of day 1, of which there is a repair too."""
    world = worlds.new()
    open_shop(world)
    with settings_of(world):
        create_warehouse(world)
        extract_date(world, date(1), [STATES])
        load_stages(world, date(1), [STATES])
        extract_date(world, date(2), [STATES])  # nothing changed
    for file in world.lake.objects(EXTRACT):
        world.lake.write(f"{REPAIR}/{file.key.rpartition('/')[2]}", world.lake.read(file.key) or b"")
    vouch(world.lake, REPAIR, {repairs.DELETED_KEYS: b"[]"})
    return world


@pytest.fixture
def attacked(shop: World) -> Any:
    """The shop; afterwards its lake is as it was."""
    before = {
        file.key: shop.lake.read(file.key) or b""
        for folder in (EXTRACT, NEXT, REPAIR)
        for file in shop.lake.objects(folder)
    }
    yield shop
    shop.lake.write_all(before)


def tell(world: World, *words: str) -> tuple[int, str]:
    """Runs a command of luigi, of which nobody knows how it ends; returns exit code and output."""
    process = world.start(*words)
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def test_a_type_of_a_new_column_on_the_lake_is_never_code(attacked: World) -> None:
    found = columns_with(attacked.lake, NEXT, "none")
    forge(attacked.lake, NEXT, columns=[*found, {"name": "more", "type": SQL, "nullable": True}])
    code, said = tell(attacked, "LoadStage", "--table", STATES, "--date", str(date(2)))
    assert not got_in(attacked)
    assert code == TASK_FAILED
    assert f"{NEXT}/metadata.json, because it is not what an extract writes there; delete that folder" in said


@pytest.mark.parametrize(("where", "column"), [(EXTRACT, "name"), (EXTRACT, "state_code"), (REPAIR, "state_code")])
def test_a_type_on_the_lake_is_never_code(attacked: World, where: str, column: str) -> None:
    forge(attacked.lake, where, columns=columns_with(attacked.lake, where, column, type=SQL_INSIDE))
    if where == REPAIR:
        vouch(attacked.lake, where, {repairs.DELETED_KEYS: b'[["CA"]]'})
    code, said = tell(attacked, "RebuildTable", "--table", STATES)
    assert not got_in(attacked)
    assert code == TASK_FAILED
    assert f"{where}/metadata.json, because it is not what an extract writes there; delete that folder" in said
    assert attacked.rows("select state_code from stage.states") == {("CA",)}


# What a forger may write in a field, and what no such field may hold.
FORGED: list[tuple[str, Any]] = [
    ("table", "ops.states; drop"),
    ("date", "2026-01-01/../x"),
    ("date", "20260101"),
    ("columns", []),
    ("columns", [{"name": "", "type": "text", "nullable": True}]),
    ("columns", [{"name": "a" * 64, "type": "text", "nullable": True}]),
    ("columns", [{"name": "a\0", "type": "text", "nullable": True}]),
    ("columns", [{"name": "\ud800", "type": "text", "nullable": True}]),
    ("columns", [{"name": ["a"], "type": "text", "nullable": True}]),
    ("columns", [{"name": "a", "type": "text", "nullable": "yes"}]),
    ("columns", [{"name": "a", "type": "text", "nullable": True, "more": 1}]),
    ("columns", {"name": "a"}),
    ("primary_key", "state_code"),
    ("watermark_column", 7),
    ("from_watermark", "-infinity'; --"),
    ("to_watermark", "now"),
    ("to_watermark", "2026-01-02T00:00:00"),
    ("to_watermark", "2026-13-02T00:00:00+00:00"),
    ("data", "../../models/x.csv.zst"),
    ("data", "data.csv.zst\n"),
    ("rows", "1"),
    ("rows", True),
    ("rows", 1.5),
    ("bytes", 1 << 70),
    ("sha256", "0" * 63),
    ("extracted_at", "'; --"),
    ("condition", "true; drop schema dwh"),
    ("colour", "blue"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), FORGED)
def test_a_field_of_another_form_is_refused_by_its_file(attacked: World, field: str, value: Any) -> None:
    forge(attacked.lake, EXTRACT, **{field: value})
    with pytest.raises(BadExtract, match=rf"{EXTRACT}/metadata\.json, because .*; delete that folder"):
        layout.metadata(attacked.lake, STATES, date(1))


@pytest.mark.parametrize("name", ["etl_batch", "etl_deleted_ts", "name"])
def test_an_extract_with_a_column_of_stage_s_own_or_a_column_twice_is_refused(attacked: World, name: str) -> None:
    found = columns_with(attacked.lake, EXTRACT, "none")
    forge(attacked.lake, EXTRACT, columns=[*found, {"name": name, "type": "text", "nullable": True}])
    with pytest.raises(BadExtract, match="its columns are not those of an extract"):
        layout.metadata(attacked.lake, STATES, date(1))


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b'"CA"',
        b'[["CA", 1]]',
        b"[[]]",
        b'[{"state_code": "CA"}]',
        b"[[null]]",
        b"[[true]]",
        b'[["\\u0000"]]',
        b"[",
    ],
)
def test_keys_of_another_form_are_refused_by_their_file(attacked: World, text: bytes) -> None:
    vouch(attacked.lake, REPAIR, {repairs.DELETED_KEYS: text})
    table, found = SOURCE_TABLES[STATES], repairs.metadata(attacked.lake, REPAIR)
    with (
        pytest.raises(BadExtract, match=rf"{REPAIR}/deleted\.json"),
        postgres.transaction(attacked.warehouse_url, "warehouse") as cursor,
    ):
        repairs.load(cursor, attacked.lake, table, found)


def test_a_repair_in_a_folder_that_no_repair_has_is_refused(shop: World) -> None:
    key = f"repair/{STATES}/date={date(1)}/at=soon/_SUCCESS"
    shop.lake.write(key, b"{}")
    with pytest.raises(BadExtract, match="at=soon/_SUCCESS, because no repair has such a folder"):
        repairs.folders(shop.lake, SOURCE_TABLES[STATES])
    shop.lake.delete([key])


def test_a_file_that_would_fill_the_memory_is_not_read_to_its_end(attacked: World) -> None:
    vouch(attacked.lake, EXTRACT, {layout.METADATA: b" " * (64 * MIB + 1)})
    with pytest.raises(BadExtract, match="it is longer than 67,108,864 bytes"):
        layout.metadata(attacked.lake, STATES, date(1))


# Types of PostgreSQL as it writes them: those that an extract keeps, and those that it reads as text.
KEPT = [
    '"char"', "name", "oid", "int4range", "tstzmultirange", "bigint[]", "character varying(10)[]", "bit varying(5)",
    "timestamp(3) without time zone", "time(0) with time zone", "numeric(10,-2)", "numeric(30,0)", "interval",
    "interval(3)", "interval year to month", "interval day to second(3)", "double precision", "xid8", "jsonb",
]  # fmt: skip
AS_TEXT = ["regclass", "regtype[]", "aclitem", "aclitem[]", "pg_node_tree", "pg_mcv_list", "citext", '"any"', "cstring"]
NO_TYPES = [
    "", SQL, "text ", "text\n", "text--", "text/**/", "text default 1", "text;", "pg_catalog.text", "numeric(1,2,3)",
    "integer)", "a" * 101, 'text collate "C"', "text check (true)", "int'", "text, x integer", None, 1, ["text"],
]  # fmt: skip


@pytest.mark.parametrize("type_", KEPT)
def test_a_type_of_the_list_is_kept(type_: str) -> None:
    assert forms.column_type(type_) == type_


@pytest.mark.parametrize("type_", AS_TEXT)
def test_a_well_formed_type_that_is_not_on_the_list_is_read_as_text(type_: str) -> None:
    assert forms.column_type(type_) == "text"


@pytest.mark.parametrize("type_", NO_TYPES)
def test_what_is_not_written_like_a_type_is_none(type_: Any) -> None:
    with pytest.raises(ValueError, match="form"):
        forms.column_type(type_)


def test_every_type_that_postgresql_itself_writes_is_kept_or_read_as_text(shop: World) -> None:
    types = shop.source(
        "select format_type(oid, null) from pg_type where typnamespace = 'pg_catalog'::regnamespace and typtype <> 'c'"
        " and typelem not in (select reltype from pg_class where reltype <> 0)"
    )
    assert len(types) > 100
    kept = {type_ for (type_,) in types if forms.column_type(type_) == type_}
    assert {"text", "integer", "numeric", "timestamp with time zone", "inet[]"} <= kept
    assert not {type_ for type_ in kept if type_.startswith(("reg", "aclitem", "pg_node", "pg_mcv", "pg_dep"))}


FILES: list[tuple[str, forms.Form, list[Any]]] = [
    ("bound.json", forms.BOUND, [{}, {"to_watermark": "now"}, {"to_watermark": "-infinity", "more": 1}, [], None]),
    (
        "_SUCCESS", forms.SUCCESS,
        [{"to_watermark": "-infinity", "sha256": {"../x": "0" * 64}},
         {"to_watermark": "-infinity", "sha256": {"a": "0"}},
         {"to_watermark": "-infinity", "status": "<b>"}, {"to_watermark": "-infinity", "sha256": ["a"]}],
    ),
    (
        "_SUCCESS of reviews", forms.CLASSIFIED,
        [{}, {"rows": 1}, {"rows": "1", "rejected": []}, {"rows": 1, "rejected": [{"file": "a"}]},
         {"rows": 1, "rejected": [{"file": "a", "line": 1, "reason": "b", "row": "\0"}]}],
    ),
    (
        "current.json", forms.CURRENT_MODEL,
        [{"model": name} for name in ("", "models/x", "/etc", "models/review_classifier/../0123456789ab", 1,
         "models/review_classifier/0123456789ab/", "models/review_classifier/0123456789AB")],
    ),
    (
        "metrics.json", forms.METRICS,
        [{}, {"rows": 1, "refused_rows": 1, "trained_on": 1, "measured_model_trained_on": 1, "held_out": {},
         "calibration": {}}],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "value"),
    [pytest.param(form, value, id=f"{name} {value}") for name, form, values in FILES for value in values],
)
def test_a_small_file_of_another_form_is_refused(form: forms.Form, value: Any) -> None:
    with pytest.raises(ValueError, match="form"):
        forms.parse(json.dumps(value).encode(), form)


def test_a_name_has_no_more_bytes_than_postgresql_keeps() -> None:
    assert forms.identifier("é" * 31) == "é" * 31
    with pytest.raises(ValueError, match="form"):
        forms.identifier("é" * 32)


def test_a_file_that_is_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ValueError, match="nested"):
        forms.parse(b"[" * 100_000, forms.BOUND)


def test_what_an_extract_writes_is_of_its_form(shop: World) -> None:
    found = layout.metadata(shop.lake, STATES, date(1))
    assert found is not None
    assert Column("state_code", "text", nullable=False) in found.columns or found.columns[0].name == "state_code"
    assert layout.Metadata.form(json.loads(found.to_json())) == replace(found, folder="")


def calls(path: Path) -> set[str]:
    """The functions that a module calls, as `json.loads`."""
    return {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}


def test_json_is_read_in_one_place_whatever_file_of_the_lake_it_is() -> None:
    users = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if "json.loads" in calls(path)}
    # Which have nothing to do with the lake; and Spark's scripts: one looks at a model before it is one, one knows the
    # hash of its plan, and one has a form for what commits say.
    others = {"kernel/config.py", "feeds/risk_api.py", "tasks/runtime/command.py", "spark/scripts/models.py"}
    others |= {"spark/scripts/load_star.py", "spark/scripts/lake_tables.py"}
    others |= {"tasks/runtime/told_lines.py"}  # what its own processes tell
    others |= {"audit/audited.py"}  # the file of the embedded services
    assert {user for user in users if not user.startswith(("services/", "generators/"))} == {"lake/forms.py", *others}


def test_no_file_of_the_lake_is_read_past_its_form() -> None:
    whole = {"lake.read", "lake().read", "self.lake.read"}
    users = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if whole & calls(path)}
    assert users == set()
