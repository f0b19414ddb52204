"""Connections, as the URL of a database asks for them."""

from contextlib import closing

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
