"""The way of an extract into a table: where COPY stopped in any language, and whose fault it is."""

from dataclasses import replace

import pytest
from support.loads import extract_date
from support.shop import date
from support.world import World

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.errors import BadExtract, ServiceLost
from pipeline.kernel.postgres import qualified
from pipeline.kernel.streams import Closable
from pipeline.lake.objects import Lake
from pipeline.source import layout
from pipeline.source.columns import create_table
from pipeline.source.layout import Metadata
from pipeline.stage import intake
from pipeline.stage.intake import line_in

STATES = "ops.states"

JSON = 'JSON-Daten, Zeile 1: products 7...\nCOPY products, Zeile 5, Spalte attributes: »{"products 7«'


@pytest.mark.parametrize(
    "context",
    [
        'COPY products, line 5, column price: "7 euros"',
        "COPY products, line 5",
        "COPY products, Zeile 5, Spalte price: »7 Euro«",
        "COPY products, ligne 5, colonne price : « 7 euros »",
        'COPY products, строка 5, столбец price: "7"',
        'COPY products, 行 5, 列 price: "7"',
        'productsのCOPY、行5、列price: "7"',
        'products 복사, 5번째 줄, price 열: "7"',
        JSON,
    ],
)
def test_the_line_is_found_in_any_language(context: str) -> None:
    assert line_in(context, "products") == "5"


@pytest.mark.parametrize("context", ["", "COPY products, Zeile", "PL/pgSQL-Funktion f(), Zeile 3 bei RAISE"])
def test_without_a_line_none_is_made_up(context: str) -> None:
    assert line_in(context, "products") is None


@pytest.fixture
def extracted(shop: World) -> Metadata:
    """What an extract says of itself."""
    extract_date(shop, date(1), [STATES])
    found = layout.metadata(shop.lake, STATES, date(1))
    assert found
    return found


def test_a_first_line_that_does_not_name_the_columns_is_found_before_anything_is_dropped(
    shop: World, extracted: Metadata
) -> None:
    intake.check(shop.lake, extracted, extracted.bytes)
    with pytest.raises(BadExtract, match="its first line does not name the columns of its metadata"):
        intake.check(shop.lake, replace(extracted, columns=extracted.columns[::-1]), extracted.bytes)


class BreaksOnce(Lake):
    """A lake whose connection breaks at the first bytes that are read, and not again."""

    is_broken = False

    def open(self, key: str) -> Closable | None:
        body = super().open(key)
        assert body
        read = body.read

        def broken(size: int = -1, /) -> bytes:
            if not self.is_broken:
                self.is_broken = True
                raise ServiceLost("read the lake", "the connection broke", "run the same command again")
            return read(size)

        body.read = broken  # type: ignore[method-assign]
        return body


def test_a_connection_that_breaks_is_not_taken_for_a_fault_of_the_extract(shop: World, extracted: Metadata) -> None:
    table = SOURCE_TABLES[STATES]
    with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        cursor.execute(create_table("delta", table, extracted.columns))
        with pytest.raises(ServiceLost, match="the connection broke"):
            intake.copy(cursor, BreaksOnce(shop.lake.url, shop.lake.s3), extracted, qualified("delta.states"))
        cursor.connection.rollback()
