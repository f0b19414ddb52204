r"""What is expected of the next 90 days: reads daily values as CSV from stdin, writes CSV with ranges to stdout.

    measure,country,day,value                                     one row for each day with a value; others count as 0
    measure,country,day,expected,low_80,high_80,low_95,high_95    one row for each of the next 90 days

The country `everywhere` is added: all countries together. It stands alone and imports nothing of the pipeline, as it
runs in an environment of its own. The same values give the same forecast.

The method, for each measure:

1. The shape of the year is that of all countries together: their mean over 28 days, without its growth over a year,
   by the day of the year. It takes a year and 28 days; before that each day of the year is like any other.
2. Each series is divided by the shape. Exponential smoothing with a trend and a weekday (Hyndman et al.,
   "Forecasting with Exponential Smoothing", 2008) goes on with it, and is multiplied by the shape again.
3. Countries are scaled so that they add up to what is expected everywhere.
4. Ranges come from what would have been expected 28, 56, ... days ago and what came (split conformal prediction, Vovk
   et al., 2005). Errors are measured in each series' own residuals; those of all countries are taken together.
"""

# The pipeline's own environment has no statsforecast. So mypy does not know its types.
# mypy: disable-error-code="import-not-found, import-untyped, no-any-return"

from __future__ import annotations

import csv
import datetime as dt
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TextIO

import numpy as np
from statsforecast.models import AutoETS

AHEAD = 90  # days
EVERYWHERE = "everywhere"
LEVELS = (0.8, 0.95)
FIRST_DAYS = (0, 7, 28)  # of the spans of the future that have ranges of their own: errors grow with the distance
MOST_ORIGINS = 8
MOST_YEARS = 3


@dataclass(frozen=True)
class Calendar:
    """The periods of the series, in its steps: a week, the span by which growth is told, a year.

    A year is 364 days, so that weekdays stay what they are. Over `window` steps the noise of a year's shape is evened
    out.
    """

    week: int = 7
    span: int = 28
    year: int = 364
    window: int = 28


DAYS = Calendar()


def main() -> int:
    """Reads, forecasts and writes; returns the exit code."""
    try:
        series = read(sys.stdin)
        rows = [row for measure in series for row in of_measure(measure, *series[measure])]
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    csv.writer(sys.stdout, lineterminator="\n").writerows(rows)
    return 0


def read(lines: TextIO) -> dict[str, tuple[list[str], dt.date, np.ndarray]]:
    """For each measure its countries, its first day and its values: a row for each day, a column for each country.

    Raises ValueError if there are too few days.
    """
    found: dict[str, dict[tuple[dt.date, str], float]] = {}
    for row in csv.DictReader(lines):
        found.setdefault(row["measure"], {})[dt.date.fromisoformat(row["day"]), row["country"]] = float(row["value"])
    # All measures end on the same day.
    days = sorted({day for values in found.values() for day, _ in values})
    known = (days[-1] - days[0]).days + 1 if days else 0
    if known < 2 * DAYS.span:
        raise ValueError(
            f"cannot forecast, because only {known} days are known; run it again once there are {2 * DAYS.span}"
        )
    series = {}
    for measure, values in found.items():
        countries = sorted({country for _, country in values})
        table = np.zeros((known, len(countries)))
        for (day, country), value in values.items():
            table[(day - days[0]).days, countries.index(country)] = value
        series[measure] = countries, days[0], table
    return series


def of_measure(measure: str, countries: list[str], first: dt.date, values: np.ndarray) -> Iterator[tuple[object, ...]]:
    """The rows of a measure: of each country, and everywhere."""
    expected, ranges = with_ranges(values)
    for column, country in enumerate([*countries, EVERYWHERE]):
        for ahead in range(len(expected)):
            day = first + dt.timedelta(days=len(values) + ahead)
            figures = (expected[ahead, column], *ranges[ahead, column])
            yield (measure, country, day, *(f"{figure:.2f}" for figure in figures))


