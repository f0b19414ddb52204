"""What a select says of its columns, form by form."""

import pytest

from pipeline.lineage.relations import Relation, table
from pipeline.lineage.select_files import LineageUnknown, of_text

KNOWN = {
    "s.a": table("s.a", ("id", "x", "y", "z"), [("id",)]),
    "s.b": table("s.b", ("id", "a_id", "v", "w"), [("id",)]),
    "s.dim": table("s.dim", ("k", "id", "name"), [("k",), ("id",)], found_by=("k",)),
    ":given": table("s.given", ("x", "y")),
    "temporary": table("s.temporary", ("x",)),
}


def said(select: str) -> dict[str, str]:
    """What is behind each column: values, a bar, conditions; and `*` what is behind the rows."""
    found = of_text(select, KNOWN, "a file")
    columns = {name: f"{_texts(each.values)} | {_texts(each.conditions)}" for name, each in found.columns.items()}
    return {"*": _texts(found.rows), **columns}


def _texts(columns: frozenset[object]) -> str:
    return " ".join(sorted(str(column).removeprefix("s.") for column in columns))


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        # Expressions.
        ("select x + y as n from s.a", {"*": "a.id", "n": "a.x a.y | "}),
        ("select case when x > 0 then y else z end as n from s.a", {"*": "a.id", "n": "a.y a.z | a.x"}),
        ("select case x when 1 then y end as n from s.a", {"*": "a.id", "n": "a.y | a.x"}),
        ("select coalesce(x, y) as n, nullif(x, y) as m from s.a", {"*": "a.id", "n": "a.x a.y | ", "m": "a.x | a.y"}),
        ("select x in (y, z) as n from s.a", {"*": "a.id", "n": "a.x | a.y a.z"}),
        ("select 1 as n, :other as m from s.a", {"*": "a.id", "n": " | ", "m": " | "}),
        ("select x::date ->> 'k' as n from s.a", {"*": "a.id", "n": "a.x | "}),
        # Aggregates.
        ("select count(*) as n from s.a", {"*": "a.id", "n": " | "}),
        ("select count(distinct x) as n, sum(y) as m from s.a", {"*": "a.id", "n": " | a.x", "m": "a.y | "}),
        ("select sum(x) filter (where y > 0) as n from s.a", {"*": "a.id", "n": "a.x | a.y"}),
        ("select count(*) filter (where y > 0) as n from s.a", {"*": "a.id", "n": " | a.y"}),
        ("select array_agg(x order by y) as n from s.a", {"*": "a.id", "n": "a.x | a.y"}),
        # Rows.
        ("select x from s.a where y > 0", {"*": "a.y", "x": "a.x | "}),
        ("select x, sum(y) as n from s.a group by x", {"*": "a.x", "x": "a.x | ", "n": "a.y | "}),
        ("select x + 1 as n, sum(y) as m from s.a group by 1", {"*": "a.x", "n": "a.x | ", "m": "a.y | "}),
        ("select x + 1 as n, sum(y) as m from s.a group by n", {"*": "a.x", "n": "a.x | ", "m": "a.y | "}),
        ("select x from s.a group by grouping sets ((x, y), (x))", {"*": "a.x a.y", "x": "a.x | "}),
        ("select x from s.a group by x having sum(y) > 0", {"*": "a.x a.y", "x": "a.x | "}),
        ("select x from s.a order by y limit 3", {"*": "a.y", "x": "a.x | "}),
        ("select distinct x, y from s.a", {"*": "a.x a.y", "x": "a.x | ", "y": "a.y | "}),
        ("select distinct on (x) x, y from s.a order by x, z", {"*": "a.x a.z", "x": "a.x | ", "y": "a.y | "}),
        # Windows.
        (
            "select lag(x) over (partition by y order by z) as n from s.a",
            {"*": "a.id", "n": "a.x | a.y a.z"},
        ),
        (
            "select row_number() over w as n, sum(x) over w as m from s.a window w as (partition by y order by z)",
            {"*": "a.id", "n": " | a.y a.z", "m": "a.x | a.y a.z"},
        ),
        # Joins.
        (
            "select a.x, b.v from s.a as a inner join s.b as b on a.y = b.a_id",
            {"*": "a.y b.a_id", "x": "a.x | ", "v": "b.v | "},
        ),
        ("select a.x, b.v from s.a as a cross join s.b as b", {"*": "a.id b.id", "x": "a.x | ", "v": "b.v | "}),
        (
            "select a.x, b.v from s.a as a left join s.b as b on a.y = b.a_id",
            {"*": "a.y b.a_id", "x": "a.x | ", "v": "b.v | "},
        ),
        (
            "select a.x, b.v from s.a as a left join s.b as b using (id)",
            {"*": "a.id", "x": "a.x | ", "v": "b.v | a.id b.id"},
        ),
        # A left join by a key, or one that always finds a row, decides about the columns from there alone.
        (
            "select a.x, b.v from s.a as a left join s.b as b on a.y = b.id and a.z = 1",
            {"*": "a.id", "x": "a.x | ", "v": "b.v | a.y a.z b.id"},
        ),
        (
            "select a.x, d.name from s.a as a inner join s.dim as d on a.y = d.k",
            {"*": "a.id", "x": "a.x | ", "name": "dim.name | a.y dim.k"},
        ),
        (
            "select a.x, d.name from s.a as a inner join s.dim as d on a.y = d.id",
            {"*": "a.y dim.id", "x": "a.x | ", "name": "dim.name | "},
        ),
        (
            "with sums as (select a_id, sum(v) as v from s.b where w > 0 group by a_id) "
            "select a.x, sums.v from s.a as a left join sums on a.y = sums.a_id",
            {"*": "a.id", "x": "a.x | ", "v": "b.v | a.y b.a_id b.w"},
        ),
        # Queries inside.
        ("with c as (select x as n from s.a where y > 0) select n from c", {"*": "a.y", "n": "a.x | "}),
        ("with c (n) as (select x from s.a) select n from c", {"*": "a.id", "n": "a.x | "}),
        ("select n from (select x as n from s.a) as c", {"*": "a.id", "n": "a.x | "}),
        ("select * from s.b", {"*": "b.id", "id": "b.id | ", "a_id": "b.a_id | ", "v": "b.v | ", "w": "b.w | "}),
        ("select x from s.a union all select v from s.b", {"*": "a.id b.id", "x": "a.x b.v | "}),
        ("select x from s.a union select v from s.b", {"*": "a.id a.x b.id b.v", "x": "a.x b.v | "}),
        ("select x from s.a union all (select v from s.b offset 0)", {"*": "a.id b.id", "x": "a.x b.v | "}),
        ("(select x from s.a) order by x limit 1", {"*": "a.id a.x", "x": "a.x | "}),
        (
            "select x, (select max(b.v) from s.b as b where b.a_id = a.y) as n from s.a as a",
            {"*": "a.id", "x": "a.x | ", "n": "b.v | a.y b.a_id"},
        ),
        (
            "select x from s.a as a where exists (select from s.b as b where b.a_id = a.y)",
            {"*": "a.y b.a_id", "x": "a.x | "},
        ),
        ("select x from s.a where y in (select v from s.b where w > 0)", {"*": "a.y b.v b.w", "x": "a.x | "}),
        (
            "select a.x, l.n from s.a as a cross join lateral (values (a.y, 1), (a.z, 2)) as l (n, m) where l.m = 1",
            {"*": "a.id", "x": "a.x | ", "n": "a.y a.z | "},
        ),
        (
            "select a.x, l.n from s.a as a cross join lateral (select b.v as n from s.b as b where b.a_id = a.y) as l",
            {"*": "a.y b.a_id", "x": "a.x | ", "n": "b.v | "},
        ),
        ("select n.n, x from s.a cross join (values (1), (-1)) as n (n)", {"*": "a.id", "n": " | ", "x": "a.x | "}),
        # Relations that are given.
        ("select g.x from :given as g where g.y = :y", {"*": "given.y", "x": "given.x | "}),
        ("select x from temporary", {"*": "temporary.x", "x": "temporary.x | "}),
    ],
)  # fmt: skip
def test_each_form_says_what_is_behind_columns_and_rows(select: str, expected: dict[str, str]) -> None:
    assert said(select) == expected


