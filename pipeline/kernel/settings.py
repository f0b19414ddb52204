"""Every setting of the pipeline, declared once: its name, default, type, text and environment variable.

config.py reads them, reference.py writes them into luigi.cfg and docs/configuration.md.
"""

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.kernel.declaration import Setting, declared, setting
from pipeline.kernel.setting_values import flag, home, http_url, lake_url, one_of, optional_date, seconds, time_zone

# Any of these says that S3 is somebody else's: boto3 then finds endpoint and credentials by its own rules.
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
class Spark:
    """Where reviews are classified. `emr_cluster` empty: a cluster is started for the run, and ends with it."""

    engine: str = setting(
        "local",
        one_of("local", "emr"),
        "Where Spark runs: local, which is spark_master below, or emr.",
        name="spark_engine",
        environment="SPARK_ENGINE",
        heading="Spark",
    )
    master: str = setting(
        "local[*]",
        str,
        "local[*], or spark://host:port of a standalone cluster. Spark is told nothing of the environment but what it "
        "needs, no password and no key. Within this machine its processes prove to each other who they are; a "
        "standalone cluster has a secret of its own (spark.authenticate.secret), for a spark-defaults.conf in the "
        "folder SPARK_CONF_DIR to name.",
        name="spark_master",
    )
    driver_memory: str = setting("1g", str, "The memory of Spark's driver.", name="spark_driver_memory")
    emr_cluster: str = setting(
        "",
        str,
        "The running EMR cluster that takes the steps, by its id (j-...). Empty: one is started for the run and ends "
        "with it, of the kind that the next settings say.",
    )
    emr_release: str = setting("emr-7.9.0", str, "The release of EMR.")
    emr_instance_type: str = setting("m5.xlarge", str, "The type of each machine.")
    emr_instances: int = setting("3", int, "How many machines.")
    emr_job_role: str = setting("EMR_EC2_DefaultRole", str, "The role of the machines.")
    emr_service_role: str = setting("EMR_DefaultRole", str, "The role of EMR itself.")
    emr_subnet: str = setting("", str, "The id of the subnet. Empty: EMR's own choice.")
    emr_logs: str = setting("", str, "Where its logs go, s3://bucket/prefix. Empty: none are kept.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Settings:
    """The settings as they were read."""

    home: Path = setting(
        "",
        home,
        "Where embedded services keep data, logs and passwords. Empty: oceanrecords/ in $XDG_DATA_HOME or "
        "~/.local/share; as root, where others may not enter root's home, /var/lib/oceanrecords.",
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
        "The identity of another source that may take the place of the one that the warehouse was loaded from, as the "
        "error that refuses it says. After the first command that reads it, it is the known one.",
    )
    simulator_url: str = setting(
        "",
        str,
        "The same database for the role that owns the simulated shop: extraction only reads. Empty: operational_url "
        "where that is set, else the embedded server's.",
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
        "Where extracts and feeds lie, s3://bucket/prefix. Endpoint and credentials are what boto3 makes of its "
        f"environment where any of these is set: {', '.join(OTHER_S3)}. With none of them it is the embedded S3.",
        environment="LAKE_URL",
    )
    lake_lock_days: int = setting(
        "0",
        int,
        "For how many days what is written below extract/ and repair/ is locked (S3 Object Lock, governance mode): "
        "until then whoever may write to the lake may lay another version over it, and take none away. The bucket must "
        "have been made with Object Lock, as deploy/aws/data.yaml makes it. 0: not at all.",
    )
    s3: S3
    from_lake: bool = setting(
        "0", flag, "Load what lies on the lake alone, 0 or 1: neither the source nor the risk-score service is asked."
    )
    simulate: bool = setting(
        "",
        flag,
        "Simulate the business of a day that is over before it is extracted, 0 or 1. Empty: 1 on the embedded source, "
        "0 on any other.",
        heading="The simulated shop",
    )
    simulate_feeds: bool = setting(
        "1", flag, "With it, drop its vendors' reviews and partner orders on the lake, 0 or 1."
    )
    shop_seed: int = setting("42", int, "The simulated shop is the same for the same seed, scale and opening.")
    shop_scale: float = setting("1", float, "Its size: 1 is about 150 orders a day when it opens.")
    shop_opened_on: dt.date | None = setting(
        "", optional_date, "The day the shop opens, YYYY-MM-DD. Empty: the first day that is simulated."
    )
    watermark_lag: dt.timedelta = setting(
        "1",
        seconds,
        "Seconds by which an extract stays behind the start of the oldest open transaction of the source. Raise it "
        "where the clocks that write updated_ts differ from the database server's.",
        heading="Loads",
    )
    source_zone: str = setting(
        "",
        time_zone,
        "The time zone in which the source writes updated_ts and other instants (*_ts) in columns without a zone, such "
        "as America/New_York. Set it before the first load. Empty: UTC, and the first extract warns of such columns.",
    )
    compression: str = setting("zst", one_of("zst", "gz"), "Compression of extracts: zst or gz.")
    max_rejected: float = setting(
        "0.01",
        float,
        "The share of the rows of an extract, or of a feed's date, that may be rejected before its load fails.",
    )
    lost_order_limit: float = setting(
        "0.05",
        float,
        "The share of orders that may be lost; KPIs and dashboards show the deviation from it. CreateWarehouse applies "
        "a new value.",
    )
    mart: bool = setting(
        "1",
        flag,
        "Keep the aggregates behind KPIs and dashboards, 0 or 1. They may be switched on again at any time: the next "
        "load catches up.",
    )
    retries: int = setting(
        "3",
        int,
        "How often a task is run again when what failed may pass by itself: a connection that was lost, a server that "
        "is starting or has too much to do, a deadlock, a lock that was not to be had in time. It waits half a second "
        "first, and twice as long each further time, up to 10 s: 3 times bridge some 4 s, 7 times some 35 s. 0: never.",
    )
    max_queue_hours: float = setting(
        "24", float, "After how many hours a row in the reprocessing queue needs attention."
    )
    queue_alarm_days: float = setting(
        "3",
        float,
        "After how many days a row in the reprocessing queue needs attention no more: whoever is to know was told. It "
        "stays in the queue, and gets its key on the day when the missing row comes.",
    )
    max_lag_hours: float = setting(
        "36", float, "After how many hours a stage that is behind the clock needs attention."
    )
    alert_url: str = setting(
        "",
        http_url,
        "Where an alert is posted to when a daily load failed, or brought what somebody should look at: JSON by HTTP "
        "POST, with a field `text` as chat services want it. Empty: nowhere. A URL with a secret in it belongs in the "
        "environment. Section [email] of luigi.cfg sends the same by e-mail.",
        secret=True,
    )
    check_whole_days: int = setting(
        "7",
        int,
        "After how many days the checks look at all that the warehouse holds again, and not at the day's load alone. "
        "0: never by themselves.",
    )
    reconcile_days: int = setting(
        "7",
        int,
        "After how many days a load compares source and warehouse as ReconcileSource --repair does, which is how "
        "deleted rows are found. It reads every source table whole. 0: never by itself.",
    )
    max_deleted: float = setting(
        "0.01",
        float,
        "The share of a table's rows that comparisons may mark as deleted within reconcile_days. Of more, or of all, "
        "they mark none and fail: ReconcileSource --repair --allow-deletes marks them.",
    )
    max_deleted_rows: int = setting("10", int, "So many rows may be marked in any case, where not all have vanished.")
    risk_api_url: str = setting(
        "",
        str,
        "The risk-score service, https://user:password@host/path. Empty: the embedded one on the embedded source, none "
        "with any other; set the environment variable to nothing and the feed is off.",
        environment="RISK_API_URL",
        heading="Feeds",
        secret=True,
    )
    min_quantity: int = setting(
        "2",
        int,
        "Purchases count in dwh.user_behavior_metric when their quantity is above this. A date loaded with another "
        "value is loaded again when it is asked for.",
    )
    review_classifier: str = setting(
        "auto",
        one_of("auto", "keyword", "lexicon", "trained"),
        "What says whether a review is positive: keyword, lexicon, trained, or auto (trained where a model exists, "
        "else lexicon).",
    )
    spark: Spark


def every_setting() -> list[Setting]:
    """All settings, in the order in which they are shown."""
    return [*declared(Settings).values(), *declared(Spark).values()]
