"""Creates the roles and databases that connection strings ask for, on a PostgreSQL of one's own.

    ADMIN_URL=postgresql://... WAREHOUSE_URL=postgresql://... python deploy/databases.py

ADMIN_URL is a login that may create roles and databases. Of each of the other variables that is set, the role is
created with its password, and the database, which belongs to the first role that asks for it; later roles may connect.
Run it before the first load: CreateWarehouse grants dashboards and analysts what they may read. A rerun sets the
passwords again, which is how they are changed. Exit code 1 and one line that says what is wrong, when something is.
"""

import os
import sys

from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import encrypt_password, parse_dsn

from pipeline import postgres
from pipeline.errors import ConfigError, OceanError
from pipeline.postgres import qualified, sql

# The first two belong here only where the shop is simulated: a source of one's own exists.
VARIABLES = (
    "OCEAN_SIMULATOR_URL",
    "OPERATIONAL_URL",
    "WAREHOUSE_URL",
    "SUPERSET_WAREHOUSE_URL",
    "ANALYST_URL",
    "SUPERSET_METADATA_URL",
)


def main() -> int:
    """Creates what is missing; returns the exit code."""
    try:
        wanted = {name: _parts(name, os.environ[name]) for name in VARIABLES if os.environ.get(name)}
        _parts("ADMIN_URL", os.environ.get("ADMIN_URL", ""), "host")
        with postgres.session(os.environ["ADMIN_URL"], "admin") as cursor:
            for name, parts in wanted.items():
                _require_role(cursor, parts["user"], parts["password"])
                _require_database(cursor, parts["dbname"], parts["user"])
                role, database = qualified(parts["user"]), qualified(parts["dbname"])
                if name == "OPERATIONAL_URL":
                    # Extraction must see when the transactions of other roles began.
                    cursor.execute(sql.SQL("grant pg_read_all_stats to {}").format(role))
                if name == "ANALYST_URL":
                    # A name without a schema is the masked view where there is one.
                    path = sql.SQL("alter role {} in database {} set search_path = analyst, dwh")
                    cursor.execute(path.format(role, database))
                print(f"{name}: role {parts['user']}, database {parts['dbname']}", flush=True)
    except OceanError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parts(name: str, url: str, *needed: str) -> dict[str, str]:
    """What a connection string says. Raises ConfigError, which does not quote it."""
    try:
        parts: dict[str, str] = parse_dsn(url)
    except postgres.Error:
        parts = {}
    if missing := [key for key in needed or ("host", "user", "password", "dbname") if not parts.get(key)]:
        raise ConfigError(
            f"read {name}",
            f"it says nothing of {', '.join(missing)}",
            "set it to postgresql://user:password@host/database",
        )
    return parts


def _require_role(cursor: Cursor, role: str, password: str) -> None:
    name = qualified(role)
    if not postgres.rows(cursor, "select from pg_roles where rolname = %s", (role,)):
        cursor.execute(sql.SQL("create role {} login").format(name))
    # The hash, not the password: the server may log the statement.
    hashed = encrypt_password(password, role, cursor.connection, "scram-sha-256")
    cursor.execute(sql.SQL("alter role {} password {}").format(name, sql.Literal(hashed)))


def _require_database(cursor: Cursor, database: str, role: str) -> None:
    name = qualified(database)
    if not postgres.rows(cursor, "select from pg_database where datname = %s", (database,)):
        # Who is no superuser has to be a member of the role to give it a database.
        cursor.execute(sql.SQL("grant {} to current_user").format(qualified(role)))
        cursor.execute(sql.SQL("create database {} owner {}").format(name, qualified(role)))
        cursor.execute(sql.SQL("revoke all on database {} from public").format(name))
    cursor.execute(sql.SQL("grant connect on database {} to {}").format(name, qualified(role)))


if __name__ == "__main__":
    sys.exit(main())
