"""What the tables and views of a schema, and their columns, say that they are."""

from collections.abc import Callable
from typing import Any

COMMENTS = """
select relname::text, coalesce(attname, '')::text, case
    when attnum is null then obj_description(pg_class.oid, 'pg_class') else col_description(pg_class.oid, attnum)
end
from pg_class cross join lateral (
    select null::name as attname, null::int as attnum
    union all
    select attname, attnum from pg_attribute where attrelid = pg_class.oid and attnum > 0 and not attisdropped
) as part
where relnamespace = %s::regnamespace and relkind in ('r', 'v')
"""


def comments(run: Callable[..., list[Any]], schema: str) -> dict[tuple[str, str], str | None]:
    """The comment of each table and view, under an empty name, and of each column; None: it has none."""
    return {(relation, column): said for relation, column, said in run(COMMENTS, (schema,))}
