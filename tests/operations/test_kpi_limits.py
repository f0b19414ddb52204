"""Alerts of KPIs that pass their limits: which are found, who is told, and that nobody is told twice."""

from email import message_from_string, policy

import luigi.configuration
import pytest
from support.loads import load_day
from support.receivers import mail_server, webhook
from support.shop import add_order, at, date, insert, open_shop
from support.world import World, Worlds

from pipeline.kernel import config, postgres
from pipeline.kernel.errors import ConfigError
from pipeline.operations import kpi_limits
from pipeline.operations.outcome import DAILY, DONE, PENDING, Outcome, Task
from pipeline.tasks.runtime import telling
from pipeline.tasks.runtime.telling import Alerts

PATH = "/hook"
RULE = """
[lost]
kpi = "lost_order_deviation"
when = "complete"
who = ["ann@example.com", "bob@example.com"]
channel = "mail"
"""


@pytest.fixture
def loaded(shop_of_two_countries: World) -> World:
    """January is over, in which Peru lost its order, and February has begun, in which it lost none."""
    add_order(shop_of_two_countries, 1, at(2), 1)
    add_order(shop_of_two_countries, 2, at(3), 1, address_id=2, order_status_id=2)
    add_order(shop_of_two_countries, 3, at(32), 1, address_id=2)
    load_day(shop_of_two_countries, date(32))
    return shop_of_two_countries


@pytest.fixture
def shop_of_two_countries(shop: World) -> World:
    insert(shop, "addresses", at(1), address_id=2, street="2 Quay", city="Callao", country="Peru")
    return shop


def found(world: World, text: str) -> list[str]:
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        passed = kpi_limits.untold(cursor, kpi_limits.parsed(text))
        kpi_limits.note(cursor, passed)
        return [str(each) for each in passed]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"lost_order_deviation"', '"lost"', "name a KPI over mart.kpi_monthly_country"),
        ('"lost_order_deviation"', '"unique_customers"', "name a KPI over mart.kpi_monthly_country"),
        ('"lost_order_deviation"', '"sales"', "a number as limit, since its KPI has none"),
        ('"complete"', '"daily"', "take when from complete, under way"),
        ('"mail"', '"chat"', "take channel from post, mail"),
        ('"mail"', '"mail"\nby = "city"', "take by from country"),
        ('["ann@example.com", "bob@example.com"]', '"ann@example.com"', "list in who"),
        ('when = "complete"\n', "", "give it the fields kpi, when"),
    ],
)
def test_a_wrong_rule_is_named(old: str, new: str, says: str) -> None:
    assert [rule.name for rule in kpi_limits.parsed(RULE)] == ["lost"]
    with pytest.raises(ConfigError, match=says):
        kpi_limits.parsed(RULE.replace(old, new))


def test_a_limit_is_passed_once_for_a_month(loaded: World) -> None:
    assert found(loaded, RULE) == [
        "Deviation from the limit of 2026-01 is +45.0 pp, beyond the limit of +0.0 pp "
        "(ann@example.com, bob@example.com)"
    ]
    assert found(loaded, RULE) == []


def test_each_country_by_itself_and_the_month_under_way(loaded: World) -> None:
    by_country = RULE.replace('channel = "mail"', 'channel = "mail"\nby = "country"')
    assert [line.partition(" is ")[0] for line in found(loaded, by_country)] == [
        "Deviation from the limit of 2026-01 in Peru"
    ]
    few = (
        RULE.replace("lost_order_deviation", "orders").replace('"mail"', '"mail"\nlimit = 2').replace("[lost]", "[few]")
    )
    assert found(loaded, few) == []
    under_way = found(loaded, few.replace('"complete"', '"under way"'))
    assert [line.partition(" (")[0] for line in under_way] == ["Orders of 2026-02 is 1, beyond the limit of 2"]


def test_a_load_posts_what_has_passed_its_limit_until_it_is_taken(worlds: Worlds) -> None:
    with webhook(PATH, 400, 200) as receiver:
        world = worlds.new().where(OCEAN_ALERT_URL=receiver.url, OCEAN_ALERT_PAGE="1")
        open_shop(world)
        add_order(world, 1, at(3), 1, order_status_id=2)
        world.load(date(30))
        assert receiver.posts == []
        assert "no alert was sent" in world.load(date(31))
        world.load(date(32))
        world.load(date(33))
    _, alert = receiver.posts
    assert alert["subject"] == "2 KPIs are beyond their limits"
    assert alert["warnings"] == [
        "Deviation from the limit of 2026-01 is +95.0 pp, beyond the limit of +0.0 pp (fulfilment)",
        "Lost orders of 2026-01 in USA is 100.0%, beyond the limit of 15.0% (fulfilment)",
    ]
    assert "January 2026" in alert["page"]


def test_a_rule_is_mailed_once_to_those_it_names(loaded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in loaded.environment.items():
        monkeypatch.setenv(name, value)
    config.settings.cache_clear()
    monkeypatch.setattr(kpi_limits, "rules", lambda: kpi_limits.parsed(RULE))
    outcome, load = Outcome(""), Task(DAILY, "2026-02-01", "load")
    for state in (PENDING, DONE):
        outcome.note("load", load, state, (), None)
    settings = luigi.configuration.get_config()
    before = dict(settings["smtp"])
    try:
        with mail_server() as (port, mails):
            settings.set("smtp", "host", "127.0.0.1")
            settings.set("smtp", "port", str(port))
            with monkeypatch.context() as terminal:  # to which Luigi sends no mail
                terminal.setattr("sys.stdout.isatty", lambda: True)
                telling.tell(outcome, Alerts(), is_done=True)
            assert mails == []
            telling.tell(outcome, Alerts(), is_done=True)
            telling.tell(outcome, Alerts(), is_done=True)
    finally:
        for name, value in before.items():
            settings.set("smtp", name, value)
        config.settings.cache_clear()
    [mail] = [message_from_string(mail, policy=policy.default) for mail in mails]
    assert mail["To"] == "ann@example.com, bob@example.com"
    assert mail["Subject"].startswith("OceanRecords: Deviation from the limit of 2026-01 is +45.0 pp")
