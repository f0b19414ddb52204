"""The form of contracts: each value is read by what may stand in its place, and anything else is refused."""

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from pipeline.kernel.errors import BadContract

MOST = (1 << 63) - 1
# The parser of the C library, where PyYAML has it: every command reads the contracts.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Place:
    """A value of a contract and where it stands; each method gives it in one form, or raises BadContract."""

    def __init__(self, file: str, path: str, value: Any) -> None:
        self.file, self.path, self.value = file, path, value

    def refused(self, because: str, do: str) -> BadContract:
        """The error that names file and place."""
        return BadContract(f"use {self.file}", f"{self.path} {because}", do)

    def fields(self, needed: str, optional: str = "") -> "dict[str, Place]":
        """The fields of an object by their names: all of the `needed`, and no others than the `optional`."""
        known = [*needed.split(), *optional.split()]
        if not isinstance(self.value, dict):
            raise self.refused("is no object", f"give it the fields {', '.join(known)}")
        for name in self.value:
            if name not in known:
                raise self.refused(f"has the field {name!r}, which nothing reads", f"it may have {', '.join(known)}")
        for name in needed.split():
            if name not in self.value:
                raise self.refused(f"has no field {name}", "add it")
        return {name: Place(self.file, f"{self.path}.{name}", value) for name, value in self.value.items()}

    def entries(self) -> "list[Place]":
        """The entries of a list, which is not empty."""
        if not isinstance(self.value, list) or not self.value:
            raise self.refused("is no list with entries", "write each entry below it, behind a hyphen")
        return [Place(self.file, f"{self.path}[{place}]", value) for place, value in enumerate(self.value, 1)]

    def text(self) -> str:
        """A text of one line that is not empty."""
        if not isinstance(self.value, str) or not self.value.strip() or not self.value.isprintable():
            raise self.refused("is no text of one line", "write a text, in quotes if YAML takes it for something else")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """The texts of a list."""
        return tuple(entry.text() for entry in self.entries())

    def whole(self, least: int = 1, most: int = MOST) -> int:
        """A whole number within bounds."""
        if type(self.value) is not int or not least <= self.value <= most:
            raise self.refused(f"is no whole number from {least} to {most}", "write one, without quotes")
        return self.value

    def flag(self) -> bool:
        """Whether it is true."""
        return bool(self.one_of(True, False))

    def one_of(self, *values: Any) -> Any:
        """One of some values."""
        # In Python 1 is True.
        if not any(type(self.value) is type(value) and self.value == value for value in values):
            known = ", ".join("true" if each is True else "false" if each is False else str(each) for each in values)
            raise self.refused(f"is {self.value!r}, which nothing reads", f"it may be {known}")
        return self.value


class _Loader(LOADER):
    """Refuses a field that an object has twice, of which one would not count."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        names = [key.value for key, _ in node.value]
        if len(set(names)) < len(names):
            raise yaml.YAMLError(f"it has a field twice among {', '.join(names)}")
        return super().construct_mapping(node, deep)


def opened(path: Path, file: str) -> Place:
    """The contents of a contract; `file` is what errors call it. Raises BadContract if it is no YAML."""
    try:
        return Place(file, "it", yaml.load(path.read_bytes(), _Loader))  # noqa: S506  # a safe loader
    except (yaml.YAMLError, ValueError) as error:
        raise BadContract(f"use {file}", f"it is no YAML: {' '.join(str(error).split())}", "correct it") from None
