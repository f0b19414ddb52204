"""Where data lies, by OpenLineage's naming: a namespace and a name, without users and passwords."""

from typing import NamedTuple

from openlineage.client.naming.dataset import S3, DatasetNaming, Postgres

from pipeline.catalog import SOURCE_TABLES, USER_PURCHASE, VENDOR_FEEDS
from pipeline.feeds import landing, reviews
from pipeline.kernel import http, refusals
from pipeline.kernel.config import Settings
from pipeline.lake.objects import Lake
from pipeline.source import layout

LOCAL, PORT = "localhost", "5432"  # where a database is whose URL does not say it


class Place(NamedTuple):
    """A dataset of OpenLineage."""

    namespace: str
    name: str


class Places:
    """The places of tables, feeds and folders of one set of settings. A folder's is the same on all dates."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lake = Lake(settings.lake_url, settings.s3)

    def in_source(self, table: str) -> list[Place]:
        """A table of the source; none where nothing asks the source. Raises ConfigError for a URL that is none."""
        url = self._settings.operational_url
        return [_in_database(url, "operational", table)] if url else []

    def in_warehouse(self, table: str) -> Place:
        """A table or view of the warehouse. Raises ConfigError for a URL that is none."""
        return _in_database(self._settings.warehouse_url, "warehouse", table)

    def on_lake(self, folder: str) -> Place:
        """A folder of the lake that has a folder for each date."""
        return _named(S3(self._lake.bucket, self._lake.key(folder)))

    def extract(self, table: str) -> Place:
        """The extracts of a table of the source."""
        return self.on_lake(layout.folders(table))

    def changes(self, table: str) -> Place:
        """The changes of a table in the windows of the source's log."""
        return self.on_lake(f"{layout.LOG}/{table}")

    def feed(self, name: str) -> Place:
        """What a vendor or the risk-score service has sent, as it lies on the lake."""
        if name in VENDOR_FEEDS:
            return self.on_lake(landing.folder(VENDOR_FEEDS[name]))
        return self.extract(layout.SCORES)

    def classified_reviews(self) -> Place:
        """The reviews that Spark has classified."""
        return self.on_lake(reviews.STAGE)

    def scores(self) -> list[Place]:
        """The risk-score service; none where there is none."""
        where = http.parsed(self._settings.risk_api_url)
        return [Place(f"{where.scheme}://{where.netloc}", where.path or "/")] if where else []

    def of_relation(self, relation: str) -> Place:
        """A relation of the lineage where the tasks after its extract read or write it."""
        if relation in SOURCE_TABLES and self._settings.reads_log:
            return self.changes(relation)
        if relation in SOURCE_TABLES or relation == USER_PURCHASE.name:
            return self.extract(relation)
        schema, _, name = relation.partition(".")
        return self.feed(name) if schema == "feed" else self.in_warehouse(relation)


def _in_database(url: str, which: str, table: str) -> Place:
    schema, _, name = table.partition(".")
    # Of several hosts the first stands for all.
    host, port = (each.partition(",")[0] for each in refusals.address(url, which))
    host = LOCAL if not host or host.startswith("/") else f"[{host}]" if ":" in host else host
    database = refusals.parameters(url, which).get("dbname") or which
    return _named(Postgres(host, port or PORT, database, schema, name))


def _named(naming: DatasetNaming) -> Place:
    return Place(naming.get_namespace(), naming.get_name())
