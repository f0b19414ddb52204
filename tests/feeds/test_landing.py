"""Vendor files: what is read, what is rejected and why, and that nothing is lost or changed in between."""

import csv
import datetime as dt
import io
import itertools
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.world import World

from pipeline.feeds.clean_csv import CleanCsv, write_csv
from pipeline.feeds.landing import deliveries, read
from pipeline.feeds.vendor_csv import LONGEST_RECORD, accepted, read_csv
from pipeline.kernel import postgres
from pipeline.kernel.errors import BadExtract, ServiceDown, ServiceLost
from pipeline.kernel.postgres import sql
from pipeline.kernel.rejected import LONGEST, Rejected, storable
from pipeline.lake.objects import Lake
from pipeline.vendors.declared_feeds import PARTNER_ORDERS, REVIEWS
from pipeline.vendors.vendor_fields import Feed, Field, Row

HEADER = b"cid,review_str\n"
ENDS = ["\n", "\r\n", "\r"]
Lines = list[tuple[int, str]]

# What PostgreSQL can hold as a text, with more of what CSV makes something of.
texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from(list("\",\r\n '\\\ufeff\x85\u2028é🐋")),
    min_size=1,
    max_size=20,
)
integers = st.integers(-(1 << 63), (1 << 63) - 1)


def reviews(*lines: bytes, feed: Feed = REVIEWS) -> list[Row | Rejected]:
    """What is read from lines below the header."""
    return list(read_csv(feed, "x.csv", io.BytesIO(HEADER + b"".join(lines))))


def rows(found: list[Row | Rejected]) -> list[tuple[str | None, ...]]:
    return [row.values for row in found if isinstance(row, Row)]


def faults(found: list[Row | Rejected]) -> Lines:
    return [(each.line, each.reason) for each in found if isinstance(each, Rejected)]


def written(row: tuple[object, ...], end: str, quoting: int) -> bytes:
    """A record as the csv module writes it, which puts both CR and LF in quotes only where lines end with both."""
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\r\n", quoting=quoting).writerow(row)  # type: ignore[arg-type]
    return (file.getvalue().removesuffix("\r\n") + end).encode()


