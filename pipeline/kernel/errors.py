"""One class per kind of failure. A message says: cannot X, because Y; do Z.

Messages name tables, dates, files and services, never row values or secrets.
"""


class OceanError(Exception):
    """Base of every failure the pipeline raises itself.

    >>> print(ServiceDown("reach the warehouse at 127.0.0.1:5432", "the connection was refused", "run `make up`"))
    cannot reach the warehouse at 127.0.0.1:5432, because the connection was refused; run `make up`
    """

    def __init__(self, cannot: str, because: str, do: str) -> None:
        super().__init__(cannot, because, do)

    def __str__(self) -> str:
        cannot, because, do = self.args
        return printable(f"cannot {cannot}, because {because}; {do}")


def printable(text: str) -> str:
    r"""A text as one line that does no more than show itself: what a terminal would obey, or end a line at, is escaped.

    Names on the lake and in the source are others' to choose.

    >>> print(printable("a.csv\n\x1b[31mERROR"))
    a.csv\n\x1b[31mERROR
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class ConfigError(OceanError):
    """A setting is missing or cannot be understood."""


class BadContract(OceanError):
    """The contract of a feed says what the pipeline does not do."""


class NotFound(OceanError):
    """What somebody asked for is nowhere."""


class ServiceDown(OceanError):
    """A database, the S3 endpoint or another server does not answer."""


class DatabaseError(OceanError):
    """PostgreSQL refused a statement."""


class RowsHidden(DatabaseError):
    """A policy would hide rows of a table that must be read whole."""


class Transient(OceanError):
    """A failure that may pass by itself: the same work may succeed a little later."""


class ServiceLost(ServiceDown, Transient):
    """A server that answered this command before does not any more, or has too much to do."""


class StatementLost(DatabaseError, Transient):
    """PostgreSQL ended a transaction because of a passing event: a deadlock, a lost connection."""


class ServiceFailed(OceanError):
    """An embedded service could not be started or stopped."""


class SourceUnsafe(OceanError):
    """No upper bound can be chosen below which every row of the source is certain to be visible."""


class LogUnreadable(OceanError):
    """The source's log cannot be read on from where the lake ends without losing changes."""


class Unpublished(LogUnreadable):
    """Changes of the source are left out of its log, or have no key there: no window has them, now or later."""


class TransactionOpen(LogUnreadable):
    """A slot cannot begin where a transaction of the source is open."""


class SlotTaken(TransactionOpen, Transient):
    """Another session is creating the slot."""


class NotBegun(OceanError):
    """A date cannot be loaded before it has begun."""


class WrongSource(OceanError):
    """The source is another database than the one that the warehouse was loaded from."""


class SchemaDrift(OceanError):
    """The source's tables changed in a way that the stage cannot follow by itself."""


class BadExtract(OceanError):
    """An extract on the lake is missing, incomplete or not what its metadata says."""


class BadHeader(BadExtract):
    """The first line of a vendor's file is not the header of its feed."""


class BadAnswer(OceanError):
    """An answer of the risk API that cannot be understood."""


class TooManyRejected(OceanError):
    """More rows of an input were rejected than `max_rejected` and `max_rejected_rows` allow."""


class TooManyDeleted(OceanError):
    """More rows vanished from the source than may be marked as deleted by themselves."""


class ChecksFailed(OceanError):
    """The loaded rows are not right."""


class TaskDied(OceanError):
    """A task ended without saying anything: its process was killed, or its command was interrupted."""


class Undelivered(OceanError):
    """Nobody took an alert, or an event."""


class CannotUpgrade(OceanError):
    """The warehouse is not one that an earlier version of this pipeline made."""


class WarehouseNotEmpty(OceanError):
    """A warehouse cannot be built because there is one."""


class SourceDiffers(OceanError):
    """The warehouse and the source differ."""


class LoadIncomplete(OceanError):
    """A dimension or a feed could not be loaded. The rest was, with unknown members in place of missing ones."""


class SimulationError(OceanError):
    """The simulated shop cannot do this business day."""


class StarsDiffer(OceanError):
    """The star in PostgreSQL and that on the lake do not hold the same rows."""


class SparkFailed(OceanError):
    """A Spark job, or the cluster that it runs on, did not come to a good end."""


class ForecastFailed(OceanError):
    """The forecast could not be made."""


def reason(error: BaseException) -> str:
    """Says why something failed, without values of rows and without secrets. Names only the class of a foreign error.

    >>> reason(KeyError("hunter2"))
    'an unexpected KeyError; its trace is in the log'
    """
    return str(error) if isinstance(error, OceanError) else unexpected(type(error).__name__)


def unexpected(name: str) -> str:
    """The message for an error that is not ours."""
    return f"an unexpected {name}; its trace is in the log"
