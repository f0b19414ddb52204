"""The settings of Spark: where it runs, and the star that it builds on the lake."""

from dataclasses import dataclass

from pipeline.kernel.declaration import setting
from pipeline.kernel.setting_values import one_of, pairs, prefix


# eq=False: nobody compares them, and each method of a dataclass takes its time at every import.
@dataclass(frozen=True, kw_only=True, eq=False)
class Spark:
    """Where reviews are classified."""

    engine: str = setting(
        "local",
        one_of("local", "emr"),
        "Where Spark runs: local (spark_master below) or emr.",
        name="spark_engine",
        environment="SPARK_ENGINE",
        heading="Spark",
    )
    master: str = setting(
        "local[*]",
        str,
        "local[*], or spark://host:port of a standalone cluster. Spark gets only the variables that it needs, no "
        "password and no key. Its processes on this machine authenticate to each other. A standalone cluster has a "
        "secret of its own (spark.authenticate.secret): put it into spark-defaults.conf in the folder SPARK_CONF_DIR.",
        name="spark_master",
    )
    driver_memory: str = setting("1g", str, "The memory of Spark's driver.", name="spark_driver_memory")
    emr_cluster: str = setting(
        "",
        str,
        "The id (j-...) of a running EMR cluster that takes the steps. Empty: each run starts a cluster with the next "
        "settings and ends it.",
    )
    emr_release: str = setting("emr-7.9.0", str, "The release of EMR.")
    emr_instance_type: str = setting("m5.xlarge", str, "The type of each machine.")
    emr_instances: int = setting("3", int, "How many machines.")
    emr_job_role: str = setting("EMR_EC2_DefaultRole", str, "The role of the machines.")
    emr_service_role: str = setting("EMR_DefaultRole", str, "The role of EMR itself.")
    emr_subnet: str = setting("", str, "The id of the subnet. Empty: EMR's own choice.")
    emr_logs: str = setting("", str, "Where its logs go, s3://bucket/prefix. Empty: no logs are kept.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Lakehouse:
    """Where the same star is built by Spark, as tables of Iceberg."""

    star: str = setting(
        "postgresql",
        one_of("postgresql", "lake", "both"),
        "Where the star schema is built: postgresql; lake: by Spark, as tables of Iceberg, while PostgreSQL has the "
        "mart and the notes of the loads alone; or both. docs/scale.md says when and how. The engine is that of "
        "spark_engine.",
        heading="The star on the lake",
    )
    catalog: str = setting(
        "jdbc",
        one_of("jdbc", "glue", "rest"),
        "Iceberg's catalog: jdbc (tables of the warehouse database, in schema iceberg), glue (on AWS), or rest.",
        name="lakehouse_catalog",
    )
    catalog_uri: str = setting(
        "", str, "With lakehouse_catalog = rest: its URI, without a password.", name="lakehouse_catalog_uri"
    )
    warehouse: str = setting(
        "",
        str,
        "Where the tables lie, s3://bucket/prefix. Empty: iceberg/ below lake_url. Spark needs a file system for such "
        "a URL, or Iceberg's own; EMR has one. With spark_engine = local it may be a folder, file:///path.",
        name="lakehouse_warehouse",
    )
    prefix: str = setting(
        "oceanrecords_",
        prefix,
        "What the names of the databases in the catalog begin with: oceanrecords_dwh and others.",
        name="lakehouse_prefix",
    )
    jars: str = setting(
        "",
        str,
        "Paths or URLs of jars that Spark gets, with commas between: Iceberg's runtime for Spark 3.5 and, for jdbc, "
        "PostgreSQL's driver. EMR has Iceberg's.",
        name="lakehouse_jars",
    )
    python: str = setting(
        "",
        str,
        "With spark_engine = local: a Python that has pyspark 3.5, whose Spark runs the job. Empty: .venv-lakehouse, "
        "which `make lakehouse` builds.",
        name="lakehouse_python",
    )
    spark_settings: dict[str, str] = setting(
        "",
        pairs,
        "Further settings of Spark for the job, name=value with blanks between. They are visible in lists of "
        "processes: no secret belongs here.",
        name="lakehouse_spark_settings",
    )

    @property
    def has_star(self) -> bool:
        """Whether the star is built on the lake."""
        return self.star != "postgresql"

    @property
    def is_alone(self) -> bool:
        """Whether it is built there alone, and PostgreSQL has no stage of the source and no dwh."""
        return self.star == "lake"