class Dribble:
    """Gives a few bytes at a time, whatever it is asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = io.BytesIO(data), size

    def read(self, size: int = -1, /) -> bytes:
        return self.data.read(self.size)


@given(
    st.lists(st.tuples(integers, texts)),
    st.sampled_from(ENDS),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["", "\ufeff"]),
    st.booleans(),
    st.integers(1, 40),
)
def test_valid_rows_are_read_back_exactly(
    wanted: list[tuple[int, str]], end: str, quoting: int, bom: str, ended: bool, size: int
) -> None:
    lines = [written(row, end, quoting) for row in [("cid", "review_str"), *wanted]]
    data = bom.encode() + b"".join(lines).removesuffix(b"" if ended else end.encode())
    found = list(read_csv(REVIEWS, "x.csv", Dribble(data, size)))
    assert found == [Row((str(cid), text)) for cid, text in wanted]


@given(st.lists(st.tuples(integers, texts, st.sampled_from(ENDS), st.sampled_from(["", "\n", " \t\r\n"]))))
def test_line_ends_may_be_mixed_and_blank_lines_stand_between(wanted: list[tuple[int, str, str, str]]) -> None:
    lines = [f'{cid},"{text.replace(chr(34), chr(34) * 2)}"{end}{blank}' for cid, text, end, blank in wanted]
    assert reviews(*(line.encode() for line in lines)) == [Row((str(cid), text)) for cid, text, *_ in wanted]


# A quote that stays open ends at the next quote. With these that one is followed by a text, as no closing one can be.
safe_texts = texts.filter(lambda text: bool(re.match('"*[^",\r\n]', text)))


@given(
    st.lists(st.tuples(integers, safe_texts)),
    st.integers(0),
    st.sampled_from(
        [
            (b'7,"never closed', "a quote is never closed"),
            (b'7,"never ""closed""', "a quote is never closed"),
            (b'7,"closed", too early', "wrong number of columns: 3 instead of 2"),
            (b'7,"closed" too early', "text after a closing quote"),
            (b'"7', "a quote is never closed"),
            (b"7", "wrong number of columns: 1 instead of 2"),
            (b"7,caf\xe9", "not valid UTF-8"),
            (b"7,nu\0l", "NUL byte"),
            (b"x,good", "cid is not a whole number"),
        ]
    ),
    st.sampled_from(ENDS),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.integers(1, 40),
)
def test_one_broken_line_costs_itself_alone(
    good: list[tuple[int, str]], place: int, broken: tuple[bytes, str], end: str, quoting: int, size: int
) -> None:
    lines = [written(row, end, quoting) for row in good]
    place %= len(good) + 1
    line, reason = broken
    before = HEADER + b"".join(lines[:place])
    data = before + line + end.encode() + b"".join(lines[place:])
    found = list(read_csv(REVIEWS, "x.csv", Dribble(data, size)))
    assert rows(found) == [(str(cid), text) for cid, text in good]
    [rejected] = [each for each in found if isinstance(each, Rejected)]
    assert rejected == Rejected("x.csv", len(before.splitlines()) + 1, reason, storable(line))


@pytest.mark.parametrize("feed", [REVIEWS, PARTNER_ORDERS], ids=lambda feed: feed.name)
@given(st.data())
def test_of_any_bytes_each_line_is_accepted_rejected_or_blank(feed: Feed, data: st.DataObject) -> None:
    alphabet = st.sampled_from(
        [b'"', b",", b"\n", b"\r", b"\r\n", b"7", b"x", b" ", b"\0", b"\xff", "é".encode(), b'"\n"']
    )
    body = b"".join(data.draw(st.lists(alphabet | st.binary(max_size=3), max_size=60)))
    size = data.draw(st.integers(1, 30))
    found = list(read_csv(feed, "x.csv", Dribble(feed.header.encode() + b"\n" + body, size)))
    lines = body.splitlines(keepends=True)
    at = 0
    for each in found:
        while not lines[at].strip(b" \t\r\n"):
            at += 1
        if isinstance(each, Rejected):
            assert each.line == at + 2
            count = len(re.split("\r\n|\r|\n", each.row))
            assert each.row == storable(b"".join(lines[at : at + count]).rstrip(b"\r\n"))
        else:
            # csv.reader is the oracle for what an accepted record says.
            count = 1 + sum(len(re.findall("\r\n|\r|\n", value or "")) for value in each.values)
            [record] = csv.reader([line.decode() for line in lines[at : at + count]], strict=True)
            assert Row(tuple(field.canonical(v) for field, v in zip(feed.fields, record, strict=True))) == each
        at += count
    assert not b"".join(lines[at:]).strip(b" \t\r\n")


@given(st.binary(max_size=60))
def test_of_any_bytes_nothing_is_raised_but_for_the_header(data: bytes) -> None:
    try:
        found = list(read_csv(REVIEWS, "x.csv", io.BytesIO(data)))
    except BadExtract:
        assert data.strip(b" \t\r\n")
    else:
        assert found == []  # so few random bytes are no header


def test_the_spaces_after_a_blank_line_belong_to_the_next_one() -> None:
    [found] = read_csv(REVIEWS, "x.csv", io.BytesIO(REVIEWS.header.encode() + b'\n\n "\n'))
    assert isinstance(found, Rejected)
    assert (found.line, found.row) == (3, ' "')


BAD = [
    # Lines below the header, and what is said of them.
    (b"1,caf\xe9\n", [(2, "not valid UTF-8")]),
    (b"1,\xed\xa0\x80\n", [(2, "not valid UTF-8")]),
    (b'1,"line\nbreak \xff"\n', [(2, "not valid UTF-8")]),
    (b"1,nul\0nul\n", [(2, "NUL byte")]),
    (b"\xff\0,x,y\n", [(2, "not valid UTF-8")]),
    (b"\0,x,y\n", [(2, "NUL byte")]),
    (b"1\n", [(2, "wrong number of columns: 1 instead of 2")]),
    (b"1,a,b\n", [(2, "wrong number of columns: 3 instead of 2")]),
    (b'1,"a\nb",c,"d",,"e""f"\n', [(2, "wrong number of columns: 6 instead of 2")]),
    (b'""\n', [(2, "wrong number of columns: 1 instead of 2")]),
    (b",text\n", [(2, "cid is missing")]),
    (b"  ,text\n", [(2, "cid is missing")]),
    (b"1,\n", [(2, "review_str is missing")]),
    (b'1,""\n', [(2, "review_str is missing")]),
    (b"one,text\n", [(2, "cid is not a whole number")]),
    (b"1.5,text\n", [(2, "cid is not a whole number")]),
    (b"1_000,text\n", [(2, "cid is not a whole number")]),
    (b"- 1,text\n", [(2, "cid is not a whole number")]),
    ("٣,text\n".encode(), [(2, "cid is not a whole number")]),
    ("²,text\n".encode(), [(2, "cid is not a whole number")]),
    (b'"1\n",text\n', [(2, "cid is not a whole number")]),
    (b"9223372036854775808,text\n", [(2, "cid is not a whole number")]),
    (b"-9223372036854775809,text\n", [(2, "cid is not a whole number")]),
    (b"9" * 9000 + b",text\n", [(2, "cid is not a whole number")]),
    (b"1," + b"x" * 20_001 + b"\n", [(2, "review_str is longer than 20000 characters")]),
    (b'1,"a\n', [(2, "a quote is never closed")]),
    (b'1,"a\n2,good\n3,"good, too"\n', [(2, "a quote is never closed")]),
    (b'1,"a "quoted" word"\n', [(2, "text after a closing quote")]),
    (b'1,"a" \n', [(2, "text after a closing quote")]),
    # Where a quote within a text of several lines is not doubled, each of the lines is a row that cannot be kept.
    (
        b'1,"a\n"quoted" word\nor two"\n',
        [
            (2, "a quote is never closed"),
            (3, "text after a closing quote"),
            (4, "wrong number of columns: 1 instead of 2"),
        ],
    ),
    # The line counts physical lines: those within quotes and blank ones too, and a CRLF once.
    (b'1,"a\r\nb\rc\nd"\r\n\r\n \t\r\nx,bad\r\n', [(8, "cid is not a whole number")]),
]


@pytest.mark.parametrize(("lines", "wanted"), BAD, ids=lambda value: repr(value)[:40])
def test_a_bad_row_is_rejected_with_its_line_and_reason(lines: bytes, wanted: Lines) -> None:
    found = reviews(lines, b"77,the next one\n")
    assert faults(found) == wanted
    assert rows(found)[-1] == ("77", "the next one")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("o,5,i,n,26-02-30 10:00:00", "delivered_on is not a date"),
        ("o,5,i,n,26-11-19 24:00:00", "delivered_on is not a date"),
        ("o,5,i,n,26-11-19 10:00:60", "delivered_on is not a date"),
        ("o,5,i,n,2026-11-19 10:00:00", "delivered_on is not a date"),
        ("o,5,i,n,26-11-19", "delivered_on is not a date"),
        ("o,5,i,n,26-11-19T10:00:00", "delivered_on is not a date"),
        ("o,5,i,n,26-W01-1 10:00:00", "delivered_on is not a date"),
        ("o,5,i,n,yesterday", "delivered_on is not a date"),
        ("o,5,i,n,٢٦-11-19 10:00:00", "delivered_on is not a date"),
        (",5,i,n,", "order_id is missing"),
        ("o,5,,n,", "item_id is missing"),
        ("o,five,,n,", "customer_id is not a whole number"),
        (f"o,5,{'i' * 1001},n,", "item_id is longer than 1000 characters"),
        ("o,5,i,n", "wrong number of columns: 4 instead of 5"),
    ],
)
def test_a_bad_partner_order_is_rejected_with_its_reason(line: str, reason: str) -> None:
    data = f"{PARTNER_ORDERS.header}\n{line}\no,5,i,n,26-11-19 10:00:00\n"
    found = list(read_csv(PARTNER_ORDERS, "x.csv", io.BytesIO(data.encode())))
    assert found == [
        Rejected("x.csv", 2, reason, line),
        Row(("o", "5", "i", "n", "2026-11-19 10:00:00+00")),
    ]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (b" +007 ,text\n", ("7", "text")),
        (b"\t-0,text\n", ("0", "text")),
        (b"0" * 9000 + b"1,text\n", ("1", "text")),
        (b"-9223372036854775808,text\n", ("-9223372036854775808", "text")),
        (b'1,  kept "as is" \n', ("1", '  kept "as is" ')),
        (b"1, \n", ("1", " ")),
        ("1,\u2028\x85\x0b\x1c\n".encode(), ("1", "\u2028\x85\x0b\x1c")),
        (b"1," + "🐋".encode() * 20_000, ("1", "🐋" * 20_000)),
        (b'1,"' + b'""' * 20_000 + b'"', ("1", '"' * 20_000)),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_integers_are_canonical_and_texts_are_left_alone(line: bytes, wanted: tuple[str, str]) -> None:
    assert reviews(line) == [Row(wanted)]


def test_optional_values_may_be_missing() -> None:
    data = f'{PARTNER_ORDERS.header}\no,,i,,\no," ",i,"",  \n'
    found = list(read_csv(PARTNER_ORDERS, "x.csv", io.BytesIO(data.encode())))
    assert found == [Row(("o", None, "i", None, None))] * 2


@pytest.mark.parametrize(
    "data",
    [
        b"cid,review_str\n",
        b"\xef\xbb\xbfcid,review_str",
        b'\r\n\r\n CID ,"Review_Str"\r\n',
        b"",
        b"\n \n",
        b"\xef\xbb\xbf",
    ],
)
def test_a_file_of_a_header_or_of_nothing_has_no_rows(data: bytes) -> None:
    assert list(read_csv(REVIEWS, "x.csv", io.BytesIO(data))) == []


@pytest.mark.parametrize(
    "data",
    [
        *(
            b"1,hunter2\n",
            b"review_str,cid\n",
            b"cid;review_str\n",
            b"cid,review_str,more\n",
            b"cid\n",
            b'"cid,review_str\n',
        ),
        *(
            "cid,review_str\n".encode("utf-16"),
            b"x" * (LONGEST_RECORD + 9),
            b"\x1f\x8b\x08\0\xff",
            b"cid,review_str\xe9\n",
        ),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_another_header_is_refused_by_the_file_s_name(data: bytes) -> None:
    with pytest.raises(BadExtract, match=r"cannot read x\.csv, because .* not the header cid,review_str; ") as caught:
        list(read_csv(REVIEWS, "x.csv", io.BytesIO(data)))
    assert "hunter2" not in str(caught.value)


def test_an_open_quote_is_looked_after_no_further_than_a_record_may_be_long() -> None:
    line = b"5,a line that is good\n"
    many = 3 * LONGEST_RECORD // len(line)
    found = reviews(b'1,"open\n', line * many, b'6,"closed"\n')
    assert faults(found) == [(2, "a quote is never closed")]
    assert len(rows(found)) == many + 1


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b""])
def test_a_line_without_end_is_one_rejected_row(end: bytes) -> None:
    found = reviews(b"1,good\n", b"2," + b"x" * (3 * LONGEST_RECORD), end, b"3,good\n" if end else b"")
    assert rows(found) == [("1", "good"), *[("3", "good")] * bool(end)]
    [rejected] = [each for each in found if isinstance(each, Rejected)]
    assert (rejected.line, rejected.reason) == (3, "the line is longer than 1,048,576 bytes")
    assert rejected.row == "2," + "x" * (LONGEST - 2) + "… (cut: more than 1,048,576 bytes in all)"


@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("form", [b'1,"%s"\n', b'1,"\n%s"\n'])
@pytest.mark.parametrize("size", [1 << 18, 100_003, (1 << 20) + 50])
def test_the_longest_record_is_the_same_however_the_bytes_come(over: int, form: bytes, size: int) -> None:
    feed = Feed("movie_review", (Field("cid", "integer"), Field("review_str", "text", longest=LONGEST_RECORD)))
    filling = b"x" * (LONGEST_RECORD - len(form % b"") + over)
    data = HEADER + form % filling + b"2,good\n"
    found = list(read_csv(feed, "x.csv", Dribble(data, size)))
    assert rows(found)[-1] == ("2", "good")
    reasons = [reason for _, reason in faults(found)]
    one_line = form.count(b"\n") == 1
    expected = (
        ["the line is longer than 1,048,576 bytes"]
        if one_line
        else ["a quote is never closed", "wrong number of columns: 1 instead of 2"]
    )
    assert reasons == (expected if over else [])


def test_a_file_of_open_quotes_is_read_once_not_once_for_each() -> None:
    """Each line opens a quote that the next one closes, only to open another: a search for the end must give up."""
    found = reviews(b'a","c\n' * 50_000)
    assert len(found) == 50_000


@pytest.mark.parametrize("line", [b"5,%s\n" % (b"x" * 500), b"x" * 500], ids=["rows", "a line without end"])
def test_memory_stays_flat(line: bytes) -> None:
    class Endless:
        """32 MiB, made as they are read."""

        parts = itertools.chain([HEADER], itertools.repeat(line * 256, (32 << 20) // (len(line) * 256)))

        def read(self, size: int = -1, /) -> bytes:
            return next(self.parts, b"")

    tracemalloc.start()
    for _ in read_csv(REVIEWS, "x.csv", Endless()):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_what_is_written_clean_is_read_again_the_same(tmp_path: Path) -> None:
    wanted = [Row(("o", None, 'i "1"', "", None)), Row(("\\.", "7", "a,\r\nb", None, "2026-11-19 10:00:00+00"))]
    with (tmp_path / "clean.csv").open("wb") as sink:
        assert write_csv(PARTNER_ORDERS, wanted, sink) == 2
    assert (tmp_path / "clean.csv").read_bytes().decode() == (
        f'{PARTNER_ORDERS.header}\n"o",,"i ""1""","",\n"\\.",7,"a,\r\nb",,2026-11-19 10:00:00+00\n'
    )


