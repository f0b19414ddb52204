"""What the tests of the engines share: a lake of a test's own, and settings."""

import itertools
import json
from pathlib import Path

from pipeline.kernel.config import S3, Spark
from pipeline.lake.objects import Lake

_numbers = itertools.count()

SPARK = Spark(
    engine="local",
    master="local[2]",
    driver_memory="700m",
    emr_cluster="",
    emr_release="emr-7.9.0",
    emr_instance_type="m5.xlarge",
    emr_instances=3,
    emr_job_role="EMR_EC2_DefaultRole",
    emr_service_role="EMR_DefaultRole",
    emr_subnet="",
    emr_logs="s3://logs/emr",
)


def new_lake(home: Path) -> Lake:
    """An empty one on the embedded S3."""
    found = json.loads((home / "services.json").read_text())
    s3 = S3(found["s3_endpoint"], found["s3_access_key"], found["s3_secret_key"])
    return Lake(f"s3://ocean-lake/engines-{next(_numbers)}", s3)


def silent(_: str) -> None:
    """Progress that nobody reads."""
