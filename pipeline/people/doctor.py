"""`python -m pipeline doctor`: all that a load needs before it runs. It starts nothing and changes nothing."""

from collections.abc import Iterator
from dataclasses import asdict

from pipeline.kernel import config
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import OceanError, printable
from pipeline.operations.state import ERROR, EXIT_CODES, WARN
from pipeline.people import diagnosis, doctor_databases, doctor_machine, doctor_services, painted
from pipeline.people.diagnosis import OK, Line
from pipeline.people.records import as_text


def show(*, as_json: bool) -> int:
    """Prints what was found, line by line; returns the exit code."""
    lines = [*_own(), *_needed()]
    severities = {line.severity for line in lines}
    worst = ERROR if ERROR in severities else WARN if WARN in severities else None
    if as_json:
        print(as_text({"status": worst or OK, "lines": [asdict(line) for line in lines]}))
    else:
        painted.show("\n".join(map(_text, lines)))
    return EXIT_CODES[worst]


def _own() -> Iterator[Line]:
    """What needs no settings."""
    yield from doctor_machine.versions()
    yield from doctor_machine.unknown_names()
    yield from diagnosis.guarded("files", doctor_machine.modes)
    yield from diagnosis.guarded("disk", lambda: [doctor_machine.room(config.home().expanduser(), "OCEAN_HOME")])


def _needed() -> Iterator[Line]:
    """What the settings name. Without settings there is no more to look at than why."""
    try:
        settings = config.settings()
    except OceanError as error:
        yield diagnosis.failed("settings", error)
        return
    yield Line("settings", OK, "luigi.cfg and environment are understood")
    yield from doctor_services.embedded()
    yield from diagnosis.guarded(doctor_databases.SOURCE, lambda: doctor_databases.source(settings))
    yield from diagnosis.guarded(doctor_databases.WAREHOUSE, lambda: doctor_databases.warehouse(settings))
    yield from _room_of_warehouse(settings)
    yield from diagnosis.guarded("S3", lambda: doctor_services.s3(settings))
    yield from diagnosis.guarded("luigid", doctor_services.luigid)
    yield from diagnosis.guarded("risk API", lambda: doctor_services.risk(settings))


def _room_of_warehouse(settings: Settings) -> list[Line]:
    try:
        folder = doctor_databases.folder_of_warehouse(settings)
    except OceanError:  # the warehouse's own line says that it does not answer
        return []
    return [doctor_machine.room(folder, "the warehouse")] if folder else []


def _text(line: Line) -> str:
    said = f"{line.severity:<6}{line.topic:<11}{printable(line.what)}"
    return f"{said}\n      do: {printable(line.do)}" if line.do else said
