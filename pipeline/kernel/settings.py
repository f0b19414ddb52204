"""Every setting of the pipeline, declared once: its name, default, type, text and environment variable.

config.py reads them, reference.py writes them into luigi.cfg and docs/configuration.md.
"""

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.kernel.declaration import Setting, declared, setting
from pipeline.kernel.rejected import Allowance
from pipeline.kernel.setting_values import (
    flag,
    home,
    http_url,
    lake_url,
    megabytes_per_second,
    one_of,
    optional_date,
    seconds,
    slot_name,
    time_zone,
)
from pipeline.kernel.spark_settings import Lakehouse, Spark

# If any of these is set, S3 is not the embedded one: boto3 finds endpoint and credentials by its own rules.
OTHER_S3 = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


@dataclass(frozen=True)
class S3:
    """Where the lake's endpoint is. All None: boto3's own rules (environment, profile, instance role)."""

    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)


# eq=False: nobody compares them, and each method of a dataclass takes its time at every import.
@dataclass(frozen=True, kw_only=True, eq=False)
class Settings:
    """The values of the settings."""

    home: Path = setting(
        "",
        home,
        "Where embedded services keep data, logs and passwords. Empty: oceanrecords/ in $XDG_DATA_HOME or "
        "~/.local/share; for root, if others may not enter root's home, /var/lib/oceanrecords.",
        heading="Source, warehouse and lake",
    )
    operational_url: str = setting(
        "",
        str,
        "The source database, postgresql://user:password@host:port/database. Empty: the embedded server's database "
        "oceanrecords.",
        environment="OPERATIONAL_URL",
        secret=True,
    )
    new_source: str = setting(
        "",
        str,
        "The identity of another source that may replace the one that the warehouse was loaded from. The error that "
        "refuses the new source names it. The first command that reads it makes it the known source.",
    )
    simulator_url: str = setting(
        "",
        str,
        "The same database for the role that owns the simulated shop: extraction only reads. Empty: operational_url "
        "if that is set, else the embedded server's database.",
        secret=True,
    )
    warehouse_url: str = setting(
        "",
        str,
        "The warehouse database, likewise. Empty: the embedded server's database warehouse.",
        environment="WAREHOUSE_URL",
        secret=True,
    )
    lake_url: str = setting(
        "s3://ocean-lake",
        lake_url,
        "Where extracts and feeds lie, s3://bucket/prefix. boto3 takes endpoint and credentials from its environment "
        f"if one of these is set: {', '.join(OTHER_S3)}. Without them it is the embedded S3.",
        environment="LAKE_URL",
    )
    lake_lock_days: int = setting(
        "0",
        int,
        "For how many days objects below extract/, log/ and repair/ are locked (S3 Object Lock, governance mode). "
        "Until then a writer of the lake can add versions, and remove none. The bucket must have Object Lock, as in "
        "deploy/aws/data.yaml. 0: not at all.",
    )
    s3: S3
    from_lake: bool = setting(
        "0", flag, "Load from the lake alone, 0 or 1: nothing asks the source or the risk-score service."
    )
    simulate: bool = setting(
        "",
        flag,
        "Simulate the business of a day that is over before it is extracted, 0 or 1. Empty: 1 on the embedded source, "
        "0 on any other.",
        heading="The simulated shop",
    )
    simulate_feeds: bool = setting(
        "1", flag, "Also write the reviews and partner orders of the shop's vendors to the lake, 0 or 1."
    )
    shop_seed: int = setting("42", int, "The simulated shop is the same for the same seed, scale and opening.")
    shop_scale: float = setting("1", float, "Its size: 1 is about 150 orders a day when it opens.")
    shop_opened_on: dt.date | None = setting(
        "", optional_date, "The day the shop opens, YYYY-MM-DD. Empty: the first day that is simulated."
    )
    extraction: str = setting(
        "watermark",
        one_of("watermark", "log"),
        "How changes of the source are found. watermark: rows whose updated_ts is new. log: every change and every "
        "delete, from PostgreSQL's own log by logical decoding; docs/log-extraction.md says what the source must have.",
        heading="Loads",
    )
    log_slot: str = setting(
        "oceanrecords",
        slot_name,
        "With extraction = log: the replication slot in the source. Each warehouse needs its own.",
    )
    watermark_lag: dt.timedelta = setting(
        "1",
        seconds,
        "Seconds by which an extract stays behind the start of the oldest open transaction of the source. Raise it if "
        "the clocks that write updated_ts differ from the database server's.",
    )
    source_zone: str = setting(
        "",
        time_zone,
        "The time zone in which the source writes updated_ts and other instants (*_ts) in columns without a zone, such "
        "as America/New_York. Set it before the first load. Empty: UTC, and the first extract warns of such columns.",
    )
    extract_mb_per_second: float = setting(
        "0",
        megabytes_per_second,
        "How many megabytes of rows a second each extract asks of the source, before compression. With --workers 2 two "
        "tables are extracted at once. 0: as many as the source gives. Set it if the source has other work to do.",
    )
    compression: str = setting("zst", one_of("zst", "gz"), "Compression of extracts: zst or gz.")
    max_rejected: float = setting(
        "0.01",
        float,
        "The share of the rows of an extract, or of a feed's date, that may be rejected before its load fails.",
    )
    max_rejected_rows: int = setting(
        "10",
        int,
        "So many rows may be rejected whatever their share, so that a small extract does not fail for a single row.",
    )
    lost_order_limit: float = setting(
        "0.05",
        float,
        "The share of orders that may be lost; KPIs and dashboards show the deviation from it. CreateWarehouse applies "
        "a new value.",
    )
    mart: bool = setting(
        "1", flag, "Keep the aggregates behind KPIs and dashboards, 0 or 1. After 0, the next load catches up."
    )
    forecast: str = setting(
        "month",
        one_of("off", "week", "month"),
        "When the sales and orders of the next 90 days are forecast after a load: week or month, if none was forecast "
        "since one began, or off. It needs an environment of its own, which `make forecast` builds; without it there "
        "is no forecast.",
    )
    forecast_python: str = setting(
        "",
        str,
        "The Python that has the packages of requirements-forecast.lock. Empty: that of `make forecast`, in "
        ".venv-forecast/.",
    )
    retries: int = setting(
        "3",
        int,
        "How often a task runs again after a failure that may pass by itself: a lost connection, a server that is "
        "starting or busy, a deadlock, a timeout of a lock. It waits half a second first, and twice as long each "
        "further time, up to 10 s: 3 times bridge some 4 s, 7 times some 35 s. 0: never.",
    )
    max_queue_hours: float = setting(
        "24", float, "After how many hours a row in the reprocessing queue needs attention."
    )
    queue_alarm_days: float = setting(
        "3",
        float,
        "After how many days a row in the reprocessing queue needs attention no more, because the alerts before were "
        "sent. It stays in the queue, and gets its key when the missing row comes.",
    )
    max_lag_hours: float = setting(
        "36", float, "After how many hours a stage that is behind the clock needs attention."
    )
    max_slot_gb: float = setting(
        "10",
        float,
        "With extraction = log: how many gigabytes of its log the source may keep for the slot before that needs "
        "attention. It keeps what the loads have not read yet.",
    )
    alert_url: str = setting(
        "",
        http_url,
        "The URL that gets an alert if a daily load fails or needs attention: JSON by HTTP POST, with a field `text` "
        "as chat services want it. Empty: no alerts. Put a URL with a secret into the environment. Section [email] of "
        "luigi.cfg sends the same by e-mail.",
        secret=True,
    )
    alert_page: bool = setting(
        "0",
        flag,
        "Send the morning page of the data book with each alert, 0 or 1: as the field `page` of the JSON, and in a "
        "mail where format = html in section [email] of luigi.cfg.",
    )
    openlineage_url: str = setting(
        "",
        http_url,
        "The URL that gets OpenLineage's events of each run of a task, such as http://marquez:5000/api/v1/lineage. A "
        "login in it, https://user:password@host/path, is sent as HTTP's basic authentication. Empty: no events.",
        secret=True,
    )
    openlineage_namespace: str = setting(
        "oceanrecords", str, "The namespace of the jobs in OpenLineage's events. Each warehouse needs its own."
    )
    check_whole_days: int = setting(
        "7",
        int,
        "Within how many days each check looks at the whole warehouse once, each on its own day, and not at the day's "
        "load alone. 0: only for dates whose checks failed, or were left out.",
    )
    reconcile_days: int = setting(
        "7",
        int,
        "Within how many days the loads compare each source table with the warehouse once, each on its own day, as "
        "ReconcileSource --repair does. This finds deleted rows. It reads the table whole. 0: never by themselves.",
    )
    max_deleted: float = setting(
        "0.01",
        float,
        "The share of a table's rows that comparisons may mark as deleted within reconcile_days. If more or all rows "
        "are gone, they mark none and fail: ReconcileSource --repair --allow-deletes marks them.",
    )
    max_deleted_rows: int = setting("10", int, "So many rows may always be marked, if not all rows are gone.")
    risk_api_url: str = setting(
        "",
        str,
        "The risk-score service, https://user:password@host/path. Empty: the embedded one on the embedded source, none "
        "with any other source. An empty environment variable switches the feed off.",
        environment="RISK_API_URL",
        heading="Feeds",
        secret=True,
    )
    min_quantity: int = setting(
        "2",
        int,
        "Purchases count in dwh.user_behavior_metric if their quantity is above this. A date that was loaded with "
        "another value is loaded again on request.",
    )
    review_classifier: str = setting(
        "auto",
        one_of("auto", "keyword", "lexicon", "trained"),
        "The classifier of reviews: keyword, lexicon, trained, or auto (trained if a model exists, else lexicon).",
    )
    spark: Spark
    lakehouse: Lakehouse

    @property
    def reads_log(self) -> bool:
        """Whether changes of the source come from its log."""
        return self.extraction == "log" and not self.from_lake

    @property
    def allowance(self) -> Allowance:
        """How many rows of an input may be rejected."""
        return Allowance(self.max_rejected, self.max_rejected_rows)


def every_setting() -> list[Setting]:
    """All settings, in the order of the documentation."""
    return [*declared(Settings).values(), *declared(Spark).values(), *declared(Lakehouse).values()]
