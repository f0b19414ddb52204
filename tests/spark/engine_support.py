"""What the tests of the engines share: a lake of a test's own, and settings."""

import itertools
import json
from pathlib import Path

from pipeline.kernel.config import S3
from pipeline.lake.objects import Lake

_numbers = itertools.count()


def new_lake(home: Path) -> Lake:
    """An empty one on the embedded S3."""
    found = json.loads((home / "services.json").read_text())
    s3 = S3(found["s3_endpoint"], found["s3_access_key"], found["s3_secret_key"])
    return Lake(f"s3://ocean-lake/engines-{next(_numbers)}", s3)


def silent(_: str) -> None:
    """Progress that nobody reads."""
