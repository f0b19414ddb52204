"""Where the vendors drop a day's files on the lake."""

import datetime as dt

from pipeline.feeds import landing

REVIEWS, PARTNER_ORDERS = landing.folder(landing.REVIEWS), landing.folder(landing.PARTNER_ORDERS)


def reviews_key(date: dt.date) -> str:
    """The review file of a date."""
    return f"{REVIEWS}/date={date}/reviews.csv"


def partner_orders_key(date: dt.date) -> str:
    """The partner's file of a date. It is written last, and after the files of all earlier dates."""
    return f"{PARTNER_ORDERS}/date={date}/orders.csv"
