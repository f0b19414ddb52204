"""What a source needs for extraction from its log: a publication of all tables, a role, settings; and what it lacks."""

from typing import NamedTuple

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.errors import LogUnreadable, Unpublished
from pipeline.kernel.postgres import Cursor, qualified, sql

NAME = "oceanrecords"
PLUGIN = "pgoutput"
GENERATED_SINCE = 180_000  # the version of the server that publishes generated columns
CHECK = "run `python -m pipeline source check`, which says how"
OTHER_NAME = "set log_slot (OCEAN_LOG_SLOT) to another name"
AGAIN = (
    "run `python -m pipeline source drop` and `python -m pipeline source prepare`: the next load goes on with a new "
    "slot, and compares all tables with the source"
)


class Problem(NamedTuple):
    """What a source lacks, and the statements that the administrator of the source runs, or other ways on."""

    what: str
    do: list[str]


def problems(cursor: Cursor, slot: str) -> list[Problem]:
    """All that a source lacks for extraction from its log; empty where loads can begin."""
    [facts] = postgres.rows(cursor, FACTS.format(MAY_REPLICATE), {"slot": slot})
    level, is_standby, role, may_replicate, keep, slots_left, plugin, wal_status = facts
    found = []
    if is_standby:
        found.append(Problem("the source is a standby", ["point OPERATIONAL_URL at the primary"]))
    if level != "logical":
        found.append(
            Problem(
                f"wal_level is {level}, not logical",
                [
                    "alter system set wal_level = logical; -- then restart the server",
                    "-- Amazon RDS and Aurora: set rds.logical_replication = 1 in the parameter group, and reboot",
                ],
            )
        )
    if not may_replicate:
        quoted = sql.Identifier(role).as_string(cursor)
        found.append(
            Problem(
                f"the role {role} has not the attribute REPLICATION",
                [f"alter role {quoted} replication;", f"-- Amazon RDS and Aurora: grant rds_replication to {quoted};"],
            )
        )
    if keep == "-1":
        found.append(
            Problem(
                "max_slot_wal_keep_size has no limit: a slot that nobody reads fills the disk of the source",
                ["alter system set max_slot_wal_keep_size = '50GB'; -- as much as the disk can spare", RELOAD],
            )
        )
    found += _table_problems(cursor)
    found += _problems(cursor)
    return found + _slot_problems(slot, slots_left, plugin, wal_status)


def create(cursor: Cursor) -> None:
    """Creates the publication, or adds what it lacks. A rerun changes nothing.

    First the publication, then the slot: what was written before there was one is not in the log for it.
    Raises LogUnreadable as `require_keys` does.
    """
    require_keys(cursor)
    for statement in statements(cursor):
        cursor.execute(statement)


def require_keys(cursor: Cursor) -> None:
    """Returns if each row of the tables has a key in the log: else PostgreSQL refuses updates of a published table.

    Raises LogUnreadable.
    """
    if lacking := _table_problems(cursor):
        raise LogUnreadable("publish the source's tables", "; ".join(each.what for each in lacking), CHECK)


def statements(cursor: Cursor) -> list[str]:
    """The statements that the owner of the tables runs, so that the publication has all tables and operations."""
    name = sql.Identifier(NAME).as_string(cursor)
    names = [qualified(table).as_string(cursor) for table in SOURCE_TABLES]
    published = postgres.rows(cursor, PUBLISHED, {"publication": NAME})
    version = cursor.connection.server_version
    options = ["publish = 'insert, update, delete, truncate'", "publish_via_partition_root = true"]
    if version >= GENERATED_SINCE:
        options.append("publish_generated_columns = stored")
    settings = ", ".join(options)
    if not published:
        return [f"create publication {name} for table {', '.join(names)} with ({settings});"]
    # Whole tables, in place of what the publication had of them: a list of columns or a condition leaves changes out.
    changes = [f"alter publication {name} set table {', '.join(names)};"] if _unpublished(cursor) else []
    if not all(published[0]):
        changes.append(f"alter publication {name} set ({settings});")
    return changes


def require(cursor: Cursor) -> None:
    """Returns if all changes of all tables are published, each with its key. Raises Unpublished."""
    if lacking := [*_table_problems(cursor), *_problems(cursor)]:
        raise Unpublished("read the source's log", "; ".join(each.what for each in lacking), CHECK)


def others(cursor: Cursor) -> list[str]:
    """The other slots of this database that may read the publication."""
    query = "select slot_name::text from pg_replication_slots where database = current_database() and plugin = %s"
    return [name for (name,) in postgres.rows(cursor, query, (PLUGIN,))]


