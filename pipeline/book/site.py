"""Makes the book: reads what it shows, renders the pages, and puts them in the place of the ones before."""

import datetime as dt
import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipeline import kpis
from pipeline.book import described, freshness, key_figures, of_source, pages, star_diagram
from pipeline.book.pages import GROUPS, WAREHOUSE, Page
from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import OceanError
from pipeline.kernel.postgres import Cursor
from pipeline.lineage import warehouse
from pipeline.operations import findings, status
from pipeline.star import schema
from pipeline.trust import checks

PAGES = {
    "Today": "index.html",
    "Star schema": "star.html",
    "Tables": "tables.html",
    "KPIs": "kpis.html",
    "Checks": "checks.html",
}
INDEX = "book-index.js"  # the first file of a book, by which its folder is known
ODD = re.compile(r"[^A-Za-z0-9_.-]")  # in the name of a table: in a file's name it could lead elsewhere
AS_THEY_ARE = ("book.css", "book.js")
UNITS = {
    "currency": "the shop's currency",
    "orders": "orders",
    "customers": "customers",
    "days": "days",
    "share": "percent",
    "points": "percentage points",
}
MOVED = """
with newest as (select max(load_date) as load_date from mart.layer_rows)

select layer_rows.load_date, substr(layer_rows.layer, 3), layer_rows.rows::bigint
from mart.layer_rows
inner join newest on layer_rows.load_date = newest.load_date
order by layer_rows.layer
"""


class NoBook(OceanError):
    """A folder holds something else than a book."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"write the data book to {folder}",
            "this folder holds other files, which the book would replace",
            "name a folder that is empty or does not exist",
        )


class NothingToShow(OceanError):
    """There is no warehouse yet."""

    def __init__(self) -> None:
        super().__init__(
            "write the data book",
            "the warehouse has no tables yet, or those of an earlier version",
            "load a date, or run .venv/bin/luigi --module pipeline CreateWarehouse",
        )


@dataclass(frozen=True)
class Book:
    """All that the pages show; `dashboards` are titles with their addresses, empty where Superset is not ours."""

    pages: list[Page]
    shown: dict[str, Any]

    @cached_property
    def addresses(self) -> dict[str, str]:
        """The address of each page of a relation from the book's root, for names of any characters."""
        return {page.name: f"tables/{ODD.sub(lambda odd: f'~{ord(odd[0]):x}', page.name)}.html" for page in self.pages}


def read(settings: Settings, dashboards: dict[str, str], now: dt.datetime) -> Book:
    """Reads what the book shows from the warehouse, the source and the files.

    Raises NothingToShow without a warehouse of this version, and OceanError for one that does not answer.
    """
    lineage = warehouse.of_warehouse()
    may_show = pages.judge(lineage)
    source = of_source.read(settings, may_show)
    with postgres.session(settings.warehouse_url, "warehouse", purpose="book") as cursor:
        if postgres.value(cursor, "select to_regclass('etl.kpi_alert') is null") or schema.pending(cursor):
            raise NothingToShow
        relations = described.relations(cursor, WAREHOUSE, may_show)
        shown = _of_today(cursor, now, settings)
    book = pages.pages({**source.relations, **relations}, lineage, source.missing)
    return Book(
        book,
        shown
        | {
            "made": now,
            "broken": sorted(source.missing),
            "broken_at": source.looked_at,
            "dashboards": dashboards,
            "kpis": list(kpis.kpis().values()),
            "units": UNITS,
            "shown": kpis.shown,
            "signs": freshness.SIGNS,
            "stars": star_diagram.of_facts(relations),
            "layers": [
                {"name": name, "says": says, "pages": [page for page in book if page.group == name]}
                for name, says in GROUPS.items()
            ],
        },
    )


def _of_today(cursor: Cursor, now: dt.datetime, settings: Settings) -> dict[str, Any]:
    found = status.read(cursor, now, freshness.DAYS, settings)
    found.findings += findings.prepared(cursor, "warehouse")
    days = freshness.days(now.date())
    results = {check.name: check for check in found.checks}
    return {
        "status": found,
        "figures": key_figures.read(cursor) if settings.mart else None,
        "days": days,
        "freshness": freshness.read(cursor, days, settings),
        "moved": postgres.rows(cursor, MOVED),
        "checks": [(check, results.get(check.name)) for check in checks.checks()],
    }


def write(book: Book, folder: Path) -> Path:
    """Writes the site for its owner alone, in place of the one before; returns its first page.

    A kill leaves the site of before or the new one, or, for the moment between two renames, none. Raises NoBook for a
    folder with other files.
    """
    aside, before = folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")
    for known in (folder, aside, before):
        if known.is_symlink() or (known.exists() and not _is_replaceable(known)):
            raise NoBook(known)
    for left in (aside, before):
        _remove(left)
    aside.mkdir(mode=0o700, parents=True)
    for name, content in _files(book):
        path = aside / name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(content, "utf-8")
    if folder.exists():
        folder.rename(before)
    aside.rename(folder)
    _remove(before)
    return folder / "index.html"


def _is_replaceable(folder: Path) -> bool:
    return folder.is_dir() and ((folder / INDEX).exists() or not any(folder.iterdir()))


def _remove(folder: Path) -> None:
    """Deletes a book, its index last: so what a kill leaves is still known as one."""
    if folder.exists():
        for part in folder.iterdir():
            if part.is_dir():
                shutil.rmtree(part)
            elif part.name != INDEX:
                part.unlink()
        (folder / INDEX).unlink(missing_ok=True)
        folder.rmdir()


def morning_page(book: Book) -> str:
    """The morning page as one file without links to other pages, scripts or pictures, to be mailed."""
    return _render("morning.html", book, "", title="Today", here="", is_alone=True, style=_template("book.css"))


def _files(book: Book) -> Iterable[tuple[str, str]]:
    yield INDEX, f"const BOOK = {json.dumps(list(_index(book)))};\n"
    templates = {"index.html": "morning.html"}
    for title, address in PAGES.items():
        yield address, _render(templates.get(address, address), book, "", title=title, here=title)
    for page in book.pages:
        yield (
            book.addresses[page.name],
            _render("relation.html", book, "../", title=page.name, here="Tables", page=page),
        )
    for name in AS_THEY_ARE:
        yield name, _template(name)


def _index(book: Book) -> Iterable[tuple[str, str, str]]:
    """What the search finds: a name, what it is, and its address."""
    for kpi in book.shown["kpis"]:
        yield kpi.label, f"KPI: {kpi.text}", f"kpis.html#{kpi.name}"
    for page in book.pages:
        yield page.name, page.comment, book.addresses[page.name]
        for column in page.columns:
            yield f"{page.name}.{column.name}", column.comment, f"{book.addresses[page.name]}#{column.name}"
    for check, _ in book.shown["checks"]:
        yield check.name, f"check: {check.title}", f"checks.html#{check.name}"


def _render(template: str, book: Book, up: str, *, is_alone: bool = False, **values: Any) -> str:
    shown = {**book.shown, "pages": PAGES, "addresses": book.addresses, "up": up, "is_alone": is_alone, **values}
    return _environment().get_template(template).render(shown)


@cache
def _environment() -> Environment:
    """What comes from the warehouse is escaped: it is data, and never markup."""
    return Environment(
        loader=PackageLoader("pipeline.book"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template(name: str) -> str:
    return resources.files("pipeline.book").joinpath("templates", name).read_text("utf-8")
