"""The stage table of a feed, made from its fields."""

from pipeline.vendors.vendor_fields import Feed

TYPES = {"text": "text", "integer": "bigint", "timestamp": "timestamptz"}


def ddl(feed: Feed) -> str:
    """Statements that create the table if it is missing, in the form of warehouse/ddl; a rerun changes nothing.

    A new field of an existing table is NULL in its old rows. So only a field of the key is NOT NULL.
    """
    columns = [f"{each.name} {TYPES[each.kind]}{' not null' if each.is_key else ''}" for each in feed.fields]
    lines = ",\n    ".join([*columns, "etl_batch bigint not null", f"primary key ({', '.join(feed.key)})"])
    says = feed.says.replace("'", "''")
    return (
        f"create table if not exists stage.{feed.name} (\n    {lines}\n);\n"
        f"create index if not exists {feed.name}_etl_batch on stage.{feed.name} (etl_batch);\n"
        f"comment on table stage.{feed.name} is '{says}';\n"
        f"select etl.describe_stage('stage.{feed.name}');\n"
    )
