"""The KPIs as warehouse/kpis.toml defines them, for the views of the mart and for all that tells people of them."""

import tomllib
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

Unit = Literal["currency", "orders", "customers", "days", "share", "points"]
Good = Literal["more", "less"]
FILE = "kpis.toml"
MONTHLY = "mart.kpi_monthly_country"  # over which the KPIs of months and countries are


@dataclass(frozen=True)
class Kpi:
    """A KPI: see the head of warehouse/kpis.toml for its fields. `limit` is None where any value will do."""

    name: str
    label: str
    short: str
    text: str
    unit: Unit
    digits: int
    over: tuple[str, ...]
    expression: str
    dimensions: tuple[str, ...]
    good: Good
    limit: float | None = None

    def is_beyond(self, value: float | Decimal | None) -> bool:
        """Whether a value has passed the limit. One that cannot be computed has not, and neither has any without one.

        >>> lost = Kpi("lost", "Lost", "lost", "", "share", 1, (), "sum(lost)", (), good="less", limit=0.15)
        >>> lost.is_beyond(0.16), lost.is_beyond(Decimal("0.15")), lost.is_beyond(None)
        (True, False, False)
        """
        if value is None or self.limit is None:
            return False
        # As written: 0.15 as a float is a little less than 0.15.
        limit = Decimal(str(self.limit)) if isinstance(value, Decimal) else self.limit
        return value > limit if self.good == "less" else value < limit


@cache
def kpis() -> dict[str, Kpi]:
    """All KPIs by their names, in the order of the file. Raises ValueError that names a wrong definition."""
    return parsed(resources.files("warehouse").joinpath(FILE).read_text("utf-8"))


def parsed(text: str) -> dict[str, Kpi]:
    """The KPIs of the text of a file. Raises ValueError that names a wrong definition."""
    return {name: _kpi(name, definition) for name, definition in tomllib.loads(text).items()}


def expressions() -> dict[str, str]:
    """What the DDL names `:kpi_<name>`: the expression of each KPI."""
    return {f"kpi_{kpi.name}": kpi.expression.strip() for kpi in kpis().values()}


def texts() -> dict[str, str]:
    """What the DDL names `:text_of_<name>`: the text of each KPI."""
    return {f"text_of_{kpi.name}": kpi.text for kpi in kpis().values()}


def shown(kpi: Kpi, value: float | Decimal | None) -> str:
    """A value with its unit, for people; "-" for one that cannot be computed.

    >>> rate = Kpi("rate", "Rate", "rate", "", "share", 1, (), "sum(lost)", (), good="less")
    >>> shown(rate, 0.0512), shown(rate, None)
    ('5.1%', '-')
    """
    if value is None:
        return "-"
    match kpi.unit:
        case "share":
            return f"{value:.{kpi.digits}%}"
        case "points":
            return f"{100 * value:+,.{kpi.digits}f} pp"
        case "days":
            return f"{value:,.{kpi.digits}f} d"
        case _:
            return f"{value:,.{kpi.digits}f}"


def _kpi(name: str, definition: dict[str, Any]) -> Kpi:
    known = {field.name for field in fields(Kpi)} - {"name"}
    faults = {
        "name it in small letters, digits and _": not name.isidentifier() or name != name.lower(),
        f"give it the fields {', '.join(sorted(known - {'limit'}))}, and limit where it has one": not (
            known - {"limit"} <= definition.keys() <= known
        ),
        f"take its unit from {', '.join(get_args(Unit))}": definition.get("unit") not in get_args(Unit),
        f"take good from {', '.join(get_args(Good))}": definition.get("good") not in get_args(Good),
        "write mod() in place of %, which is a placeholder to the driver": "%" in str(definition.get("expression")),
        "give it a whole number of digits": not isinstance(definition.get("digits"), int),
        "give it a number as limit": not isinstance(definition.get("limit", 0), int | float),
    }
    for do, is_wrong in faults.items():
        if is_wrong:
            raise ValueError(f"cannot use the KPI {name} of warehouse/{FILE}, because of its definition; {do}")
    lists = {field: tuple(definition[field]) for field in ("over", "dimensions")}
    return Kpi(name, **{**definition, **lists})
