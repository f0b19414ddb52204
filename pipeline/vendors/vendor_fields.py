"""The columns of vendors' files: the rules for their values, and their form for PostgreSQL."""

import datetime as dt
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from pipeline.kernel.rejected import Fault, Unfit

FIELD = r'("[^"]*+(?:""[^"]*+)*+"|[^",\r\n][^,\r\n]*+|)'
END = r"(?:\r\n|\r|\n|\Z)"
NUL = Fault("NUL byte", "a file is text", "leave out the NUL bytes; a file that has many is no UTF-8, or no text")
NO_UTF_8 = Fault("not valid UTF-8", "a file is written in UTF-8", "save the file as UTF-8, and no part of it otherwise")
LONGEST_KEY = 1200  # bytes; a character takes 6 at most. An index of PostgreSQL holds 2,704, and a key has two texts
LOWEST, HIGHEST = -1 << 63, (1 << 63) - 1  # of bigint
LONGEST_SHOWN = 100  # characters of a value that an error has
INTEGER = re.compile(r"([+-]?)(?=[0-9])0*+([0-9]{0,19})")
WHOLE_NUMBER = "a whole number of at most 64 bits"
TIMESTAMP = re.compile(r"[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


@dataclass(frozen=True)
class Field:
    """One column of a feed: its name and the rules for its values.

    An `integer` is from `lowest` to `highest`; it may have spaces around it, a plus and leading zeros. A `timestamp` is
    written YY-MM-DD HH:MM:SS, in UTC and in this century. `longest` is the number of characters of a text. The fields
    with `is_key` are the key of the stage table. A text of the key takes at most LONGEST_KEY bytes as JSON, the form in
    which the reprocessing queue keeps it. `says` is what the column means, `is_personal` whether it tells of a person.
    """

    name: str
    kind: Literal["text", "integer", "timestamp"]
    required: bool = True
    longest: int = 1000
    is_key: bool = False
    lowest: int = LOWEST
    highest: int = HIGHEST
    says: str = ""
    is_personal: bool = False

    def canonical(self, value: str) -> str | None:
        """The value in PostgreSQL's form, None for an empty one; raises Unfit with the reason if it is bad.

        >>> Field("n", "integer").canonical(" +007"), Field("t", "timestamp").canonical("26-11-19 08:30:00")
        ('7', '2026-11-19 08:30:00+00')
        """
        if self.kind == "text":
            if 0 < len(value) <= self.longest and (not self.is_key or len(value) <= LONGEST_KEY // 6):
                return value
        elif value.isdigit() and value.isascii() and value[0] != "0" and len(value) < 19 and self._is_any_integer:
            return value
        return self._checked(value)

    @cached_property
    def rule(self) -> str:
        """What its values have to be, in words.

        >>> Field("score", "integer", lowest=1, highest=100).rule, Field("t", "timestamp", required=False).rule
        ('a whole number from 1 to 100', 'a time YY-MM-DD HH:MM:SS in UTC, of 2000 to 2099; may be empty')
        """
        return self._form + ("" if self.required else "; may be empty")

    @cached_property
    def _form(self) -> str:
        size = f", and {LONGEST_KEY:,} bytes as JSON" if self.is_key else ""
        forms = {
            "text": f"a text of at most {self.longest:,} characters{size}",
            "integer": f"a whole number from {self.lowest} to {self.highest}" if self.is_bounded else WHOLE_NUMBER,
            "timestamp": "a time YY-MM-DD HH:MM:SS in UTC, of 2000 to 2099",
        }
        return forms[self.kind]

    @cached_property
    def is_bounded(self) -> bool:
        """Whether it is an integer that may not have every value of 64 bits."""
        return (self.lowest, self.highest) != (LOWEST, HIGHEST)

    @cached_property
    def _is_any_integer(self) -> bool:
        return self.kind == "integer" and not self.is_bounded

    def missing(self) -> Fault:
        """That it has no value."""
        return self._fault("is missing", "give a value; each row needs one", "")

    def not_whole(self, value: str) -> Fault:
        """That a value is no whole number."""
        fix = f"write {self._form}, in digits alone, such as {max(1, self.lowest)}"
        return self._fault("is not a whole number", fix, value)

    def beyond(self, value: str) -> Fault:
        """That a whole number is too low or too high."""
        fix = f"write {self._form}"
        return self._fault(f"is not between {self.lowest} and {self.highest}", fix, value)

    def _fault(self, reason: str, fix: str, value: str) -> Fault:
        return Fault(f"{self.name} {reason}", self.rule, fix, self.name, value[:LONGEST_SHOWN])

    def _checked(self, value: str) -> str | None:
        """The canonical form of a value that the quick check does not accept."""
        if self.kind != "text":
            value = value.strip(" \t")
        if not value:
            if self.required:
                raise Unfit(self.missing())
            return None
        if self.kind == "text":
            return self._text(value)
        return self._integer(value) if self.kind == "integer" else self._timestamp(value)

    def _text(self, value: str) -> str:
        if len(value) > self.longest:
            fix = f"shorten it by {len(value) - self.longest:,} characters"
            raise Unfit(self._fault(f"is longer than {self.longest} characters", fix, value))
        size = len(json.dumps(value, ensure_ascii=False).encode()) if self.is_key else 0
        if size > LONGEST_KEY:
            fix = f"shorten it by {size - LONGEST_KEY:,} bytes; a letter of another alphabet has 2 to 4"
            raise Unfit(self._fault("is too long for a key", fix, value))
        return value

    def _integer(self, value: str) -> str:
        match = INTEGER.fullmatch(value)
        number = int(match[1] + (match[2] or "0")) if match else HIGHEST + 1
        if not LOWEST <= number <= HIGHEST:
            raise Unfit(self.not_whole(value))
        if not self.lowest <= number <= self.highest:
            raise Unfit(self.beyond(value))
        return str(number)

    def _timestamp(self, value: str) -> str:
        written = f"20{value}"
        try:
            if not TIMESTAMP.fullmatch(value):
                raise ValueError
            dt.datetime.fromisoformat(written)
        except ValueError:
            fix = "write it as 26-11-19 08:30:00: two digits of the year, a day that there is, 24 hours, UTC, no zone"
            raise Unfit(self._fault("is not a date", fix, value)) from None
        return f"{written}+00"


class Row(NamedTuple):
    """The values of an accepted row in PostgreSQL's form; None is NULL."""

    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Feed:
    """A feed's name and its columns, in the order in which the header must name them.

    `says` describes its rows, and those of its stage table. `instants` are the columns of that table whose days
    dim_date must have. The table is made from the fields, unless a load makes its rows from them. Then `made_key` names
    the key of these rows, a file of warehouse/ddl creates the table, and a task of its own loads it.
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
    def personal(self) -> tuple[str, ...]:
        """The columns that tell of a person."""
        return tuple(field.name for field in self.fields if field.is_personal)

    @property
    def header(self) -> str:
        """The header line, without its end."""
        return ",".join(field.name for field in self.fields)

    @cached_property
    def record(self) -> re.Pattern[str]:
        """Matches one record with the feed's number of columns, a group for each, and its line end."""
        return re.compile(",".join([FIELD] * len(self.fields)) + END)

    def row(self, record: re.Match[str]) -> Row:
        """The row of a record, which has a character per byte; raises Unfit with the reason if it is bad."""
        raw, values = record[0], record.groups()
        if not raw.isascii():
            values = tuple([utf_8(value) for value in values])
        if "\0" in raw:
            raise Unfit(NUL)
        return Row(
            tuple(
                [
                    field.canonical(value[1:-1].replace('""', '"') if value[:1] == '"' else value)
                    for field, value in zip(self.fields, values, strict=True)
                ]
            )
        )


def utf_8(text: str) -> str:
    """The text of a value with a character per byte; raises Unfit if it is not UTF-8."""
    try:
        return text if text.isascii() else text.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise Unfit(NO_UTF_8) from None
