"""The contracts of feeds: what a vendor or service sends, when, and who answers, as contract.yaml of a folder says.

The files have the form of the Open Data Contract Standard. Of this, what the pipeline does not do is refused.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.kernel.rejected import Unfit
from pipeline.vendors.contract_form import Place, opened
from pipeline.vendors.vendor_fields import HIGHEST, LOWEST, Feed, Field

FILE = "contract.yaml"
FIELDS = "apiVersion kind id version status description schema slaProperties team support customProperties"
FIELDS_OF_CSV = "format encoding delimiter header"
PERSONAL = "personal"
UNITS = {"d": "day", "h": "hour"}
# An answer is read by columns of these names, and no others.
COLUMNS_OF_JSON = ("customer_id", "risk_score")


class Support(NamedTuple):
    """Where to ask: the channel, its address, and what for."""

    channel: str
    address: str
    says: str


class Contract(NamedTuple):
    """What a feed is: its columns, and the facts that people need. `examples` are rows that are kept."""

    feed: Feed
    form: Literal["csv", "json"]
    version: str
    purpose: str
    due: str
    team: str
    support: tuple[Support, ...]
    examples: tuple[tuple[str, ...], ...]

    @property
    def example(self) -> str:
        """An example of a file or an answer."""
        if self.form == "json":
            names = [field.name for field in self.feed.fields]
            rows = [dict(zip(names, map(int, row), strict=True)) for row in self.examples]
            return json.dumps(rows)
        return "\n".join([self.feed.header, *(",".join(map(_written, row)) for row in self.examples)])


def read(path: Path) -> Contract:
    """The contract in a file, of the feed that its folder is called. Raises BadContract for what nothing reads."""
    top = opened(path, f"pipeline/vendors/{path.parent.name}/{FILE}").fields(FIELDS)
    top["apiVersion"].one_of("v3.1.0", "v3.2.0")
    top["kind"].one_of("DataContract")
    top["status"].one_of("active")
    top["id"].text()
    more = _custom(top["customProperties"])
    form: Literal["csv", "json"] = more["format"].one_of("csv", "json")
    [table] = _only(top["schema"])
    said = table.fields("name description properties")
    said["name"].one_of(path.parent.name)
    columns = [each.fields(*OF_COLUMN) for each in said["properties"].entries()]
    if form == "json" and tuple(each["name"].value for each in columns) != COLUMNS_OF_JSON:
        raise said["properties"].refused("are not those of an answer", f"it may have {', '.join(COLUMNS_OF_JSON)}")
    _check_positions(columns)
    feed = Feed(
        path.parent.name,
        tuple(map(_field, columns)),
        said["description"].text(),
        more["instants"].texts() if "instants" in more else (),
        more["madeKey"].texts() if "madeKey" in more else (),
    )
    return Contract(
        feed,
        form,
        top["version"].text(),
        top["description"].fields("purpose")["purpose"].text(),
        _due(top["slaProperties"]),
        ": ".join(each.text() for each in top["team"].fields("name description").values()),
        tuple(map(_support, top["support"].entries())),
        _examples(feed, columns),
    )


OF_COLUMN = (
    "name logicalType logicalTypeOptions description examples",
    "required primaryKey primaryKeyPosition classification",
)


def _field(said: dict[str, Place]) -> Field:
    kind, options = KINDS[said["logicalType"].one_of(*KINDS)]
    if "classification" in said:
        said["classification"].one_of(PERSONAL)
    return Field(
        said["name"].text(),
        kind,
        required="required" in said and said["required"].flag(),
        is_key="primaryKey" in said and said["primaryKey"].flag(),
        says=said["description"].text(),
        is_personal="classification" in said,
        **options(said["logicalTypeOptions"]),
    )


def _of_text(said: Place) -> dict[str, Any]:
    return {"longest": said.fields("maxLength")["maxLength"].whole()}


def _of_integer(said: Place) -> dict[str, Any]:
    found = said.fields("format", "minimum maximum")
    found["format"].one_of("i64")
    lowest = found["minimum"].whole(LOWEST) if "minimum" in found else LOWEST
    highest = found["maximum"].whole(lowest) if "maximum" in found else HIGHEST
    return {"lowest": lowest, "highest": highest}


def _of_timestamp(said: Place) -> dict[str, Any]:
    found = said.fields("format timezone defaultTimezone")
    found["format"].one_of("yy-MM-dd HH:mm:ss")
    found["timezone"].one_of(False)
    found["defaultTimezone"].one_of("UTC")
    return {}


Options = Callable[[Place], dict[str, Any]]
KINDS: dict[str, tuple[Literal["text", "integer", "timestamp"], Options]] = {
    "string": ("text", _of_text),
    "integer": ("integer", _of_integer),
    "timestamp": ("timestamp", _of_timestamp),
}


def _check_positions(columns: list[dict[str, Place]]) -> None:
    """The stage table has the columns of the key in their order."""
    place = 0
    for said in columns:
        if "primaryKey" in said and said["primaryKey"].flag():
            place += 1
            if "primaryKeyPosition" not in said:
                raise said["primaryKey"].refused("has no place", f"give it primaryKeyPosition: {place}")
            said["primaryKeyPosition"].one_of(place)
        elif "primaryKeyPosition" in said:
            raise said["primaryKeyPosition"].refused("is of no key", "take it away, or add primaryKey: true")


def _examples(feed: Feed, columns: list[dict[str, Place]]) -> tuple[tuple[str, ...], ...]:
    values = []
    for field, said in zip(feed.fields, columns, strict=True):
        found = [(each, str(each.value)) for each in said["examples"].entries()]
        for place, value in found:
            if type(place.value) not in (str, int):
                raise place.refused("is no text and no whole number", "put it in quotes")
            try:
                field.canonical(value)
            except Unfit as error:
                raise place.refused(f"would be rejected: {error}", error.fault.fix) from None
        values.append([value for _, value in found])
        if len(found) != len(values[0]):
            raise said["examples"].refused("are not those of each row", f"give {len(values[0])}, as the first column")
    return tuple(zip(*values, strict=True))


def _custom(said: Place) -> dict[str, Place]:
    """The properties that the standard lacks, by their names."""
    fields = [each.fields("property value", "description") for each in said.entries()]
    found = {each["property"].text(): each["value"] for each in fields}
    is_json = "format" in found and found["format"].value == "json"
    together = Place(said.file, said.path, {name: place.value for name, place in found.items()})
    more = together.fields("format" if is_json else FIELDS_OF_CSV, "" if is_json else "madeKey instants")
    if not is_json:
        more["encoding"].one_of("UTF-8")
        more["delimiter"].one_of(",")
        more["header"].one_of(True)
    return more


def _due(said: Place) -> str:
    [only] = _only(said)
    found = only.fields("property value unit description")
    found["property"].one_of("frequency")
    times, unit = found["value"].whole(), UNITS[found["unit"].one_of(*UNITS)]
    return f"every {unit if times == 1 else f'{times} {unit}s'}. {found['description'].text()}"


def _support(said: Place) -> Support:
    found = said.fields("channel tool url description")
    found["tool"].one_of("email")
    address = found["url"].text()
    if not address.startswith("mailto:"):
        raise found["url"].refused("is no address of e-mail", "write it as mailto:name@example.com")
    return Support(found["channel"].text(), address.removeprefix("mailto:"), found["description"].text())


def _only(said: Place) -> list[Place]:
    found = said.entries()
    if len(found) > 1:
        raise said.refused("has more than one entry", "leave one")
    return found


def _written(value: str) -> str:
    """A value as it stands in CSV."""
    return '"' + value.replace('"', '""') + '"' if any(sign in value for sign in ',"\r\n') else value