@given(st.lists(st.tuples(integers, texts)), st.integers(1, 1 << 19))
def test_a_stream_gives_the_same_bytes_in_any_portions(wanted: list[tuple[int, str]], size: int) -> None:
    values = [Row((str(cid), text)) for cid, text in wanted]
    sink = io.BytesIO()
    write_csv(REVIEWS, values, sink)
    stream = CleanCsv(REVIEWS, values)
    portions = list(iter(lambda: stream.read(size), b""))
    assert b"".join(portions) == sink.getvalue()
    assert all(len(portion) <= size for portion in portions)
    assert stream.rows == len(wanted)
    sink.seek(0)
    assert list(read_csv(REVIEWS, "x.csv", sink)) == values


def test_rows_of_many_blocks_are_each_written_once() -> None:
    values = [Row((str(cid), "x" * 20_000)) for cid in range(100)]
    sink = io.BytesIO()
    assert write_csv(REVIEWS, values, sink) == 100
    sink.seek(0)
    assert list(read_csv(REVIEWS, "x.csv", sink)) == values


def test_why_rows_could_not_be_drawn_is_kept_for_those_who_cannot_see_it() -> None:
    stream = CleanCsv(REVIEWS, accepted(read_csv(REVIEWS, "x.csv", io.BytesIO(b"no header\n")), print))
    with pytest.raises(BadExtract) as caught:
        stream.read()
    assert stream.failure is caught.value


