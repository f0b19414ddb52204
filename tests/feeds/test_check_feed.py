"""`check-feed`: what it says of a file is what the load does with it, and its vendor learns how to mend it."""

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.world import ROOT

from pipeline.__main__ import main
from pipeline.feeds import risk_api
from pipeline.feeds.vendor_csv import read_csv
from pipeline.kernel import clock
from pipeline.kernel.errors import NotFound
from pipeline.kernel.rejected import MOST_ROWS, Rejected
from pipeline.people import feed_check
from pipeline.people.feed_check import MOST_SHOWN, check
from pipeline.vendors.declared_feeds import CONTRACTS, PARTNER_ORDERS, REVIEWS
from pipeline.vendors.vendor_fields import Feed

Run = Callable[..., tuple[int, str]]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file; returns its path."""

    def written(data: str | bytes, name: str = "a.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return written


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command; returns its exit code and what it says."""

    def ran(*words: object) -> tuple[int, str]:
        code = main(["check-feed", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return ran


def of(feed: Feed, *lines: str) -> str:
    """A file of a feed."""
    return "\n".join([feed.header, *lines, ""])


@pytest.mark.parametrize("feed", [REVIEWS, PARTNER_ORDERS], ids=lambda feed: feed.name)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([b'"', b",", b"\n", b"\r", b"7", b"x", b" ", b"\0", b"\xff", "é".encode(), b",,,,\n", b"1,x\n"])
        | st.binary(max_size=3),
        max_size=60,
    )
)
def test_of_any_bytes_it_rejects_the_rows_that_a_load_rejects(
    feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes]
) -> None:
    monkeypatch.setattr(feed_check, "MOST_SHOWN", 1000)
    data = feed.header.encode() + b"\n" + b"".join(pieces)
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    loaded = list(read_csv(feed, "a.csv", io.BytesIO(data)))
    rejected = [each for each in loaded if isinstance(each, Rejected)]
    found = check(path, None, personal=True)
    assert (found.rows, found.rejected, found.refused) == (len(loaded), len(rejected), "")
    assert [(each.line, each.reason) for each in found.problems] == [(each.line, each.reason) for each in rejected]
    assert all(each.rule and each.fix for each in found.problems)
    assert sum(kind.rows for kind in found.kinds) == len(rejected)


WHOLE, TIME = "a whole number of at most 64 bits", "a time YY-MM-DD HH:MM:SS in UTC, of 2000 to 2099; may be empty"
KEY, QUOTES = "a text of at most 1,000 characters, and 1,200 bytes as JSON", "quotes are those of RFC 4180"
QUOTED = 'put the text in double quotes and double each double quote in it: "a ""big"" fish"'
IN_UTC = "write it as 26-11-19 08:30:00: two digits of the year, a day that there is, 24 hours, UTC, no zone"
# A bad line of partners' orders, its column and value, the reason, the rule and the fix.
BROKEN = [
    (
        "A,1.0,1,,",
        "customer_id",
        "1.0",
        "is not a whole number",
        f"{WHOLE}; may be empty",
        f"write {WHOLE}, in digits alone, such as 1",
    ),
    (",1,1,,", "order_id", "", "is missing", KEY, "give a value; each row needs one"),
    (
        f"A,1,1,{'x' * 1003},",
        "item_name",
        "x" * 60 + "…",
        "is longer than 1000 characters",
        "a text of at most 1,000 characters; may be empty",
        "shorten it by 3 characters",
    ),
    (
        f"A,1,{'🐋' * 300},,",
        "item_id",
        "🐋" * 60 + "…",
        "is too long for a key",
        KEY,
        "shorten it by 2 bytes; a letter of another alphabet has 2 to 4",
    ),
    ("A,1,1,,2026-11-19", "delivered_on", "2026-11-19", "is not a date", TIME, IN_UTC),
    (
        "A,1,1,",
        "",
        "A,1,1,",
        "wrong number of columns: 4 instead of 5",
        f"a row has 5 columns, {PARTNER_ORDERS.header}",
        "give each of them, an empty one as nothing between two commas",
    ),
    (
        "A,1,1,a,b,",
        "",
        "A,1,1,a,b,",
        "wrong number of columns: 6 instead of 5",
        f"a row has 5 columns, {PARTNER_ORDERS.header}",
        "take what is too much away; put a text that has commas in double quotes",
    ),
    ('A,1,1,"a"b,', "", 'A,1,1,"a"b,', "text after a closing quote", QUOTES, QUOTED),
    ('A,1,1,"a,', "", 'A,1,1,"a,', "a quote is never closed", QUOTES, QUOTED),
    (
        b"A,1,1,caf\xe9,",
        "",
        "A,1,1,caf\\xe9,",
        "not valid UTF-8",
        "a file is written in UTF-8",
        "save the file as UTF-8, and no part of it otherwise",
    ),
    (
        "A,1,1,nu\0l,",
        "",
        "A,1,1,nu\\x00l,",
        "NUL byte",
        "a file is text",
        "leave out the NUL bytes; a file that has many is no UTF-8, or no text",
    ),
    (
        "A" * (1 << 21),
        "",
        "A" * 60 + "…",
        "the line is longer than 1,048,576 bytes",
        "a row has at most 1,048,576 bytes",
        "shorten it, and end each row with a line end",
    ),
]


