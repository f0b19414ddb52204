"""What the tests share: a world to load in, and the checksum that says whether two warehouses are the same."""

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pipeline import dwh, extract, postgres, sql, stage
from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES
from pipeline.config import settings
from pipeline.lake import Lake

ROOT = Path(__file__).parents[1]
LUIGI = Path(sys.executable).parent / "luigi"


@dataclass(frozen=True)
class World:
    """A source database, a warehouse database and a lake."""

    home: Path
    operational_url: str
    warehouse_url: str
    lake_url: str

    @property
    def environment(self) -> dict[str, str]:
        """What a user would set to reach this world."""
        return {
            "OCEAN_HOME": str(self.home),
            "OPERATIONAL_URL": self.operational_url,
            "WAREHOUSE_URL": self.warehouse_url,
            "LAKE_URL": self.lake_url,
        }

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Starts a luigi command in a process group of its own."""
        return subprocess.Popen(
            [LUIGI, "--module", "pipeline", *words, "--local-scheduler"],
            cwd=ROOT,
            env={**os.environ, **self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def luigi(self, *words: str, expect: int = 0, **environment: str) -> str:
        """Runs a luigi command to its end and returns what it printed."""
        process = self.start(*words, **environment)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == expect, output
        return output

    def load(self, date: dt.date | str, *words: str, expect: int = 0, **environment: str) -> str:
        """Runs the main job for a date."""
        return self.luigi("DailyWarehouseLoad", "--date", str(date), *words, expect=expect, **environment)

    def source(self, query: str, arguments: Any = None) -> list[Any]:
        """Runs a statement in the source."""
        return _run(self.operational_url, query, arguments)

    def warehouse(self, query: str, arguments: Any = None) -> list[Any]:
        """Runs a statement in the warehouse."""
        return _run(self.warehouse_url, query, arguments)

    def rows(self, query: str) -> set[tuple[Any, ...]]:
        """The rows of a query in the warehouse, whatever their order."""
        return set(self.warehouse(query))

    def checksum(self) -> dict[str, tuple[int, str]]:
        """Rows and hash of each table of dwh, and of the KPIs: equal where the warehouses hold the same."""
        return {name: tuple(self.warehouse(CHECKSUM.format(query))[0]) for name, query in CONTENTS.items()}

    @property
    def lake(self) -> Lake:
        return Lake(self.lake_url, settings().s3)


def create_source(world: World) -> None:
    """The tables of the source contract, empty."""
    world.source(resources.files("pipeline").joinpath("generators/ops.sql").read_text("utf-8"))


def create_warehouse(world: World) -> None:
    """The warehouse as CreateWarehouse leaves it, without Luigi."""
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        for path in sql.files("ddl"):
            cursor.execute(sql.statement(path, lost_order_limit=settings().lost_order_limit))


def extract_date(world: World, date: dt.date, tables: Iterable[str] = SOURCE_TABLES) -> None:
    """The extracts of a date, without Luigi."""
    with postgres.session(world.operational_url, extract.SESSION) as source:
        extract.choose_bound(source, world.lake, date, dt.timedelta(0))
        for table in tables:
            extract.extract(source, world.lake, SOURCE_TABLES[table], date, settings())


def load_stages(world: World, date: dt.date, tables: Iterable[str] = SOURCE_TABLES) -> None:
    """Loads the extracts of a date into stage, without markers: what was loaded before is replayed."""
    for name in tables:
        table = SOURCE_TABLES[name]
        found = extract.metadata(world.lake, name, date)
        assert found is not None
        with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
            postgres.lock(cursor, f"stage.{table.short}")
            stage.load(cursor, world.lake, table, found, settings().max_rejected)


def load_dimensions(world: World, *without: str) -> None:
    """Brings the dimensions up to date with stage, but for some."""
    for name, dimension in DIMENSIONS.items():
        if name not in without:
            with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
                dwh.lock(cursor, f"dwh.{name}")
                dwh.load_dimension(cursor, dimension)


def load_facts(world: World) -> None:
    """Brings the facts up to date with stage and dimensions."""
    for name, fact in FACTS.items():
        with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
            dwh.lock(cursor, f"dwh.{name}")
            dwh.load_fact(cursor, fact)


def admin_url(home: Path) -> str:
    """The URL of the embedded server's superuser, for what the pipeline's own role may not do."""
    found = json.loads((home / "services.json").read_text())["operational_url"]
    password = (home / "postgresql.password").read_text().strip()
    host = found.rsplit("@", 1)[1].rsplit("/", 1)[0]
    return f"postgresql://postgres:{password}@{host}/postgres"


def create_database(home: Path, name: str) -> str:
    """A new, empty database that belongs to the pipeline's role; returns its URL."""
    _run(admin_url(home), f"create database {name} owner ocean")
    found = json.loads((home / "services.json").read_text())["operational_url"]
    return f"{found.rsplit('/', 1)[0]}/{name}"


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
            order_id, ordered_ts, delivered_ts, ordered_date_key, delivered_date_key, line_count,
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
            order_id, line_number, ordered_date_key, quantity, trim_scale(unit_price) as unit_price,
            trim_scale(line_amount) as line_amount, {PRODUCT} as version,
            (select supplier_id from dwh.dim_supplier where supplier_key = f.supplier_key) as supplier
        from dwh.fact_order_line as f""",
    "kpi_monthly": """
        select month, trim_scale(sales), orders, round(average_order_value, 9), round(lost_order_rate, 9),
            round(average_fulfilment_days, 9), unique_customers
        from mart.kpi_monthly""",
    "open_queue": """
        select fact_table, business_key, dimension from etl.reprocessing_queue where resolved_ts is null""",
}
