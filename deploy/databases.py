"""Creates the roles and databases that connection strings ask for, on a PostgreSQL of one's own.

    ADMIN_URL=postgresql://... WAREHOUSE_URL=postgresql://... python deploy/databases.py

ADMIN_URL is a login that may create roles and databases. Each of the other variables that is set, and each
SUPERSET_WAREHOUSE_URL_<COUNTRY>, creates its role with its password, and its database. The database belongs to the
first role that names it; later roles may connect.
Run it before the first load: CreateWarehouse grants rights to the roles of dashboards and analysts. A rerun sets the
passwords again, so it also changes them. On an error the exit code is 1, and one line says what is wrong.

It also limits the functions and resources of each role (pipeline/kernel/limits.py), and keeps all of them out of the
databases `postgres` and `template1`. ADMIN_URL may be no superuser, as on RDS. One line names the statements that it
may not run.
"""

import os
import sys

from psycopg2.extensions import make_dsn, parse_dsn

from pipeline.kernel import grants, limits, logins, postgres
from pipeline.kernel.errors import ConfigError, OceanError, ServiceDown
from pipeline.kernel.postgres import Cursor

# The first two apply only to a simulated shop: your own source exists already.
VARIABLES = (
    "OCEAN_SIMULATOR_URL",
    "OPERATIONAL_URL",
    "WAREHOUSE_URL",
    "SUPERSET_WAREHOUSE_URL",
    "ANALYST_URL",
    "SUPERSET_METADATA_URL",
)
COUNTRY_URL = "SUPERSET_WAREHOUSE_URL_"  # followed by a country
LIMITS = {
    "OPERATIONAL_URL": limits.EXTRACT,
    "SUPERSET_WAREHOUSE_URL": limits.READER,
    "ANALYST_URL": limits.ANALYST,
}
# Roles with connections reserved for loads and Superset, however many connections others have.
RESERVED = ("OCEAN_SIMULATOR_URL", "OPERATIONAL_URL", "WAREHOUSE_URL", "SUPERSET_METADATA_URL")


def main() -> int:
    """Creates what is missing; returns the exit code."""
    try:
        names = (*VARIABLES, *sorted(name for name in os.environ if name.startswith(COUNTRY_URL)))
        wanted = {name: _parts(name, os.environ[name]) for name in names if os.environ.get(name)}
        _parts("ADMIN_URL", os.environ.get("ADMIN_URL", ""), "host")
        with postgres.session(os.environ["ADMIN_URL"], "admin") as cursor:
            for name, parts in wanted.items():
                role, database = parts["user"], parts["dbname"]
                grants.require_role(cursor, role, parts["password"])
                grants.require_database(cursor, database, role)
                grants.let_connect(cursor, database, role)
                if name == "OPERATIONAL_URL":
                    grants.let_see_transactions(cursor, role)
                if name == "ANALYST_URL":
                    grants.prefer_masked_views(cursor, role, database)
                print(f"{name}: role {role}, database {database}", flush=True)
            refused = _limit_roles(cursor, wanted) + grants.close_to_public(cursor, *grants.SERVERS_OWN)
            if refused := [*refused, *_limit_functions(wanted), *limits.prepared_transactions(cursor)]:
                print(
                    f"Not allowed here (docs/operations.md, Roles, says what to do): {'; '.join(refused)}", flush=True
                )
    except OceanError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parts(name: str, url: str, *needed: str) -> dict[str, str]:
    """The parts of a connection string. Raises ConfigError, which does not quote it."""
    try:
        parts: dict[str, str] = parse_dsn(url)
    except postgres.Error:
        parts = {}
    if logins.is_cut_database(url, parts.get("host", ""), parts.get("port", "")):
        raise ConfigError(f"read {name}", "its password may end early", f"correct it; {logins.ESCAPED}")
    if missing := [key for key in needed or ("host", "user", "password", "dbname") if not parts.get(key)]:
        raise ConfigError(
            f"read {name}",
            f"it says nothing of {', '.join(missing)}",
            "set it to postgresql://user:password@host/database",
        )
    return parts


def _limit_roles(cursor: Cursor, wanted: dict[str, dict[str, str]]) -> list[str]:
    """Sets the limits of each role; returns the statements that are not allowed."""
    # A role that also owns a database is no mere reader.
    owners = {wanted[name]["user"] for name in ("OCEAN_SIMULATOR_URL", "WAREHOUSE_URL") if name in wanted}
    limited = {
        parts["user"]: limits.READER if name.startswith(COUNTRY_URL) else LIMITS[name]
        for name, parts in wanted.items()
        if (name in LIMITS or name.startswith(COUNTRY_URL)) and parts["user"] not in owners
    }
    return limits.apply(cursor, limited, [wanted[name]["user"] for name in RESERVED if name in wanted])


def _limit_functions(wanted: dict[str, dict[str, str]]) -> list[str]:
    """Runs warehouse/server/limits.sql in warehouse and simulated shop; returns the statements not allowed."""
    refused = []
    for database in sorted({wanted[name]["dbname"] for name in ("OPERATIONAL_URL", "WAREHOUSE_URL") if name in wanted}):
        try:
            with postgres.session(make_dsn(os.environ["ADMIN_URL"], dbname=database), "admin") as cursor:
                refused += [f"in {database} {said}" for said in limits.limit_functions(cursor)]
        except ServiceDown:
            refused.append(f"connect to {database}, and so run warehouse/server/limits.sql in it")
    return refused


if __name__ == "__main__":
    sys.exit(main())