def _slot_problems(slot: str, slots_left: int, plugin: str | None, wal_status: str | None) -> list[Problem]:
    found = []
    if plugin is None:
        if slots_left < 1:
            found.append(
                Problem(
                    "all replication slots are taken (max_replication_slots)",
                    ["alter system set max_replication_slots = 20; -- then restart the server"],
                )
            )
        found.append(Problem(f"there is no slot {slot}", ["python -m pipeline source prepare"]))
    elif plugin != PLUGIN:
        found.append(
            Problem(
                f"the slot {slot} is another program's: it has the plugin {plugin}, or is of another database",
                [OTHER_NAME],
            )
        )
    elif wal_status == "lost":
        found.append(Problem(f"the slot {slot} is lost", [AGAIN]))
    return found


def _problems(cursor: Cursor) -> list[Problem]:
    published = postgres.rows(cursor, PUBLISHED, {"publication": NAME})
    if not published:
        return [Problem(f"there is no publication {NAME}", statements(cursor))]
    found = []
    if missing := _unpublished(cursor):
        found.append(f"the publication {NAME} lacks {', '.join(missing)}, or rows or columns of them")
    if not all(published[0]):
        found.append(f"the publication {NAME} leaves out inserts, updates, deletes, truncates, or partitions")
    return [Problem(what, statements(cursor)) for what in found]


def _unpublished(cursor: Cursor) -> list[str]:
    rows = postgres.rows(cursor, UNPUBLISHED, {"tables": list(SOURCE_TABLES), "publication": NAME})
    return [name for (name,) in rows]


def _table_problems(cursor: Cursor) -> list[Problem]:
    wanted = ", ".join(
        sql.SQL("({}, {}::text[])").format(sql.Literal(table.name), sql.Literal(list(table.key))).as_string(cursor)
        for table in SOURCE_TABLES.values()
    )
    rows = postgres.rows(cursor, UNKEYED.format(wanted))
    found = []
    for name, exists in rows:
        quoted = qualified(name).as_string(cursor)
        if not exists:
            what, do = f"there is no table {name}", "see that the table is there, and is no view: a view has no log"
        else:
            key = ", ".join(SOURCE_TABLES[name].key)
            what = f"the log does not tell which row of {name} was changed: its replica identity has not {key}"
            do = f"alter table {quoted} add primary key ({key}); -- or: alter table {quoted} replica identity full;"
        found.append(Problem(what, [do]))
    return found


RELOAD = "select pg_reload_conf();"
MAY_REPLICATE = """
    exists (
        select from pg_roles
        where
            rolname = current_user and (rolreplication or rolsuper)
            or rolname = 'rds_replication' and pg_has_role(oid, 'member')
    )
"""
FACTS = """
select
    current_setting('wal_level'), pg_is_in_recovery(), current_user::text, {},
    current_setting('max_slot_wal_keep_size'),
    current_setting('max_replication_slots')::integer - (select count(*) from pg_replication_slots),
    (
        select case when database = current_database() then plugin else 'of ' || coalesce(database, 'no database') end
        from pg_replication_slots where slot_name = %(slot)s
    ),
    (select wal_status from pg_replication_slots where slot_name = %(slot)s)
"""
PUBLISHED = """
select pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot from pg_publication where pubname = %(publication)s
"""
# A list of columns, or a condition on rows, leaves changes out.
UNPUBLISHED = """
select name from unnest(%(tables)s::text[]) as wanted (name)
where not exists (
    select from pg_publication_tables as published
    where
        published.pubname = %(publication)s and published.schemaname || '.' || published.tablename = wanted.name
        and published.rowfilter is null
        and not exists (
            select from pg_attribute
            where
                attrelid = to_regclass(wanted.name) and attnum > 0 and not attisdropped and attgenerated = ''
                and attname <> all (published.attnames)
        )
)
"""
UNKEYED = """
select name, coalesce(relkind in ('r', 'p'), false)
from (values {}) as wanted (name, key)
left join pg_class on pg_class.oid = to_regclass(wanted.name)
where coalesce(relkind in ('r', 'p'), false) is false
or relreplident = 'n'
or relreplident <> 'f' and not exists (
    select from pg_index
    where
        indrelid = pg_class.oid
        and case when relreplident = 'i' then indisreplident else indisprimary end
        and wanted.key <@ array(
            select attname::text from pg_attribute
            where attrelid = pg_class.oid and attnum = any (indkey::smallint[])
        )
)
"""
