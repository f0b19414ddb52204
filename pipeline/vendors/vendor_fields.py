"""The columns of vendors' files: the rules for their values, and their form for PostgreSQL."""

import datetime as dt
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

FIELD = r'("[^"]*+(?:""[^"]*+)*+"|[^",\r\n][^,\r\n]*+|)'
END = r"(?:\r\n|\r|\n|\Z)"
NUL = "NUL byte"
LONGEST_KEY = 1200  # bytes; a character takes 6 at most. An index of PostgreSQL holds 2,704, and a key has two texts
INTEGER = re.compile(r"([+-]?)(?=[0-9])0*+([0-9]{0,19})")
TIMESTAMP = re.compile(r"[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


@dataclass(frozen=True)
class Field:
    """One column of a feed: its name and the rules for its values.

    An `integer` fits bigint; it may have spaces around it, a plus and leading zeros. A `timestamp` is written
    YY-MM-DD HH:MM:SS, in UTC and in this century. `longest` is the number of characters of a text. The fields with
    `is_key` are the key of the stage table. A text of the key takes at most LONGEST_KEY bytes as JSON, the form in
    which the reprocessing queue keeps it.
    """

    name: str
    kind: Literal["text", "integer", "timestamp"]
    required: bool = True
    longest: int = 1000
    is_key: bool = False

    def canonical(self, value: str) -> str | None:
        """The value in PostgreSQL's form, None for an empty one; raises ValueError with the reason if it is bad.

        >>> Field("n", "integer").canonical(" +007"), Field("t", "timestamp").canonical("26-11-19 08:30:00")
        ('7', '2026-11-19 08:30:00+00')
        """
        if self.kind == "text":
            if 0 < len(value) <= self.longest and (not self.is_key or len(value) <= LONGEST_KEY // 6):
                return value
        elif value.isdigit() and value.isascii() and value[0] != "0" and len(value) < 19 and self.kind == "integer":
            return value
        return self._checked(value)

    def _checked(self, value: str) -> str | None:
        """The canonical form of a value that the quick check does not accept."""
        if self.kind != "text":
            value = value.strip(" \t")
        if not value:
            if self.required:
                raise ValueError(f"{self.name} is missing")
            return None
        if self.kind == "text" and len(value) > self.longest:
            raise ValueError(f"{self.name} is longer than {self.longest} characters")
        if self.kind == "text":
            if self.is_key and len(json.dumps(value, ensure_ascii=False).encode()) > LONGEST_KEY:
                raise ValueError(f"{self.name} is too long for a key")
            return value
        return self._integer(value) if self.kind == "integer" else self._timestamp(value)

    def _integer(self, value: str) -> str:
        match = INTEGER.fullmatch(value)
        number = int(match[1] + (match[2] or "0")) if match else 1 << 63
        if not -1 << 63 <= number < 1 << 63:
            raise ValueError(f"{self.name} is not a whole number")
        return str(number)

    def _timestamp(self, value: str) -> str:
        written = f"20{value}"
        try:
            if not TIMESTAMP.fullmatch(value):
                raise ValueError
            dt.datetime.fromisoformat(written)
        except ValueError:
            raise ValueError(f"{self.name} is not a date") from None
        return f"{written}+00"


class Row(NamedTuple):
    """The values of an accepted row in PostgreSQL's form; None is NULL."""

    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Feed:
    """A feed's name and its columns, in the order in which the header must name them.

    `says` describes a row of its stage table. `instants` are the columns of that table whose days dim_date must have.
    The table is made from the fields, unless a load makes its rows from them. Then `made_key` names the key of these
    rows, a file of warehouse/ddl creates the table, and a task of its own loads it.
    """

    name: str
    fields: tuple[Field, ...]
    says: str = ""
    instants: tuple[str, ...] = ()
    made_key: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The key of its stage table."""
        return self.made_key or tuple(field.name for field in self.fields if field.is_key)

    @property
    def header(self) -> str:
        """The header line, without its end."""
        return ",".join(field.name for field in self.fields)

    @cached_property
    def record(self) -> re.Pattern[str]:
        """Matches one record with the feed's number of columns, a group for each, and its line end."""
        return re.compile(",".join([FIELD] * len(self.fields)) + END)

    def row(self, record: re.Match[str]) -> Row:
        """The row of a record, which has a character per byte; raises ValueError with the reason if it is bad."""
        raw, values = record[0], record.groups()
        if not raw.isascii():
            values = tuple([utf_8(value) for value in values])
        if "\0" in raw:
            raise ValueError(NUL)
        return Row(
            tuple(
                [
                    field.canonical(value[1:-1].replace('""', '"') if value[:1] == '"' else value)
                    for field, value in zip(self.fields, values, strict=True)
                ]
            )
        )


def utf_8(text: str) -> str:
    """The text of a value with a character per byte; raises ValueError with the reason if it is not UTF-8."""
    try:
        return text if text.isascii() else text.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise ValueError("not valid UTF-8") from None
