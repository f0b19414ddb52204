"""What the doctor sees of the source and the warehouse: versions, rights, migrations, clocks, room."""

from pathlib import Path

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import clock, config, postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.postgres import Cursor, sql
from pipeline.kernel.refusals import address
from pipeline.operations import findings
from pipeline.operations.state import ERROR, WARN
from pipeline.people import diagnosis
from pipeline.people.diagnosis import OK, Line
from pipeline.services.postgresql import PostgreSQL
from pipeline.source import source_clock
from pipeline.source.log import publication
from pipeline.star import schema

SOURCE, WAREHOUSE, PURPOSE = "source", "warehouse", "doctor"
OLDEST = 150_000  # PostgreSQL 15
RIGHTS_FILE = "run warehouse/ddl/50_roles.sql as the owner of the warehouse"


def source(settings: Settings) -> list[Line]:
    """The source, for the role that extracts."""
    if not settings.operational_url:
        return [Line(SOURCE, OK, "not used: from_lake is set")]
    with postgres.session(settings.operational_url, "operational", purpose=PURPOSE) as cursor:
        lines = [_version(cursor, SOURCE), *_tables(cursor, settings), _sees_transactions(cursor)]
        if settings.reads_log:
            problems = publication.problems(cursor, settings.log_slot)
            lines += [Line(SOURCE, ERROR, problem.what, " ".join(problem.do)) for problem in problems]
        before = clock.now()
        return [*lines, diagnosis.clock(SOURCE, before, source_clock.now(cursor), clock.now(), None)]


def warehouse(settings: Settings) -> list[Line]:
    """The warehouse, for the role that loads, and what those who read it may."""
    with postgres.session(settings.warehouse_url, "warehouse", purpose=PURPOSE) as cursor:
        lines = [_version(cursor, WAREHOUSE), *_owner(cursor), *_migrations(cursor), *_readers(cursor)]
        before = clock.now()
        there = postgres.value(cursor, "select clock_timestamp()")
        return [*lines, diagnosis.clock(WAREHOUSE, before, there, clock.now(), None)]


def folder_of_warehouse(settings: Settings) -> Path | None:
    """Where the files of the warehouse lie on this machine; None where they do not, or the role may not know."""
    host, _ = address(settings.warehouse_url, "warehouse")
    if host not in ("", "localhost", "127.0.0.1", "::1") and not host.startswith("/"):
        return None
    with postgres.session(settings.warehouse_url, "warehouse", purpose=PURPOSE) as cursor:
        place: str = postgres.value(cursor, PLACE) or ""
    if not place and (config.home() / PostgreSQL.name).exists():
        place = str(config.home() / PostgreSQL.name)
    return Path(place) if place else None


def _version(cursor: Cursor, topic: str) -> Line:
    [(text, number, role)] = postgres.rows(
        cursor, "select current_setting('server_version'), current_setting('server_version_num')::int, current_user"
    )
    if number < OLDEST:
        return Line(topic, ERROR, f"PostgreSQL {text} is too old", "upgrade the server to PostgreSQL 15 or newer")
    return Line(topic, OK, f"PostgreSQL {text} lets the role {role} in")


def _tables(cursor: Cursor, settings: Settings) -> list[Line]:
    wanted = [(table.name, column) for table in SOURCE_TABLES.values() for column in table.columns]
    names, columns = map(list, zip(*wanted, strict=True))
    found = postgres.rows(cursor, COLUMNS, {"names": names, "columns": columns})
    role = sql.Identifier(postgres.value(cursor, "select current_user")).as_string(cursor)
    absent = [f"{name}.{column}" for name, column, is_there, _ in found if not is_there]
    denied = dict.fromkeys(name for name, _, is_there, is_allowed in found if is_there and not is_allowed)
    if len(absent) == len(found) and settings.simulate:
        return [Line(SOURCE, OK, "the simulated shop is not there yet: its first load opens it")]
    lines = []
    if absent:
        do = "bring them back, or put a view in the place of the table"
        lines.append(Line(SOURCE, ERROR, f"{', '.join(absent)} is not there", do))
    for name in denied:
        schema_name = name.split(".")[0]
        do = f"grant usage on schema {schema_name} to {role}; grant select on {name} to {role};"
        lines.append(Line(SOURCE, ERROR, f"the role may not read {name}", do))
    return lines or [Line(SOURCE, OK, f"the role reads all {len(SOURCE_TABLES)} tables")]


def _sees_transactions(cursor: Cursor) -> Line:
    role, sees = postgres.rows(cursor, "select current_user, pg_has_role('pg_read_all_stats', 'usage')")[0]
    if sees:
        return Line(SOURCE, OK, "the role sees the transactions of others")
    do = f"grant pg_read_all_stats to {sql.Identifier(role).as_string(cursor)};"
    return Line(SOURCE, WARN, "the role does not see when the transactions of others began: extracts may fail", do)