@pytest.mark.parametrize(("line", "column", "value", "reason", "rule", "fix"), BROKEN, ids=[row[3] for row in BROKEN])
def test_each_rule_that_a_line_breaks_is_told_with_its_fix(
    write: Write, run: Run, line: str | bytes, column: str, value: str, reason: str, rule: str, fix: str
) -> None:
    line = line if isinstance(line, bytes) else line.encode()
    path = write(PARTNER_ORDERS.header.encode() + b"\nA,1,1,Kelp,\n" + line + b"\nA,1,2,Kelp,\n")
    found = check(path, None, personal=False)
    reason = f"{column} {reason}".strip()
    assert (found.rows, found.kept) == (3, 2)
    assert found.problems == [feed_check.Problem(3, column, value, reason, rule, fix)]
    code, said = run(path)
    assert code == 1
    assert "rows: 3 read, 2 kept, 1 rejected" in said
    assert f"rule: {rule}\n    fix:  {fix}\n" in said
    assert "Due: every day." in said
    assert "Ask: partner-orders@example.com (" in said


SEMICOLONS = PARTNER_ORDERS.header.replace(",", ";")
COMMAS = "separate them by commas, and put texts that have commas in double quotes"
AGREE, AS_CSV = "leave it out, or agree on it with us", "save it as CSV: in UTF-8, with commas"
ORDER = ("its columns are in another order", f"write them as {PARTNER_ORDERS.header}")
NO_HEADER = "its first line names none of the columns: the header is missing, or the file is of another feed"
LOGIN = "download the file itself; such a page often says why that failed, such as a missing login"
# A file that is refused, and what is wrong with it, each with its fix.
REFUSED: list[tuple[str, str | bytes, list[tuple[str, str]]]] = [
    ("semicolons", SEMICOLONS, [("its columns are separated by semicolons", COMMAS)]),
    ("tabs", PARTNER_ORDERS.header.replace(",", "\t"), [("its columns are separated by tabs", COMMAS)]),
    (
        "missing",
        "order_id,customer_id,item_id,delivered_on",
        [("the column item_name is missing", "add it as column 4")],
    ),
    ("surplus", f"{PARTNER_ORDERS.header},price", [("the contract has no column 'price'", AGREE)]),
    (
        "much surplus",
        f"{PARTNER_ORDERS.header},{','.join('uvwxyz')},\x1b[31m",
        [
            *((f"the contract has no column '{name}'", AGREE) for name in "uvwxy"),
            ("the contract has no 2 further columns", "leave them out"),
        ],
    ),
    (
        "misspelt",
        PARTNER_ORDERS.header.replace("customer_id", "custmer_id"),
        [("column 2 is called 'custmer_id'", "call it customer_id")],
    ),
    ("twice", f"{PARTNER_ORDERS.header},item_id", [("the column item_id is there 2 times", "leave it once")]),
    ("another order", "customer_id,order_id,item_id,item_name,delivered_on", [ORDER]),
    ("no header", "A,1,1,Kelp,", [(NO_HEADER, f"write {PARTNER_ORDERS.header} as its first line")]),
    (
        "an open quote",
        f'"{PARTNER_ORDERS.header}',
        [("its first line has other quotes than a header", f"write it as {PARTNER_ORDERS.header}")],
    ),
    ("UTF-16", PARTNER_ORDERS.header.encode("utf-16"), [("it is written in UTF-16", "save it as UTF-8")]),
    ("UTF-32", PARTNER_ORDERS.header.encode("utf-32"), [("it is written in UTF-32", "save it as UTF-8")]),
    (
        "UTF-16 without a mark",
        PARTNER_ORDERS.header.encode("utf-16-le"),
        [("it has NUL bytes: it is no text, or not in UTF-8", AS_CSV)],
    ),
    (
        "gzip",
        gzip.compress(PARTNER_ORDERS.header.encode()),
        [("it is compressed by gzip under another name", "let its name end in .csv.gz")],
    ),
    (
        "zstd",
        zstandard.compress(PARTNER_ORDERS.header.encode()),
        [("it is compressed by zstd under another name", "let its name end in .csv.zst")],
    ),
    ("a spreadsheet", b"PK\x03\x04\x14\0\6\0", [("it is a spreadsheet or another ZIP archive", AS_CSV)]),
    ("an old spreadsheet", b"\xd0\xcf\x11\xe0\xa1\xb1", [("it is a spreadsheet", AS_CSV)]),
    ("a web page", "\n<!doctype html><title>Log in</title>", [("it is a web page or XML", LOGIN)]),
    ("JSON", '{"error": 404}', [("it is JSON", AS_CSV)]),
]


