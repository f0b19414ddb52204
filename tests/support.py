"""What the tests share: a world to load in, and the checksum that says whether two warehouses are the same."""

import datetime as dt
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline import services
from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES
from pipeline.kernel import limits, postgres
from pipeline.kernel.config import LUIGID_USER, S3, settings
from pipeline.lake.objects import Lake
from pipeline.services.access import ANALYST, LOGINS, READERS
from pipeline.source import extract
from pipeline.stage import merge
from pipeline.star import dwh, mart, schema
from pipeline.tasks.runtime.scheduler import Luigid

ROOT = Path(__file__).parents[1]
LUIGI = Path(sys.executable).parent / "luigi"

# A small simulated shop. Between the two later dates prices change, each once.
OPENED, BEFORE, LAST = dt.date(2026, 1, 26), dt.date(2026, 2, 6), dt.date(2026, 2, 10)
# Without reviews: each of its dates would start Spark.
SIMULATED = {
    "OCEAN_SIMULATE": "1",
    "OCEAN_SIMULATE_FEEDS": "0",
    "OCEAN_SHOP_SCALE": "0.2",
    "OCEAN_SHOP_OPENED_ON": str(OPENED),
}


@dataclass(frozen=True)
class World:
    """A source database, a warehouse database and a lake, for the roles that extract and load."""

    home: Path
    operational_url: str
    warehouse_url: str
    lake_url: str
    more: Mapping[str, str] = field(default_factory=dict)

    def where(self, **environment: str) -> "World":
        """The same world with more variables set in the environment."""
        return replace(self, more={**self.more, **environment})

    @property
    def simulator_url(self) -> str:
        """The source for the role that owns it."""
        return login(self.home, "simulator_url", database_of(self.operational_url))

    @property
    def environment(self) -> dict[str, str]:
        """What a user would set to reach this world."""
        return {
            "OCEAN_HOME": str(self.home),
            "OPERATIONAL_URL": self.operational_url,
            "OCEAN_SIMULATOR_URL": self.simulator_url,
            "WAREHOUSE_URL": self.warehouse_url,
            "LAKE_URL": self.lake_url,
            **self.more,
        }

    def start(self, *words: str, local: bool = True) -> subprocess.Popen[str]:
        """Starts a luigi command in a process group of its own; without `local` it asks luigid what to do."""
        return subprocess.Popen(
            [LUIGI, "--module", "pipeline", *words, *["--local-scheduler"] * local],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def luigi(self, *words: str, expect: int = 0) -> str:
        """Runs a luigi command to its end and returns what it printed."""
        process = self.start(*words)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == expect, output
        return output

    def load(self, date: dt.date | str, *words: str, expect: int = 0) -> str:
        """Runs the main job for a date."""
        return self.luigi("DailyWarehouseLoad", "--date", str(date), *words, expect=expect)

    def source(self, query: str, arguments: Any = None) -> list[Any]:
        """Runs a statement in the source, as its owner."""
        return _run(self.simulator_url, query, arguments)

    def warehouse(self, query: str, arguments: Any = None) -> list[Any]:
        """Runs a statement in the warehouse, as its owner."""
        return _run(self.warehouse_url, query, arguments)

    def rows(self, query: str) -> set[tuple[Any, ...]]:
        """The rows of a query in the warehouse, whatever their order."""
        return set(self.warehouse(query))

    def checksum(self) -> dict[str, tuple[int, str]]:
        """Rows and hash of each table of dwh, and of the KPIs: equal where the warehouses hold the same."""
        return {name: tuple(self.warehouse(CHECKSUM.format(query))[0]) for name, query in CONTENTS.items()}

    @property
    def lake(self) -> Lake:
        """The lake on the embedded S3."""
        found = json.loads((self.home / "services.json").read_text())
        return Lake(self.lake_url, S3(found["s3_endpoint"], found["s3_access_key"], found["s3_secret_key"]))


@dataclass
class Worlds:
    """Makes worlds on running services, for fixtures that outlive a test; `drop` takes their databases away."""

    home: Path
    name: str
    databases: list[str] = field(default_factory=list)

    def new(self, source: World | None = None) -> World:
        """An empty warehouse and lake, for the source of another world or an empty one."""
        operational_url = source.operational_url if source else self._source()
        return World(self.home, operational_url, self._warehouse(), self._lake_url())

    def copy(self, world: World) -> World:
        """A copy of a warehouse and its lake, for the same source."""
        return self.copy_lake(world, self._warehouse(world.warehouse_url))

    def copy_lake(self, world: World, warehouse_url: str | None = None) -> World:
        """A copy of a lake for the same source, with an empty warehouse where none is given."""
        found = replace(world, warehouse_url=warehouse_url or self._warehouse(), lake_url=self._lake_url())
        objects = world.lake.client.get_paginator("list_objects_v2")
        for page in objects.paginate(Bucket=world.lake.bucket, Prefix=f"{world.lake.prefix}/"):
            for entry in page["Contents"]:
                key = entry["Key"].removeprefix(f"{world.lake.prefix}/")
                found.lake.write(key, world.lake.read(key) or b"")
        return found

    def copy_source(self, world: World) -> World:
        """A copy of a source, with an empty warehouse and lake."""
        return World(self.home, self._source(world.operational_url), self._warehouse(), self._lake_url())

    def drop(self) -> None:
        """Takes all databases away."""
        for database in self.databases:
            drop_database(self.home, database)

    def _source(self, like: str | None = None) -> str:
        self.databases.append(f"{self.name}_{len(self.databases)}")
        return create_source_database(self.home, self.databases[-1], like and database_of(like))

    def _warehouse(self, like: str | None = None) -> str:
        self.databases.append(f"{self.name}_{len(self.databases)}")
        return create_warehouse_database(self.home, self.databases[-1], like and database_of(like))

    def _lake_url(self) -> str:
        return f"s3://ocean-lake/{self.databases[-1]}"


def embedded(home: Path, **environment: str) -> World:
    """The embedded services' own databases and lake, as who names no others has them."""
    found = json.loads((home / "services.json").read_text())
    unset = dict.fromkeys(("OPERATIONAL_URL", "OCEAN_SIMULATOR_URL", "WAREHOUSE_URL"), "")
    return World(home, found["operational_url"], found["warehouse_url"], "s3://ocean-lake", {**unset, **environment})


@contextmanager
def running_services() -> Iterator[Path]:
    """The state folder of embedded services that run until the block ends."""
    home = Path(tempfile.mkdtemp(prefix="ocean-tests-"))
    home.chmod(0o711)  # PostgreSQL runs as another user when the tests run as root
    try:
        services.up(home)
        yield home
    finally:
        services.down(home)
        shutil.rmtree(home, ignore_errors=True)


def create_source(world: World) -> None:
    """The tables of the source contract, empty."""
    _run_in_source(world, "ops")
    let_extraction_read(world)


def let_extraction_read(world: World) -> None:
    """Grants the role that extracts what the owner of a source has made by hand."""
    _run_in_source(world, "roles")


def _run_in_source(world: World, name: str) -> None:
    world.source(resources.files("pipeline").joinpath(f"generators/{name}.sql").read_text("utf-8"))


def create_warehouse(world: World) -> None:
    """The warehouse as CreateWarehouse leaves it, without Luigi."""
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        schema.create(cursor, lost_order_limit=settings().lost_order_limit)


def extract_date(world: World, date: dt.date, tables: Iterable[str] = SOURCE_TABLES) -> None:
    """The extracts of a date, without Luigi."""
    with postgres.session(world.operational_url, "operational", purpose=extract.PURPOSE) as source:
        bound = extract.choose_bound(source, world.lake, date, extract.end_of(date), dt.timedelta(0))
        for table in tables:
            extract.extract(source, world.lake, SOURCE_TABLES[table], date, bound, settings())


def load_stages(world: World, date: dt.date, tables: Iterable[str] = SOURCE_TABLES) -> None:
    """Loads the extracts of a date into stage, without markers: what was loaded before is replayed."""
    for name in tables:
        table = SOURCE_TABLES[name]
        found = extract.metadata(world.lake, name, date)
        assert found is not None
        with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
            postgres.lock(cursor, f"stage.{table.short}")
            merge.Load(cursor, world.lake, table, found, settings().max_rejected).run()


def load_dimensions(world: World, *without: str) -> None:
    """Brings the dimensions up to date with stage, but for some."""
    for name, dimension in DIMENSIONS.items():
        if name not in without:
            with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
                postgres.lock_tables(cursor, f"dwh.{name}")
                dwh.load_dimension(cursor, dimension)


def load_facts(world: World) -> None:
    """Brings the facts up to date with stage and dimensions, and the mart with the facts."""
    for name, fact in FACTS.items():
        with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
            postgres.lock_tables(cursor, f"dwh.{name}")
            dwh.load_fact(cursor, fact)
    keep_mart(world)


def load_day(world: World, day: dt.date, *without: str) -> None:
    """A day from the source to the mart, without Luigi; some dimensions may be left out."""
    extract_date(world, day)
    load_extracted(world, day, *without)


def load_extracted(world: World, day: dt.date, *without: str) -> None:
    """The extracts of a date to the mart, without Luigi; some dimensions may be left out."""
    load_stages(world, day)
    load_dimensions(world, *without)
    load_facts(world)


def locks_waited_for(world: World, running: Future[None]) -> list[Any]:
    """What the warehouse's sessions wait for, as soon as one does: the table or kind of lock, and its mode.

    Whatever it is, lest a test wait for ever for the right one. `running` is the work that is to wait; its end fails.
    """
    query = "select coalesce(relation::regclass::text, locktype), mode from pg_locks where not granted"
    while not (found := world.warehouse(query)):
        assert not running.done()
    return found


def keep_mart(world: World) -> None:
    """Brings the mart's aggregates up to date with the facts."""
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        mart.keep(cursor, lambda message, percentage: None)


def admin_url(home: Path) -> str:
    """The URL of the embedded server's superuser, for what the pipeline's own roles may not do."""
    password = (home / "postgresql.password").read_text().strip()
    port = urlsplit(login(home, "warehouse_url", "postgres")).port
    return f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"


def login(home: Path, name: str, database: str) -> str:
    """The URL of a database for the role that has this name in services.json."""
    known: str = json.loads((home / "services.json").read_text())[name]
    return urlsplit(known)._replace(path=f"/{database}").geturl()


def luigid(home: Path) -> Luigid:
    """The embedded luigid, for who knows its password."""
    found = json.loads((home / "services.json").read_text())
    return Luigid(found["luigid_url"], (LUIGID_USER, found["luigid_password"]))


def closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def secrets_of(home: Path) -> set[str]:
    """Every password and key of the embedded services."""
    found = json.loads((home / "services.json").read_text())
    passwords = {urlsplit(value).password for name, value in found.items() if name.endswith("_url")}
    owner = (home / "postgresql.password").read_text()
    keys = (found["s3_access_key"], found["s3_secret_key"], found["luigid_password"])
    secrets = {owner, *keys, *(each for each in passwords if each)}
    assert len(secrets) == len(LOGINS) + 5  # with the owner's and the risk-score service's
    return secrets


def database_of(url: str) -> str:
    """The name of the database in a URL."""
    return urlsplit(url).path.removeprefix("/")


def create_source_database(home: Path, name: str, like: str | None = None, options: str = "") -> str:
    """A new database that belongs to the shop, empty or a copy; returns its URL for the role that extracts."""
    _create_database(home, name, "ocean", like, options)
    _run(admin_url(home), f"grant connect on database {name} to etl_extract")
    return login(home, "operational_url", name)


def create_warehouse_database(home: Path, name: str, like: str | None = None) -> str:
    """A new database that belongs to the role that loads, empty or a copy; returns its URL for that role."""
    _create_database(home, name, "etl_load", like)
    _run(admin_url(home), f"grant connect on database {name} to {', '.join((*READERS, ANALYST))}")
    _run(admin_url(home), f"alter role bi_analyst in database {name} set search_path = analyst, dwh")
    return login(home, "warehouse_url", name)


def _create_database(home: Path, name: str, owner: str, like: str | None, options: str = "") -> None:
    # A database with sessions cannot be copied; those that lie idle are our own.
    _run(admin_url(home), "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (like,))
    template = like or ("template0" if options else _template(home, owner))
    _run(admin_url(home), f"create database {name} owner {owner} template {template} {options}")
    if options:
        _limit_functions(home, name)
    _run(admin_url(home), f"revoke all on database {name} from public")


def _template(home: Path, owner: str) -> str:
    """An empty database in which roles may execute no more than in the embedded ones."""
    name = f"template_{owner}"
    if not _run(admin_url(home), "select 1 from pg_database where datname = %s", (name,)):
        _run(admin_url(home), f"create database {name} owner {owner} template template0")
        _limit_functions(home, name)
    return name


def _limit_functions(home: Path, name: str) -> None:
    url = urlsplit(admin_url(home))._replace(path=f"/{name}").geturl()
    with closing(postgres.connect(url, "tests", autocommit=True)) as connection, connection.cursor() as cursor:
        assert limits.limit_functions(cursor) == []


def drop_database(home: Path, name: str) -> None:
    """Takes a database away, with whoever is still connected to it."""
    _run(admin_url(home), f"drop database if exists {name} with (force)")


def _run(url: str, query: str, arguments: Any = None) -> list[Any]:
    with postgres.session(url, "tests") as cursor:
        cursor.execute(query, arguments)
        return cursor.fetchall() if cursor.description else []


CHECKSUM = "select count(*), coalesce(md5(string_agg(md5(t::text), '' order by t::text)), '') from ({}) as t"
PRODUCT = "(select product_id || ' ' || valid_from from dwh.dim_product where product_key = f.product_key)"
# The surrogate keys of two warehouses differ; what they stand for does not.
CONTENTS = {
    "dim_date": "select * from dwh.dim_date",
    "dim_customer": "select to_jsonb(t) - 'customer_key' from dwh.dim_customer as t",
    "dim_address": "select to_jsonb(t) - 'address_key' from dwh.dim_address as t",
    "dim_payment_method": "select to_jsonb(t) - 'payment_method_key' from dwh.dim_payment_method as t",
    "dim_order_status": "select to_jsonb(t) - 'order_status_key' from dwh.dim_order_status as t",
    "dim_supplier": "select to_jsonb(t) - 'supplier_key' from dwh.dim_supplier as t",
    "dim_product": "select to_jsonb(t) - 'product_key' from dwh.dim_product as t",
    "fact_order": """
        select
            order_id, ordered_ts, delivered_ts, ordered_date_key, delivered_date_key, line_count, is_deleted,
            trim_scale(order_amount) as order_amount,
            (select customer_id from dwh.dim_customer where customer_key = f.customer_key) as customer,
            (select address_id from dwh.dim_address where address_key = f.address_key) as address,
            (select payment_method_id from dwh.dim_payment_method
             where payment_method_key = f.payment_method_key) as payment_method,
            (select order_status_id from dwh.dim_order_status
             where order_status_key = f.order_status_key) as order_status
        from dwh.fact_order as f""",
    "fact_order_line": f"""
        select
            order_id, line_number, ordered_date_key, is_deleted, quantity, trim_scale(unit_price) as unit_price,
            trim_scale(line_amount) as line_amount, {PRODUCT} as version,
            (select supplier_id from dwh.dim_supplier where supplier_key = f.supplier_key) as supplier
        from dwh.fact_order_line as f""",
    "fact_review": """
        select
            to_jsonb(f) - array['review_key', 'customer_key'] as review,
            (select customer_id from dwh.dim_customer where customer_key = f.customer_key) as customer
        from dwh.fact_review as f""",
    "fact_partner_order": """
        select
            to_jsonb(f) - 'customer_key' as item,
            (select customer_id from dwh.dim_customer where customer_key = f.customer_key) as customer
        from dwh.fact_partner_order as f""",
    "user_behavior_metric": """
        select customerid, trim_scale(amount_spent) as amount_spent, review_score, review_count, insert_date
        from dwh.user_behavior_metric""",
    "kpi_monthly": """
        select month, trim_scale(sales), orders, round(average_order_value, 9), round(lost_order_rate, 9),
            round(average_fulfilment_days, 9), unique_customers
        from mart.kpi_monthly""",
    "kpi_quarterly_country": """
        select
            quarter, country, orders, lost_orders, trim_scale(sales), delivered_orders, round(fulfilment_days, 9),
            unique_customers, unique_customers_everywhere
        from mart.kpi_quarterly_country""",
    "sales_by_product": "select month, country, label, trim_scale(sales), orders from mart.sales_by_product",
    "sales_by_subtype": "select month, country, label, trim_scale(sales), orders from mart.sales_by_subtype",
    "open_queue": """
        select fact_table, business_key, dimension from etl.reprocessing_queue where resolved_ts is null""",
}