def _owner(cursor: Cursor) -> list[Line]:
    [(role, database, may_create, encoding)] = postgres.rows(cursor, OWNER)
    quoted = sql.Identifier(role).as_string(cursor)
    lines = []
    if not may_create:
        do = f"grant create on database {sql.Identifier(database).as_string(cursor)} to {quoted};"
        lines.append(Line(WAREHOUSE, ERROR, "the role may not create schemas", do))
    if encoding != "UTF8":
        do = "create a database with `encoding 'UTF8' template template0`, and name it in WAREHOUSE_URL"
        lines.append(Line(WAREHOUSE, ERROR, f"the encoding of the database is {encoding}", do))
    for name, owner in postgres.rows(cursor, FOREIGN_SCHEMAS):
        do = f"as a superuser: reassign owned by {sql.Identifier(owner).as_string(cursor)} to {quoted};"
        lines.append(Line(WAREHOUSE, ERROR, f"the schema {name} belongs to {owner}, not to the role that loads", do))
    return lines or [Line(WAREHOUSE, OK, "the role may create and write all that it needs")]


def _migrations(cursor: Cursor) -> list[Line]:
    if postgres.value(cursor, "select to_regclass('etl.marker') is null"):
        return diagnosis.of_findings(WAREHOUSE, [findings.nothing_loaded(clock.now())])
    if pending := schema.pending(cursor):
        return diagnosis.of_findings(WAREHOUSE, [findings.outdated(pending)])
    return [Line(WAREHOUSE, OK, "no migration is pending")]


def _readers(cursor: Cursor) -> list[Line]:
    lines = []
    for role, relations, is_lacking in postgres.rows(cursor, READERS):
        named = ", ".join(relations)
        if is_lacking:
            lines.append(Line(WAREHOUSE, WARN, f"the role {role} may not read {named}", RIGHTS_FILE))
        else:
            do = f"revoke all on {named} from {sql.Identifier(role).as_string(cursor)};"
            lines.append(Line(WAREHOUSE, ERROR, f"the role {role}, of some countries, may read all of {named}", do))
    return lines or [Line(WAREHOUSE, OK, "those who read the warehouse may read what they need")]


COLUMNS = """
select
    wanted.name, wanted.column_name, attribute.attname is not null,
    attribute.attname is not null and has_schema_privilege(namespace.oid, 'usage')
    and has_column_privilege(class.oid, attribute.attnum, 'select')
from unnest(%(names)s::text[], %(columns)s::text[]) with ordinality as wanted (name, column_name, place)
left join pg_namespace as namespace on split_part(wanted.name, '.', 1) = namespace.nspname
left join pg_class as class on namespace.oid = class.relnamespace and split_part(wanted.name, '.', 2) = class.relname
left join pg_attribute as attribute
    on class.oid = attribute.attrelid and wanted.column_name = attribute.attname and not attribute.attisdropped
order by wanted.place
"""
OWNER = """
select
    current_user, current_database(), has_database_privilege(current_database(), 'create'),
    current_setting('server_encoding')
"""
FOREIGN_SCHEMAS = """
select nspname, pg_get_userbyid(nspowner) from pg_namespace
where nspname in ('etl', 'delta', 'stage', 'work', 'dwh', 'mart', 'analyst') and not pg_has_role(nspowner, 'usage')
order by nspname
"""
# As 50_roles.sql grants them. The views with a barrier hide countries, and a reader of some countries may read no more.
READERS = r"""
with

readable as (
    select
        role.rolname, role.rolname like 'bi\_reader\_%%' as is_of_countries, namespace.nspname,
        namespace.nspname || '.' || class.relname as relation,
        class.relkind = 'v' as is_view,
        coalesce('security_barrier=true' = any(class.reloptions), false) as has_barrier,
        has_schema_privilege(role.rolname, namespace.oid, 'usage')
        and has_table_privilege(role.rolname, class.oid, 'select') as is_allowed
    from pg_roles as role
    cross join pg_class as class
    inner join pg_namespace as namespace on class.relnamespace = namespace.oid
    where
        (role.rolname in ('bi_reader', 'bi_analyst') or role.rolname like 'bi\_reader\_%%') and not role.rolsuper
        and class.relkind in ('r', 'v') and namespace.nspname in ('mart', 'analyst', 'dwh', 'stage')
),

judged as (
    select
        *,
        not is_allowed and (
            (rolname = 'bi_reader' and nspname = 'mart')
            or (is_of_countries and nspname = 'mart' and has_barrier)
            or (rolname = 'bi_analyst' and nspname = 'analyst' and is_view)
        ) as is_lacking,
        is_allowed and is_of_countries and not (nspname = 'mart' and has_barrier) as is_too_much
    from readable
)

select rolname, array_agg(relation order by relation), is_lacking from judged
where is_lacking or is_too_much
group by rolname, is_lacking
order by rolname, is_lacking
"""
PLACE = """
select
    coalesce(
        nullif(pg_tablespace_location(dattablespace), ''),
        case when pg_has_role('pg_read_all_settings', 'usage') then current_setting('data_directory') end
    )
from pg_database
where datname = current_database()
"""
