"""Rows of the operational source that no constraint kept out: each is loaded right, rejected with its reason, or
waits for its time; one bad row costs itself alone.

All rows of a source are put there, extracted and loaded once. A row is known by its created_ts, which nobody reads.
"""

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import zstandard
from support.feeds_world import load_fact, open_queue, settings_of
from support.loads import create_warehouse, extract_date, load_dimensions, load_stages
from support.shop import OPENING, date, open_shop
from support.world import World, Worlds
from unconstrained import without_constraints

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.postgres import sql
from pipeline.kernel.rejected import LONGEST
from pipeline.source import layout

DAY = "2026-01-01 12:00:00+00"
INSTANT = "is not within 1900-01-01 to 9999-12-30"
YEAR = "is not within 0001-01-01 to 9999-12-31"
BIGINT = "is not between -9223372036854775808 and 9223372036854775807"
INTEGER = "is not between -2147483648 and 2147483647"

# A row without a fault, for each case to spoil. A key is given by the case, or by its number.
GOOD: dict[str, dict[str, Any]] = {
    "customers": {"first_name": "Ada", "last_name": "Byron", "registered_on": "2026-01-01"},
    "addresses": {"street": "1 Pier", "city": "Eureka", "state_code": "CA", "country": "USA"},
    "customers_addresses": {"customer_id": 1, "address_id": 1},
    "products": {"sku": "S", "name": "Record", "product_subtype_id": 1, "supplier_id": 1, "unit_price": 10},
    "product_subtypes": {"product_type_id": 1, "name": "Tape"},
    "suppliers": {"name": "Kelp & Co", "country": "USA"},
    "order_statuses": {"name": "new", "is_lost": False},
    "states": {"name": "State"},
    "orders": {
        **{"customer_id": 1, "address_id": 1, "payment_method_id": 1, "order_status_id": 1},
        "ordered_ts": DAY,
    },
    "order_lines": {"line_number": 1, "product_id": 1, "quantity": 2, "unit_price": 10},
}
# Where a row of a source table is to be seen in the warehouse.
SHOWN_BY = {
    "customers": ("dim_customer", ("customer_id",)),
    "addresses": ("dim_address", ("address_id",)),
    "products": ("dim_product", ("product_id",)),
    "suppliers": ("dim_supplier", ("supplier_id",)),
    "order_statuses": ("dim_order_status", ("order_status_id",)),
    "orders": ("fact_order", ("order_id",)),
    "order_lines": ("fact_order_line", ("order_id", "line_number")),
}


@dataclass(frozen=True)
class Case:
    """A row of the source: in what it differs from a good one, and either why it is rejected, or what is to be seen.

    `shown` is what the warehouse says of it, `queued` the dimensions for which it waits there. `absent` says why the
    row is neither in stage nor rejected.
    """

    name: str
    table: str
    spoilt: dict[str, Any]
    reason: str = ""
    shown: dict[str, Any] = field(default_factory=dict)
    queued: Sequence[str] = ()
    absent: str = ""


def bad(table: str, reason: str, **spoilt: Any) -> Case:
    column = "" if reason.startswith(tuple(spoilt)) or len(spoilt) != 1 else next(iter(spoilt)) + " "
    name = " ".join([table, *(f"{key} {value}"[:40] for key, value in spoilt.items())])
    return Case(name, table, spoilt, reason=column + reason)


def good(name: str, table: str, shown: dict[str, Any], queued: Sequence[str] = (), **spoilt: Any) -> Case:
    return Case(name, table, spoilt, shown=shown, queued=queued)


def as_it_is(name: str, **texts: Any) -> Case:
    """A customer whose texts are to come through as they are."""
    return Case(name, "customers", texts, shown=texts)


def missing(table: str, column: str) -> Case:
    return bad(table, "is missing", **{column: None})


