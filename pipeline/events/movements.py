"""What a task reads and writes, with the columns behind those that it writes, by the catalogue and the lineage."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES, STAR, USER_PURCHASE
from pipeline.events.places import Place, Places
from pipeline.feeds.purchases import METRIC
from pipeline.kernel.config import Settings
from pipeline.lineage import warehouse
from pipeline.lineage.graph import Column, Kind
from pipeline.lineage.known_tables import history
from pipeline.star import kept

Behind = Mapping[tuple[Place, str], Kind]  # columns by their places


@dataclass(frozen=True)
class Output:
    """A dataset that a task writes: behind each of its columns, those of its inputs; none where that is not known."""

    place: Place
    columns: Mapping[str, Behind] = field(default_factory=dict)


@dataclass(frozen=True)
class Movement:
    """The datasets of a task. With `is_counted` its rows and bytes are those of the first output."""

    inputs: tuple[Place, ...] = ()
    outputs: tuple[Output, ...] = ()
    is_counted: bool = False


class Movements:
    """The movements of tasks under one set of settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._places = settings, Places(settings)
        self._extracts: dict[str, Callable[[str], Movement]] = {
            "ExtractTable": lambda table: self._extract([table], self._places.extract),
            "ExtractLog": lambda _: self._extract(SOURCE_TABLES, self._places.changes),
            "CopySource": lambda _: self._extract(SOURCE_TABLES, self._places.extract),
            "ExtractPurchases": lambda _: self._extract([USER_PURCHASE.name], self._places.extract),
            "ExtractRiskScores": self._scores,
            "ClassifyReviews": self._classified,
        }

    def of_task(self, family: str, target: str) -> Movement:
        """What a task moves to or for its table or feed; nothing where it moves no rows.

        Raises LineageUnknown and ConfigError.
        """
        if family in self._extracts:
            return self._extracts[family](target)
        written = () if self._is_elsewhere(family) else _written(family, target)
        return self._by_lineage(family, target, written) if written else Movement()

    def _is_elsewhere(self, family: str) -> bool:
        """Whether a task only notes what there is, because the star on the lake takes it from there."""
        return family == "LoadStage" and self._settings.lakehouse.is_alone

    def _extract(self, tables: Iterable[str], to: Callable[[str], Place]) -> Movement:
        inputs, outputs = [], []
        for table in tables:
            read = self._places.in_source(table)
            columns = warehouse.relations()[table].columns
            outputs.append(Output(to(table), {name: {(each, name): Kind.VALUE for each in read} for name in columns}))
            inputs += read
        return Movement(tuple(inputs), tuple(outputs), is_counted=len(outputs) == 1)

    def _scores(self, feed: str) -> Movement:
        read = self._places.scores()
        columns = warehouse.relations()[f"feed.{feed}"].columns
        behind = {name: {(each, name): Kind.VALUE for each in read} for name in columns}
        return Movement(tuple(read), (Output(self._places.feed(feed), behind),), is_counted=True)

    def _classified(self, feed: str) -> Movement:
        output = Output(self._places.classified_reviews())
        return Movement((self._places.feed(feed),), (output,), is_counted=True)

    def _by_lineage(self, family: str, target: str, written: tuple[str, ...]) -> Movement:
        outputs: list[Output] = []
        inputs: dict[Place, None] = {}
        for relation in written:
            columns: dict[str, Behind] = {}
            for name in warehouse.relations()[relation].columns:
                found = _behind(Column(relation, name), frozenset(written))
                columns[name] = {(self._places.of_relation(each.relation), each.name): found[each] for each in found}
                inputs |= dict.fromkeys(place for place, _ in columns[name])
            outputs.append(Output(self._places.of_relation(relation), columns))
        if family == "LoadReviews":  # the lineage goes to the vendor's files, past what Spark makes of them
            inputs[self._places.classified_reviews()] = None
        if family == "LoadStage" and self._settings.reads_log:  # the first copies
            [table] = [name for name in SOURCE_TABLES if name == target]
            inputs[self._places.extract(table)] = None
        return Movement(tuple(inputs), tuple(outputs), is_counted=family != "LoadMart")


def _written(family: str, target: str) -> tuple[str, ...]:
    """The relations that a task writes, the one that it is named after first."""
    match family:
        case "LoadStage":
            source = SOURCE_TABLES[target]
            return (f"stage.{source.short}", *([history(source)] if source.history else []))
        case "LoadFeed" | "LoadPartnerOrders" | "LoadReviews" | "LoadRiskScores":
            return (f"stage.{target}",)
        case "LoadDimension" | "LoadFact":
            return (f"dwh.{target}", *_for_mart(target))
        case "LoadUserBehavior":
            return (f"dwh.{METRIC}", "stage.user_purchase", "etl.user_purchase_day", "mart.agg_behavior_day")
        case "LoadMart":
            return _of_mart()
        case "ForecastSales":
            return ("mart.sales_forecast", "mart.forecast_run")
    return ()


def _for_mart(target: str) -> tuple[str, ...]:
    """What the load of a dimension or fact notes for the mart."""
    before = (DIMENSIONS.get(target) or FACTS[target]).before
    noted = [before, kept.LABELS[target][0] if target in kept.LABELS else None]
    noted += [kept.SUMS[target].name if target in kept.SUMS else None]
    return tuple(f"mart.{name}" for name in noted if name)


@cache
def _of_mart() -> tuple[str, ...]:
    """The aggregates and views of the mart that come from dwh, and that no load of a dimension or fact keeps."""
    others = {f"mart.{target.before}" for target in STAR}
    others |= {name for target in STAR for name in _for_mart(target.name)}
    others |= {*_written("LoadUserBehavior", METRIC), *_written("ForecastSales", "")}
    lineage = warehouse.of_warehouse()
    found: dict[str, None] = {}
    for column in lineage.columns():
        is_new = column.relation.startswith("mart.") and column.relation not in {*others, *found}
        if is_new and any(each.relation.startswith("dwh.") for each in lineage.upstream(column)):
            found[column.relation] = None
    return tuple(found)


def _behind(column: Column, inside: frozenset[str]) -> dict[Column, Kind]:
    """The columns of other relations than those `inside` from which a task makes a column, sorted.

    By value if a way of values alone leads there.
    """
    by_value = _outside(column, inside, (Kind.VALUE,))
    by_any = _outside(column, inside, (Kind.VALUE, Kind.CONDITION))
    return {each: Kind.VALUE if each in by_value else Kind.CONDITION for each in sorted(by_any)}


def _outside(column: Column, inside: frozenset[str], kinds: tuple[Kind, ...]) -> set[Column]:
    seen, left, outside = {column}, [column], set()
    while left:
        edges = warehouse.of_warehouse().sources(left.pop())
        new = {edge.source for edge in edges if edge.kind in kinds} - seen
        seen |= new
        left += [each for each in new if each.relation in inside]
        outside |= {each for each in new if each.relation not in inside}
    return outside
