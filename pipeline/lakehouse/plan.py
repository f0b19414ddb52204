"""What a job of Spark is told: tables, columns and selects. It knows none of them by itself.

The plan is JSON without any secret: it lies on the lake while the job runs.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.catalog import DIMENSIONS, FACTS, FEEDS, SOURCE_TABLES, Dimension, Fact, SourceTable
from pipeline.lakehouse import declared
from pipeline.lakehouse.selects import for_spark
from pipeline.lakehouse.spark_sql import to_spark
from pipeline.source.columns import LONGEST_LABEL, kind_of
from pipeline.star import mart

# By the words of the contract for what a column holds.
KINDS = {
    "a whole number": "id",
    "an exact number": "amount",
    "an instant": "instant",
    "a date": "date",
    "true or false": "flag",
    "a text": "text",
}
SMALL_NUMBERS = ("line_number", "quantity")
# Facts lie by month, so that a day touches the months of its orders: what Iceberg partitions by, and the column.
PARTITIONS = {
    "dwh.fact_order": ("months(ordered_ts)", "ordered_ts"),
    "dwh.fact_order_line": ("truncate(100, ordered_date_key)", "ordered_date_key"),
    "mart.agg_order_month": ("month", ""),
    "mart.agg_order_day": ("month", ""),
    "mart.agg_product_month": ("month", ""),
    "mart.agg_subtype_month": ("month", ""),
    "mart.agg_risk_month": ("month", ""),
    "mart.agg_customer_quarter": ("quarter", ""),
    "mart.agg_customer_month": ("month", ""),
}
MADE = ("etl.reprocessing_queue", "etl.rejected_row")
# The tables of the mart that are counted by months or quarters.
BY_SPAN = {each.name: each for each in (*mart.BY_MONTH, mart.RISKS, *mart.BY_CUSTOMER)}
MART = (*BY_SPAN, *mart.WHOLE)


class Names:
    """What the tables of the warehouse are called in the catalog: their schemas with a prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def of(self, table: str) -> str:
        """`dwh.fact_order` -> `oceanrecords_dwh.fact_order`."""
        return f"{self.prefix}{table}"

    def real(self, others: Mapping[str, str] | None = None) -> dict[str, str]:
        """All schemas under their names, but for those in `others`; work is made in the job."""
        found = {f"{schema}.": f"{self.prefix}{schema}." for schema in ("stage", "dwh", "mart", "etl")}
        return {**found, "work.": "work_", **(others or {})}


def plan(names: Names) -> dict[str, Any]:
    """The plan without what changes from run to run: files, settings, the number of the batch."""
    return {
        "namespaces": [names.of(schema) for schema in ("stage", "dwh", "mart", "etl")],
        "declared": _declared(names),
        "stage": {
            **{table.short: names.of(f"stage.{table.short}") for table in SOURCE_TABLES.values()},
            **{feed: names.of(f"stage.{feed}") for feed in FEEDS},
        },
        "queue": names.of("etl.reprocessing_queue"),
        "rejected": names.of("etl.rejected_row"),
        "dimensions": [_dimension(names, dimension) for dimension in DIMENSIONS.values()],
        "facts": [_fact(names, fact) for fact in FACTS.values()],
        "mart": _mart(names),
    }


def source_table(names: Names, table: SourceTable) -> dict[str, Any]:
    """What a job is told of a source table: columns of the contract with what they hold, and its selects."""
    columns = kinds(table)
    key, listed = ", ".join(table.key), ", ".join(columns)
    history = ""
    if table.history:
        history = ", ".join([*table.key, table.watermark, table.history])
    views = {"delta": f"delta_{table.short}", "seen": f"seen_{table.short}"}
    texts = {**views, "key": key, "watermark": table.watermark}
    return {
        "name": table.name,
        "short": table.short,
        "stage": names.of(f"stage.{table.short}"),
        "key": list(table.key),
        "columns": columns,
        "required": [name for name in (*table.required, table.watermark) if name in columns],
        "label": table.label,
        "longest_label": LONGEST_LABEL,
        "watermark": table.watermark,
        "history": table.history,
        "is_large": table.short in ("orders", "order_lines"),
        **_of_the_log(table, key, listed),
        "newest": for_spark("work/stage/newest", {}, {**texts, "columns": listed}),
        "seen_values": for_spark("work/stage/seen_values", {}, {**texts, "columns": history}) if history else "",
        "repaired_values": for_spark(
            "work/stage/repaired_values",
            {},
            {
                **texts,
                "history": f"history_{table.short}",
                "value": table.history or "",
                "later": "array[]::bigint[]",
                "until": ":until::timestamptz",
            },
        )
        if history
        else "",
    }


