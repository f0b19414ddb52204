"""The warehouse login of each user. With a login per country, PostgreSQL itself hides the other countries."""

from collections.abc import Collection, Mapping

VIEWER = "KPI Viewer"
ASSISTANT = "KPI Assistant"  # reads what a viewer sees, as a program
# Roles that see one country's rows only. Give one to a user instead of `VIEWER`. Germany is an example.
COUNTRIES = {"KPI Viewer Germany": "Germany"}
EVERY_COUNTRY = "SUPERSET_WAREHOUSE_URL"


class NoLogin(Exception):
    """A user without a login for the warehouse."""


def url(roles: Collection[str], everyone: Collection[str], environment: Mapping[str, str]) -> str:
    """The connection string for a user with these roles.

    `everyone` are the roles that see every country. A role of one country limits any user who has it, except an Admin.
    Raises NoLogin for a user whose roles name no country, or two, and for a country without a login.
    """
    limits = [] if "Admin" in roles else [role for role in roles if role in COUNTRIES]
    if not limits and not set(roles) & {"Admin", *everyone}:
        raise NoLogin(
            f"none of the roles {sorted(roles)} is in superset/warehouse_logins.py; give the user another one"
        )
    if len(limits) > 1:
        raise NoLogin(f"the roles {sorted(limits)} are of several countries; leave the user one of them")
    name = variable(COUNTRIES[limits[0]]) if limits else EVERY_COUNTRY
    if not environment.get(name):
        raise NoLogin(f"{name} is not set; set it to a login that sees this country, and start Superset again")
    return environment[name]


def variable(country: str) -> str:
    """The variable with a country's connection string: SUPERSET_WAREHOUSE_URL_UNITED_KINGDOM."""
    return f"{EVERY_COUNTRY}_{country.upper().replace(' ', '_')}"
