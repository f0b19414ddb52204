"""Where COPY stopped, as servers of several languages say it."""

import pytest

from pipeline.stage.intake import line_in

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
