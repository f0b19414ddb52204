"""The contracts of feeds: what the standard says of them, what is refused, and that everything follows them."""

import json
import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from open_data_contract_standard.model import OpenDataContractStandard
from support.world import ROOT

from pipeline import catalog
from pipeline.book import pages
from pipeline.kernel.errors import BadContract
from pipeline.kernel.rejected import Unfit
from pipeline.lineage.known_tables import feed_columns
from pipeline.vendors import stage_table
from pipeline.vendors.contracts import FILE, read
from pipeline.vendors.declared_feeds import CONTRACTS, FOLDER, PARTNER_ORDERS, RISK_SCORES, contracts
from pipeline.vendors.vendor_fields import HIGHEST, Field

FILES = sorted(FOLDER.glob(f"*/{FILE}"))
ORDERS = (FOLDER / "partner_orders" / FILE).read_text()
SCORES = (FOLDER / "risk_score" / FILE).read_text()


def written(folder: Path, name: str, text: str) -> Path:
    """A contract in a folder of its own."""
    path = folder / name / FILE
    path.parent.mkdir()
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_a_contract_is_one_of_the_standard(path: Path) -> None:
    found = OpenDataContractStandard.from_file(str(path))
    assert found.schema_
    assert found.schema_[0].name == path.parent.name
    schema = json.loads((resources.files("open_data_contract_standard") / "schema.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(yaml.safe_load(path.read_bytes()))] == []


def test_the_rules_of_the_feeds_are_those_of_their_contracts() -> None:
    assert [*CONTRACTS] == sorted(CONTRACTS) == [path.parent.name for path in FILES]
    rules = {f"{name}.{field.name}": field.rule for name, each in CONTRACTS.items() for field in each.feed.fields}
    assert rules == {
        "movie_review.cid": "a whole number of at most 64 bits",
        "movie_review.review_str": "a text of at most 20,000 characters",
        "partner_orders.order_id": "a text of at most 1,000 characters, and 1,200 bytes as JSON",
        "partner_orders.customer_id": "a whole number of at most 64 bits; may be empty",
        "partner_orders.item_id": "a text of at most 1,000 characters, and 1,200 bytes as JSON",
        "partner_orders.item_name": "a text of at most 1,000 characters; may be empty",
        "partner_orders.delivered_on": "a time YY-MM-DD HH:MM:SS in UTC, of 2000 to 2099; may be empty",
        "risk_score.customer_id": "a whole number from 1 to 9223372036854775807",
        "risk_score.risk_score": "a whole number from 1 to 100",
    }
    assert PARTNER_ORDERS.key == ("order_id", "item_id")
    assert [field.highest for field in RISK_SCORES.fields] == [HIGHEST, 100]


def test_the_catalogue_the_book_and_the_stage_table_know_what_the_columns_are() -> None:
    assert catalog.PERSONAL["feed.movie_review"] == ("review_str",)
    assert catalog.FEEDS["risk_score"] == ("customer_id",)
    told = pages._sent_columns()
    sent = {(f"feed.{name}", column) for name in catalog.VENDOR_FEEDS for column in feed_columns(name)}
    assert sent <= {(column.relation, column.name) for column, says in told.items() if says}
    ddl = stage_table.ddl(PARTNER_ORDERS)
    assert "comment on column stage.partner_orders.item_name is 'What the item is called.';\n" in ddl
    assert "order_id is 'The partner''s name of the order.';\n" in ddl


# What is written in place of which text, the place that the error names, and its fix.
CHANGED = [
    ("logicalType: timestamp", "logicalType: number", "properties[5].logicalType is 'number'", "string, integer"),
    ("{maxLength: 1000}", "{maxLength: 1000, pattern: K.*}", "logicalTypeOptions has the field 'pattern'", "maxLength"),
    ("{maxLength: 1000}", "{maxLength: 0}", "maxLength is no whole number from 1 to", "write one, without quotes"),
    ("{maxLength: 1000}", "{}", "logicalTypeOptions has no field maxLength", "add it"),
    ("{format: i64}", "{format: i32}", "logicalTypeOptions.format is 'i32'", "it may be i64"),
    ("{format: i64}", "{format: i64, minimum: 5, maximum: 4}", "maximum is no whole number from 5 to", "write one"),
    ("{format: i64}", "{format: i64, maximum: 9223372036854775808}", "maximum is no whole number", "write one"),
    ("yy-MM-dd", "yyyy-MM-dd", "logicalTypeOptions.format is 'yyyy-MM-dd", "it may be yy-MM-dd HH:mm:ss"),
    ("timezone: false", "timezone: true", "logicalTypeOptions.timezone is True", "it may be false"),
    ("timezone: false", "timezone: 0", "logicalTypeOptions.timezone is 0", "it may be false"),
    ("Timezone: UTC", "Timezone: CET", "logicalTypeOptions.defaultTimezone is 'CET'", "it may be UTC"),
    ("required: true", "required: 1", "properties[1].required is 1", "it may be true, false"),
    ("required: true", "unique: true", "properties[1] has the field 'unique'", "it may have name, logicalType"),
    ("required: true", "classification: secret", "classification is 'secret'", "it may be personal"),
    ("        required: true\n", "", "because of its contract", "make the fields of its key required"),
    ("Position: 2", "Position: 1", "properties[3].primaryKeyPosition is 1", "it may be 2"),
    ("Position: 1", "Position: yes", "properties[1].primaryKeyPosition is True", "it may be 1"),
    ("        primaryKeyPosition: 2\n", "", "primaryKey has no place", "give it primaryKeyPosition: 2"),
    ("K-1, K-2, K-1", "K-1, K-2, yes", "examples[3] is no text and no whole number", "put it in quotes"),
    ("primaryKey: true\n", "primaryKey: false\n", "primaryKeyPosition is of no key", "take it away"),
    ("K-1, K-2, K-1", "K-1, K-2", "properties[3].examples are not those of each row", "give 3, as the first column"),
    ('4711, ""]', '4711, "1.5"]', "examples[3] would be rejected: customer_id is not a whole", "in digits alone"),
    ("name: partner_orders", "name: other", "schema[1].name is 'other'", "it may be partner_orders"),
    ("name: customer_id", "name: Customer", "because of its contract", "give it and its fields names of small letters"),
    ("name: customer_id", "name: etl_batch", "because of its contract", "rename its field etl_batch"),
    ("[delivered_on]", "[item_id]", "because of its contract", "take its instants from its fields of kind timestamp"),
    ("[delivered_on]", "[]", "it.customProperties.instants is no list with entries", "write each entry below it"),
    (
        "property: instants",
        "property: retention",
        "customProperties has the field 'retention'",
        "it may have format, encoding",
    ),
    ("value: UTF-8", "value: UTF-16", "it.customProperties.encoding is 'UTF-16'", "it may be UTF-8"),
    ('value: ","', 'value: ";"', "it.customProperties.delimiter is ';'", "it may be ,"),
    ("value: csv", "value: json", "it.customProperties has the field 'encoding'", "it may have format"),
    ("status: active", "status: draft", "it.status is 'draft'", "it may be active"),
    ("apiVersion: v3.1.0", "apiVersion: v2.2.2", "it.apiVersion is 'v2.2.2'", "v3.1.0, v3.2.0"),
    ("version: 1.0.0", "version: 1.0", "it.version is no text of one line", "in quotes"),
    ("property: frequency", "property: latency", "it.slaProperties[1].property is 'latency'", "it may be frequency"),
    ("slaProperties:\n", "slaProperties:\n  - {}\n", "it.slaProperties has more than one entry", "leave one"),
    ("unit: d", "unit: y", "it.slaProperties[1].unit is 'y'", "it may be d, h"),
    ("tool: email", "tool: slack", "it.support[1].tool is 'slack'", "it may be email"),
    ("mailto:", "https:", "it.support[1].url is no address of e-mail", "mailto:name@example.com"),
    ("team:\n", "price: {priceAmount: 1}\nteam:\n", "it has the field 'price'", "it may have apiVersion"),
    ("status: active\n", "status: active\nstatus: active\n", "it has a field twice among", "correct it"),
    ("schema:\n", "schema: [\n", "it is no YAML: ", "correct it"),
    ("schema:\n", "schema: 7\nother:\n", "it has the field 'other'", "it may have"),
]


@pytest.mark.parametrize(
    ("old", "new", "place", "do"), CHANGED, ids=[new.strip() or old.strip() for old, new, *_ in CHANGED]
)
def test_a_contract_that_says_what_nothing_reads_is_refused(
    tmp_path: Path, old: str, new: str, place: str, do: str
) -> None:
    assert old in ORDERS
    written(tmp_path, "partner_orders", ORDERS.replace(old, new, 1))
    with pytest.raises(BadContract) as refused:
        contracts(tmp_path)
    cannot, because, fix = refused.value.args
    assert "pipeline/vendors/partner_orders" in cannot
    assert place in f"because {because}"
    assert do in fix


def test_an_answer_has_the_columns_that_its_reader_has(tmp_path: Path) -> None:
    path = written(tmp_path, "risk_score", SCORES.replace("name: customer_id", "name: customer"))
    with pytest.raises(BadContract, match="are not those of an answer; it may have customer_id, risk_score"):
        read(path)


def test_what_is_no_text_at_all_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "partner_orders", "")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadContract, match=r"contract\.yaml, because it is no YAML: "):
        read(path)
    path.write_text("- a list\n")
    with pytest.raises(BadContract, match="it is no object; give it the fields apiVersion"):
        read(path)