CONTRACT = [
    # Texts
    as_it_is("a name that is a statement", first_name="Robert'); drop table ops.customers; --", last_name="O'Neill;"),
    as_it_is("a name of quotes, commas and line ends", first_name='"a",\r\n"b"\n\rc', last_name='"'),
    as_it_is("a name of backslashes", first_name="\\N", last_name="\\."),
    as_it_is("a name that says NULL", first_name="NULL", last_name="null"),
    as_it_is("an empty name", first_name="", last_name=" "),
    as_it_is("a name of many alphabets", first_name="鯨 🐋 é ï̂", last_name="\u202eעברית\u200b"),
    as_it_is("a byte order mark in a name", first_name="\ufeffAda", last_name="Byron\ufeff"),
    as_it_is("control characters", first_name="".join(map(chr, range(1, 32))), last_name="\x7f\x85\u2028"),
    as_it_is("a name like a variable of a statement", first_name="%(date)s %s {key} :batch", last_name="$1 $$"),
    good("no e-mail", "customers", {"email": "Unknown", "phone": "Unknown"}, email=None, phone=None),
    good("an unknown state", "addresses", {"state_code": "ZZ", "state_name": "Unknown"}, state_code="ZZ"),
    good("an address without a state", "addresses", {"state_name": "Unknown"}, state_code=None),
    # Keys
    missing("customers", "customer_id"),
    missing("states", "state_code"),
    missing("order_lines", "order_id"),
    missing("order_lines", "line_number"),
    missing("customers_addresses", "address_id"),
    bad("customers", "customer_id -1 is the unknown member's", customer_id=-1),
    bad("orders", "order_id -1 is the unknown member's", order_id=-1),
    bad("order_lines", "order_id -1 is the unknown member's", order_id=-1),
    good("key 0", "customers", {"first_name": "Ada"}, customer_id=0),
    good("a negative key", "customers", {"first_name": "Ada"}, customer_id=-7),
    good("the largest key", "customers", {"first_name": "Ada"}, customer_id=(1 << 63) - 1),
    good("a negative line number", "order_lines", {"line_amount": 20}, order_id=1, line_number=-1),
    # Keys that come twice
    Case("of a key the older row", "customers", {"customer_id": 501, "first_name": "old"}, absent="a newer one came"),
    good(
        "of a key the newer row", "customers", {"first_name": "new"},
        customer_id=501, first_name="new", updated_ts="2026-01-01 13:00:00+00",
    ),
    bad("customers", "a later row has the same customer_id and updated_ts", customer_id=502, first_name="first"),
    good("of rivals the later row", "customers", {"first_name": "later"}, customer_id=502, first_name="later"),
    bad("order_lines", "a later row has the same order_id and line_number and updated_ts", order_id=1, line_number=50),
    good(
        "of rival lines the later row", "order_lines", {"quantity": 3, "line_amount": 30},
        order_id=1, line_number=50, quantity=3,
    ),
    good("two products of one SKU", "products", {"sku": "SKU-1"}, sku="SKU-1"),
    # What the warehouse needs
    missing("customers", "first_name"),
    missing("products", "unit_price"),
    missing("order_statuses", "is_lost"),
    missing("orders", "ordered_ts"),
    missing("order_lines", "quantity"),
    missing("suppliers", "updated_ts"),
    good("no date of registration", "customers", {"registered_on": None}, registered_on=None),
    # Numbers
    bad("products", "is NaN", unit_price="NaN"),
    bad("order_lines", "is NaN", unit_price="NaN"),
    good("a negative price", "products", {"unit_price": -5}, unit_price=-5),
    good("the largest price", "products", {"unit_price": 9999999.999}, unit_price="9999999.999"),
    good("a return", "order_lines", {"quantity": -2, "line_amount": -20}, order_id=1, quantity=-2, line_number=2),
    good("quantity 0", "order_lines", {"line_amount": 0}, order_id=1, quantity=0, line_number=3),
    good(
        "the largest quantity", "order_lines", {"line_amount": 21474836470},
        order_id=1, quantity=2147483647, line_number=4,
    ),
    # Times
    *(
        bad(table, INSTANT, **{column: value})
        for table, column in (("orders", "ordered_ts"), ("orders", "delivered_ts"), ("customers", "updated_ts"))
        for value in ("infinity", "-infinity", "0044-03-15 BC", "1899-12-31 23:59:59+00", "9999-12-31 00:00:00+00")
    ),
    bad("products", INSTANT, updated_ts="294276-12-31 23:59:59+00"),
    good("the first instant", "orders", {"ordered_date_key": 19000101}, ordered_ts="1900-01-01 00:00:00+00"),
    good("the last instant", "orders", {"ordered_date_key": 99991230}, ordered_ts="9999-12-30 23:59:59.999999+00"),
    good("an evening in the west", "orders", {"ordered_date_key": 20260102}, ordered_ts="2026-01-01 23:30:00-05"),
    good("a morning in the east", "orders", {"ordered_date_key": 20251231}, ordered_ts="2026-01-01 00:30:00+14"),
    good(
        "an hour that summer time skips", "orders", {"ordered_ts": "2026-03-29T01:30:00+00:00"},
        ordered_ts="2026-03-29 02:30:00 Europe/Berlin",
    ),
    good("a leap second", "orders", {"ordered_date_key": 20170101}, ordered_ts="2016-12-31 23:59:60+00"),
    good("delivered too early", "orders", {"delivered_date_key": 20251231}, delivered_ts="2025-12-31 12:00:00+00"),
    good("not delivered", "orders", {"delivered_ts": None, "delivered_date_key": -1}, delivered_ts=None),
    Case("changed in the future", "customers", {"updated_ts": "2062-01-01 00:00:00+00"}, absent="its day will come"),
    *(bad("customers", YEAR, birth_date=value) for value in ("infinity", "-infinity", "0044-03-15 BC", "10000-01-01")),
    bad("customers", YEAR, registered_on="infinity"),
    good("the first birth date", "customers", {"birth_date": "0001-01-01"}, birth_date="0001-01-01"),
    good("the last birth date", "customers", {"birth_date": "9999-12-31"}, birth_date="9999-12-31"),
    good("a leap day", "customers", {"birth_date": "2000-02-29"}, birth_date="2000-02-29"),
    # Orphans
    good("an unknown customer", "orders", {"customer_key": -1}, ["dim_customer"], customer_id=404),
    good("an unknown address", "orders", {"address_key": -1}, ["dim_address"], address_id=404),
    good("unknown payment", "orders", {"payment_method_key": -1}, ["dim_payment_method"], payment_method_id=404),
    good("an unknown status", "orders", {"order_status_key": -1}, ["dim_order_status"], order_status_id=404),
    good("no customer at all", "orders", {"customer_key": -1}, customer_id=None),
    good("no status at all", "orders", {"order_status_key": -1}, order_status_id=None),
    good(
        "an unknown product", "order_lines", {"product_key": -1}, ["dim_product"],
        order_id=1, line_number=5, product_id=404,
    ),
    good("no product at all", "order_lines", {"product_key": -1}, order_id=1, line_number=6, product_id=None),
    good("a line without its order", "order_lines", {"ordered_date_key": -1}, ["fact_order"], order_id=404),
    good("an unknown subtype", "products", {"product_subtype": "Unknown"}, product_subtype_id=404),
    good("an unknown supplier", "products", {"supplier_id": 404}, supplier_id=404),
]  # fmt: skip

