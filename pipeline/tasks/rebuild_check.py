"""What a rebuild will read of the lake, looked at before anything is dropped; one error names all that is wrong.

Of extracts, repairs and purchases these are the metadata, the chain of windows and types, and the data to the last
byte; of reviews every row, of risk scores every answer. Vendors' files are not looked at: a load holds back what is
wrong with them and goes on. What is not finished is as good as not there. Memory does not grow with the lake's files.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from pipeline.catalog import SOURCE_TABLES, USER_PURCHASE, SourceTable
from pipeline.feeds import purchases, reviews
from pipeline.kernel.config import settings
from pipeline.kernel.errors import BadAnswer, BadExtract, OceanError, SchemaDrift, TooManyRejected
from pipeline.lake.forms import date_of
from pipeline.lake.objects import lake
from pipeline.lake.parquet import ParquetCsv
from pipeline.source import bounds, layout
from pipeline.source.instants import BEGINNING, instant
from pipeline.source.layout import Metadata
from pipeline.source.log import windows
from pipeline.source.log.windows import Window
from pipeline.stage import intake, loads, log_loads, order, repairs
from pipeline.tasks.load_reviews import COLUMNS, SCHEMA
from pipeline.tasks.load_risk_scores import LoadRiskScores
from pipeline.tasks.runtime import under_way

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 8  # things that are looked at, below the ten connections that boto3's client keeps
MOST_NAMED = 10
PIECE = 1 << 20
# What is wrong with something on the lake, and not with the way there.
WRONG = (BadExtract, BadAnswer, TooManyRejected, SchemaDrift)


def check(dates: Sequence[dt.date], say: Callable[[str], None]) -> None:
    """Returns where all that a rebuild of these dates reads can be loaded. Raises BadExtract, which names the rest."""
    newest, found = dates[-1], _Inspection()
    [ends] = found.each(windows.ends, [lake()]) or [[]]
    log = found.each(partial(windows.read, lake()), ends)
    for table in SOURCE_TABLES.values():
        say(f"looking at {table.name} on the lake, before anything is dropped")
        _table(found, table, newest, log)
    say("looking at the feeds on the lake, before anything is dropped")
    _purchases(found, newest)
    # One by one: an answer is read as a whole.
    found.each(_answer, _finished(layout.SCORES, newest, partial(layout.folder, layout.SCORES)), at_once=1)
    found.each(_reviews, [each for each in reviews.classified(lake()).items() if each[0] <= newest])
    found.require_nothing_wrong()


@dataclass
class _Inspection:
    """Looks at things side by side, and keeps what is wrong with them."""

    wrong: list[OceanError] = field(default_factory=list)

    def each(self, look: Callable[[T], R], things: Iterable[T], at_once: int = AT_ONCE) -> list[R]:
        """What `look` returns of each thing that is right, in their order."""

        def looked_at(thing: T) -> R | OceanError:
            try:
                return look(thing)
            except WRONG as error:
                return error

        with ThreadPoolExecutor(at_once) as pool:
            found = list(pool.map(looked_at, things))
        self.wrong += [each for each in found if isinstance(each, OceanError)]
        return [each for each in found if not isinstance(each, OceanError)]

    def require_nothing_wrong(self) -> None:
        """Raises BadExtract where there is something."""
        if not self.wrong:
            return
        named = ["cannot {}, because {}".format(*each.args) for each in self.wrong[:MOST_NAMED]]
        more = f"; and {len(self.wrong) - MOST_NAMED:,} more" if len(self.wrong) > MOST_NAMED else ""
        raise BadExtract(
            "rebuild the warehouse",
            f"not all on {lake().url} can be loaded ({len(self.wrong):,} errors): {'; '.join(named)}{more}",
            'nothing was dropped; see "The lake is damaged" in docs/operations.md, and run the same command again',
        )


def _table(found: _Inspection, table: SourceTable, newest: dt.date, log: Sequence[Window]) -> None:
    """The extracts of a table up to a date, its changes in the windows of a log, and the repairs loaded with them."""
    known = len(found.wrong)
    extracts = _metadata(found, _finished(table.name, newest, partial(layout.folder, table.name)))
    # A name that is no repair's stops every load.
    folders = [each for made in found.each(lambda each: repairs.folders(lake(), each), [table]) for each in made]
    made = found.each(lambda folder: repairs.metadata(lake(), folder), folders)
    ends = [instant(each.to_watermark) for each in extracts] + [instant(each.to_watermark) for each in log]
    wanted = [
        *extracts,
        *(each for each in made if instant(each.to_watermark) <= max(ends, default=instant(BEGINNING))),
    ]
    if len(found.wrong) == known:  # else what is missing has been named
        found.each(lambda each: loads.check_order(lake(), table, each), [sorted(wanted, key=order.place)])
        found.each(lambda each: log_loads.check_chain(lake(), table, each), [log])
    _data(found, wanted, layout.folders(table.name), f"{layout.REPAIRS}/{table.name}")
    changes = [change for window in log for change in window.of(table.name)]
    _data(found, changes, *{change.folder for change in changes})
    found.each(lambda each: repairs.deleted_keys(lake(), table, each), filter(order.is_repair, wanted))


def _purchases(found: _Inspection, newest: dt.date) -> None:
    """The purchases that are measured with the min_quantity of the settings, and the bounds that loads ask for."""
    name, above = USER_PURCHASE.name, settings().min_quantity
    finished = _finished(name, newest, lambda date, until: purchases.folder(date, above, until))
    _data(found, _metadata(found, finished), layout.folders(name))
    asked = sorted({newest, *(date for _, date in finished)})
    found.each(lambda date: bounds.chosen(lake(), date, under_way.until(date)), asked)


def _metadata(found: _Inspection, finished: Iterable[tuple[str, dt.date]]) -> list[Metadata]:
    read = found.each(lambda each: layout.metadata_in(lake(), each[0]), finished)
    return [each for each in read if each]  # none: it was deleted since it was listed


def _data(found: _Inspection, wanted: Iterable[Metadata], *folders: str) -> None:
    sizes = {file.key: file.size for folder in folders for file in lake().objects(folder)}
    found.each(lambda each: intake.check(lake(), each, sizes.get(intake.data_of(each))), wanted)


def _answer(finished: tuple[str, dt.date]) -> None:
    folder, date = finished
    LoadRiskScores(date).answer(folder)


def _reviews(classified: tuple[dt.date, reviews.Classified]) -> None:
    """What is classified of a date; nothing where it is not finished."""
    date, found = classified
    if not found.version:
        return
    part = reviews.part(lake(), date, found.version)
    if part.rows and not found.files:
        raise BadExtract(
            f"load the reviews of {date}",
            f"no file holds its {part.rows:,} reviews",
            f"delete {reviews.STAGE}/date={date}",
        )
    rows = ParquetCsv(lake(), [(key, {"review_date": str(date)}) for key in found.files], SCHEMA, list(COLUMNS))
    while rows.read(PIECE):
        pass


def _finished(name: str, newest: dt.date, place: Callable[[dt.date, str | None], str]) -> list[tuple[str, dt.date]]:
    """The finished folders of a table up to a date, each with its date; only those that a load would look in."""
    found = []
    for folder in layout.finished(lake(), name):
        date = date_of(layout.date_in(folder))
        if date and date <= newest and folder == place(date, layout.until_of(folder)):
            found.append((folder, date))
    return found
