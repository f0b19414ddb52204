"""Vendors' files -> stage."""

import datetime as dt
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import luigi

from pipeline.catalog import VENDOR_FEEDS
from pipeline.feeds import landing, reviews, staging, unread
from pipeline.feeds.clean_csv import CleanCsv
from pipeline.feeds.landing import Delivery, Landed
from pipeline.feeds.reviews import Classified
from pipeline.feeds.staging import Part
from pipeline.feeds.unread import Unread, UnreadFiles
from pipeline.feeds.vendor_csv import accepted
from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.postgres import Cursor
from pipeline.kernel.rejected import Rejections
from pipeline.lake.objects import lake
from pipeline.tasks.base import DatedTask, held_back
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.simulate import simulated_feeds
from pipeline.vendors.declared_feeds import PARTNER_ORDERS
from pipeline.vendors.vendor_fields import Feed, Row


def deliveries(feed: Feed, until: dt.date) -> list[Delivery]:
    """The deliveries of a feed up to a date, by the last listing of this process."""
    return [delivery for delivery in _listed(feed).deliveries if delivery.date <= until]


def unread_files(date: dt.date) -> list[Unread]:
    """Files in the folders of vendors that no load up to a date, or up to today, reads."""
    feeds = list(VENDOR_FEEDS.values())
    found = list(unread.of_no_feed(lake(), map(landing.folder, feeds)).values())
    for feed in feeds:
        listed, later = _listed(feed), UnreadFiles(landing.folder(feed))
        for delivery in listed.deliveries:
            if delivery.date > unread.last_day(date):
                for file in delivery.files:
                    later.add(unread.FUTURE, file.key.removeprefix(f"{landing.folder(feed)}/"))
        found += [*listed.unread, *later.values()]
    return found


@cache
def _listed(feed: Feed) -> Landed:
    return landing.landed(lake(), feed)


def classified() -> dict[dt.date, Classified]:
    """The dates whose reviews are classified, by the last listing of this process."""
    return _listed_as_classified(os.getpid())


@cache
def _listed_as_classified(_pid: int) -> dict[dt.date, Classified]:
    return reviews.classified(lake())


def list_again() -> None:
    """Forgets the listings, for a task that begins to read. Other tasks go on with the new ones."""
    _listed.cache_clear()
    _listed_as_classified.cache_clear()


class DeliveredTask(DatedTask):
    """Loads a vendor's deliveries up to a date into stage, with late and replaced files.

    Complete if all files are loaded as they are now: there is no marker. A failure is held back. A date with a wrong
    file name is an error, after all other dates are loaded.
    """

    feed: str
    layer = "stage"

    @property
    def table(self) -> str:
        """The stage table."""
        return self.feed

    @property
    def declared(self) -> Feed:
        """The feed as it is declared."""
        return VENDOR_FEEDS[self.feed]

    def complete(self) -> bool:
        return all(task.complete() for task in self.requires()) and not self.late()

    def late(self) -> list[Delivery]:
        """The deliveries that are not loaded as they are now."""
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            return self._late(staging.versions(cursor, self.feed))

    def _late(self, loaded: dict[dt.date, str]) -> list[Delivery]:
        found = deliveries(self.declared, self.date)
        return [each for each in found if loaded.get(each.date, "").split("-")[0] != each.fingerprint]

    @held_back
    def run(self) -> None:
        list_again()
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            locks.lock(cursor, f"stage.{self.feed}")
            parts, self.rows = self.load(cursor, staging.versions(cursor, self.feed))
        rows, rejected = sum(part.rows for part in parts), sum(len(part.rejected) for part in parts)
        self.say(f"{self.rows:,} of {rows:,} rows of {len(parts)} dates are news, {rejected:,} rejected", 100)
        landing.refuse_others(lake(), deliveries(self.declared, self.date))

    def load(self, cursor: Cursor, loaded: dict[dt.date, str]) -> tuple[Sequence[Part], int]:
        """Loads the deliveries that are not in `loaded`; returns their parts, and how many rows of stage changed."""
        raise NotImplementedError


class LoadFeed(DeliveredTask):
    """Loads a feed of CSV up to a date into stage, all files of each date, each key once.

    luigi --module pipeline LoadFeed --feed partner_orders --date 2026-11-19 --local-scheduler
    """

    feed = luigi.ChoiceParameter(
        choices=[name for name, feed in VENDOR_FEEDS.items() if not feed.made_key],
        description="the feed, a folder of pipeline/vendors",
    )

    def requires(self) -> Iterable[luigi.Task]:
        return [CreateWarehouse(), *simulated_feeds(self.date)]

    def load(self, cursor: Cursor, loaded: dict[dt.date, str]) -> tuple[Sequence[Part], int]:
        parts: list[Part] = []
        columns = [field.name for field in self.declared.fields]
        new = landing.well_named(self._late(loaded))
        if not new:
            return [], 0
        staging.fill(cursor, self.feed, columns, CleanCsv(self.declared, self._rows(new, parts)))
        return parts, staging.finish(cursor, self.feed, parts)

    def _rows(self, new: Sequence[Delivery], parts: list[Part]) -> Iterator[Row]:
        for number, delivery in enumerate(new):
            self.say(f"reading {delivery.date}", 100 * number / len(new), every=1)
            rejected = Rejections(self.feed, delivery.date)
            count = 0
            for row in accepted(landing.read(lake(), delivery), rejected.append):
                count += 1
                yield row
            parts.append(Part(delivery.date, delivery.fingerprint, count, rejected))
            staging.check_rejected(self.feed, parts[-1], settings().allowance)


class LoadPartnerOrders(LoadFeed):
    """Loads partners' orders up to a date into stage, as LoadFeed does.

    luigi --module pipeline LoadPartnerOrders --date 2026-11-19 --local-scheduler
    """

    feed = PARTNER_ORDERS.name  # no parameter
