"""What the pages of tables, views, feeds and charts show."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.book import column_ways
from pipeline.book.column_ways import ColumnWays
from pipeline.book.described import ColumnOf, Relation
from pipeline.catalog import PERSONAL, SOURCE_TABLES, USER_PURCHASE
from pipeline.lineage import charts
from pipeline.lineage.graph import Column, Kind, Lineage
from pipeline.vendors.declared_feeds import CONTRACTS

WAREHOUSE = {
    "stage": "the newest row of each key of the source and of vendors",
    "dwh": "the star schema",
    "mart": "what dashboards read",
    "analyst": "what analysts read in place of tables with personal data",
    "etl": "the pipeline's own notes",
}
# Each group of pages with what it holds, in the order of the layers.
GROUPS = {
    "ops": "the operational database, whose changed rows are extracted",
    "retail": "another schema of it: purchases, extracted by the day of the invoice",
    "feed": "what vendors and the risk-score service send",
    **WAREHOUSE,
    "dataset": "what Superset reads of the mart",
    "chart": "what the dashboards show",
}
KINDS = {
    "ops": "table of the source",
    "retail": "table of the source",
    "feed": "feed",
    "dataset": "dataset of Superset",
}


@dataclass(frozen=True)
class PageColumn:
    """A column on a page. `said_of` is the column whose comment it shows, where it has none itself."""

    name: str
    type: str
    comment: str
    said_of: Column | None
    is_personal: bool
    examples: tuple[str, ...]
    ways: ColumnWays


@dataclass(frozen=True)
class Page:
    """A page of its own: `shown_on` are the dashboards of a chart."""

    name: str
    kind: str
    owner: str
    rows: int | None
    comment: str
    columns: tuple[PageColumn, ...]
    shown_on: tuple[str, ...]

    @property
    def group(self) -> str:
        """The group that it belongs to."""
        return self.name.partition(".")[0]

    @property
    def is_broken(self) -> bool:
        """Whether the source lacks a column that one of its columns is made of."""
        return any(column.ways.broken for column in self.columns)


def personal(lineage: Lineage) -> frozenset[Column]:
    """The columns that hold personal data: those that the catalogue names, and all that their values go into."""
    named = [Column(table, column) for table, columns in PERSONAL.items() for column in columns]
    reached = (column for start in named for column, kind in lineage.downstream(start).items() if kind is Kind.VALUE)
    return frozenset([*named, *reached])


def judge(lineage: Lineage) -> Callable[[str, str], bool]:
    """Whether the values of a column may be shown: not if they are personal data.

    And not those of a column that the lineage does not know, as one that somebody has added: nobody has judged it yet.
    Nor what the pipeline notes of its work, which holds rejected rows and errors.
    """
    hidden, known = personal(lineage), {*lineage.columns()}

    def may_show(relation: str, name: str) -> bool:
        column = Column(relation, name)
        return column in known and column not in hidden and not relation.startswith("etl.")

    return may_show


def pages(relations: Mapping[str, Relation], lineage: Lineage, broken: frozenset[Column]) -> list[Page]:
    """The pages of all relations, those of the warehouse and those around it, in the order of the layers."""
    of_lineage: dict[str, list[str]] = {}
    for column in lineage.columns():
        of_lineage.setdefault(column.relation, []).append(column.name)
    for table in (*SOURCE_TABLES.values(), USER_PURCHASE):
        of_lineage[table.name] = [*table.columns]
    comments = {
        Column(relation.name, column.name): column.comment
        for relation in relations.values()
        for column in relation.columns
        if column.comment
    }
    own, sent = _own_comments(), _sent_columns()
    hidden = personal(lineage)
    found = []
    for name in {**of_lineage, **relations}:
        group = name.partition(".")[0]
        if group not in GROUPS:
            continue
        relation = relations.get(name) or Relation(name, _kind(name), "", own.get(name, ""), None, ())
        told = {each.name: each for each in relation.columns}
        # The source may lack one that the warehouse needs.
        told |= {
            each: ColumnOf(each, "", sent.get(Column(name, each), ""), ())
            for each in of_lineage.get(name, ())
            if each not in told
        }
        shown = (_column(Column(name, each.name), each, lineage, broken, comments, hidden) for each in told.values())
        found.append(
            Page(
                name,
                relation.kind,
                relation.owner,
                relation.rows,
                relation.comment or _of_next(name, relations),
                tuple(shown),
                _dashboards(name),
            )
        )
    groups = [*GROUPS]
    return sorted(found, key=lambda page: (groups.index(page.group), page.name))


def _column(
    column: Column,
    described: ColumnOf,
    lineage: Lineage,
    broken: frozenset[Column],
    comments: Mapping[Column, str],
    hidden: frozenset[Column],
) -> PageColumn:
    said_of = None if described.comment else _named_alike(column, lineage, comments)
    return PageColumn(
        described.name,
        described.type,
        described.comment or (comments[said_of] if said_of else ""),
        said_of,
        column in hidden,
        described.examples,
        column_ways.of(lineage, column, broken),
    )


def _named_alike(column: Column, lineage: Lineage, comments: Mapping[Column, str]) -> Column | None:
    """The nearest column of the same name that has a comment, among those that hold the same values."""
    ends: tuple[Callable[[Column], Iterable[Column]], ...] = (
        lambda at: (edge.target for edge in lineage.targets(at) if edge.kind is Kind.VALUE),
        lambda at: (edge.source for edge in lineage.sources(at) if edge.kind is Kind.VALUE),
    )
    for beside in ends:
        seen, left = {column}, [column]
        while left:
            for there in sorted(beside(left.pop(0))):
                if there.name != column.name or there in seen:
                    continue
                if there in comments:
                    return there
                seen.add(there)
                left.append(there)
    return None


def _kind(name: str) -> str:
    group, _, stem = name.partition(".")
    if group != "chart":
        return KINDS.get(group, "table that the first load makes")
    return f"chart of Superset ({_assets('charts')[stem]['viz_type'].replace('echarts_timeseries_', '')})"


def _own_comments() -> dict[str, str]:
    """What the files of charts, datasets and feeds say of them."""
    told = {f"dataset.{stem}": each.get("description") or "" for stem, each in _assets("datasets").items()}
    told |= {
        f"chart.{stem}": f"{each['slice_name']}. {each.get('description') or ''}".strip()
        for stem, each in _assets("charts").items()
    }
    return told | {f"feed.{name}": contract.feed.says for name, contract in CONTRACTS.items()}


def _sent_columns() -> dict[Column, str]:
    """What contracts say of the columns that vendors and services send."""
    return {
        Column(f"feed.{name}", field.name): field.says
        for name, contract in CONTRACTS.items()
        for field in contract.feed.fields
    }


def _assets(kind: str) -> dict[str, charts.Config]:
    return {Path(where).stem: config for where, config in charts.assets(kind).items()}


def _of_next(name: str, relations: Mapping[str, Relation]) -> str:
    """A mirror of the source has no comment: the source's table, or its mirror."""
    group, _, short = name.partition(".")
    if group == "stage":
        source = next((each.name for each in SOURCE_TABLES.values() if each.short == short), None)
        return f"The newest row of each key of {source}." if source else ""
    if group in ("ops", "retail") and f"stage.{short}" in relations:
        return f"Extracted into stage.{short}."
    return ""


def _dashboards(name: str) -> tuple[str, ...]:
    group, _, stem = name.partition(".")
    if group != "chart":
        return ()
    titles = {where: config["dashboard_title"] for where, config in _assets("dashboards").items()}
    return tuple(titles[where] for where, shown in charts.dashboards().items() if stem in shown)
