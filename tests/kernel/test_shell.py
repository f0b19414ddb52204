"""What a shell, a role or a database says of a session: it changes no value, and keeps nobody from what is embedded."""

import os
from pathlib import Path

import pytest
from support.databases import admin_url, database_of, run
from support.feeds_world import deliver_orders, open_warehouse
from support.shop import at, date
from support.world import World

from pipeline.kernel import config, postgres, session_settings
from pipeline.kernel.errors import ServiceDown

HOSTILE = {
    "PGTZ": "America/New_York",
    "PGDATESTYLE": "SQL, DMY",
    "PGCLIENTENCODING": "LATIN1",
    "PGOPTIONS": "-c extra_float_digits=0 -c bytea_output=escape -c intervalstyle=iso_8601",
}
DEFAULTS = {
    "timezone": "Asia/Tokyo",
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "array_nulls": "off",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
    "idle_in_transaction_session_timeout": "1h",
    "idle_session_timeout": "1h",
}
# The last: how a source's column is called is a text too.
TEXTS = r"""
select '2026-02-09 02:00'::timestamptz::text, date '2026-02-09'::text, '02/09/2026'::date::text,
    interval '1 day 2 hours'::text, (0.1::float8 + 0.2::float8)::text, '\x00ff'::bytea::text, 'Çoral',
    '{null}'::text[]::text, 'oid'::regtype::text
"""
EXPECTED = (
    "2026-02-09 02:00:00+00", "2026-02-09", "2026-02-09", "1 day 02:00:00", "0.30000000000000004", r"\x00ff", "Çoral",
    "{NULL}", "oid",
)  # fmt: skip
# Each of these alone keeps libpq from the embedded server.
KEEPS_OUT = {
    "PGSSLMODE": "require",
    "PGSERVICE": "nowhere",
    "PGTZ": "Mars/Olympus",
    "PGHOSTADDR": "192.0.2.1",
    "PGGSSENCMODE": "require",
    "PGTARGETSESSIONATTRS": "standby",
    "PGCHANNELBINDING": "require",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLMINPROTOCOLVERSION": "none",
}
PROXY = "http://127.0.0.1:9"
PROXIES = {name: PROXY for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in (upper, upper.lower())} | {
    "NO_PROXY": "",
    "no_proxy": "",
}


@pytest.mark.parametrize("name", ["operational", "warehouse"])
def test_values_are_written_the_same_whatever_shell_role_and_database_say(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    url = world.operational_url if name == "operational" else world.warehouse_url
    role = "etl_extract" if name == "operational" else "etl_load"
    for variable, value in HOSTILE.items():
        monkeypatch.setenv(variable, value)
    for number, (setting, value) in enumerate(DEFAULTS.items()):
        whose = f"role {role} in" if number % 2 else ""
        run(admin_url(world.home), f"alter {whose} database {database_of(url)} set {setting} = '{value}'")
    for _ in range(2):  # then the same connection again
        with postgres.session(url, name) as cursor:
            assert postgres.rows(cursor, TEXTS) == [EXPECTED]
            cursor.execute("set datestyle = German; set timezone = 'Asia/Tokyo'; set idle_session_timeout = '1h'")
        with postgres.transaction(url, name) as cursor:
            assert postgres.rows(cursor, TEXTS) == [EXPECTED]
            cursor.execute("set bytea_output = escape; set client_encoding = LATIN1")
    with postgres.session(url, name) as cursor:
        for setting, wanted in session_settings.SESSION.items():
            assert postgres.value(cursor, f"show {setting}") == wanted or setting.startswith(("tcp_", "idle_"))
        assert postgres.value(cursor, "show idle_in_transaction_session_timeout") == "0"
        assert postgres.value(cursor, "show idle_session_timeout") == "0"


def test_what_a_session_is_set_to_takes_one_round_trip(world: World) -> None:
    with postgres.session(world.warehouse_url, "warehouse", purpose="first") as cursor:
        pid = cursor.connection.info.backend_pid
    asked = "select query from pg_stat_activity where pid = %s"
    with postgres.session(world.warehouse_url, "warehouse", purpose="first") as cursor:
        [(query,)] = run(admin_url(world.home), asked, (pid,))
        assert cursor.connection.info.backend_pid == pid
    assert all(setting in query for setting in session_settings.SESSION)


@pytest.mark.parametrize("variable", KEEPS_OUT)
def test_no_variable_of_libpq_keeps_anybody_from_the_embedded_server(
    world: World, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, KEEPS_OUT[variable])
    postgres.connect(world.warehouse_url, "warehouse").close()
    assert os.environ[variable] == KEEPS_OUT[variable]


@pytest.fixture
def elsewhere(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """A world whose servers are not embedded, as far as its user's home knows."""
    monkeypatch.setenv("OCEAN_HOME", str(tmp_path))
    config.services_file.cache_clear()
    return world


@pytest.mark.parametrize("variable", ["PGSSLMODE", "PGSERVICE"])
def test_a_server_elsewhere_is_reached_as_the_shell_says(
    elsewhere: World, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, KEEPS_OUT[variable])
    with pytest.raises(ServiceDown, match=r"does not support SSL|service \"nowhere\""):
        postgres.connect(elsewhere.warehouse_url, "warehouse")


def test_a_load_ends_the_same_whatever_the_shell_says(world: World) -> None:
    open_warehouse(world)
    world.source("update ops.orders set ordered_ts = ordered_ts where order_id = 1")
    deliver_orders(world, 1, "A,1,1,Kelp,26-01-01 02:00:00")
    hostile = world.where(**KEEPS_OUT, **PROXIES, **{n: v for n, v in HOSTILE.items() if n not in KEEPS_OUT})
    hostile.load(date(1))
    assert world.rows("select delivered_ts from dwh.fact_partner_order") == {(at(1, 2),)}
    assert world.rows("select ordered_ts from dwh.fact_order") == {(at(1),)}
    assert world.rows("select registered_on from dwh.dim_customer where customer_id = 1") == {(date(1),)}
