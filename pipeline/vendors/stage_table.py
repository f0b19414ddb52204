"""The stage table of a feed, made from its fields."""

from pipeline.vendors.vendor_fields import Feed

TYPES = {"text": "text", "integer": "bigint", "timestamp": "timestamptz"}


def ddl(feed: Feed) -> str:
    """Statements that create the table if it is missing, in the form of warehouse/ddl; a rerun changes nothing.

    Comments say of its columns what the contract does. A new field of an existing table is NULL in its old rows. So
    only a field of the key is NOT NULL.
    """
    columns = [f"{each.name} {TYPES[each.kind]}{' not null' if each.is_key else ''}" for each in feed.fields]
    lines = ",\n    ".join([*columns, "etl_batch bigint not null", f"primary key ({', '.join(feed.key)})"])
    says = "".join(
        f"comment on column stage.{feed.name}.{each.name} is {_literal(each.says)};\n"
        for each in feed.fields
        if each.says
    )
    return (
        f"create table if not exists stage.{feed.name} (\n    {lines}\n);\n"
        f"create index if not exists {feed.name}_etl_batch on stage.{feed.name} (etl_batch);\n"
        f"comment on table stage.{feed.name} is {_literal(feed.says)};\n{says}"
        f"select etl.describe_stage('stage.{feed.name}');\n"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
