"""Reads events of OpenLineage back into the models of its client, which are made from the specification.

The client makes JSON of its models and reads none, and no package has the specification's schemas. So each field is
read by the type that its model declares: what the model has not, lacks, or has of another type is refused.
"""

import importlib
import pkgutil
import types
import typing
from enum import Enum
from typing import Any

import attrs
from openlineage.client import generated
from openlineage.client.event_v2 import RunEvent
from openlineage.client.generated.base import BaseFacet


def event(found: dict[str, Any]) -> RunEvent:
    """The event of that JSON. Raises ValueError for one that is not of the specification."""
    read = _model(RunEvent, found, "event")
    assert isinstance(read, RunEvent)
    return read


def _facets() -> dict[str, type]:
    """The models of facets by the addresses of their schemas."""
    modules = [
        importlib.import_module(f"{generated.__name__}.{each.name}")
        for each in pkgutil.iter_modules(generated.__path__)
    ]
    classes = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    return {each._get_schema(): each for each in classes if issubclass(each, BaseFacet)}


FACETS = _facets()


def _model(model: type, found: Any, where: str) -> Any:
    """A model of its JSON. The client's own validators then look at its values."""
    if not isinstance(found, dict):
        raise ValueError(f"{where} is no object")
    fields = {field.name: field for field in attrs.fields(attrs.resolve_types(model))}
    lacking = {name for name, field in fields.items() if field.init and field.default is attrs.NOTHING} - found.keys()
    if lacking or found.keys() - fields.keys():
        raise ValueError(f"{where} lacks {lacking}, and has {found.keys() - fields.keys()} beyond {model.__name__}")
    for name in ("schemaURL", "_schemaURL"):
        if name in fields and found.get(name) != model._get_schema():  # type: ignore[attr-defined]
            raise ValueError(f"{where} has the schema {found.get(name)}")
    read = {
        fields[name].alias: _value(fields[name].type, value, f"{where}.{name}")
        for name, value in found.items()
        if fields[name].init
    }
    return model(**read)


def _value(kind: Any, found: Any, where: str) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        [only] = [each for each in inner if each is not type(None)]
        return None if found is None else _value(only, found, where)
    if origin is list and isinstance(found, list):
        return [_value(inner[0], each, f"{where}[{n}]") for n, each in enumerate(found)]
    if origin is dict and isinstance(found, dict):
        return {key: _value(inner[1], each, f"{where}.{key}") for key, each in found.items()}
    if isinstance(kind, type) and attrs.has(kind):
        return _model(_of_facet(kind, found, where) if issubclass(kind, BaseFacet) else kind, found, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(found)
    if kind not in (str, int, bool) or type(found) is not kind:
        raise ValueError(f"{where} is {found!r}, and should be {kind}")
    return found


def _of_facet(kind: type, found: Any, where: str) -> type:
    """The model of a facet, by the schema that it names; it has to be of the kind that stands in its place."""
    named = FACETS.get(found.get("_schemaURL"))
    if named is None or not issubclass(named, kind) or named is kind:
        raise ValueError(f"{where} is no {kind.__name__}")
    return named


def by_run(events: list[Any]) -> dict[str, list[str]]:
    """The states of each run, in the order in which they were posted."""
    found: dict[str, list[str]] = {}
    for event in events:
        found.setdefault(event["run"]["runId"], []).append(event["eventType"])
    return found


def states(events: list[Any], job: str) -> list[str]:
    return [event["eventType"] for event in events if event["job"]["name"] == job]


def end_of(events: list[Any], job: str) -> Any:
    [found] = [event for event in events if event["job"]["name"] == job and event["eventType"] != "START"]
    return found
