"""The keys of the vendors' files of a day on the lake."""

import datetime as dt

from pipeline.feeds import landing
from pipeline.vendors import declared_feeds

REVIEWS, PARTNER_ORDERS = landing.folder(declared_feeds.REVIEWS), landing.folder(declared_feeds.PARTNER_ORDERS)


def reviews_key(date: dt.date) -> str:
    """The review file of a date."""
    return f"{REVIEWS}/date={date}/reviews.csv"


def partner_orders_key(date: dt.date) -> str:
    """The partner's file of a date. It is written last, and after the files of all earlier dates."""
    return f"{PARTNER_ORDERS}/date={date}/orders.csv"