def kinds(table: SourceTable) -> dict[str, str]:
    """The columns that stage on the lake has of a source table, those of the contract, with what they hold."""
    return {name: _kind(table, name) for name in table.columns if kind_of(table, name)}


def _of_the_log(table: SourceTable, key: str, columns: str) -> dict[str, str]:
    texts = {"delta": f"changes_{table.short}", "key": key, "columns": columns, "watermark": table.watermark}
    found = {"last_change": for_spark("work/stage/last_change", {}, texts)}
    if table.history:
        texts |= {"value": table.history, "stage": f"before_{table.short}"}
        found["logged_values"] = for_spark("work/stage/logged_values", {}, texts)
    return found


def feed(name: str) -> dict[str, Any]:
    """What a job is told of a feed's stage table."""
    columns = declared.tables()[f"stage.{name}"].columns
    return {"name": name, "key": list(FEEDS[name]), "columns": {k: v for k, v in columns.items() if k != "etl_batch"}}


def _kind(table: SourceTable, name: str) -> str:
    if name in SMALL_NUMBERS:
        return "int"
    kind = kind_of(table, name)
    assert kind
    return KINDS[kind.words]


def _declared(names: Names) -> dict[str, Any]:
    found = declared.tables()
    wanted = [*(f"stage.{feed}" for feed in FEEDS), *MADE]
    wanted += [f"dwh.{name}" for name in (*DIMENSIONS, *FACTS)]
    wanted += [f"mart.{name}" for name in MART]
    return {
        names.of(name): {
            "columns": found[name].columns,
            "unknown": found[name].unknown,
            "partition": PARTITIONS.get(name, ("", ""))[0],
            "is_large": name.startswith("dwh.fact_"),
        }
        for name in wanted
    }


def _dimension(names: Names, dimension: Dimension) -> dict[str, Any]:
    instants = " union all ".join(
        [
            "select null::timestamptz as instant where false",
            *(
                f"select {column}::timestamptz as instant from stage.{table} where etl_batch > :{table}_after"
                for table, column in dimension.instants
            ),
        ]
    )
    return {
        "name": dimension.name,
        "table": names.of(f"dwh.{dimension.name}"),
        "key": list(dimension.key),
        "surrogate": dimension.surrogate,
        "member": dimension.member,
        "order": [*(dimension.versions_of or dimension.key), "valid_from"],
        "is_versioned": bool(dimension.versions_of),
        "is_numbered": dimension.is_numbered,
        "sources": list(dimension.sources),
        "select": for_spark(f"work/dimension/{dimension.name}", names.real(), {"instants": f"({instants})"}),
        "reopens": {
            fact: {
                "fact": names.of(f"dwh.{fact}"),
                "select": for_spark(f"work/queue/{select}", names.real({f"dwh.{fact}": f"lines_of_{dimension.name}"})),
            }
            for fact, select in dimension.reopens
        },
    }


