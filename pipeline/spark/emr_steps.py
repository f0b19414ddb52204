"""The steps of a run on EMR: their names, their commands, and their paths on S3 and HDFS."""

import hashlib
import shlex
from collections.abc import Iterable
from typing import Any

from pipeline.lake.objects import Lake, Object
from pipeline.spark.job import Job, conf

STEPS = ("S3 to HDFS", "spark-submit", "HDFS to S3")


class EmrRun:
    """A job on certain objects: names, paths and commands of its steps."""

    def __init__(self, job: Job, entries: Iterable[Object], lake: Lake) -> None:
        self.job, self.lake = job, lake
        parts = [job.code, job.target, *job.arguments, *conf(job.settings), *job.jars]
        parts += [f"{entry.key} {entry.etag} {entry.size}" for entry in entries]
        self.digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        self.name = f"{job.name} {self.digest}"
        self.step_names = [f"{self.name}: {step}" for step in STEPS]
        self.code = f"code/{job.code}"
        self.folder = f"spark/{self.digest}"
        self.output = f"{self.folder}/output"
        self.prefixes = f"{self.folder}/sources.txt"
        self.hdfs = f"hdfs:///oceanrecords/{self.digest}"

    def upload(self) -> None:
        """Puts code and list of sources on the lake."""
        for path in (self.job.script, *self.job.files):
            self.lake.write(f"{self.code}/{path.name}", path.read_bytes())
        lines = [f"{self._url(source)}/\n" for source in self.job.sources]
        self.lake.write(self.prefixes, "".join(lines).encode())

    def steps(self, on_failure: str, driver_memory: str) -> list[Any]:
        """The steps in the form that EMR takes."""
        return [
            {
                "Name": name,
                "ActionOnFailure": on_failure,
                "HadoopJarStep": {"Jar": "command-runner.jar", "Args": arguments},
            }
            for name, arguments in zip(
                self.step_names, (self._copy_in(), self._submit(driver_memory), self._copy_out()), strict=True
            )
        ]

    def _copy_in(self) -> list[str]:
        copy = [
            "s3-dist-cp",
            f"--src={self._url('')}",
            f"--srcPrefixesFile={self._url(self.prefixes)}",
            f"--dest={self.hdfs}/source/",
        ]
        return ["bash", "-c", f"{shlex.join(self._clear())} && {shlex.join(copy)}"]

    def _submit(self, driver_memory: str) -> list[str]:
        """Fetches the code and runs it if its hash is right: EMR keeps this line, but others can write to the lake."""
        code = [self.job.script, *self.job.modules]
        sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in code)
        fetch = ["hadoop", "fs", "-get", *(self._url(f"{self.code}/{path.name}") for path in code), "."]
        check = f"printf %s {shlex.quote(sums)} | sha256sum --check --strict --quiet >&2"
        script = f'cd "$(mktemp -d)" && {shlex.join(fetch)} && {check} && exec {shlex.join(self._spark(driver_memory))}'
        return ["bash", "-c", script]

    def _spark(self, driver_memory: str) -> list[str]:
        options = ["--name", self.job.name, "--master", "yarn", "--deploy-mode", "client"]
        options += ["--driver-memory", driver_memory]
        options += conf(self.job.settings)
        if self.job.jars:
            options += ["--jars", ",".join(self.job.jars)]
        if self.job.modules:
            options += ["--py-files", ",".join(path.name for path in self.job.modules)]
        inside = {"source": f"{self.hdfs}/source", "target": f"{self.hdfs}/target", "files": self._url(self.code)}
        return ["spark-submit", *options, self.job.script.name, *self.job.filled(inside)]

    def _copy_out(self) -> list[str]:
        copy = ["s3-dist-cp", f"--src={self.hdfs}/target/", f"--dest={self._url(self.output)}/"]
        return ["bash", "-c", f"{shlex.join(copy)} && {shlex.join(self._clear())}"]

    def _clear(self) -> list[str]:
        return ["hdfs", "dfs", "-rm", "-r", "-f", "-skipTrash", self.hdfs]

    def _url(self, key: str) -> str:
        return f"{self.lake.url}/{key}"