@given(st.integers(-20, 20), st.sampled_from(["{}", "+{}", " 00{} "]))
def test_an_integer_of_a_file_is_within_the_bounds_of_its_contract(number: int, form: str) -> None:
    field = Field("stars", "integer", lowest=-3, highest=5)
    text = form.format(number)
    if number < 0 and form != "{}":
        reason = "stars is not a whole number"
    elif -3 <= number <= 5:
        assert field.canonical(text) == str(number)
        return
    else:
        reason = "stars is not between -3 and 5"
    with pytest.raises(Unfit, match=reason):
        field.canonical(text)


def test_a_changed_contract_changes_the_reader_the_check_and_the_docs(tmp_path: Path) -> None:
    for name in ("pipeline", "warehouse", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "images"))
    path = tmp_path / "pipeline/vendors/movie_review" / FILE
    examples = """["A good film, with whales.", 'They call it "deep". I slept.']"""
    text = path.read_text().replace("maxLength: 20000", "maxLength: 10").replace(examples, "[Whales, Deep]")
    path.write_text(text)
    file = tmp_path / "reviews.csv"
    file.write_text("cid,review_str\n1,0123456789\n1,0123456789a\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert not done.stderr
        return done.stdout

    reading = (
        "import io; from pipeline.feeds.vendor_csv import read_csv;"
        "from pipeline.vendors.declared_feeds import REVIEWS;"
        "print(*read_csv(REVIEWS, 'a', io.BytesIO(open('reviews.csv', 'rb').read())), sep='\\n')"
    )
    assert "review_str is longer than 10 characters" in run("-c", reading)
    found = json.loads(run("-m", "pipeline", "check-feed", "--json", str(file)))
    assert (found["kept"], found["rejected"]) == (1, 1)
    [problem] = found["problems"]
    assert (problem["reason"], problem["rule"]) == (
        "review_str is longer than 10 characters",
        "a text of at most 10 characters",
    )
    run("docs/reference.py")
    assert "| `review_str` | text | a text of at most 10 characters |" in (tmp_path / "docs/feeds.md").read_text()