@pytest.mark.parametrize(
    ("select", "because"),
    [
        ("select nothing from s.a", "nothing"),
        ("select a.nothing from s.a as a", "nothing"),
        ("select x from s.unknown", "nothing is known of s.unknown"),
        ("select x from unknown", "nothing is known of unknown"),
        ("select x from :unknown as u", "u"),
        ("select x from", ""),
        ("select x from s.a union select id, v from s.b", ""),
        ("delete from s.a", "a query of the form delete is not known here"),
    ],
)
def test_what_cannot_be_followed_is_an_error_that_names_the_file(select: str, because: str) -> None:
    with pytest.raises(LineageUnknown, match="cannot follow the columns of a file, because") as error:
        of_text(select, KNOWN, "a file")
    assert because in str(error.value)


@pytest.mark.parametrize(
    ("select", "keys"),
    [
        ("select id, x from s.a", {("id",)}),
        ("select x from s.a", set()),
        ("select a.id from s.a as a inner join s.b as b on a.y = b.id", {("id",)}),
        ("select a.id from s.a as a inner join s.b as b on a.y = b.a_id", set()),
        ("select x, y, sum(z) as n from s.a group by x, y", {("x", "y")}),
        ("select x, sum(z) as n from s.a group by x, y", set()),
        ("select distinct x, y from s.a", {("x", "y")}),
        ("select distinct on (x) x, y from s.a order by x", {("x",)}),
        ("select sum(x) as n from s.a", {()}),
        ("select sum(x) over () as n, id from s.a", {("id",)}),
        ("select id from s.a union select id from s.b", {("id",)}),
        ("select id from s.a union all select id from s.b", set()),
        (
            "select id from s.a where (select f()) union all (select id from s.a where not (select f()) and y)",
            {("id",)},
        ),
        ("select id from s.a where (select f()) union all (select id from s.a where not (select g()))", set()),
        ("select id from s.a as t where t.x union all select id from s.b as t where not t.v", set()),
    ],
)
def test_keys_are_known_where_no_two_rows_are_equal(select: str, keys: set[tuple[str, ...]]) -> None:
    found: Relation = of_text(select, KNOWN, "a file")
    assert {tuple(sorted(key)) for key in found.keys} == keys
