"""Connections, as the URL of a database asks for them."""

from contextlib import closing

from support.standby import wait_until

from pipeline.kernel import postgres


def test_what_a_url_sets_holds_but_for_what_every_load_relies_on(warehouse_url: str) -> None:
    sign = "&" if "?" in warehouse_url else "?"
    url = f"{warehouse_url}{sign}options=-c%20work_mem%3D3MB%20-c%20timezone%3DEurope%2FBerlin"
    shown = "select current_setting('work_mem'), current_setting('timezone')"
    with closing(postgres.connect(url, "warehouse")) as connection, connection.cursor() as cursor:
        assert postgres.rows(cursor, shown) == [("3MB", "UTC")]
        beside = postgres.connect_beside(connection, "warehouse", purpose="test")
        with closing(beside), beside.cursor() as other:
            assert postgres.rows(other, shown) == [("3MB", "UTC")]
    with postgres.session(url, "warehouse") as cursor:
        cursor.execute("set work_mem = '4MB'")
    with postgres.session(url, "warehouse") as cursor:  # the same connection again
        assert postgres.rows(cursor, shown) == [("3MB", "UTC")]


def test_few_connections_are_kept_and_the_latest_ones_at_that(warehouse_url: str) -> None:
    for number in range(8):
        with postgres.session(warehouse_url, "warehouse", purpose=f"load {number}"):
            pass
    here = "select application_name from pg_stat_activity where datname = current_database() and query <> ''"

    def kept() -> set[str]:
        with postgres.session(warehouse_url, "warehouse", purpose="load 7") as cursor:
            return {name.removeprefix("oceanrecords ") for (name,) in postgres.rows(cursor, here)}

    wait_until(lambda: kept() == {"load 4", "load 5", "load 6", "load 7"})  # the server may not have seen an end yet
