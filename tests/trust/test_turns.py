"""Turns: everything is seen within the period whatever happens, nothing more often than it needs, and spread evenly."""

import datetime as dt
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog import SOURCE_TABLES
from pipeline.trust import checks, turns
from pipeline.trust.turns import Pass

START = dt.date(2026, 1, 1)
PASSED, FAILED, LEFT_OUT = "passed", "failed", "left out"
periods = st.integers(1, 31)
counts = st.integers(1, 15)
backwards = st.booleans()
# How each load ends for each name. Most pass, or nothing would ever have its turn.
outcomes = st.sampled_from([*[PASSED] * 8, FAILED, LEFT_OUT])
# Dates in their order, with gaps, or in any order; some are loaded again.
in_order = st.lists(st.integers(0, 10), min_size=1, max_size=20).map(
    lambda gaps: [sum(gaps[: number + 1]) for number in range(len(gaps))]
)
dates = st.one_of(in_order, st.lists(st.integers(0, 60), min_size=1, max_size=20))


def day(number: int) -> dt.date:
    return START + dt.timedelta(days=number)


def named(count: int) -> list[str]:
    return [f"name {number}" for number in range(count)]


@given(counts, periods, dates, backwards, st.data())
def test_nothing_is_unseen_for_longer_than_the_period_and_nothing_is_seen_without_need(
    count: int, days: int, numbers: list[int], is_backwards: bool, data: st.DataObject
) -> None:
    names = named(count)
    known: dict[str, Pass] = {}
    own_days: dict[str, set[int]] = {name: set() for name in names}
    for number in numbers:
        due = turns.due(names, day(number), days, known, backwards=is_backwards)
        assert due == sorted(due, key=names.index)
        for name in names:
            last = known.get(name)
            gap = abs((day(number) - last.date).days) if last and last.date and not last.is_owed else days
            if name not in due:
                assert gap < days
            elif gap < days:
                assert gap > 0
                own_days[name].add(day(number).toordinal() % days)
        for name in due:
            outcome = data.draw(outcomes)
            if outcome == PASSED:
                known[name] = Pass(day(number), is_owed=False)
            elif outcome == FAILED:
                known[name] = Pass(known[name].date if name in known else None, is_owed=True)
    assert all(len(found) <= 1 for found in own_days.values())


@given(counts, periods, st.integers(0, 400), backwards)
def test_a_load_a_day_sees_each_once_in_the_period_and_as_many_as_on_any_other_day(
    count: int, days: int, start: int, is_backwards: bool
) -> None:
    names = named(count)
    known = dict.fromkeys(names, Pass(day(start), is_owed=False))
    seen = []
    for number in range(start + 1, start + 1 + 2 * days):
        seen.append(turns.due(names, day(number), days, known, backwards=is_backwards))
        known |= dict.fromkeys(seen[-1], Pass(day(number), is_owed=False))
    for period in (seen[:days], seen[days:]):
        assert Counter(name for due in period for name in due) == Counter(names)
        assert max(map(len, period)) - min(map(len, period)) <= 1
    heavy = set(names[:days])
    assert all(len(heavy & set(due)) <= 1 for due in seen)
    assert seen[:days] == seen[days:]


@given(counts, periods, st.integers(0, 20))
def test_who_loads_once_a_period_or_less_often_sees_everything_each_time(count: int, days: int, more: int) -> None:
    names = named(count)
    known = dict.fromkeys(names, Pass(START, is_owed=False))
    assert turns.due(names, day(days + more), days, known) == names


@given(counts, backwards)
def test_a_period_of_no_days_leaves_what_is_owed(count: int, is_backwards: bool) -> None:
    names = named(count)
    known = {names[0]: Pass(START, is_owed=True), names[-1]: Pass(None, is_owed=count > 1)}
    assert turns.due(names, day(400), 0, known, backwards=is_backwards) == [
        name for name in names if known.get(name, turns.NEVER).is_owed
    ]


def test_the_heavy_checks_and_comparisons_of_a_week_are_each_on_a_day_of_their_own() -> None:
    of_lines = [check.name for check in checks.checks() if {":fact_order_line", "dwh.fact_order_line"} & {*check.reads}]
    of_lines = [name for name in of_lines if name in checks.by_weight()]
    assert len(of_lines) == 5
    tables = list(SOURCE_TABLES)
    heavy = {*of_lines, "ops.order_lines", "ops.orders"}
    known = dict.fromkeys([*checks.by_weight(), *tables], Pass(START, is_owed=False))
    week = []
    for number in range(1, 8):
        due = turns.due(checks.by_weight(), day(number), 7, known)
        due += turns.due(tables, day(number), 7, known, backwards=True)
        known |= dict.fromkeys(due, Pass(day(number), is_owed=False))
        week.append(heavy & {*due})
    assert sorted(map(len, week)) == [1] * 7
    assert set().union(*week) == heavy