@pytest.mark.parametrize(("data", "told"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_file_that_is_refused_is_explained(
    write: Write, run: Run, data: str | bytes, told: list[tuple[str, str]]
) -> None:
    path = write(data)
    found = check(path, PARTNER_ORDERS.name, personal=False)
    assert found.refused.startswith("cannot read a.csv, because its first line is not the header order_id,")
    assert (found.rows, [(each.what, each.fix) for each in found.differences]) == (0, told)
    code, said = run("--feed", PARTNER_ORDERS.name, path)
    assert code == 2
    assert all(f"{what}\n    fix: {fix}" in said for what, fix in told if what.isprintable())
    assert "\x1b" not in said


def test_a_byte_order_mark_and_a_header_that_shouts_are_no_problem(write: Write, run: Run) -> None:
    header = PARTNER_ORDERS.header.upper().replace(",", " , ")
    assert run(write(f"\ufeff{header}\r\nA,1,1,,\r\n"))[0] == 0
    assert run("--feed", "movie_review", write(""))[0] == 0


def test_the_feed_is_known_by_its_name_its_folder_or_its_header(write: Write) -> None:
    def known(path: Path, name: str | None = None) -> str:
        found = check(path, name, personal=False).contract
        return found.feed.name if found else ""

    assert known(write(of(REVIEWS))) == "movie_review"
    assert known(write("CID;Review\n")) == "movie_review"
    assert known(write(f"\n\n{SEMICOLONS}\n")) == "partner_orders"
    assert known(write(PARTNER_ORDERS.header.encode("utf-16"))) == "partner_orders"
    assert known(write("x"), "movie_review") == "movie_review"
    assert known(write("x", "landing/movie_review/date=2026-11-19/a.csv")) == "movie_review"
    assert known(write(" [", "a.json")) == "risk_score"
    assert known(write("[]".encode("utf-16"), "a.json")) == "risk_score"
    assert known(write(b"PK\x03\x04")) == ""


def test_a_file_of_which_nobody_knows_the_feed_is_an_error_that_lists_the_feeds(write: Write, run: Run) -> None:
    for data in ("id,amount\n1,2\n", ""):
        code, said = run(write(data))
        assert code == 2
        assert all(f"{name} ({each.feed.header})" in said for name, each in CONTRACTS.items())
    code, said = run("--feed", "parcels", write("x"))
    assert (code, said.rpartition("; ")[2]) == (2, "name one of movie_review, partner_orders, risk_score\n")


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="because No such file or directory; name a file that you may read"):
        check(tmp_path / "none\n.csv", None, personal=False)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        with pytest.raises(NotFound, match="because it is no file; name a file"):
            check(path, None, personal=False)


@pytest.mark.parametrize(("name", "pack"), [("a.csv.gz", gzip.compress), ("A.CSV.ZST", zstandard.compress)])
def test_a_packed_file_is_unpacked_as_the_load_does_it(write: Write, name: str, pack: Callable[[bytes], bytes]) -> None:
    data = of(REVIEWS, "1,good", "x,bad", *("7,good" for _ in range(20_000))).encode()
    found = check(write(pack(data), name), None, personal=False)
    assert (found.rows, found.rejected, found.refused) == (20_002, 1, "")
    assert [problem.line for problem in found.problems] == [3]
    cut = check(write(pack(data)[:-9], name), None, personal=False)
    assert cut.refused.startswith(f"cannot read {name}, because it cannot be unpacked: ")
    none = check(write(b"cid,review_str\n", name), None, personal=False)
    assert none.refused.startswith(f"cannot read {name}, because it cannot be unpacked: ")
    assert check(write(b"", name), "movie_review", personal=False).refused == ""


def test_a_small_file_that_unpacks_to_a_flood_is_refused(write: Write) -> None:
    path = write(zstandard.compress(b"cid,review_str\n" + (b"1," + b"x" * 19_000 + b"\n") * 4_000), "a.csv.zst")
    assert "it unpacks to more than 67,108,864 bytes" in check(path, None, personal=False).refused


def test_what_tells_of_a_person_is_masked(write: Write, run: Run) -> None:
    lines = (f"1,{'Ada ' * 6000}", "x,Ada", "1,Ada,", '1,"Ada')
    path = write(of(REVIEWS, *lines))
    for words in ((), ("--json",)):
        code, said = run(*words, path)
        assert code == 1
        assert "Ada" not in said
        assert said.count("masked") == 3
        assert said.count("x\n") + said.count('"x"') == 1  # the customer's number, which is no name
    assert run("--personal", path)[1].count("Ada") > 3
    orders = write(of(PARTNER_ORDERS, "A,Ada,1,,", "A,1,1"))
    assert "masked" not in run(orders)[1]
    # Without a header the first line is somebody's review.
    assert "Ada" not in run("--feed", "movie_review", write("1,Ada\n2,Ada\n"))[1]


def test_of_many_problems_of_a_kind_the_first_are_shown_and_all_are_counted(write: Write, run: Run) -> None:
    lines = [*("x,1" for _ in range(50)), *(",".join("1" * columns) for columns in range(3, 30))]
    found = check(path := write(of(REVIEWS, *lines)), None, personal=True)
    assert [problem.line for problem in found.problems] == [2, 3, 4, 52, 53, 54]
    assert len(found.problems) == 2 * MOST_SHOWN
    kinds = [(each.reason, each.rows, each.first_line) for each in found.kinds]
    assert kinds == [("cid is not a whole number", 50, 2), ("wrong number of columns", 27, 52)]
    [warning] = [each for each in found.warnings if "max_rejected" in each]
    assert warning.endswith("more than 1% of its rows, and more than 10, are rejected")
    said = run(path)[1]
    assert [line.split() for line in said.splitlines() if line.startswith("cid is")] == [
        ["cid", "is", "not", "a", "whole", "number", "50", "2"]
    ]


def test_a_file_with_more_rejected_rows_than_a_date_may_have_is_refused(write: Write) -> None:
    found = check(write(of(REVIEWS) + "x,\n" * (MOST_ROWS + 1)), None, personal=False)
    assert found.rejected == MOST_ROWS + 1
    assert "cannot be kept, and no date may have more (cid is not a whole number)" in found.refused


def test_an_answer_is_checked_as_the_load_reads_it(write: Write, run: Run) -> None:
    good, more = '{"customer_id": 1, "risk_score": 50}', '{"customer_id": 2, "risk_score": 101}'
    answer = f'[{good}, {more}, 7, {{"customer_id": "1"}}, {{"risk_score": 1}}, {good}]'
    path = write(answer, "answer.json")
    found = check(path, None, personal=False)
    _, rejected = risk_api.parse(answer.encode())
    assert [(each.line, each.reason) for each in found.problems] == [(each.line, each.reason) for each in rejected]
    assert (found.rows, found.kept) == (6, 2)
    told = {each.line: (each.column, each.value, each.rule, each.fix) for each in found.problems}
    scores, customers = "a whole number from 1 to 100", "a whole number from 1 to 9223372036854775807"
    assert told == {
        2: ("risk_score", "101", scores, f"write {scores}"),
        3: (
            "",
            "7",
            "an entry is an object of customer_id and risk_score",
            'write it as {"customer_id": 1, "risk_score": 100}',
        ),
        4: ("customer_id", '"1"', customers, f"write {customers}, in digits alone, such as 1"),
        5: ("customer_id", "", customers, "give a value; each row needs one"),
    }
    code, said = run(path)
    assert code == 1
    assert "entry 2, column risk_score: risk_score is not between 1 and 100\n    has:  101\n" in said
    assert not found.warnings  # an answer is no file in a folder


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        ("{}", "the answer is not a JSON list"),
        ("[1", "the answer is not a JSON list"),
        (b"[" + b" " * risk_api.LONGEST_ANSWER, "it is longer than 16,777,216 bytes"),
        ("[" + "[" * 1_500_001, "the answer has more than 1,500,000 values"),
    ],
    ids=["an object", "half a list", "long", "countless values"],
)
def test_an_answer_that_the_load_refuses_is_refused(write: Write, answer: str | bytes, because: str) -> None:
    assert because in check(write(answer, "a.json"), None, personal=False).refused


