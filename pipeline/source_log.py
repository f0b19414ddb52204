"""`python -m pipeline source`: prepares a source for extraction from its log, says what it lacks, and ends it."""

import json
from typing import Any, Protocol

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import clock, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import DatabaseError
from pipeline.kernel.postgres import Cursor
from pipeline.source.log import lsn, publication, slot
from pipeline.tasks.copy_source import log_begun
from pipeline.tasks.locked_source import LOG, locked_source
from pipeline.trust import turns

LACKING = 1
REFUSED = "The extracting role may not do this. As the owner of the tables, run:"


def check(*, as_json: bool = False) -> int:
    """Lists what the source lacks, each with the statements that its administrator runs; returns the exit code."""
    with postgres.session(settings().operational_url, "operational", purpose=slot.PURPOSE) as source:
        found = publication.problems(source, settings().log_slot)
    lines = ["\n    ".join([problem.what, *problem.do]) for problem in found] or [
        f"Nothing is lacking: the slot {settings().log_slot} gives the log of {len(SOURCE_TABLES)} tables."
    ]
    lacking = [{"what": problem.what, "do": list(problem.do)} for problem in found]
    _tell(lines, {"slot": settings().log_slot, "lacking": lacking}, as_json=as_json)
    return LACKING if found else 0


def prepare(*, as_json: bool = False) -> int:
    """Makes the publication, the slot, and the place on the lake where the log begins; returns the exit code.

    Where the role may not publish the tables, it prints the statements for their owner. What was written before the
    slot is not in its log: loads copy tables that were never extracted, and compare the others with the source. A
    rerun changes nothing.
    """
    with locked_source(LOG) as source:
        if refused := _publish(source):
            _tell([REFUSED, *refused], {"slot": settings().log_slot, "refused": refused}, as_json=as_json)
            return LACKING
        with log_begun(slot.read(source, settings().log_slot), clock.today()) as taken:
            begins = lsn.text(taken.position) if taken else None
    with postgres.transaction(settings().warehouse_url, "warehouse") as warehouse:
        if postgres.value(warehouse, "select to_regclass('etl.whole_pass') is not null"):
            turns.owe(warehouse, turns.COMPARISON, SOURCE_TABLES)
    since = f"it begins at {begins}" if begins else "it was there"
    line = f"The source gives its log through the slot {settings().log_slot}; {since}. "
    found: dict[str, Any] = {"slot": settings().log_slot, "begins": begins, "refused": []}
    _tell([line + "Set extraction = log (OCEAN_EXTRACTION=log)."], found, as_json=as_json)
    return 0


def drop(*, as_json: bool = False) -> int:
    """Drops the slot, and the publication if no other slot may need it; returns the exit code, which is 0.

    A publication alone costs the source nothing: where the role may not drop it, it stays. A rerun finds nothing.
    """
    with locked_source(LOG) as source:
        dropped = slot.drop(source, settings().log_slot)
        lines = [f"The slot {settings().log_slot} {'was dropped' if dropped else 'is not there'}."]
        others = publication.others(source)
        refused = [] if others else _run(source, [f"drop publication if exists {publication.NAME};"])
    if others:
        lines.append(f"The publication {publication.NAME} stays: the slots {', '.join(others)} may need it.")
    lines += [REFUSED, *refused] if refused else []
    found = {"slot": settings().log_slot, "dropped": dropped, "others": others, "refused": refused}
    _tell(lines, found, as_json=as_json)
    return 0


def _tell(lines: list[str], found: dict[str, Any], *, as_json: bool) -> None:
    print(json.dumps(found, indent=1) if as_json else "\n".join(lines))


def _publish(source: Cursor) -> list[str]:
    """Publishes the tables; returns what was refused. Raises LogUnreadable for a table that cannot be published."""
    publication.require_keys(source)
    return _run(source, publication.statements(source))


def _run(source: Cursor, statements: list[str]) -> list[str]:
    """Runs statements as the owner of a simulated shop, or as the extracting role; returns them if one is refused."""
    if not statements:
        return []
    try:
        if settings().simulate:
            with postgres.session(settings().simulator_url, "simulator") as owner:
                for statement in statements:
                    owner.execute(statement)
        else:
            source.execute("set default_transaction_read_only = off")
            for statement in statements:
                source.execute(statement)
    except (DatabaseError, postgres.Error):
        return statements
    return []


class _Command(Protocol):
    def __call__(self, *, as_json: bool = False) -> int: ...


COMMANDS: dict[str, _Command] = {"check": check, "prepare": prepare, "drop": drop}
