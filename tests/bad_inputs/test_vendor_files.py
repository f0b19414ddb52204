"""Vendors' files, up to the facts: partners' orders, and reviews with a stand-in for Spark.

What the reader of CSV makes of a line is in tests/feeds/test_landing.py. Here each case is a file of its own; all files
of a feed are delivered on one day and loaded once. Items of an order are named after their case.
"""

import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from support import shop
from support.feeds_world import KNOWN, classify, load_fact, open_queue, open_warehouse, run, settings_of
from support.loads import load_dimensions
from support.world import World, Worlds

from pipeline.kernel.errors import BadExtract, OceanError
from pipeline.tasks.load_feed import LoadPartnerOrders
from pipeline.tasks.load_reviews import LoadReviews
from pipeline.vendors.declared_feeds import PARTNER_ORDERS, REVIEWS
from pipeline.vendors.vendor_fields import Feed

NOW = "26-01-01 08:00:00"
HEADER = PARTNER_ORDERS.header
Lines = list[tuple[int, str]]


@dataclass(frozen=True)
class Case:
    """The bytes of a file, the items that are loaded of it, and line and reason of what is rejected.

    `~` stands for the name of the case, as the number of an order.
    """

    name: str
    text: str | bytes
    items: set[tuple[str, str, str | None]] = field(default_factory=set)
    rejected: Lines = field(default_factory=list)
    queued: bool = False

    @property
    def data(self) -> bytes:
        data = self.text if isinstance(self.text, bytes) else self.text.encode()
        return data.replace(b"~", self.name.encode())

    @property
    def key(self) -> str:
        return f"landing/{PARTNER_ORDERS.name}/date={shop.date(1)}/{self.name.replace('/', '.')}.csv"


def row(item: str = "1", name: str = "Kelp", when: str = NOW, customer: int | str = KNOWN) -> str:
    return f"~,{customer},{item},{name},{when}"


def sold(item: str = "1", name: str = "Kelp", when: str = "2026-01-01 08:00:00+00") -> tuple[str, str, str]:
    return item, name, when


def whole(name: str, *parts: str | bytes, items: str = "", bad: str = "", line: int = 2) -> Case:
    """A file of these parts, with items called Kelp of these digits."""
    data = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
    return Case(name, data, {sold(item) for item in items}, [(line, bad)] * bool(bad))


def good(name: str, *lines: str, items: Sequence[tuple[str, str, str | None]] = (), queued: bool = False) -> Case:
    """A file of good rows, and the items that they are."""
    return Case(name, "\n".join([HEADER, *lines, ""]), set(items), queued=queued)


def bad(name: str, reason: str, line: str | bytes) -> Case:
    """A file of a bad row between two good ones."""
    line = line.encode() if isinstance(line, str) else line
    return whole(name, f"{HEADER}\n{row()}\n", line, f"\n{row('2')}\n", items="12", bad=reason, line=3)


def scrambled(alphabet: str, length: int) -> str:
    """A text that no compression makes short."""
    return "".join(random.Random(7).choices(alphabet, k=length))


