"""The seasons of the business: orders, lost orders, days until delivery, what people think of it, and its growth."""

import datetime as dt
from functools import cache
from math import cos, pi
from random import Random

ORDERS_A_DAY = 150  # at scale 1, on an average day just after the opening
GROWTH_A_MONTH = 1.02
MONTHLY_GROWTH, MOST_GROWTH = 1.12, 12.0  # of the share of new customers who come from the growing country
DAYS_A_MONTH = 365.25 / 12
WEEKDAYS = (1.08, 1.02, 0.98, 0.97, 0.98, 0.93, 1.04)
# By month, January first, in the middle of the month. In between, business moves evenly.
MONTHS = (0.93, 0.92, 0.97, 1.0, 1.0, 0.95, 0.85, 0.84, 0.98, 1.04, 1.24, 1.36)
HOURS = (9, 5, 3, 2, 2, 4, 9, 18, 30, 40, 46, 50, 54, 50, 46, 44, 46, 52, 62, 74, 80, 70, 46, 22)


def orders_on(rng: Random, date: dt.date, opened_on: dt.date, scale: float) -> int:
    """The number of orders on a date: about 2 % more each month, with the noise of a day."""
    months = (date - opened_on).days / DAYS_A_MONTH
    usual = ORDERS_A_DAY * scale * GROWTH_A_MONTH**months * WEEKDAYS[date.weekday()] * _month(date)
    return int(usual * rng.uniform(0.9, 1.1))


@cache
def lost_share(seed: int, date: dt.date) -> float:
    """The share of a date's orders that will be lost: around 5 %, higher in winter, drifting by the month."""
    drift = Random(f"{seed}:lost:{date:%Y-%m}").uniform(-0.012, 0.012)
    return 0.05 + 0.01 * _winter(date) + drift


@cache
def days_to_deliver(date: dt.date) -> float:
    """The average number of days from order to delivery: more before Christmas, fewer in summer."""
    return 3.6 + 1.1 * _winter(date)


def cheer(date: dt.date) -> float:
    """How many more reviewers of a hundred are content than usual: those who wait long for a parcel are not."""
    return -14 * _winter(date)


def country_growth(date: dt.date, opened_on: dt.date) -> float:
    """How many times as many of the new customers as at the opening come from the country that grows."""
    grown: float = MONTHLY_GROWTH ** ((date - opened_on).days / DAYS_A_MONTH)
    return min(grown, MOST_GROWTH)


def _month(date: dt.date) -> float:
    since_middle = (date.timetuple().tm_yday - DAYS_A_MONTH / 2) / DAYS_A_MONTH % 12
    month, share = int(since_middle), since_middle % 1
    return MONTHS[month] * (1 - share) + MONTHS[(month + 1) % 12] * share


def _winter(date: dt.date) -> float:
    """1 in the middle of December, -1 in the middle of June."""
    return cos(2 * pi * (date.timetuple().tm_yday - 349) / 365.25)