def _fact(names: Names, fact: Fact) -> dict[str, Any]:
    # Views of the job: facts are loaded side by side, so that each has its own.
    views = {view: f"{view}_{fact.name}" for view in ("changed", "due", "members", *fact.sources)}
    real, texts = names.real({"changed": views["changed"]}), dict(views)
    # After the load its rows, and those of stage, are known by the view of what was looked at.
    given = names.real(
        {
            "changed": views["changed"],
            f"dwh.{fact.name}": f"written_{fact.name}",
            **{f"stage.{source}": views[source] for source in fact.sources},
        }
    )
    looked_at = fact.changed.replace("changed_", "looked_at_")
    return {
        "name": fact.name,
        "table": names.of(f"dwh.{fact.name}"),
        "key": list(fact.key),
        "surrogate": declared.tables()[f"dwh.{fact.name}"].drawn,
        "order": list(fact.key),
        "is_versioned": False,
        "is_numbered": False,
        "sources": list(fact.sources),
        "dimensions": [
            {
                "name": name,
                "table": names.of(f"dwh.{name}"),
                "surrogate": DIMENSIONS[name].surrogate,
                "member": DIMENSIONS[name].member,
                "is_numbered": DIMENSIONS[name].is_numbered,
            }
            for name in fact.dimensions
        ],
        "changed_by": list(fact.changed_by),
        "month_of": [column for column in [PARTITIONS.get(f"dwh.{fact.name}", ("", ""))[1]] if column],
        "changed": for_spark(f"work/fact/{fact.changed}", real, texts),
        "select": for_spark(f"work/fact/{fact.name}", real, texts),
        "deleted": for_spark(f"work/fact/{fact.deleted}", given, texts) if fact.deleted else "",
        "reopened": for_spark("work/queue/reopened", real, texts),
        "arrived": for_spark("work/queue/arrived", real, texts),
        "missing": for_spark(f"work/queue/{fact.name}_missing", given, texts),
        "looked_at": for_spark(f"work/queue/{looked_at}", given, texts),
    }


def _mart(names: Names) -> dict[str, Any]:
    orders, lines = names.of("dwh.fact_order"), names.of("dwh.fact_order_line")
    address, product = names.of("dwh.dim_address"), names.of("dwh.dim_product")
    customer, by_month = names.of("dwh.dim_customer"), "cast(date_trunc('month', ordered_ts) as date)"
    by_day = "date_trunc('month', to_date(cast(nullif(ordered_date_key, -1) as string), 'yyyyMMdd'))::date"
    of_address = {"key": "address_key", "by": "country", "fact": orders, "month": by_month}
    of_customer = {"key": "customer_key", "by": "risk_score", "fact": orders, "month": by_month}
    of_product = {"key": "product_key", "by": "product_subtype", "fact": lines, "month": by_day}
    # Whole months are counted: nothing is taken away, so there is no state from before.
    before = {
        "mart.address_before": "select null::bigint as address_key, null::text as country where false",
        "mart.product_before": "select null::bigint as product_key, null::text as product_subtype where false",
        "mart.customer_before": "select null::bigint as customer_key, null::integer as risk_score where false",
    }
    return {
        "orders": orders,
        "lines": lines,
        # What is counted together, by what, and whose members move it. Risk scores move orders of all months at times,
        # and none of their lines.
        "groups": [
            {
                "counted": [orders, lines, address, product],
                "movers": {address: of_address, product: of_product},
                "aggregates": [_of_span(names, name) for name in BY_SPAN if name != mart.RISKS.name],
            },
            {
                "counted": [orders, customer],
                "movers": {customer: of_customer},
                "aggregates": [_of_span(names, mart.RISKS.name)],
            },
        ],
        **{
            name: for_spark(f"work/aggregate/{name}", names.real(_views(before)))
            for name in ("counted_order", "counted_line", "counted_product")
        },
        "nothing_before": {view: to_spark(before[name], lambda _: None) for name, view in _views(before).items()},
        "whole": [
            {
                **_of_mart(names, name, key),
                "reads": names.of(f"dwh.{table}"),
                "select": for_spark(f"work/aggregate/{name}", names.real(), texts),
            }
            for name, (key, table, texts) in mart.WHOLE.items()
        ],
    }


def _of_span(names: Names, name: str) -> dict[str, Any]:
    select = for_spark(f"work/aggregate/{name}", names.real())
    return {**_of_mart(names, name, BY_SPAN[name].key), "by": BY_SPAN[name].span, "select": select}


def _of_mart(names: Names, name: str, key: tuple[str, ...]) -> dict[str, Any]:
    return {"table": names.of(f"mart.{name}"), "key": list(key), "columns": declared.tables()[f"mart.{name}"].columns}


def _views(before: Mapping[str, str]) -> dict[str, str]:
    return {name: name.replace(".", "_") for name in before}
