"""The edges from the source over stage to dwh and the tables of the mart."""

from pipeline.catalog import DIMENSIONS, FACTS, FEEDS, SOURCE_TABLES, USER_PURCHASE, VENDOR_FEEDS, Dimension
from pipeline.lineage import select_files
from pipeline.lineage.draft import Draft
from pipeline.lineage.graph import Column, Edge, Kind
from pipeline.lineage.known_tables import history
from pipeline.lineage.relations import Relation, together
from pipeline.star import mart

CATALOG = "pipeline/catalog.py"
# What the job on reviews makes of the fields of a file (pipeline/spark/scripts/classify_reviews.py). The date is that
# of the file's folder, and the classifier a setting.
MADE_OF_REVIEWS = {
    "review_id": ("cid", "review_str"),
    "positive_review": ("review_str",),
    "positive_probability": ("review_str",),
}
# Only purchases of more than a setting are extracted.
PURCHASES, FILTERED_BY = "pipeline/feeds/purchases.py", "quantity"


def draw_stage(draft: Draft) -> None:
    """From the source, the vendors and the risk-score service to stage.

    Columns of the source come under their own names. The key says which rows are the same, and the watermark which of
    them is the newest; so both decide about each column.
    """
    for source in SOURCE_TABLES.values():
        targets = [f"stage.{source.short}", *([history(source)] if source.history else [])]
        for target in targets:
            for name in source.columns:
                if name in draft.known[target].columns:
                    edge = Edge(Column(source.name, name), Column(target, name), Kind.VALUE, CATALOG)
                    draft.edges.add(edge)
            deciding = [Column(source.name, name) for name in (*source.key, source.watermark)]
            draft.decide(deciding, target, CATALOG)
    for name in FEEDS:
        draft.fill(f"stage.{name}", f"work/stage/{name}", {f"delta.{name}": _delivered(draft, name)})
    _draw_purchases(draft)


def _delivered(draft: Draft, name: str) -> Relation:
    """What comes to the stage table of a feed."""
    fields = draft.known[f"feed.{name}"]
    if name not in VENDOR_FEEDS or not VENDOR_FEEDS[name].made_key:
        return fields
    made = {
        column: together(fields.columns[field] for field in MADE_OF_REVIEWS.get(column, ()))
        for column in draft.known[f"stage.{name}"].columns
    }
    return Relation({**made, **fields.columns}, together(fields.columns.values()).every)


def _draw_purchases(draft: Draft) -> None:
    """Purchases, and the measures of customers who buy. An extract is of the days that are asked for."""
    given = {"delta.user_purchase": draft.known[USER_PURCHASE.name]}
    given["replaced_day"] = draft.read("work/purchases/replaced_day", given)
    draft.fill("stage.user_purchase", "work/purchases/stage_user_purchase", given)
    deciding = [Column(USER_PURCHASE.name, name) for name in (USER_PURCHASE.watermark, FILTERED_BY)]
    draft.decide(deciding, "stage.user_purchase", PURCHASES)
    draft.fill("etl.user_purchase_day", "work/purchases/user_purchase_day", given)
    given["changed"] = draft.read("work/purchases/changed_behavior", given)
    draft.fill("dwh.user_behavior_metric", "work/purchases/user_behavior_metric", given)
    draft.fill("mart.agg_behavior_day", "work/purchases/agg_behavior_day", given)


def draw_dwh(draft: Draft) -> dict[str, Relation]:
    """From stage to the dimensions and facts; returns what each is filled with, as `work.<name>`.

    A fact is drawn as it is filled from the whole of stage. A daily load reads the changed rows alone, which makes no
    other rows. The queue holds facts until their members come, and makes none.
    """
    work = {}
    for dimension in DIMENSIONS.values():
        given = {":instants": _instants(draft, dimension)}
        work[f"work.{dimension.name}"] = draft.fill(f"dwh.{dimension.name}", f"work/dimension/{dimension.name}", given)
    for fact in FACTS.values():
        given = {f":{name}": draft.known[f"stage.{name}"] for name in fact.sources}
        work[f"work.{fact.name}"] = draft.fill(f"dwh.{fact.name}", f"work/fact/{fact.name}", given)
    return work


def _instants(draft: Draft, dimension: Dimension) -> Relation:
    brought = [draft.known[f"stage.{table}"].columns[column] for table, column in dimension.instants]
    instant = together(brought)
    return Relation({"instant": instant}, instant.values)


def draw_mart(draft: Draft, work: dict[str, Relation]) -> None:
    """From dwh to the tables of the mart.

    These are kept by difference, and hold what a fill of all orders would count. So they are drawn as filled: what
    the selects `written_*` and `moved_score` take off and add again decides when a figure is counted anew, and not what
    it is.
    """
    for target in mart.LOOKED_AT:
        draft.fill(f"mart.{target.before}", f"work/aggregate/{target.before}", work)
    given = {":orders": _signed(draft, "dwh.fact_order"), ":lines": _signed(draft, "dwh.fact_order_line")}
    for name in ("counted_order", "counted_line", "counted_product"):
        given[name] = draft.read(f"work/aggregate/{name}", given)
    given[":orders"] = given["counted_order"]
    for aggregate in mart.AGGREGATES:
        if aggregate.name not in mart.WHOLE:
            draft.fill(f"mart.{aggregate.name}", f"work/aggregate/{aggregate.name}", given)
    for name, (_, _, texts) in mart.WHOLE.items():
        given = {
            f":{variable}": _of_text(draft, f"select whole.* from {text} as whole") for variable, text in texts.items()
        }
        draft.fill(f"mart.{name}", f"work/aggregate/{name}", given)


def _signed(draft: Draft, fact: str) -> Relation:
    """All rows of a fact as they are counted: each with a sign."""
    return _of_text(draft, f"select 1 as sign, fact.* from {fact} as fact")


def _of_text(draft: Draft, select: str) -> Relation:
    return select_files.of_text(select, draft.known, "pipeline/star/mart.py")