WHALES = "".join(map(chr, range(0x1F400, 0x1F4FF)))
STATEMENT = "'); drop table dwh.fact_order; --"
COLUMNS = "wrong number of columns: {} instead of 5"
CUSTOMER = "customer_id is not a whole number"
FILES = [
    # Whole files
    whole("nothing", ""),
    whole("blank lines", "\n\r\n \n"),
    whole("a header only", HEADER),
    whole("a byte order mark alone", "\ufeff"),
    whole("a byte order mark", f"\ufeff{HEADER}\n{row()}\n", items="1"),
    whole("lines end with CRLF", f"{HEADER}\r\n{row()}\r\n", items="1"),
    whole("lines end with CR", f"{HEADER}\r{row()}\r", items="1"),
    whole("lines end in all ways", f"{HEADER}\r{row()}\n{row('2')}\r\n{row('3')}", items="123"),
    whole("a header that shouts", f'"ORDER_ID", Customer_Id ,item_id,item_name,delivered_on\n{row()}\n', items="1"),
    whole("a header twice", f"{HEADER}\n{HEADER}\n{row()}\n", items="1", bad=CUSTOMER),
    whole("one file after another", f"{HEADER}\n{row()}\n\ufeff{HEADER}\n", items="1", bad=CUSTOMER, line=3),
    # Encodings
    bad("Latin-1", "not valid UTF-8", row(name="café").encode("latin-1")),
    bad("half a character", "not valid UTF-8", row(name="€").encode().replace(b"\xac", b"")),
    bad("half a pair", "not valid UTF-8", row(name="\ud800").encode("utf-8", "surrogatepass")),
    bad("a NUL", "NUL byte", row(name="nu\0l")),
    good("many alphabets", row(name="鯨🐋é﷽"), items=[sold(name="鯨🐋é﷽")]),
    good("control characters", row(name="\x01\x1b\x7f\x85"), items=[sold(name="\x01\x1b\x7f\x85")]),
    # Quotes
    good("quotes", row('"x,\ny"', '"a""b; --"'), items=[sold("x,\ny", 'a"b; --')]),
    good("a statement", row(STATEMENT, STATEMENT), items=[sold(STATEMENT, STATEMENT)]),
    bad("a quote never closed", "a quote is never closed", row(name='"Kelp')),
    bad("text after a quote", "text after a closing quote", row(name='"Ke"lp')),
    # Columns
    bad("a column too few", COLUMNS.format(4), "~,1,1,Kelp"),
    bad("a column too many", COLUMNS.format(6), f"{row()},"),
    bad("semicolons for commas", COLUMNS.format(1), "~;1;1;Kelp;"),
    # Keys
    bad("no order", "order_id is missing", ",1,1,Kelp,"),
    bad("no item", "item_id is missing", row('""')),
    good("an item of a space", row(" "), items=[sold(" ")]),
    good("an item twice", row(), row(), items=[sold()]),
    good("an item once more later", row(name="Old", when="25-12-31 08:00:00"), row(), items=[sold()]),
    good("a key of 1000 letters", row("i" * 1000), items=[sold("i" * 1000)]),
    bad("a key of 1001 letters", "item_id is longer than 1000 characters", row("i" * 1001)),
    good("a key of 299 whales", row(scrambled(WHALES, 299)), items=[sold(scrambled(WHALES, 299))]),
    bad("a key of 300 whales", "item_id is too long for a key", row(scrambled(WHALES, 300))),
    bad("a key of control characters", "item_id is too long for a key", row(scrambled("\1\2\3\4\5\6\7", 201))),
    # Values
    bad("a huge name", "the line is longer than 1,048,576 bytes", row(name="x" * 2_000_000)),
    good("a long name", row(name="é" * 1000), items=[sold(name="é" * 1000)]),
    bad("too long a name", "item_name is longer than 1000 characters", row(name="é" * 1001)),
    good("nothing optional", "~,,1,,", items=[("1", "Unknown", None)]),
    *(
        bad(f"customer {text}", CUSTOMER, row(customer=text))
        for text in ("9223372036854775808", "1e3", "1.0", "NaN", "0x1", "१", "1_000")
    ),
    *(good(f"customer {text}", row(customer=text), items=[sold()], queued=True) for text in (404, 0, -7, 1 << 62)),
    good("customer +001", row(customer=" +001 "), items=[sold()]),
    # Times
    *(
        bad(f"on {when}", "delivered_on is not a date", row(when=when))
        for when in (
            *("26-02-29 08:00:00", "26-01-01 24:00:00", "26-06-30 23:59:60", "2026-01-01 08:00:00"),
            *("26-01-01 08:00:00+02", "26-01-01 08:00:00Z", "26-01-01T08:00:00", "01/01/26 08:00"),
            *("0044-03-15 08:00:00 BC", "10000-01-01 08:00:00", "infinity", "now", "-1"),
        )
    ),
    good("on the first day", row(when="00-01-01 00:00:00"), items=[sold(when="2000-01-01 00:00:00+00")]),
    good("on the last day", row(when="99-12-31 23:59:59"), items=[sold(when="2099-12-31 23:59:59+00")]),
    good("on a leap day", row(when="24-02-29 08:00:00"), items=[sold(when="2024-02-29 08:00:00+00")]),
]
# Files that are refused as a whole, and with them the load.
REFUSED = [
    ("another header", "id,amount\n1,2\n"),
    ("no header", "A,1,1,Kelp,\n"),
    ("columns in another order", f"customer_id,order_id,item_id,item_name,delivered_on\n1,A,1,Kelp,{NOW}\n"),
    ("a column more", f"{HEADER},price\nA,1,1,Kelp,,5\n"),
    ("semicolons", HEADER.replace(",", ";")),
    ("tabs", HEADER.replace(",", "\t")),
    ("UTF-16", f"{HEADER}\nA,1,1,Kelp,\n".encode("utf-16")),
    ("UTF-32", f"{HEADER}\nA,1,1,Kelp,\n".encode("utf-32")),
    ("gzip", gzip.compress(f"{HEADER}\nA,1,1,Kelp,\n".encode())),
    ("a spreadsheet", b"PK\x03\x04\x14\0\6\0"),
    ("a web page", "<html><body>404</body></html>"),
    ("a NUL", "\0"),
    ("an open quote", f'"{HEADER}\nA,1,1,Kelp,\n'),
]
# A line below the header of reviews, and either the reason why it is rejected, or "".
REVIEW_LINES = [
    (f'{KNOWN},"He said ""good"", and left; \'); drop table dwh.fact_review; --"', ""),
    (f'{KNOWN},"line\r\nbreak"', ""),
    (f"{KNOWN},good 🐋", ""),
    (f"{KNOWN}, ", ""),
    (f"{KNOWN},{'x' * 20_000}", ""),
    (f"{KNOWN},{'x' * 20_001}", "review_str is longer than 20000 characters"),
    (f"{KNOWN},", "review_str is missing"),
    (",good", "cid is missing"),
    ("NaN,good", "cid is not a whole number"),
    ("9223372036854775808,good", "cid is not a whole number"),
    ("-1.5,good", "cid is not a whole number"),
    (f"{KNOWN},nu\0l", "NUL byte"),
    (f"{KNOWN},good,film", "wrong number of columns: 3 instead of 2"),
    (f'{KNOWN},"good', "a quote is never closed"),
]