WIDE_TYPES = {
    "customers": ("customer_id numeric", "first_name text"),
    "orders": ("customer_id numeric", "ordered_ts timestamp"),
    "order_lines": ("quantity numeric", "unit_price numeric", "line_number bigint"),
    "products": ("unit_price numeric",),
    "states": ("state_code text",),
    "addresses": ("country text", "state_code text"),
    "product_subtypes": ("name text",),
    "customers_addresses": ("address_id numeric(30, 2)",),
}
ODD = "\"; drop table ops.suppliers; --\n,%s 'é"
# Columns of a shop's own, some called like what our statements call things.
OWN_COLUMNS = (
    *((name, "text") for name in (ODD, "candidate", "place", "line", "reason", "stage", "source", "Name", "row")),
    *(("json", "json"), ("weight", "double precision"), ("valid_to", "timestamptz"), ("tags", "text[]")),
)
HUGE = "🐋" * 250_000

WIDE = [
    bad("order_lines", "is not a whole number", quantity="2.5"),
    *(bad("order_lines", INTEGER, quantity=value) for value in ("3000000000", "-2147483649", "NaN", "Infinity")),
    bad("order_lines", INTEGER, line_number=1 << 40),
    good("a quantity of 7.0", "order_lines", {"quantity": 7}, order_id=1, quantity="7.0"),
    *(bad("customers", BIGINT, customer_id=value) for value in ("1e30", "-9223372036854775809", "NaN", "-Infinity")),
    bad("customers", "is not a whole number", customer_id="1.5"),
    bad("orders", "is not a whole number", customer_id="1.0001"),
    bad("customers_addresses", "is not a whole number", address_id="1.5"),
    *(bad(table, "is NaN", unit_price="NaN") for table in ("order_lines", "products")),
    *(
        bad("order_lines", "is infinite or as good as that", unit_price=value)
        for value in ("Infinity", "-Infinity", "1e101", "-1e5000")
    ),
    bad("products", "is infinite or as good as that", unit_price="Infinity"),
    good("a price of many digits", "products", {"unit_price": 0.000000001}, unit_price="0.000000001"),
    good(
        "a large price", "order_lines", {"line_amount": 2 * 10**30}, order_id=1, unit_price="1e30", line_number=2,
    ),
    bad("states", "is longer than 200 characters", state_code="x" * 201),
    bad("addresses", "is longer than 200 characters", country="é" * 201),
    bad("product_subtypes", "is longer than 200 characters", name="y" * 5000),
    good("a label of 200 characters", "addresses", {"country": "🐋" * 200}, country="🐋" * 200),
    as_it_is("a name of a megabyte", first_name=HUGE),
    good("a time without a zone", "orders", {"ordered_ts": "2026-01-01T23:30:00+00:00"}, ordered_ts="2026-01-01 23:30"),
    good(
        "columns of the shop's own", "suppliers", {"name": "Kelp & Co"},
        **{ODD: "'; --", "weight": "NaN", "valid_to": "infinity", "tags": ["a,b", '"', ""], "json": '{"a": "\\u0000"}'},
    ),
    Case(
        "a rejected row with columns of the shop's own", "suppliers",
        {"name": None, ODD: "'; --", "candidate": "c", "json": '{"a": "\\u0000"}', "weight": "Infinity"},
        reason="name is missing",
    ),
]  # fmt: skip


