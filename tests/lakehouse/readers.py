"""Reads the star on the lake through the S3 endpoint, by two programs that are not Spark: python readers.py.

Its input is a JSON object: the catalog's URL and the endpoint with its keys. It prints what each of both found.
"""

# mypy: disable-error-code="import-not-found"

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import duckdb_extension_avro
import duckdb_extension_httpfs
import duckdb_extension_iceberg
from pyiceberg.catalog.sql import SqlCatalog

TABLES = ("dim_product", "fact_order", "fact_order_line")


def main() -> None:
    """Prints for each reader the number of rows of each table, and the amount of all orders."""
    given = json.load(sys.stdin)
    catalog = SqlCatalog(
        "ocean",
        **{
            "uri": given["catalog"],
            "init_catalog_tables": "false",
            "py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO",
            "s3.endpoint": given["endpoint"],
            "s3.access-key-id": given["key"],
            "s3.secret-access-key": given["secret"],
            "s3.region": "us-east-1",
        },
    )
    tables = {name: catalog.load_table(f"oceanrecords_dwh.{name}") for name in TABLES}
    found = {name: len(table.scan().to_arrow()) for name, table in tables.items()}
    amounts = tables["fact_order"].scan().to_arrow()["order_amount"].to_pylist()
    locations = {name: table.metadata_location for name, table in tables.items()}
    print(json.dumps({"pyiceberg": {**found, "amount": float(sum(amounts))}, "duckdb": of_duckdb(given, locations)}))


def of_duckdb(given: dict[str, str], locations: dict[str, str]) -> dict[str, float]:
    """The same by DuckDB, from the newest metadata of each table."""
    database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for package in (duckdb_extension_avro, duckdb_extension_httpfs, duckdb_extension_iceberg):
        [extension] = Path(str(package.__file__)).parent.rglob("*.duckdb_extension")
        database.load_extension(str(extension))
    endpoint: Any = urlsplit(given["endpoint"])
    database.execute(
        "create secret (type s3, key_id ?, secret ?, endpoint ?, use_ssl false, url_style 'path', region 'us-east-1')",
        [given["key"], given["secret"], endpoint.netloc],
    )

    def value(query: str, name: str) -> float:
        row = database.execute(query, [locations[name]]).fetchone()
        assert row
        return float(row[0])

    found = {name: value("select count(*) from iceberg_scan(?)", name) for name in TABLES}
    return {**found, "amount": value("select sum(order_amount) from iceberg_scan(?)", "fact_order")}


if __name__ == "__main__":
    main()
