"""The script of the forecast in its own environment, on series whose future is known."""

import csv
import datetime as dt
import io
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest

from pipeline.forecast import environment
from pipeline.kernel.errors import ForecastFailed

FIRST = dt.date(2024, 11, 1)
DAYS, AHEAD = 760, 90
SHARES = {"Chile": 0.7, "Peru": 0.3}
Row = tuple[float, float, float, float, float]

pytestmark = pytest.mark.skipif(
    not environment.INSTALLED.exists(), reason="needs the environment of `make forecast`, which `make test` builds"
)


def usual(day: int) -> float:
    """Sales of a day without noise: they grow by a quarter a year, more before Christmas, on Mondays."""
    date = FIRST + dt.timedelta(days=day)
    year = 1 + 0.3 * math.cos(2 * math.pi * (date.timetuple().tm_yday - 349) / 365.25)
    return 1000 * math.pow(1.25, day / 365) * year * (1.1, 1, 1, 1, 1, 0.9, 1)[date.weekday()]


def lines(value: Callable[[str, int], float], days: Iterable[int], measure: str = "sales") -> list[str]:
    """The rows of a measure."""
    return [
        f"{measure},{country},{FIRST + dt.timedelta(days=day)},{value(country, day):.4f}"
        for day in days
        for country in SHARES
    ]


def forecast(*rows: str) -> dict[tuple[str, str], list[Row]]:
    """What is expected, by measure and country, day by day."""
    made = environment.run("", "\n".join(["measure,country,day,value", *rows]).encode())
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for measure, country, day, *figures in csv.reader(io.StringIO(made.decode())):
        known = len(found[measure, country])
        assert dt.date.fromisoformat(day) > FIRST + dt.timedelta(days=known)
        one, two, three, four, five = map(float, figures)
        found[measure, country].append((one, two, three, four, five))
    return found


@pytest.fixture(scope="module")
def known() -> dict[tuple[str, str], list[Row]]:
    """Two years of two countries, with the noise of days; and their orders, of which Peru had none at first."""
    rng = random.Random(7)
    noise = {(country, day): rng.gauss(1, 0.05) for country in SHARES for day in range(DAYS)}

    def sales(country: str, day: int) -> float:
        return SHARES[country] * usual(day) * noise[country, day]

    orders = [row for row in lines(lambda country, day: usual(day) / 50, range(DAYS), "orders") if "Chile" in row]
    late = [row for row in lines(lambda country, day: 5, range(DAYS - 100, DAYS), "orders") if "Peru" in row]
    return forecast(*lines(sales, range(DAYS)), *orders, *late)


def test_each_of_the_next_90_days_has_a_row_for_each_country_and_for_everywhere(
    known: dict[tuple[str, str], list[Row]],
) -> None:
    wanted = {(measure, country) for measure in ("sales", "orders") for country in (*SHARES, "everywhere")}
    assert set(known) == wanted
    assert {len(rows) for rows in known.values()} == {AHEAD}


def test_growth_year_and_week_go_on(known: dict[tuple[str, str], list[Row]]) -> None:
    truth = [usual(DAYS + day) for day in range(AHEAD)]
    expected = [row[0] for row in known["sales", "everywhere"]]
    assert sum(abs(one - other) for one, other in zip(expected, truth, strict=True)) / sum(truth) < 0.04
    # From the peak of December to the end of February.
    assert expected[-7] < 0.97 * expected[7]
    mondays = [day for day in range(AHEAD) if (FIRST + dt.timedelta(days=DAYS + day)).weekday() == 0]
    assert all(expected[day] > expected[day + 1] for day in mondays[:-1])


def test_countries_add_up(known: dict[tuple[str, str], list[Row]]) -> None:
    for measure in ("sales", "orders"):
        parts = zip(*(known[measure, country] for country in SHARES), strict=True)
        for rows, everywhere in zip(parts, known[measure, "everywhere"], strict=True):
            assert sum(row[0] for row in rows) == pytest.approx(everywhere[0], abs=0.03)


def test_ranges_lie_within_each_other_and_not_below_zero(known: dict[tuple[str, str], list[Row]]) -> None:
    for rows in known.values():
        for _, low_80, high_80, low_95, high_95 in rows:
            assert 0 <= low_95 <= low_80 <= high_80 <= high_95


def test_ranges_hold_about_as_many_days_as_they_say(known: dict[tuple[str, str], list[Row]]) -> None:
    rng = random.Random(8)
    came = [usual(DAYS + day) * rng.gauss(1, 0.05 * math.hypot(0.7, 0.3)) for day in range(AHEAD)]
    rows = known["sales", "everywhere"]
    within_80 = sum(low <= value <= high for value, (_, low, high, _, _) in zip(came, rows, strict=True))
    within_95 = sum(low <= value <= high for value, (_, _, _, low, high) in zip(came, rows, strict=True))
    assert 0.65 < within_80 / AHEAD < 0.95 < within_95 / AHEAD + 0.06


def test_a_country_that_began_late_goes_on_where_it_is(known: dict[tuple[str, str], list[Row]]) -> None:
    assert all(3 < row[0] < 8 for row in known["orders", "Peru"][:28])


def test_a_few_weeks_are_enough_and_a_year_is_not_guessed_from_them() -> None:
    few = forecast(*lines(lambda country, day: SHARES[country] * 100, range(56)))
    assert [row[0] for row in few["sales", "everywhere"]] == pytest.approx([100] * AHEAD, rel=0.01)
    assert all(one[1] == two[1] for one, two in pairwise(few["sales", "Chile"][28:]))


def test_fewer_are_refused() -> None:
    with pytest.raises(ForecastFailed, match=r"because only 55 days are known; run it again once there are 56"):
        forecast(*lines(lambda country, day: 1, range(55)))


def test_a_country_without_any_sales_is_expected_to_have_none() -> None:
    none = forecast(*lines(lambda country, day: 50 * (country == "Chile"), range(56)))
    assert set(none["sales", "Peru"]) == {(0.0, 0.0, 0.0, 0.0, 0.0)}
    assert [row[0] for row in none["sales", "Chile"]] == pytest.approx([50] * AHEAD, rel=0.01)
