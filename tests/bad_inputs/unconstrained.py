"""A source that takes any row, as views and other shops' tables do."""

from support.world import World


def without_constraints(world: World) -> None:
    """Takes all constraints and indexes from the source's tables."""
    constraints = world.source(
        "select format('alter table %s drop constraint %I cascade', conrelid::regclass, conname) from pg_constraint "
        "where connamespace = 'ops'::regnamespace and contype in ('p', 'u', 'f') order by contype = 'f' desc"
    )
    columns = world.source(
        "select format('alter table %s alter %I drop not null', attrelid::regclass, attname) from pg_attribute "
        "where attrelid in (select oid from pg_class where relnamespace = 'ops'::regnamespace and relkind = 'r') "
        "and attnotnull and attnum > 0"
    )
    indexes = world.source(
        "select format('drop index ops.%I', indexname) from pg_indexes where schemaname = 'ops' and indexname ~ '_idx$'"
    )
    world.source(";".join(statement for (statement,) in [*constraints, *columns, *indexes]))