def with_ranges(values: np.ndarray, ahead: int = AHEAD, calendar: Calendar = DAYS) -> tuple[np.ndarray, np.ndarray]:
    """What is expected, [step, series], and its ranges, [step, series, low and high of each level].

    `values` are [step, series]; a series for all of them together is added at the end. Nothing is below 0.
    """
    expected, residual = forecast(values, ahead, calendar)
    known = _with_sum(values)
    errors: list[list[np.ndarray]] = [[] for _ in FIRST_DAYS]  # [steps of a span, series], in residuals
    for origin in origins(len(values), calendar):
        then, unit = forecast(values[:origin], ahead, calendar)
        came = known[origin : origin + ahead]
        wrong = (came - then[: len(came)]) / unit[: len(came)]
        for span, part in zip(errors, np.split(wrong, FIRST_DAYS[1:]), strict=True):
            span.append(part)
    shares = [share for level in LEVELS for share in ((1 - level) / 2, (1 + level) / 2)]
    ranges = np.empty((*expected.shape, len(shares)))
    limits = np.zeros((len(shares), 2))  # of a country, and everywhere
    for span, begin in zip(errors, FIRST_DAYS, strict=True):
        wrong = np.concatenate(span)
        if len(wrong):
            limits = np.stack([quantiles(wrong[:, :-1], shares), quantiles(wrong[:, -1:], shares)], axis=1)
        unit = residual[begin:, :, None]
        ranges[begin:, :-1] = expected[begin:, :-1, None] + unit[:, :-1] * limits[:, 0]
        ranges[begin:, -1:] = expected[begin:, -1:, None] + unit[:, -1:] * limits[:, 1]
    return expected, np.maximum(ranges, 0)


def quantiles(errors: np.ndarray, shares: list[float]) -> np.ndarray:
    """The quantiles of errors, a little further out than those of the sample: of few errors the ends are not seen."""
    count = errors.size
    further = [share + (share - 0.5) / count for share in shares]
    return np.quantile(errors, np.clip(further, 0, 1))


def origins(known: int, calendar: Calendar) -> Iterable[int]:
    """How many steps were known at each of the instants that the ranges look back to, the newest first."""
    least = calendar.year + calendar.span if has_shape(known - calendar.span, calendar) else calendar.span
    return range(known - calendar.span, least - 1, -calendar.span)[:MOST_ORIGINS]


def has_shape(known: int, calendar: Calendar) -> bool:
    """Whether so many steps show the shape of a year."""
    return known >= calendar.year + calendar.span


def forecast(values: np.ndarray, ahead: int, calendar: Calendar) -> tuple[np.ndarray, np.ndarray]:
    """What is expected and the size of a usual residual, both [step, series] with all together at the end."""
    known = _with_sum(values)
    past, future = shape(known[:, -1], ahead, calendar)
    expected, residual = np.empty((ahead, known.shape[1])), np.empty((ahead, known.shape[1]))
    for column in range(known.shape[1]):
        level, usual = smoothed(known[:, column] / past, ahead, calendar)
        expected[:, column], residual[:, column] = np.maximum(level, 0) * future, usual * future
    parts = expected[:, :-1].sum(axis=1)
    scale = np.divide(expected[:, -1], parts, out=np.ones(ahead), where=parts > 0)
    expected[:, :-1] *= scale[:, None]
    return expected, residual


def smoothed(values: np.ndarray, ahead: int, calendar: Calendar) -> tuple[np.ndarray, float]:
    """Goes on with one series, and says how large its residuals usually are."""
    if not values.any():
        return np.zeros(ahead), 1.0
    model = AutoETS(season_length=calendar.week, model="AAA" if calendar.week > 1 else "AAN", damped=False)
    found = model.forecast(values, h=ahead, fitted=True)
    usual = float(np.sqrt(np.mean((values - found["fitted"])[-4 * calendar.span :] ** 2)))
    return found["mean"], max(usual, 1e-6)


def shape(total: np.ndarray, ahead: int, calendar: Calendar) -> tuple[np.ndarray, np.ndarray]:
    """How much more than usual each step of the past and of the future has, as factors around 1."""
    year, span = calendar.year, calendar.span
    if not has_shape(len(total), calendar) or not (total[-span:].sum() > 0 < total[-span - year : -year].sum()):
        return np.ones(len(total)), np.ones(ahead)
    newest = total[-MOST_YEARS * year - span :]
    window = np.ones(calendar.window)
    mean = np.convolve(newest, window, "same") / np.convolve(np.ones(len(newest)), window, "same")
    growth = np.log(newest[-span:].sum() / newest[-span - year : -year].sum())
    to_end = np.arange(len(newest))[::-1]
    without_growth = np.log(np.maximum(mean, mean.max() * 1e-6)) + growth * to_end / year
    factor = np.bincount(to_end % year, without_growth, year) / np.bincount(to_end % year, minlength=year)
    factor = np.exp(factor - factor.mean())
    return factor[np.arange(len(total))[::-1] % year], factor[(-1 - np.arange(ahead)) % year]


def _with_sum(values: np.ndarray) -> np.ndarray:
    return np.hstack([values, values.sum(axis=1, keepdims=True)])


if __name__ == "__main__":
    sys.exit(main())
