"""Vendors' files for a world, and the tasks of the feeds in this process: no Luigi worker, no Spark."""

import contextlib
import csv
import hashlib
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import luigi
import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.catalog import FACTS
from pipeline.feeds import landing, reviews
from pipeline.kernel import config, locks, postgres
from pipeline.lake.objects import Lake
from pipeline.spark.job import Job, Say
from pipeline.star import dwh
from pipeline.tasks.load_user_behavior import ExtractPurchases, LoadUserBehavior
from pipeline.vendors.declared_feeds import PARTNER_ORDERS, REVIEWS
from pipeline.vendors.vendor_fields import Feed
from support import shop
from support.loads import create_warehouse, extract_date, load_dimensions, load_facts, load_stages
from support.world import World

KNOWN = 1  # the one customer of `shop.open_shop`
SOURCE_OF_CUSTOMERS = ["ops.customers"]


def deliver(world: World, feed: Feed, day: int, *lines: str, file: str = "a") -> str:
    """Writes a vendor's file of a day with its header, instead of an existing one; returns its key."""
    key = f"landing/{feed.name}/date={shop.date(day)}/{file}.csv"
    world.lake.write(key, "\n".join([feed.header, *lines, ""]).encode())
    return key


def deliver_reviews(world: World, day: int, *customers_and_texts: tuple[int, str], file: str = "a") -> None:
    """Writes a file of reviews."""
    deliver(world, REVIEWS, day, *(f'{cid},"{text}"' for cid, text in customers_and_texts), file=file)


def deliver_orders(world: World, day: int, *lines: str, file: str = "a") -> None:
    """Writes a file of partners' orders."""
    deliver(world, PARTNER_ORDERS, day, *lines, file=file)


def classify(world: World, day: int, classifier: str | None = "keyword") -> None:
    """Classifies the reviews delivered up to a day like ClassifyReviews, but without Spark.

    By `keyword` a review with the word good is positive, by any other classifier one without the word bad.
    """
    with settings_of(world) as found, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reviews, "engine", lambda _, lake: _Engine(lake))
        deliveries = landing.deliveries(world.lake, REVIEWS, shop.date(day))
        missing = reviews.unclassified(reviews.classified(world.lake), deliveries, shop.date(day), classifier)
        reviews.classify_deliveries(world.lake, found, missing, classifier, {}, lambda _: None)


def run(world: World, task: luigi.Task) -> Exception | None:
    """Runs a task alone; returns the failure that it held back."""
    task.error = None  # Luigi returns the same object for each request of the same task
    with settings_of(world):
        task.run()
    found: Exception | None = task.error
    return found


def load_behavior(world: World, day: int, min_quantity: int | None = None) -> None:
    """Extracts the purchases of a day if they are missing, and measures its customers' spending."""
    for task in (ExtractPurchases, LoadUserBehavior):
        assert run(world, task(shop.date(day), min_quantity=min_quantity)) is None


def load_fact(world: World, name: str) -> dwh.Written:
    """Brings one fact up to date with stage and dimensions."""
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        locks.lock_tables(cursor, f"dwh.{name}")
        return dwh.load_fact(cursor, FACTS[name])


def open_warehouse(world: World) -> None:
    """Opens a shop with one order on day 1, and loads it into a warehouse."""
    shop.open_shop(world)
    shop.add_order(world, 1, shop.at(1), 1)
    world.source("update ops.order_lines set quantity = 3")  # enough to be measured
    create_warehouse(world)
    extract_date(world, shop.date(1))
    load_stages(world, shop.date(1))
    load_dimensions(world)
    load_facts(world)


def customer_comes(world: World, customer_id: int, day: int) -> None:
    """Adds a customer to the source and to the warehouse's dimension."""
    add_customer(world, customer_id, day)
    extract_date(world, shop.date(day), SOURCE_OF_CUSTOMERS)
    load_stages(world, shop.date(day), SOURCE_OF_CUSTOMERS)
    load_dimensions(world)


def add_customer(world: World, customer_id: int, day: int) -> None:
    """Adds a customer to the source."""
    row = {"first_name": "Grace", "last_name": "Hopper", "registered_on": shop.date(day)}
    shop.insert(world, "customers", shop.at(day), customer_id=customer_id, **row)


def open_queue(world: World) -> set[tuple[str, str, str]]:
    """The waiting rows: fact, key and dimension."""
    return world.rows(
        "select fact_table, business_key, dimension from etl.reprocessing_queue where resolved_ts is null"
    )


def tasks_of(world: World, day: int) -> set[tuple[str, str, str]]:
    """The tasks that ran for a day: task, table and status."""
    query = "select task, coalesce(params ->> 'table', ''), status from etl.task_run where params ->> 'date' = %s"
    return set(world.warehouse(query, (str(shop.date(day)),)))


@contextlib.contextmanager
def settings_of(world: World) -> Iterator[config.Settings]:
    """The settings of a command in the world."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in world.environment.items():
            patch.setenv(name, value)
        config.settings.cache_clear()
        config.services_file.cache_clear()
        yield config.settings()
    config.settings.cache_clear()
    config.services_file.cache_clear()


@dataclass(frozen=True)
class _Engine:
    """Does the work of the Spark script in Python, with the same folders."""

    lake: Lake

    def run(self, job: Job, _: Say) -> None:
        classifier = job.arguments[job.arguments.index("--classifier") + 1]
        for source in job.sources:
            date = source.rpartition("=")[2]
            text = (self.lake.read(f"{source}/reviews.csv") or b"").decode()
            seen: Counter[str] = Counter()
            rows = []
            for cid, review in list(csv.reader(io.StringIO(text, newline="")))[1:]:
                same = _sha256(f"{date}|{cid}|{review}")
                seen[same] += 1
                rows.append((int(cid), _is_positive(review, classifier), _sha256(f"{same}|{seen[same]}")))
            self.lake.write(f"{job.target}/date={date}/part-0.parquet", as_parquet(rows, classifier))


def as_parquet(rows: Sequence[tuple[int, bool, str]], classifier: str) -> bytes:
    """A file in the form of the Spark script, from customer, mood and id of each review."""
    columns: list[Iterable[Any]] = list(zip(*rows, strict=True)) or [[], [], []]
    types = {"cid": pa.int64(), "positive_review": pa.bool_(), "review_id": pa.string()}
    arrays = {name: pa.array(column, type_) for (name, type_), column in zip(types.items(), columns, strict=True)}
    arrays["classifier"] = pa.repeat(classifier, len(rows))
    arrays["positive_probability"] = pa.nulls(len(rows), pa.float64())
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(arrays), sink)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _is_positive(review: str, classifier: str) -> bool:
    return "good" in review.split() if classifier == "keyword" else "bad" not in review.split()


class Api(ThreadingHTTPServer):
    """A risk-score service that gives the answers which a test sets."""

    status = 200
    answer: Any = ()
    asked = 0
    begun = 0.0

    @property
    def url(self) -> str:
        """The value for RISK_API_URL."""
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        self.server.asked += 1
        body = json.dumps(self.server.answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, _: float | None = None) -> str:
        """Of each answer a later second: HTTP tells no less, and a test may ask twice in one."""
        return super().date_time_string(self.server.begun + self.server.asked)

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def running_api() -> Iterator[Api]:
    """A risk-score service that runs until the block ends."""
    with Api(("127.0.0.1", 0), _Handler) as server:
        server.begun = time.time() - 3600
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
