"""The limits of KPIs: who is told when one is passed, as warehouse/kpi_alerts.toml says, and what was told already."""

import datetime as dt
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from pipeline import kpis
from pipeline.kernel import postgres
from pipeline.kernel.errors import ConfigError
from pipeline.kernel.postgres import Cursor, sql
from pipeline.kpis import Kpi

FILE = "kpi_alerts.toml"
CHOICES = {"when": ("complete", "under way"), "by": ("", "country"), "channel": ("post", "mail")}
NO_COUNTRY = ""  # of all countries together


@dataclass(frozen=True)
class Rule:
    """A rule: see the head of warehouse/kpi_alerts.toml for its fields. `kpi` has the rule's limit."""

    name: str
    kpi: Kpi
    when: str
    by: str
    who: tuple[str, ...]
    channel: str


@dataclass(frozen=True)
class Passed:
    """A limit that was passed in a month; `country` is empty where all countries count together."""

    rule: Rule
    month: dt.date
    country: str
    value: Decimal

    def __str__(self) -> str:
        """What happened, in one line."""
        kpi = self.rule.kpi
        where = f" in {self.country}" if self.country else ""
        return (
            f"{kpi.label} of {self.month:%Y-%m}{where} is {kpis.shown(kpi, self.value)}, "
            f"beyond the limit of {kpis.shown(kpi, kpi.limit)} ({', '.join(self.rule.who)})"
        )


@cache
def rules() -> tuple[Rule, ...]:
    """The rules of the file. Raises ConfigError that names a wrong one."""
    return parsed(resources.files("warehouse").joinpath(FILE).read_text("utf-8"))


def parsed(text: str) -> tuple[Rule, ...]:
    """The rules of the text of a file. Raises ConfigError that names a wrong one."""
    return tuple(_rule(name, definition) for name, definition in tomllib.loads(text).items())


def untold(cursor: Cursor, asked: Iterable[Rule]) -> list[Passed]:
    """The limits that are passed and of which nobody was told, by rule, month and country."""
    known = set(postgres.rows(cursor, "select rule, month, country from etl.kpi_alert"))
    return [
        passed
        for rule in asked
        for passed in _passed(cursor, rule)
        if (rule.name, passed.month, passed.country) not in known
    ]


def note(cursor: Cursor, told: Iterable[Passed]) -> None:
    """Notes that somebody was told, so that the next load does not tell again. A rerun changes nothing."""
    for passed in told:
        cursor.execute(
            "insert into etl.kpi_alert (rule, month, country) values (%s, %s, %s) on conflict do nothing",
            (passed.rule.name, passed.month, passed.country),
        )


def _passed(cursor: Cursor, rule: Rule) -> Iterable[Passed]:
    country = sql.Identifier("country") if rule.by else sql.Literal(NO_COUNTRY)
    query = sql.SQL(NEWEST).format(kpi=sql.SQL(rule.kpi.expression), country=country)
    for month, where, value in postgres.rows(cursor, query, {"complete": rule.when == "complete"}):
        if rule.kpi.is_beyond(value):
            yield Passed(rule, month, where, value)


def _rule(name: str, definition: dict[str, Any]) -> Rule:
    fields = {"by": "", **definition}
    limit, who = fields.pop("limit", None), fields.get("who")
    kpi = kpis.kpis().get(fields.get("kpi", ""))
    faults = {
        "give it the fields kpi, when, who and channel, and by and limit where it needs them": fields.keys()
        != {"kpi", "who", *CHOICES},
        f"name a KPI over {kpis.MONTHLY}": kpi is None or kpis.MONTHLY not in kpi.over,
        **{
            f"take {field} from {', '.join(filter(None, choices))}": fields.get(field) not in choices
            for field, choices in CHOICES.items()
        },
        "list in who the names or addresses, as texts": not (
            isinstance(who, list) and who and all(isinstance(each, str) for each in who)
        ),
        "give it a number as limit, since its KPI has none": not isinstance(
            limit if limit is not None else kpi and kpi.limit, int | float
        ),
    }
    for do, is_wrong in faults.items():
        if is_wrong:
            raise ConfigError(f"use the rule {name} of warehouse/{FILE}", "its definition is not one of a rule", do)
    assert kpi
    kpi = kpi if limit is None else replace(kpi, limit=limit)
    return Rule(name, kpi, fields["when"], fields["by"], tuple(fields["who"]), fields["channel"])


NEWEST = """
with newest as (
    select month from mart.kpi_monthly_country group by month having bool_and(is_complete) or not %(complete)s
    order by month desc limit 1
)

select measures.month, {country} as country, {kpi} as value
from mart.kpi_monthly_country as measures
inner join newest on measures.month = newest.month
group by measures.month, 2
order by 2
"""
