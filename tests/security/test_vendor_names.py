"""Names that a vendor or a source chooses: none runs in luigid's page, none writes a line of a log, none hides."""

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support import shop
from support.feeds_world import deliver, deliver_orders, open_warehouse, settings_of
from support.world import World, Worlds

import pipeline
from pipeline.feeds.staging import Part, check_rejected
from pipeline.kernel.errors import BadExtract, LoadIncomplete, printable
from pipeline.kernel.rejected import Allowance, Rejected
from pipeline.lake import forms
from pipeline.operations.outcome import Outcome, Task
from pipeline.operations.state import Finding, Status
from pipeline.operations.summary import of_failure, table
from pipeline.tasks.base import show
from pipeline.tasks.load_feed import LoadPartnerOrders
from pipeline.tasks.load_reviews import ClassifyReviews
from pipeline.vendors.declared_feeds import PARTNER_ORDERS, REVIEWS

MARKUP = "<img src=x onerror=alert(1)>"
FORGED = "a\n2026-01-01 00:00:00 ERROR forged\r\x1b[31m\x9b1m\u2028\u202e"
ORDER = f"{{}},{1},I1,Song,26-01-01 10:00:00"


@pytest.fixture(scope="module")
def opened(worlds: Worlds) -> World:
    world = worlds.new()
    with settings_of(world):
        open_warehouse(world)
    return world


def told(world: World, task: Any) -> tuple[str, list[str]]:
    """Runs a task that holds its failure back; returns that, and what luigid's page was told."""
    said: list[str] = []
    task.set_status_message, task.set_progress_percentage, task.error = said.append, lambda _: None, None
    try:
        with settings_of(world):
            task.run()
    finally:
        task.set_status_message = task.set_progress_percentage = None
    assert isinstance(task.error, BadExtract)
    return str(task.error), said


def test_a_file_with_markup_in_its_name_is_refused_and_all_other_dates_are_loaded(
    opened: World, caplog: pytest.LogCaptureFixture
) -> None:
    for day in (1, 3):
        deliver_orders(opened, day, ORDER.format(f"A{day}"))
    key = deliver(opened, PARTNER_ORDERS, 2, ORDER.format("A2"), file=MARKUP)
    with caplog.at_level(logging.ERROR, "luigi-interface"):
        error, said = told(opened, LoadPartnerOrders(shop.date(3)))
    assert opened.rows("select order_id from stage.partner_orders") == {("A1",), ("A3",)}
    assert f"'{key}', because its name has other signs than letters" in error
    assert "have it delivered under another name" in error
    assert not any(sign in message for message in said for sign in "<>")
    assert any("&lt;img src=x" in message for message in said)
    assert all(record.getMessage().isprintable() for record in caplog.records)

    opened.lake.delete([key])
    deliver(opened, PARTNER_ORDERS, 2, ORDER.format("A2"), file="a fine name, é (2)")
    with settings_of(opened):
        task = LoadPartnerOrders(shop.date(3))
        task.error = None
        task.run()
    assert task.error is None
    assert opened.rows("select order_id from stage.partner_orders") == {("A1",), ("A2",), ("A3",)}


def test_reviews_of_such_a_name_are_not_classified(opened: World) -> None:
    key = deliver(opened, REVIEWS, 1, "1,good", file=MARKUP)
    error, said = told(opened, ClassifyReviews(shop.date(1)))
    opened.lake.delete([key])
    assert f"'{key}', because its name" in error
    assert said
    assert not any("<" in message for message in said)


@pytest.mark.parametrize("name", [FORGED, "\0", "\x7f", "\u200b", "\ud800", "a\tb"])
def test_a_name_in_an_error_is_one_line_that_shows_what_is_in_it(name: str) -> None:
    error = str(BadExtract(f"read {name}", f"it holds {name}", f"delete {name}"))
    assert error.isprintable()
    assert printable(name) in error
    assert error.encode()


def test_a_name_forges_no_line_of_a_log_a_summary_or_a_status() -> None:
    rejected = Rejected(f"landing/{FORGED}.csv", 2, f"reason {FORGED}", "x")
    part = Part(shop.date(1), "", 0, [rejected])
    with pytest.raises(Exception, match="cannot load") as caught:
        check_rejected("partner_orders", part, Allowance(0, 0))
    assert str(caught.value).isprintable()
    assert all(line.isprintable() for line in table(["rejected rows", "rows"], [[FORGED, "1"]]).split("\n"))
    outcome = Outcome("")
    outcome.note("1", Task("LoadStage", "2026-01-01", "LoadStage"), "FAILED", [], FORGED)
    assert all(line.isprintable() for line in of_failure(outcome).split("\n"))
    assert "\n2026-01-01 00:00:00 ERROR forged" not in of_failure(outcome)


def test_the_status_shows_a_name_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipeline.people import overview

    monkeypatch.setattr(overview, "_warehouse", lambda _: Status(findings=[Finding("error", FORGED, FORGED)]))
    monkeypatch.setattr(overview, "embedded", lambda: ([], []))
    overview.show(7, as_json=False)
    assert all(line.isprintable() for line in capsys.readouterr().out.split("\n"))


def test_every_task_that_speaks_to_luigid_s_page_speaks_through_one_place() -> None:
    said: list[str] = []
    task: Any = SimpleNamespace(set_status_message=said.append)
    show(task, f"{MARKUP} & {FORGED}")
    assert said[0].startswith("&lt;img src=x onerror=alert(1)&gt; &amp; a\\n")
    assert said[0].isprintable()
    sources = {path.name: path.read_text() for path in Path(pipeline.__file__).parent.rglob("*.py")}
    assert {name for name, text in sources.items() if ".set_status_message(" in text} == {"base.py"}


def test_a_folder_that_is_only_like_a_date_is_no_date(opened: World) -> None:
    for name in ("20260101", "2026-W01-1", "2026-01-01\n", "2026-02-30", "٢٠٢٦-01-01"):
        assert forms.date_of(name) is None
    opened.lake.write("extract/ops.none/date=20260101/_SUCCESS", b"{}")
    opened.lake.write("extract/ops.none/date=2026-01-02/_SUCCESS", b"{}")
    assert opened.lake.dates("extract/ops.none") == [shop.date(2)]
    assert str(LoadIncomplete("a", "b", "c")) == "cannot a, because b; c"