def created(number: int) -> dt.datetime:
    return OPENING + dt.timedelta(seconds=number)


def insert(world: World, cases: Sequence[Case]) -> None:
    statements = []
    for number, case in enumerate(cases, 1):
        table = SOURCE_TABLES[f"ops.{case.table}"]
        keys = {name: 1000 + number for name in table.key if name not in GOOD[case.table]}
        row = {**keys, **GOOD[case.table], "updated_ts": DAY, "created_ts": created(number)} | case.spoilt
        statements.append(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier("ops", case.table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join(map(sql.Literal, row.values())),
            )
        )
    with postgres.session(world.simulator_url, "tests") as cursor:
        cursor.execute(sql.SQL(";").join(statements))


def load(world: World) -> None:
    """Loads what is there, however much of it is rejected, but for the mart."""
    with settings_of(world.where(OCEAN_MAX_REJECTED="1")):
        create_warehouse(world)
        extract_date(world, date(1))
        load_stages(world, date(1))
        load_dimensions(world)
        for fact in ("fact_order", "fact_order_line"):
            load_fact(world, fact)


@pytest.fixture(scope="module")
def contract(worlds: Worlds) -> World:
    """A source with the types of the contract."""
    world = worlds.new()
    open_shop(world)
    without_constraints(world)
    world.source(f"insert into ops.orders values (1, 1, 1, 1, 1, '{DAY}', null, '{OPENING}', '{OPENING}')")
    insert(world, CONTRACT)
    load(world)
    return world


@pytest.fixture(scope="module")
def wide(worlds: Worlds) -> World:
    """A source whose types hold more than the warehouse can, and that has columns of its own."""
    world = worlds.new()
    open_shop(world)
    world.source("drop view retail.user_purchase")
    without_constraints(world)
    for table, columns in WIDE_TYPES.items():
        for name, type_ in (column.split(" ", 1) for column in columns):
            world.source(f"alter table ops.{table} alter {name} type {type_}")
    with postgres.session(world.simulator_url, "tests") as cursor:
        for name, type_ in OWN_COLUMNS:
            cursor.execute(sql.SQL("alter table ops.suppliers add {} {}").format(sql.Identifier(name), sql.SQL(type_)))
    world.source(f"insert into ops.orders values (1, 1, 1, 1, 1, '{DAY}', null, '{OPENING}', '{OPENING}')")
    insert(world, WIDE)
    load(world)
    return world


def found_in(world: World, number: int, case: Case) -> tuple[list[Any], list[Any]]:
    """The keys of the row in stage, and with its date, file and line the reason why it is not there."""
    keys = ", ".join(SOURCE_TABLES[f"ops.{case.table}"].key)
    staged = world.warehouse(f"select {keys} from stage.{case.table} where created_ts = %s", (created(number),))
    rejected = world.warehouse(
        'select date, file, line, reason from etl.rejected_row where source = %s and "row" like %s',
        (f"ops.{case.table}", f'%"created_ts":"{created(number).isoformat()}"%'),
    )
    return staged, rejected