# On a real lake and a real PostgreSQL.


@pytest.fixture
def lake(services_home: Path, request: pytest.FixtureRequest) -> Lake:
    return World(services_home, "", "", f"s3://ocean-lake/{request.node.name}").lake


def put(lake: Lake, key: str, data: bytes) -> str:
    lake.write(f"landing/movie_review/{key}", data)
    return f"landing/movie_review/{key}"


DAY, NEXT_DAY, LATER = dt.date(2026, 11, 18), dt.date(2026, 11, 19), dt.date(2026, 11, 20)


def test_deliveries_are_all_files_of_each_date_oldest_first(lake: Lake) -> None:
    names = ["date=2026-11-19/b.csv", "date=2026-11-19/a é+1.csv", "date=2026-11-18/c.csv", "date=2026-11-20/late.csv"]
    others = [
        "date=2026-11-19/deep/x.csv",
        "date=2026-11-19/x.txt",
        "date=2026-02-30/x.csv",
        "date=20261119/x.csv",
        "x.csv",
    ]
    for name in names + others:
        put(lake, name, HEADER)
    lake.write("landing/movie_review_2/date=2026-11-19/x.csv", HEADER)
    found = deliveries(lake, REVIEWS, NEXT_DAY)
    assert [(each.date, [file.key.rsplit("/", 1)[1] for file in each.files]) for each in found] == [
        (DAY, ["c.csv"]),
        (NEXT_DAY, ["a é+1.csv", "b.csv"]),
    ]
    assert deliveries(lake, PARTNER_ORDERS, LATER) == []