def warned(path: Path) -> str:
    [warning] = check(path, "partner_orders", personal=False).warnings
    return warning


def test_what_the_load_would_not_read_is_told(write: Write) -> None:
    unread = "the load does not read it: "
    landing, day = "landing/partner_orders", "date=2026-11-19"
    assert warned(write("", "a.csv")).startswith(f"deliver it as {landing}/date=YYYY-MM-DD/a.csv, ")
    assert warned(write("", "a.txt")) == f"{unread}the name does not end in .csv, .csv.gz or .csv.zst"
    assert warned(write("", "a;.csv")).startswith(f"{unread}its name has other signs than letters")
    assert warned(write("", f"{landing}/20261119/a.csv")).startswith(f"{unread}not in a folder date=YYYY-MM-DD")
    assert warned(write("", f"{landing}/date=2026-02-30/a.csv")).startswith(f"{unread}not in a folder date=YYYY-MM-DD")
    assert warned(write("", f"{landing}/{day}/b/a.csv")) == f"{unread}in a folder below that of their date"
    later = clock.today().replace(year=clock.today().year + 1, day=1)
    assert warned(write("", f"{landing}/date={later}/a.csv")).startswith("the load does not read it yet: their date")
    path = write("", f"{landing}/{day}/a.csv")
    assert check(path, None, personal=False).warnings == []
    twin = write(gzip.compress(b""), f"{landing}/{day}/a.csv.gz")
    assert warned(twin) == f"{unread}a file of the same name with another ending is read"
    assert check(path, None, personal=False).warnings == []


