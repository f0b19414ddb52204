"""Recomputes with DuckDB what a warehouse must hold, from the source and the lake, and says what differs.

    make audit
    .venv-audit/bin/python pipeline/audit/audited.py --only kpi --json

Imports nothing of the pipeline, and none of its SQL: what it finds right was found so twice, by two ways. Runs in an
environment of its own (requirements-audit.lock). It reads OPERATIONAL_URL, WAREHOUSE_URL, LAKE_URL and S3's variables
as the loads do, and otherwise those of the embedded services in OCEAN_HOME. It writes nothing anywhere. Each check is a
file of pipeline/audit/checks/. Exit codes: 0, or 1 if something differs, or 2 if it could not look.
"""

# Runs in an environment of its own, whose types mypy does not know.
# mypy: ignore-errors

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from audit_tables import KEYS, Database, literal, quoted, read_lake, read_source, read_warehouse

CHECKS = Path(__file__).parent / "checks"
HOME = "~/.local/share/oceanrecords"
WANTED = Path(__file__).parent / "wanted.sql"
SHOWN = 5  # differences of a check, but for --json
COLUMNS = """
select column_name, data_type from duckdb_columns() where schema_name = ? and table_name = ? order by column_index
"""


class CannotLook(Exception):
    """Something is not there, or refuses."""


def main() -> int:
    """Looks at everything, and prints what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="the checks whose name begins so; several with commas")
    parser.add_argument("--json", action="store_true", help="print all differences as JSON")
    arguments = parser.parse_args()
    try:
        found = look(dict(os.environ), tuple(arguments.only.split(",")), tell=not arguments.json)
    except CannotLook as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(found, indent=1, default=str))
    else:
        say(found)
    return 1 if any(check["differences"] for check in found["checks"]) else 0


def look(environment: dict[str, str], only: tuple[str, ...], *, tell: bool) -> dict[str, Any]:
    """Runs the checks; returns them with their differences, and what was left out and why."""
    started = time.monotonic()
    database = Database()
    where = places(environment)
    steps = [
        ("the source", lambda: read_source(database, where["source"])),
        ("the warehouse", lambda: read_warehouse(database, where["warehouse"])),
        ("the lake", lambda: read_lake(database, **where["lake"])),
    ]
    for what, read in steps:
        if tell:
            print(f"Reading {what} ...", flush=True)
        try:
            read()
        except Exception as error:
            said = database.without_secrets(str(error)).strip().splitlines()[0]
            raise CannotLook(
                f"cannot audit, because {what} cannot be read ({said}); see `make status`, or name it by its variable"
            ) from None
    database.run(WANTED.read_text("utf-8"))
    left_out = dict(database.rows("select name, why from left_out"))
    checks = []
    for name, text in statements(database).items():
        if name.startswith(only) and not any(name.startswith(left) for left in left_out):
            says = text.partition("-- ")[2].partition("\n")[0]
            columns = ("where", "expected", "found")
            differences = [dict(zip(columns, row, strict=True)) for row in database.rows(text)]
            checks.append({"check": name, "says": says, "differences": differences})
    return {
        "checks": checks,
        "left_out": left_out,
        "rows": database.counted,
        "seconds": round(time.monotonic() - started, 1),
    }


def statements(database: Database) -> dict[str, str]:
    """The checks by their names; a file with {table} in it is a check of each table of the source."""
    found = {}
    for path in sorted(CHECKS.glob("*.sql")):
        text = path.read_text("utf-8")
        if "{table}" in text:
            found |= {f"{path.stem} {table}": text.format(**words(database, table)) for table in KEYS}
        else:
            found[path.stem] = text
    return found


def words(database: Database, table: str) -> dict[str, str]:
    """What a check of each table says of one: its keys, and the columns that source and stage have."""
    key = KEYS[table]
    columns = dict(database.rows(COLUMNS, ["stage", table]))
    common = {name: columns[name] for name, _ in database.rows(COLUMNS, ["source", table]) if name in columns}
    both = [f"coalesce(wanted.{each}, found.{each})" for each in key]
    as_json = " || ',' || ".join(f"to_json({each})" for each in both)
    rejected = (
        f"select replace(row_key, ', ', ',') from etl.rejected_row where source = 'ops.{table}' and row_key <> ''"
    )
    return {
        "table": table,
        "using": " and ".join(f"wanted.{each} = found.{each}" for each in key),
        "shown": " || '/' || ".join(f"{each}::varchar" for each in both),
        "is_missing": f"wanted.{key[0]} is null",
        "is_rejected": f"'[' || {as_json} || ']' in ({rejected})",
        "common": ", ".join(f"{quoted(name)}::{kind} as {quoted(name)}" for name, kind in common.items()),
        "found_common": "{" + ", ".join(f"{literal(name)}: found.{quoted(name)}" for name in common) + "}",
    }


def places(environment: dict[str, str]) -> dict[str, Any]:
    """Where source, warehouse and lake are: by the variables of the loads, or else the embedded services."""
    home = Path(environment.get("OCEAN_HOME") or HOME).expanduser()
    try:
        embedded = json.loads((home / "services.json").read_text("utf-8"))
    except OSError:
        embedded = {}
    source = environment.get("OPERATIONAL_URL") or embedded.get("operational_url")
    warehouse = environment.get("WAREHOUSE_URL") or embedded.get("warehouse_url")
    if not source or not warehouse:
        raise CannotLook(
            f"cannot audit, because neither OPERATIONAL_URL and WAREHOUSE_URL nor services under {home} say what; "
            "run `make up`, or set them"
        )
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not endpoint and not key:
        endpoint, key, secret = (embedded.get(f"s3_{name}") for name in ("endpoint", "access_key", "secret_key"))
    url = urlsplit(environment.get("LAKE_URL") or "s3://ocean-lake")
    lake = {
        "root": f"s3://{url.netloc}{url.path}".rstrip("/"),
        "endpoint": endpoint,
        "login": (key, secret),
        "region": environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
    }
    return {"source": source, "warehouse": warehouse, "lake": lake}


def say(found: dict[str, Any]) -> None:
    """Prints differences, some of each check, and a line for all."""
    for check in found["checks"]:
        if differences := check["differences"]:
            print(f"\n{check['check']}: {check['says']}")
            for each in differences[:SHOWN]:
                print(f"    {each['where']}: {each['found']}, and not {each['expected']}")
            if len(differences) > SHOWN:
                print(f"    and {len(differences) - SHOWN:,} more")
    for name, why in found["left_out"].items():
        print(f"\n{name}: left out, because {why}")
    wrong = sum(bool(check["differences"]) for check in found["checks"])
    told = f"{len(found['checks'])} checks of {found['rows']:,} rows in {found['seconds']} s"
    print(f"\n{told}: {f'{wrong} found differences' if wrong else 'no difference'}")


if __name__ == "__main__":
    sys.exit(main())