@pytest.fixture(scope="module")
def opened(worlds: Worlds) -> World:
    """A warehouse into which any share of bad rows may be loaded."""
    world = worlds.new().where(OCEAN_MAX_REJECTED="1")
    with settings_of(world):
        open_warehouse(world)
    return world


@pytest.fixture(scope="module")
def delivered(opened: World) -> World:
    """All files of partners' orders, loaded at once."""
    opened.lake.write_all({case.key: case.data for case in FILES})
    assert run(opened, LoadPartnerOrders(shop.date(1))) is None
    load_dimensions(opened)  # of dates there is one more for each year in which something was delivered
    load_fact(opened, "fact_partner_order")
    return opened


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.name)
def test_of_a_file_what_is_right_is_loaded_and_the_rest_rejected_by_its_line(delivered: World, case: Case) -> None:
    items = delivered.warehouse(
        "select item_id, item_name, delivered_ts::text from dwh.fact_partner_order where order_id = %s", (case.name,)
    )
    assert (len(items), set(items)) == (len(case.items), case.items)
    rejected = "select line, reason from etl.rejected_row where source = %s and date = %s and file = %s order by line"
    assert delivered.warehouse(rejected, (PARTNER_ORDERS.name, shop.date(1), case.key)) == case.rejected
    assert any(f'"{case.name}"' in key for _, key, _ in open_queue(delivered)) == case.queued


def test_the_longest_keys_fit_where_they_have_to_wait(delivered: World) -> None:
    order, item = scrambled("\1\2\3\4\5\6\7", 200), scrambled(WHALES, 299)
    lines = f"{HEADER}\n{order},404,{item},Kelp,\n"
    delivered.lake.write(f"landing/{PARTNER_ORDERS.name}/date={shop.date(2)}/long.csv", lines.encode())
    assert run(delivered, LoadPartnerOrders(shop.date(2))) is None
    load_fact(delivered, "fact_partner_order")
    keys = [key for _, key, dimension in open_queue(delivered) if dimension == "dim_customer"]
    assert [order, item] in map(json.loads, keys)


@pytest.mark.parametrize("feed", [PARTNER_ORDERS, REVIEWS], ids=lambda feed: feed.name)
@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in REFUSED])
def test_a_file_of_something_else_is_refused_by_its_name(opened: World, feed: Feed, data: str | bytes) -> None:
    key = f"landing/{feed.name}/date={shop.date(9)}/it is (very) odd, é+=@.csv"
    opened.lake.write(key, data if isinstance(data, bytes) else data.encode())
    try:
        failure = refusal(opened, feed)
    finally:
        opened.lake.delete([key])
    because = f"its first line is not the header {feed.header}; have the file delivered again"
    assert isinstance(failure, BadExtract)
    assert str(failure).startswith(f"cannot read {key}, because {because}")


def refusal(world: World, feed: Feed) -> Exception | None:
    """Why the files of a feed up to day 9 cannot be loaded."""
    if feed == PARTNER_ORDERS:
        return run(world, LoadPartnerOrders(shop.date(9)))
    try:
        classify(world, 9)
    except OceanError as failure:
        return failure
    return None


def test_of_reviews_what_is_right_is_classified_and_the_rest_rejected_by_its_line(opened: World) -> None:
    lines = [REVIEWS.header, *(line for line, _ in REVIEW_LINES)]
    key = f"landing/{REVIEWS.name}/date={shop.date(1)}/a.csv"
    opened.lake.write(key, "\n".join(lines).encode() + b"\n7,good\n1,caf\xe9\n")
    classify(opened, 1)
    assert run(opened, LoadReviews(shop.date(1))) is None
    load_fact(opened, "fact_review")
    starts = [sum(line.count("\n") + 1 for line in lines[:number]) + 1 for number in range(len(lines) + 2)]
    wanted = [(starts[number], reason) for number, (_, reason) in enumerate(REVIEW_LINES, 1) if reason]
    wanted.append((starts[len(lines)] + 1, "not valid UTF-8"))
    query = "select line, reason from etl.rejected_row where source = %s and file = %s order by line"
    assert opened.warehouse(query, (REVIEWS.name, key)) == wanted
    customers = opened.warehouse(
        "select customer_id from dwh.fact_review inner join dwh.dim_customer using (customer_key)"
    )
    assert sorted(customers) == [(-1,), *[(KNOWN,)] * 5]
    assert [dimension for fact, _, dimension in open_queue(opened) if fact == "fact_review"] == ["dim_customer"]
