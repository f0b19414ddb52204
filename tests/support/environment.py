"""The environment that all tests begin with, and the commands that they start."""

import os
from collections.abc import Mapping

from pipeline.kernel import config
from pipeline.kernel.settings import every_setting

# Settings of a developer must not reach the tests.
for variable in (*(setting.environment for setting in every_setting()), *config.OTHER_S3):
    os.environ.pop(variable, None)

# With it each process of Python compiles all our modules again, for a sixth of a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A JVM that runs for a few seconds spends half of them on compiling for a long life.
os.environ["JAVA_TOOL_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

ENVIRONMENT = dict(os.environ)


def changed(environment: Mapping[str, str] = os.environ) -> set[str]:
    """The variables that are other ones than when the tests began."""
    return {name for name, _ in ENVIRONMENT.items() ^ environment.items()} - {"PYTEST_CURRENT_TEST"}
