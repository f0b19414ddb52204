"""Roles and databases, created by the administrator of a server, and the grants that loads and analysts need.

The embedded server and deploy/databases.py share them. Their sessions commit each statement by itself.
"""

from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor, sql

LOG_FUNCTIONS = (
    "pg_create_logical_replication_slot(name, name, boolean, boolean, boolean)",
    "pg_logical_slot_peek_binary_changes(name, pg_lsn, integer, text[])",
    "pg_replication_slot_advance(name, pg_lsn)",
    "pg_drop_replication_slot(name)",
)
SERVERS_OWN = ("postgres", "template1")  # databases of every server


def require_role(cursor: Cursor, role: str, password: str) -> None:
    """Creates a role that may log in, or takes the existing one, and sets its password."""
    if not postgres.rows(cursor, "select from pg_roles where rolname = %s", (role,)):
        cursor.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
    set_password(cursor, role, password)


def set_password(cursor: Cursor, role: str, password: str) -> None:
    """Sets the password of a role."""
    # The hash, not the password: the server may log the statement.
    hashed = postgres.hashed_password(cursor, role, password)
    cursor.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(hashed)))


def require_database(cursor: Cursor, database: str, owner: str) -> None:
    """Creates a database that nobody but its owner may enter. An existing one keeps owner and grants."""
    if postgres.rows(cursor, "select from pg_database where datname = %s", (database,)):
        return
    if postgres.value(cursor, "show is_superuser") == "off":
        # Such a login has to be a member of a role to give it a database.
        cursor.execute(sql.SQL("grant {} to current_user").format(sql.Identifier(owner)))
    cursor.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(database), sql.Identifier(owner)))
    cursor.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(database)))


def let_connect(cursor: Cursor, database: str, *roles: str) -> None:
    """Lets roles connect to a database."""
    names = sql.SQL(", ").join(map(sql.Identifier, roles))
    cursor.execute(sql.SQL("grant connect on database {} to {}").format(sql.Identifier(database), names))


def close_to_public(cursor: Cursor, *databases: str) -> list[str]:
    """Keeps everybody but their owners and granted roles out of databases; returns the statements not allowed."""
    refused = []
    for database in databases:
        # A revoke by anybody but the owner would do nothing, with a warning.
        owned = "select pg_has_role(datdba, 'usage') from pg_database where datname = %s"
        if postgres.rows(cursor, owned, (database,)) == [(True,)]:
            cursor.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(database)))
        else:
            refused.append(f"revoke all on database {database} from public")
    return refused


def let_see_transactions(cursor: Cursor, role: str) -> None:
    """Lets extraction see when the transactions of other roles began."""
    cursor.execute(sql.SQL("grant pg_read_all_stats to {}").format(sql.Identifier(role)))


def let_read_log(cursor: Cursor, role: str) -> None:
    """Lets extraction read the log of the cursor's database through a slot. Takes a superuser's cursor.

    The attribute REPLICATION lets the role copy all databases of the server too. `limits.limit_functions` takes the
    functions from everybody.
    """
    cursor.execute(sql.SQL("alter role {} replication").format(sql.Identifier(role)))
    for function in LOG_FUNCTIONS:
        grant = sql.SQL("grant execute on function {} to {}")
        cursor.execute(grant.format(sql.SQL(function), sql.Identifier(role)))


def prefer_masked_views(cursor: Cursor, analyst: str, database: str) -> None:
    """Makes a name without a schema mean the masked view for an analyst, if there is one."""
    path = sql.SQL("alter role {} in database {} set search_path = analyst, dwh")
    cursor.execute(path.format(sql.Identifier(analyst), sql.Identifier(database)))