def check(world: World, number: int, case: Case) -> None:
    staged, rejected = found_in(world, number, case)
    if case.reason or case.absent:
        assert staged == []
        file = f"extract/ops.{case.table}/date=2026-01-01/data.csv.zst"
        assert [(day, of, reason) for day, of, _, reason in rejected] == [(date(1), file, case.reason)] * bool(
            case.reason
        )
        return
    assert (len(staged), rejected) == (1, [])
    target, columns = SHOWN_BY[case.table]
    same = " and ".join(f"{column} = {value}" for column, value in zip(columns, staged[0], strict=True))
    [(shown,)] = world.warehouse(f"select to_jsonb(target) from dwh.{target} as target where {same}")
    assert {name: shown[name] for name in case.shown} == case.shown
    key = "/".join(map(str, staged[0]))
    assert {waits for _, of, waits in open_queue(world) if of == key} == set(case.queued)


@pytest.mark.parametrize("case", CONTRACT, ids=lambda case: case.name)
def test_a_row_of_a_source_with_the_contract_s_types(contract: World, case: Case) -> None:
    check(contract, CONTRACT.index(case) + 1, case)


@pytest.mark.parametrize("case", WIDE, ids=lambda case: case.name)
def test_a_row_of_a_source_with_wider_types(wide: World, case: Case) -> None:
    check(wide, WIDE.index(case) + 1, case)


def test_a_rejected_row_bears_the_line_on_which_it_stands_in_the_extract(contract: World, wide: World) -> None:
    for world in (contract, wide):
        for table in GOOD:
            data = world.lake.read(f"{layout.folder(f'ops.{table}', date(1))}/data.csv.zst") or b""
            text = zstandard.ZstdDecompressor().stream_reader(data).read().decode()
            csv.field_size_limit(2 * len(HUGE))
            lines = list(csv.DictReader(io.StringIO(text, newline="")))
            rejected = world.warehouse('select line, "row" from etl.rejected_row where source = %s', (f"ops.{table}",))
            for line, row in rejected:
                [kept] = re.findall(r'"created_ts":"(.*?)"', row)
                written = lines[line - 2]["created_ts"]
                assert dt.datetime.fromisoformat(written) == dt.datetime.fromisoformat(kept)


def test_no_sum_of_the_warehouse_is_spoilt(contract: World, wide: World) -> None:
    for world in (contract, wide):
        [(amount, price)] = world.warehouse(
            "select sum(order_amount), (select sum(unit_price) from dwh.dim_product) from dwh.fact_order"
        )
        assert amount.is_finite()
        assert price.is_finite()
        assert world.rows("select order_id from dwh.fact_order where not isfinite(delivered_ts - ordered_ts)") == set()


def test_columns_of_the_shop_s_own_are_mirrored_as_they_are(wide: World) -> None:
    case = next(case for case in WIDE if case.name == "columns of the shop's own")
    [(row,)] = wide.warehouse(
        "select row_to_json(suppliers)::text from stage.suppliers where created_ts = %s",
        (created(WIDE.index(case) + 1),),
    )
    found = json.loads(row)
    assert {name: found[name] for name in case.spoilt} == case.spoilt | {"json": {"a": "\0"}}


@pytest.fixture
def small(worlds: Worlds) -> World:
    """A source without constraints that is loaded up to day 1, within the limit of rejected rows."""
    world = worlds.new()
    open_shop(world)
    without_constraints(world)
    return world


def test_a_row_that_no_window_covers_is_rejected_once_and_spoils_no_later_date(small: World) -> None:
    for updated in (None, "infinity", "-infinity", "9999-12-31", "0044-03-15 BC"):
        small.source("insert into ops.states values ('XX', 'X', null, %s)", (updated,))
    load(small)
    query = "select date, reason from etl.rejected_row"
    reasons = [(date(1), "updated_ts is missing"), *[(date(1), f"updated_ts {INSTANT}")] * 4]
    assert sorted(small.warehouse(query)) == reasons
    small.source("insert into ops.states values ('OK', 'Oklahoma', now(), '2026-01-02 12:00:00+00')")
    with settings_of(small):
        extract_date(small, date(2), ["ops.states"])
        load_stages(small, date(2), ["ops.states"])
    assert sorted(small.warehouse(query)) == reasons
    assert small.rows("select state_code from stage.states") == {("CA",), ("OK",)}


def test_a_rejected_row_without_end_is_cut(small: World) -> None:
    small.source("alter table ops.states alter name type text")
    small.source("insert into ops.states values (null, %s, null, %s)", ("🐋" * 1_000_000, DAY))
    load(small)
    [(row,)] = small.warehouse('select "row" from etl.rejected_row')
    assert row.startswith('{"state_code":null,"name":"🐋🐋')
    assert re.fullmatch(r"… \(cut: 1000\d{3} characters in all\)", row[LONGEST:])
