"""How a setting is declared: as a field of a frozen dataclass, whose metadata say all that there is to know of it.

Not with pydantic-settings: each command would import pydantic, which takes 100 ms with models of this size. Not as a
luigi.Config either: that makes each setting an option of the command line, where `ps` would show passwords.
"""

from collections.abc import Callable, Mapping
from dataclasses import field, fields
from functools import cache
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Setting(NamedTuple):
    """The declaration of a setting. An empty value means the default, or what the text says."""

    name: str
    default: str
    parse: Callable[[str], Any]  # raises ValueError
    text: str
    environment: str
    heading: str
    is_secret: bool

    @property
    def own_variable(self) -> str:
        """Its environment variable if that does not follow from its name; else empty."""
        return "" if self.environment == _variable(self.name) else self.environment


def setting(
    default: str,
    parse: Callable[[str], T],
    text: str,
    *,
    name: str = "",
    environment: str = "",
    heading: str = "",
    secret: bool = False,
) -> T:
    """Declares the setting that a field holds. Its name is the field's and its variable OCEAN_<NAME>, if none is given.

    A heading stands above the first setting of a group. A secret is neither in `repr` nor in an error.
    """

    def named(of_field: str) -> Setting:
        own = name or of_field
        return Setting(own, default, parse, text, environment or _variable(own), heading, secret)

    found: T = field(repr=not secret, metadata={Setting: named})  # mypy takes it for a T
    return found


@cache
def declared(of: type) -> Mapping[str, Setting]:
    """The settings that a class declares, by field."""
    return {each.name: each.metadata[Setting](each.name) for each in fields(of) if Setting in each.metadata}


def _variable(name: str) -> str:
    return f"OCEAN_{name.upper()}"
