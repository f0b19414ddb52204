"""Indexes by which loads find the order lines of a member. The first load of lines, the longest, is faster without.

So they are built by whoever needs them first, and dropped again where the fact table is filled. Keys, and what costs a
first load next to nothing, are in warehouse/ddl: the load of fact_order ends before that of the lines.
"""

from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql

# By their names: table and columns. Lines come by the day: that first, each day writes one end of the index, and the
# few days are skipped through to find the lines of a product.
INDEXES = {
    "fact_order_line_ordered_product": ("fact_order_line", ("ordered_date_key", "product_key")),
}


def build(cursor: Cursor, *tables: str) -> None:
    """Builds the missing indexes of these fact tables. A rerun finds nothing to do."""
    for name, (table, columns) in INDEXES.items():
        if table in tables:
            create = sql.SQL("create index if not exists {} on {} ({})")
            cursor.execute(create.format(sql.Identifier(name), qualified(f"dwh.{table}"), identifiers(columns)))


def drop(cursor: Cursor, table: str) -> list[str]:
    """Drops the keys and indexes of a table that is about to be filled.

    Returns the statements that build them when it is filled, without those that `build` builds.
    """
    found = postgres.rows(cursor, STATEMENTS, {"table": f"dwh.{table}"})
    for _, statement, _ in found:
        cursor.execute(statement)
    return [create for name, _, create in found if name not in INDEXES]


# Each index of a table, with the statements that drop it and build it, or the constraint that it serves.
STATEMENTS = """
select
    relname,
    case
        when conname is null then format('drop index %%s', indexrelid::regclass)
        else format('alter table %%s drop constraint %%I', indrelid::regclass, conname)
    end,
    case
        when conname is null then pg_get_indexdef(indexrelid)
        else format(
            'alter table %%s add constraint %%I %%s',
            indrelid::regclass, conname, pg_get_constraintdef(pg_constraint.oid)
        )
    end
from pg_index
inner join pg_class on indexrelid = pg_class.oid
left join pg_constraint on conindid = indexrelid and conrelid = indrelid and contype in ('p', 'u', 'x')
where indrelid = %(table)s::regclass
order by contype, indexrelid
"""
