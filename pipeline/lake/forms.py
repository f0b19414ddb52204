"""The form of everything that is read from the lake. The lake holds data only: any other form is refused.

A form is a function that returns a value ready for use, and raises ValueError for a value that it does not take. So a
text from the lake can reach SQL, a path or a class name only if its form leaves no room for anything else.
"""

import datetime as dt
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

Form = Callable[[Any], Any]

LONGEST_NAME = 63  # bytes of an identifier; PostgreSQL cuts longer ones
LONGEST_TYPE = 100
LIMIT = r"(\(\d+\))?"
ZONE = r"(\(\d\))? with(out)? time zone"
FIELDS = r"( (year|month|day|hour|minute|second|year to month|(day|hour|minute) to (hour|minute|second)))?(\(\d\))?"
# The types that an extract may have: those of pg_catalog whose values mean the same in any database, as format_type
# writes them. What depends on a database's own objects (regclass, aclitem), or has no way in (pg_node_tree), is text.
TYPE = re.compile(
    rf'("char"|name|text|bytea|boolean|uuid|money|bit{LIMIT}|bit varying{LIMIT}|character{LIMIT}|refcursor'
    rf"|character varying{LIMIT}|smallint|integer|bigint|real|double precision|numeric(\(\d+,-?\d+\))?"
    rf"|date|time{ZONE}|timestamp{ZONE}|interval{FIELDS}|json|jsonb|jsonpath|xml|tsvector|tsquery"
    r"|point|line|lseg|box|path|polygon|circle|inet|cidr|macaddr8?|(int4|int8|num|ts|tstz|date)(multi)?range"
    r"|oid|xid8?|cid|tid|int2vector|oidvector|pg_lsn|pg_snapshot|txid_snapshot)(\[\])?",
    re.ASCII,
)
LIKE_A_TYPE = re.compile(r'("[a-z_]+"|[a-z_][a-z0-9_]*)( [a-z]+)*(\(-?\d+(,-?\d+)?\))?( [a-z]+)*(\[\])?', re.ASCII)
ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?"


def parse(text: bytes, form: Form) -> Any:
    """The contents of a JSON file, in a form. Raises ValueError for any other file."""
    try:
        return form(json.loads(text))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def like(pattern: str) -> Form:
    """The form of a text that is all as a regular expression says."""
    compiled = re.compile(pattern, re.ASCII)

    def form(value: Any) -> Any:
        return _taken(value, isinstance(value, str) and compiled.fullmatch(value))

    return form


def list_of(form: Form, length: int | None = None) -> Form:
    """The form of a list, with so many entries if a number is given."""

    def of(value: Any) -> Any:
        _taken(value, isinstance(value, list) and length in (None, len(value)))
        return [form(entry) for entry in value]

    return of


def fields(needed: Mapping[str, Form], **optional: Form) -> Form:
    """The form of an object with these fields and no others."""
    known = {**needed, **optional}

    def of(value: Any) -> Any:
        _taken(value, isinstance(value, dict) and needed.keys() <= value.keys() <= known.keys())
        return {name: known[name](found) for name, found in value.items()}

    return of


def mapping(key: Form, form: Form) -> Form:
    """The form of an object whose fields have names of one form, and values of another."""

    def of(value: Any) -> Any:
        _taken(value, isinstance(value, dict))
        return {key(name): form(found) for name, found in value.items()}

    return of


def either(*forms: Form) -> Form:
    """The first of some forms that takes the value."""

    def of(value: Any) -> Any:
        for form in forms:
            try:
                return form(value)
            except ValueError:
                continue
        raise ValueError("it has none of its forms")

    return of


def nothing(value: Any) -> Any:
    """The form of null."""
    return _taken(value, value is None)


def truth(value: Any) -> Any:
    """The form of true and false."""
    return _taken(value, isinstance(value, bool))


def whole(value: Any) -> Any:
    """The form of a whole number that PostgreSQL's bigint holds."""
    return _taken(value, type(value) is int and -(1 << 63) <= value < 1 << 63)


def number(value: Any) -> Any:
    """The form of a number; JSON as Python reads it has NaN and infinity too."""
    return _taken(value, type(value) in (int, float) and math.isfinite(value))


def text(value: Any) -> Any:
    """The form of a text that PostgreSQL can keep."""
    _taken(value, isinstance(value, str) and "\0" not in value)
    value.encode()  # raises ValueError for half a character
    return value


def identifier(value: Any) -> Any:
    """The form of a name in PostgreSQL. It may hold whatever a name may, so it is quoted wherever it is used."""
    return _taken(value, 0 < len(text(value).encode()) <= LONGEST_NAME)


def column_type(value: Any) -> Any:
    """The form of a column's type. Returns text for a type that is not on our list but is written like one.

    >>> column_type("numeric(10,-2)"), column_type("regclass")
    ('numeric(10,-2)', 'text')
    """
    _taken(value, isinstance(value, str) and len(value) <= LONGEST_TYPE and LIKE_A_TYPE.fullmatch(value))
    return type_or_text(value)


def type_or_text(type_: str) -> str:
    """A type that an extract may have, as it is; any other one is read as text."""
    return type_ if TYPE.fullmatch(type_) else "text"


def date(value: Any) -> Any:
    """The form of a date, YYYY-MM-DD."""
    _date(value)
    return value


