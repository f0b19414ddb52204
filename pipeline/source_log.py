"""`python -m pipeline source`: prepares a source for extraction from its log, says what it lacks, and ends it."""

from collections.abc import Callable

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


def check() -> int:
    """Lists what the source lacks, each with the statements that its administrator runs; returns the exit code."""
    with postgres.session(settings().operational_url, "operational", purpose=slot.PURPOSE) as source:
        found = publication.problems(source, settings().log_slot)
    for problem in found:
        print("\n    ".join([problem.what, *problem.do]))
    if not found:
        print(f"Nothing is lacking: the slot {settings().log_slot} gives the log of {len(SOURCE_TABLES)} tables.")
    return LACKING if found else 0


def prepare() -> int:
    """Makes the publication, the slot, and the place on the lake where the log begins; returns the exit code.

    Where the role may not publish the tables, it prints the statements for their owner. What was written before the
    slot is not in its log: loads copy tables that were never extracted, and compare the others with the source. A
    rerun changes nothing.
    """
    with locked_source(LOG) as source:
        if not _publish(source):
            return LACKING
        with log_begun(slot.read(source, settings().log_slot), clock.today()) as taken:
            begins = f"it begins at {lsn.text(taken.position)}" if taken else "it was there"
    with postgres.transaction(settings().warehouse_url, "warehouse") as warehouse:
        if postgres.value(warehouse, "select to_regclass('etl.whole_pass') is not null"):
            turns.owe(warehouse, turns.COMPARISON, SOURCE_TABLES)
    print(
        f"The source gives its log through the slot {settings().log_slot}; {begins}. "
        "Set extraction = log (OCEAN_EXTRACTION=log)."
    )
    return 0


def drop() -> int:
    """Drops the slot, and the publication if no other slot may need it; returns the exit code, which is 0.

    A publication alone costs the source nothing: where the role may not drop it, it stays. A rerun finds nothing.
    """
    with locked_source(LOG) as source:
        dropped = slot.drop(source, settings().log_slot)
        print(f"The slot {settings().log_slot} {'was dropped' if dropped else 'is not there'}.")
        if others := publication.others(source):
            print(f"The publication {publication.NAME} stays: the slots {', '.join(others)} may need it.")
        else:
            _run(source, [f"drop publication if exists {publication.NAME};"])
    return 0


def _publish(source: Cursor) -> bool:
    """Publishes the tables; returns whether they are. Raises LogUnreadable for a table that cannot be published."""
    publication.require_keys(source)
    return _run(source, publication.statements(source))


def _run(source: Cursor, statements: list[str]) -> bool:
    """Runs statements as the owner of a simulated shop, or as the extracting role; prints those that are refused."""
    if not statements:
        return True
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
        print("The extracting role may not do this. As the owner of the tables, run:")
        print("\n".join(statements))
        return False
    return True


COMMANDS: dict[str, Callable[[], int]] = {"check": check, "prepare": prepare, "drop": drop}
