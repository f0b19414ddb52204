"""Spark on this machine, or on a standalone cluster that sees this machine's files."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.kernel import config
from pipeline.kernel.errors import ConfigError, SparkFailed
from pipeline.lake import folders
from pipeline.lake.objects import Lake
from pipeline.spark.java import java_home
from pipeline.spark.job import Job, Say, conf

LOOPBACK = "127.0.0.1"
# The variables of our environment that Spark gets. The others hold passwords and keys, which must not reach a program
# that a model or a library loads.
INHERITED = re.compile(
    "PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH"
    "|JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS"
)
# Java would keep counters in the common temporary folder, whatever its settings.
NO_COUNTERS = "-XX:-UsePerfData"
LEASH = Path(__file__).with_name("leash.py")
KILLED = 128 + signal.SIGKILL
# The reason in a log: the one line of our scripts, or the first line of an exception.
ERROR_BEGINS = re.compile(r"Traceback |cannot ")
OWN_WORDS = re.compile(r"^cannot .+")
EXCEPTION = re.compile(r"^(?:Caused by: )?((?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)(?:: .+)?)$")
# Only says that there was another exception before it.
ECHO = "SparkUserAppException"
LONGEST_REASON = 300


class LocalEngine:
    """Runs a job by spark-submit as a child process, on copies of the lake's folders in a temporary folder.

    `logs` keeps the log of each job's last run. The master may be `local[...]` or `spark://host:port`. The workers of
    the latter must see the temporary folder (TMPDIR) under the same path. If they share a secret with the master, the
    user's own spark-defaults.conf (SPARK_CONF_DIR) has to name it.
    """

    def __init__(self, spark: config.Spark, lake: Lake, logs: Path) -> None:
        self.spark, self.lake, self.logs = spark, lake, logs

    def run(self, job: Job, say: Say) -> None:
        """Fetches the sources, runs the script and publishes its output; leaves only the log on this machine.

        After a kill at any instant, no process lives longer than a second. A kill during the publishing leaves new
        files beside old ones; a rerun fixes that.
        """
        entries = folders.objects(self.lake, job.sources)
        if not entries:
            say(f"{job.name}: nothing to read")
            return
        scratch = Path(tempfile.mkdtemp(prefix="oceanrecords-spark-"))
        try:
            say(f"{job.name}: fetching {len(entries)} files, {sum(entry.size for entry in entries):,} bytes")
            folders.fetch(self.lake, entries, scratch / "source")
            say(f"{job.name}: starting Spark on {self.spark.master}")
            self._submit(job, scratch, say)
            written = [path for path in sorted((scratch / "target").rglob("*")) if _is_output(path)]
            say(f"{job.name}: writing {len(written)} files")
            folders.publish(
                self.lake,
                job.target,
                {path.relative_to(scratch / "target").as_posix(): folders.upload(self.lake, path) for path in written},
            )
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _submit(self, job: Job, scratch: Path, say: Say) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        log_file = self.logs / f"spark-{re.sub('[^A-Za-z0-9_.=-]+', '-', job.name)}.log"
        command = [sys.executable, "-I", str(LEASH), str(os.getpid()), str(scratch), *self._command(job, scratch)]
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=scratch,
                env={**self._environment(scratch, job.python, job.newest_java), **job.secrets},
                text=True,
                errors="replace",
                start_new_session=True,
            )
            try:
                assert process.stdout is not None
                # Spark prints the script's stdout and stderr to stdout. All of it goes to the log; the lines before
                # an error are progress.
                failing = False
                for line in process.stdout:
                    log.write(line.encode())
                    log.flush()
                    failing = failing or bool(ERROR_BEGINS.match(line))
                    if not failing:
                        say(f"{job.name}: {line.rstrip()}")
                process.wait()
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode:
            raise SparkFailed(
                f"finish the Spark job {job.name} on {self.spark.master}",
                _reason(process.returncode, log_file.read_text(errors="replace")),
                f"see {log_file}, fix the cause and run the same command again",
            )

    def _command(self, job: Job, scratch: Path) -> list[str]:
        """The command line. The code runs from the scratch folder: Spark splits paths at commas, and it has none."""
        code = scratch / "files"
        code.mkdir()
        for path in (job.script, *job.files):
            shutil.copy(path, code)
        options = ["--name", job.name, "--master", self.spark.master, "--driver-memory", self.spark.driver_memory]
        options += conf({**self._settings(scratch), **job.settings})
        if job.jars:
            options += ["--jars", ",".join(job.jars)]
        if job.modules:
            options += ["--py-files", ",".join(str(code / path.name) for path in job.modules)]
        inside = {"source": scratch / "source", "target": scratch / "target", "files": code}
        arguments = job.filled({name: str(path) for name, path in inside.items()})
        return [str(spark_home(job.python) / "bin/spark-submit"), *options, str(code / job.script.name), *arguments]

    def _settings(self, scratch: Path) -> dict[str, str]:
        return {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.log.level": "WARN",
            "spark.local.dir": str(scratch / "spark"),
            "spark.driver.extraJavaOptions": f'"-Djava.io.tmpdir={scratch / "tmp"}" {NO_COUNTERS}',
            # On one machine Spark makes the secret itself, and shows it to nobody.
            **({} if self._is_cluster else {"spark.authenticate": "true"}),
            **({"spark.driver.host": LOOPBACK, "spark.driver.bindAddress": LOOPBACK} if self._stays_here else {}),
        }

    def _environment(self, scratch: Path, python: str = "", newest_java: int = 0) -> dict[str, str]:
        """The variables for Spark: its own, and of ours only INHERITED."""
        (scratch / "tmp").mkdir()
        inherited = {name: value for name, value in os.environ.items() if INHERITED.fullmatch(name)}
        if self._is_cluster and (found := os.environ.get("SPARK_CONF_DIR")):
            inherited["SPARK_CONF_DIR"] = found
        return {
            **inherited,
            "TMPDIR": str(scratch / "tmp"),
            "JAVA_HOME": str(java_home(scratch, newest_java)),
            "SPARK_HOME": str(spark_home(python)),
            "SPARK_LAUNCHER_OPTS": NO_COUNTERS,
            "PYSPARK_PYTHON": python or sys.executable,
            **({"SPARK_LOCAL_IP": LOOPBACK} if self._stays_here else {}),
        }

    @property
    def _is_cluster(self) -> bool:
        """Whether the executors run in processes that we did not start."""
        return self.spark.master.startswith("spark://")

    @property
    def _stays_here(self) -> bool:
        """Whether no other machine takes part."""
        return not self._is_cluster or urlsplit(self.spark.master).hostname in (LOOPBACK, "localhost")


@cache
def spark_home(python: str = "") -> Path:
    """The folder of the installed Spark, of this Python or of another one. Raises ConfigError if there is none."""
    if python:
        command = [python, "-c", FIND_SPARK]
        try:
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            raise ConfigError(
                "start Spark", f"{python} has no pyspark", "build it with `make lakehouse`, or correct lakehouse_python"
            ) from None
        return Path(told)
    found = find_spec("pyspark")
    if found is None or not found.submodule_search_locations:
        raise ConfigError("start Spark", "pyspark is not installed", "install the environment with `make env`")
    return Path(found.submodule_search_locations[0])


FIND_SPARK = "from importlib.util import find_spec; print(find_spec('pyspark').submodule_search_locations[0])"


def _is_output(path: Path) -> bool:
    """Whether the script wrote the file, and Hadoop does not keep it for itself (.crc) and left it finished."""
    return path.is_file() and not path.name.startswith(".") and "_temporary" not in path.parts


def _reason(code: int, log: str) -> str:
    """Why spark-submit ended, from its exit code and its log.

    Takes only the first line of an exception, which names the fault: the others may quote data.
    """
    lines = log.splitlines()
    if "java.lang.OutOfMemoryError" in log:
        return "its memory (spark_driver_memory) is too small: java.lang.OutOfMemoryError"
    if own := [line for line in lines if OWN_WORDS.match(line)]:
        return f"it {own[-1][:LONGEST_REASON]}"
    if code == KILLED:
        return "its process was killed, by hand or for want of memory"
    thrown = [match[1] for line in lines if (match := EXCEPTION.match(line)) and ECHO not in line]
    if thrown:
        return f"it ended with {thrown[-1][:LONGEST_REASON]}"
    return f"it ended with exit code {code}"
