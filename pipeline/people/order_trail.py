"""The way of one order through all layers: source, lake, stage, dwh, mart, and the runs that took it there."""

from dataclasses import dataclass, field

from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import NotFound, OceanError
from pipeline.lake.objects import lake
from pipeline.people import order_extracts, order_layers, order_mart
from pipeline.people.order_extracts import Extract
from pipeline.people.order_layers import Staged, Starred
from pipeline.people.order_mart import Counted
from pipeline.people.records import Record


@dataclass
class Trail:
    """What each layer has of an order. `problems` say which layers could not be asked, and why."""

    order_id: int
    source_order: Record | None = None
    source_lines: list[Record] = field(default_factory=list)
    stage: Staged = field(default_factory=Staged)
    extracts: list[Extract] = field(default_factory=list)
    star: Starred = field(default_factory=Starred)
    mart: Counted | None = None
    rejected: list[Record] = field(default_factory=list)
    runs: list[Record] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def is_anywhere(self) -> bool:
        """Whether any layer has it, or a line of it."""
        star, stage = self.star, self.stage
        found = (self.source_order, self.source_lines, stage.order, stage.lines, star.fact, star.lines, self.rejected)
        return any(found)


def follow(order_id: int, settings: Settings, *, personal: bool) -> Trail:
    """Reads the way of an order. Raises NotFound for one that nowhere exists, ServiceDown without a warehouse."""
    trail = Trail(order_id)
    _ask_source(trail, settings)
    with postgres.session(settings.warehouse_url, "warehouse", purpose="show order") as cursor:
        trail.stage = order_layers.staged(cursor, order_id)
        trail.star = order_layers.starred(cursor, order_id, personal=personal)
        keys = [line["line_number"] for line in (*trail.source_lines, *trail.stage.lines)]
        trail.rejected = order_layers.rejected(cursor, order_id, keys)
        if not trail.is_anywhere:
            raise _nowhere(trail)
        if trail.star.fact:
            trail.mart = order_mart.counted(cursor, trail.star, is_kept=settings.mart)
        try:
            trail.extracts = order_extracts.of(cursor, lake(), trail.stage.by_table(), order_id)
        except OceanError as error:
            trail.problems["lake"] = str(error)
        trail.runs = order_layers.runs(cursor, trail.extracts)
    return trail


def _ask_source(trail: Trail, settings: Settings) -> None:
    if not settings.operational_url:
        trail.problems["source"] = "it is not asked: from_lake is set"
        return
    try:
        with postgres.session(settings.operational_url, "operational", purpose="show order") as cursor:
            trail.source_order, trail.source_lines = order_layers.of_source(cursor, trail.order_id)
    except OceanError as error:
        trail.problems["source"] = str(error)


def _nowhere(trail: Trail) -> NotFound:
    if "source" in trail.problems:
        because = f"stage and dwh do not have it, and of the source: {trail.problems['source']}"
        return NotFound(f"show order {trail.order_id}", because, "see that the source answers, and ask again")
    return NotFound(
        f"show order {trail.order_id}",
        "neither the source nor stage nor dwh has it, nor was it rejected",
        "look the number up in ops.orders",
    )