def test_the_fingerprint_tells_of_a_file_added_replaced_or_taken_away(lake: Lake) -> None:
    def fingerprint() -> str:
        [found] = deliveries(lake, REVIEWS, DAY)
        return found.fingerprint

    put(lake, "date=2026-11-18/a.csv", HEADER)
    prints = [fingerprint()]
    assert fingerprint() == prints[0]
    added = put(lake, "date=2026-11-18/b.csv", HEADER)
    prints.append(fingerprint())
    put(lake, "date=2026-11-18/b.csv", HEADER + b"1,x\n")
    prints.append(fingerprint())
    lake.delete([added])
    assert fingerprint() == prints[0]
    put(lake, "date=2026-11-18/a.csv", HEADER)
    assert fingerprint() == prints[0]  # the same content is the same file, whenever it was written
    put(lake, "date=2026-11-18/a.csv", HEADER.lower().swapcase())
    prints.append(fingerprint())
    assert len(set(prints)) == 4


def test_all_files_of_a_date_are_read_each_with_its_own_lines(lake: Lake) -> None:
    first = put(lake, "date=2026-11-18/1.csv", HEADER + b"1,a\nx,b\n")
    put(lake, "date=2026-11-18/2.csv", b"")
    third = put(lake, "date=2026-11-18/3.csv", b"\xef\xbb\xbf" + HEADER + b"y,c\n2,d\n")
    [delivery] = deliveries(lake, REVIEWS, DAY)
    bad = "cid is not a whole number"
    assert list(read(lake, delivery)) == [
        *(Row(("1", "a")), Rejected(first, 3, bad, "x,b")),
        *(Rejected(third, 2, bad, "y,c"), Row(("2", "d"))),
    ]