def date_of(value: str) -> dt.date | None:
    """The date of a text YYYY-MM-DD; None for any other text."""
    try:
        return _date(value)
    except ValueError:
        return None


def instant(value: Any) -> Any:
    """The form of an instant, ISO 8601 with its offset from UTC, or -infinity."""
    return _time(value, rf"{ISO}[+-]\d\d(:\d\d)?")


def local_instant(value: Any) -> Any:
    """The form of an instant in UTC that does not say so, or -infinity."""
    return _time(value, ISO)


def _date(value: Any) -> dt.date:
    _taken(value, isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII))
    return dt.date.fromisoformat(value)


def _time(value: Any, pattern: str) -> Any:
    _taken(value, isinstance(value, str) and (value == "-infinity" or re.fullmatch(pattern, value, re.ASCII)))
    if value != "-infinity":
        dt.datetime.fromisoformat(value)
    return value


def _taken(value: Any, is_so: object) -> Any:
    if not is_so:
        raise ValueError("it has another form")
    return value


sha256 = like("[0-9a-f]{64}")
table_name = like("[a-z_]+[.][a-z_]+")
file_name = like(r"[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*")
scalar = either(whole, text)

position = like("[0-9A-F]{1,8}/[0-9A-F]{1,8}")  # in PostgreSQL's log, as it writes one
_of_log = {"system": like(r"\d{1,20}"), "timeline": whole}

# The bound of a date, and _SUCCESS of an extract or a repair; earlier versions wrote fewer fields. The bound of a date
# that is extracted from the log is a position too.
BOUND = either(
    fields({"to_watermark": instant}, date=date),
    fields({"to_watermark": instant, "to_lsn": position, "clock": instant, **_of_log}, date=date),
)
# _SUCCESS of an answer of the risk-score service.
ANSWERED = fields({}, status=text, answered_at=instant)
SUCCESS = fields(
    {"to_watermark": either(instant, local_instant)}, status=like("done"), sha256=mapping(file_name, sha256)
)
COLUMN = fields({"name": identifier, "type": column_type}, nullable=truth)


def _metadata(begin: Form, end: Form) -> Form:
    needed = {
        "table": table_name,
        "date": date,
        "columns": list_of(COLUMN),
        "primary_key": list_of(identifier),
        "watermark_column": identifier,
        "from_watermark": begin,
        "to_watermark": end,
        "data": like(r"data\.csv\.(zst|gz)"),
        "rows": whole,
        "bytes": whole,
        "sha256": sha256,
        "extracted_at": instant,
    }
    return fields(needed, condition=either(nothing, like(r"quantity > -?\d{1,10}")), to_lsn=position)


# metadata.json of an extract; purchases are read by day, and their times have no zone.
METADATA = _metadata(instant, instant)
METADATA_OF_PURCHASES = _metadata(either(date, local_instant), local_instant)

# metadata.json of a window of the log.
WINDOW = fields(
    {
        "date": date,
        "from_lsn": either(nothing, position),
        "to_lsn": position,
        "to_watermark": instant,
        **_of_log,
        "zone": text,
        "read_at": instant,
        "files": list_of(
            fields(
                {
                    "table": table_name,
                    "data": like(r"[a-z_]+\.[a-z_]+\.\d{1,6}\.csv\.(zst|gz)"),
                    "columns": list_of(COLUMN),
                    "rows": whole,
                    "bytes": whole,
                    "sha256": sha256,
                }
            )
        ),
    }
)

# _SUCCESS-<version> of a date of reviews.
REJECTED = fields({"file": text, "line": whole, "reason": text, "row": text})
CLASSIFIED = fields({"rows": whole, "rejected": list_of(REJECTED)})

# models/review_classifier: current.json, and metrics.json of a model.
MODEL = like("models/review_classifier/[0-9a-f]{12}")
CURRENT_MODEL = fields({"model": MODEL})
_share = either(nothing, number)
_counts = dict.fromkeys(("true_positive", "false_positive", "false_negative", "true_negative"), whole)
_measured = fields(
    {"rows": whole, "confusion_matrix": fields(_counts), **dict.fromkeys(("accuracy", "precision", "recall"), _share)}
)
_bin = fields(
    {"from": number, "to": number, "reviews": whole, **dict.fromkeys(("mean_probability", "share_positive"), _share)}
)
METRICS = fields(
    {
        **dict.fromkeys(("rows", "refused_rows", "trained_on", "measured_model_trained_on"), whole),
        "held_out": fields({"trained": _measured, "keyword": _measured}, lexicon=_measured),
        "calibration": fields({"brier_score": number, "expected_error": number, "bins": list_of(_bin, 10)}),
    }
)


def own(value: Any) -> Any:
    """Whatever it is: of a file whose hash is known."""
    return value


def deleted_keys(width: int) -> Form:
    """The form of deleted.json: rows of so many values, each a number or a text."""
    return list_of(list_of(scalar, width))


def path_inside(path: str) -> str:
    """The path, if it leads to a file below its folder; raises ValueError otherwise.

    >>> path_inside("stages/0_SQLTransformer/metadata/part-00000")
    'stages/0_SQLTransformer/metadata/part-00000'
    """
    parts = path.split("/")
    return _taken(path, path.isprintable() and "\\" not in path and not {"", ".", ".."} & set(parts))  # type: ignore[no-any-return]
