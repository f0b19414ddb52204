"""Small files that are made to fill the memory or the hour: reading stops, and says why. Counted, not timed."""

import gzip
import io
import tracemalloc
from collections.abc import Callable

import pytest
import zstandard

from pipeline.feeds import risk_api, vendor_csv
from pipeline.feeds.unpacking import unpacked
from pipeline.feeds.vendor_csv import BLOCK, accepted, read_csv
from pipeline.kernel.errors import BadAnswer, BadExtract, TooManyRejected
from pipeline.kernel.rejected import LONGEST, MOST_ROWS, Rejected, Rejections
from pipeline.vendors.declared_feeds import PARTNER_ORDERS, REVIEWS
from pipeline.vendors.vendor_fields import Feed, Row

MIB = 1 << 20
# What our own texts and lists take of it.
MEMORY = 128 * MIB


class Repeated:
    """A file of a header, and a piece again and again up to so many bytes; `given` is how many were read."""

    def __init__(self, feed: Feed, piece: bytes, size: int, end: bytes = b"") -> None:
        self.head, self.piece, self.left, self.end = feed.header.encode() + b"\n", piece, size, end
        self.given = 0

    def read(self, size: int = -1, /) -> bytes:
        data, self.head = self.head, b""
        if not data and self.left > 0:
            data = self.piece * (BLOCK // len(self.piece))
            self.left -= len(data)
        if not data:
            data, self.end = self.end, b""
        self.given += len(data)
        return data


def most_memory(work: Callable[[], object]) -> int:
    """The most bytes that were taken at once while something was done."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("piece", [b'"\n', b"x\n", b'",\n', b"\0\n", b"\xff\n", b'"\r'])
@pytest.mark.parametrize("feed", [REVIEWS, PARTNER_ORDERS], ids=lambda feed: feed.name)
def test_a_file_of_bad_rows_is_read_no_further_than_it_may_have_of_them(feed: Feed, piece: bytes) -> None:
    source = Repeated(feed, piece, 10 * MIB)
    rejected = Rejections(feed.name, "2026-01-01")
    with pytest.raises(TooManyRejected, match=r"no date may have more.*have landing/a\.csv delivered again"):
        list(accepted(read_csv(feed, "landing/a.csv", source), rejected.append))
    assert len(rejected) == MOST_ROWS + 1
    assert source.given < 4 * MIB


def test_what_it_may_have_of_them_fits_into_memory() -> None:
    def load() -> None:
        rejected = Rejections(REVIEWS.name, "2026-01-01")
        with pytest.raises(TooManyRejected):
            list(accepted(read_csv(REVIEWS, "a.csv", Repeated(REVIEWS, b'"\n', 10 * MIB)), rejected.append))

    assert most_memory(load) < MEMORY


def test_long_rows_stop_the_reading_by_what_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.kernel.rejected.MOST_CHARACTERS", MIB)
    rejected = Rejections("movie_review", "2026-01-01")
    with pytest.raises(TooManyRejected):
        list(accepted(read_csv(REVIEWS, "a.csv", Repeated(REVIEWS, b"x" * 9000 + b"\n", 10 * MIB)), rejected.append))
    assert len(rejected) == MIB // 9000 + 1


def test_rows_as_long_as_they_may_be_do_not_fill_the_memory() -> None:
    rejected = Rejections("movie_review", "2026-01-01")
    piece = b"x" * LONGEST + b"\n"
    with pytest.raises(TooManyRejected):
        list(accepted(read_csv(REVIEWS, "a.csv", Repeated(REVIEWS, piece, 100 * MIB)), rejected.append))
    assert len(rejected) == 64 * MIB // LONGEST + 1


def test_bad_rows_up_to_the_bound_are_all_kept() -> None:
    source = Repeated(REVIEWS, b"1,good\n", MIB, b"x,bad\n" * 50_000)
    rejected = Rejections("movie_review", "2026-01-01")
    rows = sum(1 for _ in accepted(read_csv(REVIEWS, "a.csv", source), rejected.append))
    assert rows >= MIB // 7
    assert len(rejected) == 50_000


@pytest.mark.parametrize("piece", [b"\r", b"\n", b"\r\n", b" \r", b"\t\n\r"])
def test_blank_lines_are_passed_over_all_at_once_and_counted(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    records = vendor_csv._records

    def counted(*args: object, **options: object) -> object:
        nonlocal steps
        for record in records(*args, **options):  # type: ignore[arg-type]
            steps += 1
            yield record

    monkeypatch.setattr(vendor_csv, "_records", counted)
    source = Repeated(REVIEWS, piece, 8 * MIB, b"x,bad\n1,good\n")
    found = list(read_csv(REVIEWS, "a.csv", source))
    lines = (source.given - len(REVIEWS.header) - 1 - len(b"x,bad\n1,good\n")) // len(piece)
    lines *= {b"\t\n\r": 2}.get(piece, 1)
    assert found == [Rejected("a.csv", lines + 2, "cid is not a whole number", "x,bad"), Row(("1", "good"))]
    assert steps < 3 * 8 * MIB // BLOCK + 10


@pytest.mark.parametrize("entry", [b"{}", b"[]", b"0", b'""', b"null", b"1.5", b'{"a":0}', b'{"a":{"b":[0]}}'])
def test_an_answer_of_countless_values_is_refused_before_anything_is_made_of_it(entry: bytes) -> None:
    answer = b"[" + b",".join([entry] * (15 * MIB // (len(entry) + 1))) + b"]"

    def parse() -> None:
        with pytest.raises(BadAnswer, match="has more than 1,500,000 values; correct RISK_API_URL"):
            risk_api.parse(answer)

    assert most_memory(parse) < MIB


def test_bad_entries_of_an_answer_are_kept_up_to_a_bound() -> None:
    answer = b"[" + b",".join([b'"x"'] * (MOST_ROWS + 1)) + b"]"
    with pytest.raises(TooManyRejected, match="no date may have more"):
        risk_api.parse(answer)


def test_as_many_scores_as_an_answer_may_have_bytes_for_are_read() -> None:
    entries = [b'{"customer_id":%d,"risk_score":%d}' % (number, 1 + number % 100) for number in range(1, 400_001)]
    answer = b"[" + b",".join(entries) + b"]"
    assert risk_api.LONGEST_ANSWER * 0.9 < len(answer) < risk_api.LONGEST_ANSWER
    scores, rejected = risk_api.parse(answer)
    assert (len(scores), rejected) == (400_000, [])


PACKED = [("a.csv.gz", gzip.compress), ("a.csv.zst", zstandard.compress)]


def read_packed(name: str, packed: bytes) -> int:
    """How many rows a compressed file has."""
    return sum(1 for _ in read_csv(REVIEWS, name, unpacked(name, len(packed), io.BytesIO(packed))))


@pytest.mark.parametrize(("name", "compress"), PACKED)
def test_a_small_file_that_unpacks_to_a_flood_is_refused_before_it_fills_the_memory(
    name: str, compress: Callable[[bytes], bytes]
) -> None:
    packed = compress(b"cid,review_str\n" + b"\0" * (256 * MIB))
    assert len(packed) < MIB

    def load() -> None:
        with pytest.raises(BadExtract, match=f"cannot read {name}, because it unpacks to more than 67,108,864 bytes"):
            read_packed(name, packed)

    assert most_memory(load) < MEMORY


@pytest.mark.parametrize(("name", "compress"), PACKED)
def test_good_rows_without_end_are_refused_before_they_fill_the_disk(
    name: str, compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.feeds.unpacking.ALWAYS_ALLOWED", MIB)
    packed = compress(b"cid,review_str\n" + b"1,good\n" * MIB)
    with pytest.raises(BadExtract, match="because it unpacks to more than"):
        read_packed(name, packed)


@pytest.mark.parametrize(("name", "compress"), PACKED)
def test_a_file_as_dense_as_csv_is_may_be_of_any_size(
    name: str, compress: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.feeds.unpacking.ALWAYS_ALLOWED", 0)
    packed = compress(b"cid,review_str\n" + b"".join(b"%d,good\n" % (n * 7919 % 10_007) for n in range(100_000)))
    assert read_packed(name, packed) == 100_000


def test_a_file_that_asks_for_much_memory_to_be_unpacked_is_refused() -> None:
    asking = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    writer = zstandard.ZstdCompressor(compression_params=asking).compressobj()
    packed = writer.compress(b"cid,review_str\n1,good\n") + writer.flush()
    with pytest.raises(BadExtract, match=r"cannot be unpacked: .* too much memory"):
        read_packed("a.csv.zst", packed)
