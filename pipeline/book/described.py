"""What PostgreSQL's catalogue says of tables and views: columns, comments, owners, rows, examples."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor

EXAMPLES = 3
LONGEST = 40  # characters of an example


@dataclass(frozen=True)
class ColumnOf:
    """A column: its type as PostgreSQL writes it, its comment, and values that it holds, the most common ones first.

    `examples` are empty where the server has no statistics, and of a column whose values may not be shown.
    """

    name: str
    type: str
    comment: str
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Relation:
    """A table or view; `rows` is the server's own estimate, None of a view and of what was never analysed."""

    name: str
    kind: str
    owner: str
    comment: str
    rows: int | None
    columns: tuple[ColumnOf, ...]

    @property
    def schema(self) -> str:
        """Its schema."""
        return self.name.partition(".")[0]


def relations(cursor: Cursor, schemas: Iterable[str], may_show: Callable[[str, str], bool]) -> dict[str, Relation]:
    """The relations of some schemas by their names, in the order of these.

    `may_show` says of a relation and a column whether its values may be shown. No table is read for it.
    """
    places = [*schemas]
    columns: dict[str, list[ColumnOf]] = {}
    for relation, name, type_of, comment, common, bounds in postgres.rows(cursor, COLUMNS, {"of": places}):
        examples = _examples(common, bounds) if may_show(relation, name) else ()
        columns.setdefault(relation, []).append(ColumnOf(name, type_of, comment, examples))
    found = [
        Relation(name, kind, owner, comment, rows, tuple(columns[name]))
        for name, kind, owner, comment, rows in postgres.rows(cursor, RELATIONS, {"of": places})
    ]
    return {each.name: each for each in sorted(found, key=lambda each: (places.index(each.schema), each.name))}


def _examples(common: list[str] | None, bounds: list[str] | None) -> tuple[str, ...]:
    """The most common values; where all are different, the least and the greatest."""
    if common:
        found = common[:EXAMPLES]
    elif bounds:
        found = [bounds[0], "…", bounds[-1]]
    else:
        return ()
    return tuple(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…" for text in found)


RELATIONS = """
select
    format('%%s.%%s', schema.nspname, relation.relname),
    case relation.relkind when 'v' then 'view' else 'table' end,
    pg_get_userbyid(relation.relowner),
    coalesce(obj_description(relation.oid, 'pg_class'), ''),
    case when relation.relkind in ('r', 'p') and relation.reltuples >= 0 then relation.reltuples::bigint end
from pg_class as relation
inner join pg_namespace as schema on relation.relnamespace = schema.oid
where schema.nspname = any(%(of)s) and relation.relkind in ('r', 'p', 'v') and not relation.relispartition
"""
COLUMNS = """
select
    format('%%s.%%s', schema.nspname, relation.relname),
    attribute.attname,
    format_type(attribute.atttypid, attribute.atttypmod),
    coalesce(col_description(relation.oid, attribute.attnum), ''),
    stats.most_common_vals::text::text[],
    stats.histogram_bounds::text::text[]
from pg_class as relation
inner join pg_namespace as schema on relation.relnamespace = schema.oid
inner join pg_attribute as attribute
    on relation.oid = attribute.attrelid and attribute.attnum > 0 and not attribute.attisdropped
left join pg_stats as stats
    on schema.nspname = stats.schemaname and relation.relname = stats.tablename and attribute.attname = stats.attname
    and not stats.inherited
where schema.nspname = any(%(of)s) and relation.relkind in ('r', 'p', 'v') and not relation.relispartition
order by relation.oid, attribute.attnum
"""
