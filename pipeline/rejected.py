"""An input row that cannot be loaded: where it stood, why, and its text as PostgreSQL can keep it."""

from dataclasses import dataclass

LONGEST = 10_000  # characters of a rejected row that are kept
MOST_COUNTED = 1 << 20  # bytes; the length of a longer row is given as "more than" this


@dataclass(frozen=True)
class Rejected:
    """One rejected row. `line` counts from 1: the physical line on which the row begins, or its place in a list."""

    file: str
    line: int
    reason: str
    row: str


def storable(raw: bytes) -> str:
    r"""The bytes of a row as text that PostgreSQL takes: bytes that are no UTF-8 as \xNN, NUL as \x00.

    A row of more than LONGEST characters is cut, and a note says how long it was.

    >>> storable(b"7,caf\xc3\xa9 caf\xe9\x00")
    '7,café caf\\xe9\\x00'
    >>> storable(b"x" * 10_001)[9_998:]
    'xx… (cut: 10,001 bytes in all)'
    """
    text = raw.decode("utf-8", "backslashreplace").replace("\0", r"\x00")
    if len(text) <= LONGEST:
        return text
    length = f"{len(raw):,}" if len(raw) <= MOST_COUNTED else f"more than {MOST_COUNTED:,}"
    return f"{text[:LONGEST]}… (cut: {length} bytes in all)"
