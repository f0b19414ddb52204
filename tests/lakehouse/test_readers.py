"""Other programs read the star on the lake, through the S3 endpoint, and find the same figures."""

import json
import subprocess
from pathlib import Path

from support.loads import create_warehouse, load_day
from support.shop import add_order, at, date, open_shop, update
from support.world import World

from lakehouse.lake_world import PYTHON, load_lake

READERS = Path(__file__).with_name("readers.py")


def test_pyiceberg_and_duckdb_find_the_same_figures(both: World) -> None:
    open_shop(both)
    create_warehouse(both)
    for order in range(1, 6):
        add_order(both, order, at(1, order), 1, 1)
    load_day(both, date(1))
    load_lake()
    update(both, "products", {"product_id": 1}, at(2), unit_price=11)
    update(both, "order_lines", {"order_id": 1, "line_number": 1}, at(2), quantity=7)
    load_day(both, date(2))
    load_lake()  # leaves files with rows that are gone
    [(amount,)] = both.warehouse("select sum(order_amount)::float from dwh.fact_order")
    expected = {"dim_product": 3, "fact_order": 5, "fact_order_line": 10, "amount": amount}
    s3 = both.lake.s3
    given = {
        "catalog": both.warehouse_url.replace("postgresql://", "postgresql+psycopg2://").partition("?")[0]
        + "?options=-csearch_path%3Diceberg",
        "endpoint": s3.endpoint,
        "key": s3.access_key,
        "secret": s3.secret_key,
    }
    read = subprocess.run(
        [str(PYTHON), str(READERS)], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert read.returncode == 0, read.stderr
    assert json.loads(read.stdout) == {"pyiceberg": expected, "duckdb": expected}