@pytest.mark.parametrize("change", ["replaced", "deleted"])
def test_a_file_that_changes_after_the_listing_is_not_half_of_each(lake: Lake, change: str) -> None:
    key = put(lake, "date=2026-11-18/1.csv", HEADER + b"1,a\n")
    [delivery] = deliveries(lake, REVIEWS, DAY)
    if change == "replaced":
        put(lake, "date=2026-11-18/1.csv", HEADER + b"1,ab\n")
    else:
        lake.delete([key])
    with pytest.raises(BadExtract, match=r"date=2026-11-18/1\.csv, because it was replaced or deleted meanwhile"):
        list(read(lake, delivery))


def test_a_folder_is_listed_beyond_a_page_and_deleted_with_what_is_gone_already(lake: Lake) -> None:
    keys = [f"many/{number:04}" for number in range(1001)]
    for key in keys:
        lake.write(key, b"")
    lake.write("many-more/1", b"1")
    assert [found.key for found in lake.objects("many")] == keys
    lake.delete([*keys, "many/never-there"])
    assert lake.objects("many") == []
    assert [(found.key, found.size) for found in lake.objects("many-more")] == [("many-more/1", 1)]


@pytest.mark.parametrize(("code", "error"), [("AccessDenied", ServiceDown), ("SlowDown", ServiceLost)])
def test_an_object_that_s3_refuses_to_delete_is_an_error(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, code: str, error: type[ServiceDown]
) -> None:
    lake.write("kept/1", b"1")
    answer = {"Errors": [{"Key": f"{lake.prefix}/kept/1", "Code": code}]}
    monkeypatch.setattr(lake.client, "delete_objects", lambda **_: answer)
    with pytest.raises(error, match=f"it did not delete .*kept/1: {code}") as caught:
        lake.delete(["kept/1"])
    assert type(caught.value) is error


def test_postgresql_reads_what_is_written_clean(warehouse_url: str) -> None:
    wanted = [
        *(Row(("o", None, "i", "", None)), Row(("\\.", "7", 'a "b",\r\nc', None, "2026-11-19 10:00:00+00"))),
        *(Row(("NULL", "-1", "\\N", " é🐋\u2028", None)), Row(("o2", None, "\n\\.\n", "\t", None))),
    ]
    with postgres.transaction(warehouse_url, "warehouse") as cursor:
        cursor.execute(
            "create table t (order_id text, customer_id bigint, item_id text, item_name text, delivered_on timestamptz)"
        )
        columns = [field.name for field in PARTNER_ORDERS.fields]
        source = CleanCsv(PARTNER_ORDERS, wanted)
        assert postgres.copy_in(cursor, sql.Identifier("t"), columns, source, "format csv, header match") == 4
        cursor.execute("select order_id, customer_id::text, item_id, item_name, delivered_on::text from t")
        assert cursor.fetchall() == [row.values for row in wanted]