def test_nothing_of_a_file_reaches_the_terminal_as_a_command(write: Write, run: Run) -> None:
    evil = "\x1b[31m\u202e\u2028\x07"
    bad = write(of(PARTNER_ORDERS, f"A,{evil},1,,", f"A,{evil}", f'A,1,1,"{evil}"{evil},'), f"{evil}.csv")
    header = write(f"order_id,customer_id,item_id,item_name,delivered{evil},{evil}\n", f"h{evil}.csv")
    for path in (bad, header, bad.with_name(f"no{evil}")):
        said = run(path)[1]
        assert "\\x1b[31m" in said
        assert all(line.isprintable() for line in said.split("\n"))
        assert "\\u202e" in said


def test_the_same_for_machines(write: Write, run: Run) -> None:
    code, said = run("--json", write(of(PARTNER_ORDERS, "A,1,1,,", "A,x,1,,")))
    found: dict[str, Any] = json.loads(said)
    assert code == 1
    [problem], [kind], [support] = found.pop("problems"), found.pop("kinds"), found.pop("support")
    assert problem["line"] == 3
    assert kind == {"reason": "customer_id is not a whole number", "first_line": 3, "rows": 1}
    assert support["address"] == "partner-orders@example.com"
    assert found.pop("warnings")
    assert found.pop("due").startswith("every day. ")
    assert found.pop("team").startswith("Partner desk: ")
    assert found == {
        "file": "a.csv",
        "feed": "partner_orders",
        "version": "1.0.0",
        "rows": 2,
        "kept": 1,
        "rejected": 1,
        "refused": "",
        "differences": [],
    }
    code, said = run("--json", write("cid;review_str\n"))
    assert code == 2
    assert json.loads(said)["differences"][0]["what"] == "its columns are separated by semicolons"


@pytest.mark.parametrize(("line", "code"), [("1,good", 0), ("x,bad", 1)])
def test_it_needs_no_settings_and_leaves_nothing_behind(tmp_path: Path, line: str, code: int) -> None:
    home, files = tmp_path / "home", tmp_path / "files"
    home.mkdir()
    files.mkdir()
    (files / "a.csv").write_text(of(REVIEWS, line))
    environment = [f"PYTHONPATH={ROOT}", f"HOME={home}", f"OCEAN_HOME={home}", "PYTHONDONTWRITEBYTECODE=1"]
    command = ["env", "-i", *environment, sys.executable, "-m", "pipeline", "check-feed", "a.csv"]
    done = subprocess.run(command, cwd=files, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert f"rows: 1 read, {1 - code} kept, {code} rejected" in done.stdout
    assert sorted(each.name for each in tmp_path.rglob("*")) == ["a.csv", "files", "home"]
