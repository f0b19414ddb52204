"""The programs that steps call on an EMR cluster: `python emr_programs.py NAME ARGUMENTS...`.

HDFS is the folder EMR_DOUBLE_HDFS; S3 is the endpoint that boto3 finds in the environment.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import boto3


def local(url: str) -> Path:
    """The file or folder that stands for an hdfs:/// URL."""
    return Path(os.environ["EMR_DOUBLE_HDFS"]) / urlsplit(url).path.strip("/")


def s3_dist_cp(arguments: list[str]) -> None:
    """Copies between S3 and HDFS; with a file of prefixes only what lies below these, relative to --src."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for option in ("--src", "--dest", "--srcPrefixesFile"):
        parser.add_argument(option)
    options = parser.parse_args(arguments)
    s3 = boto3.client("s3")
    if options.src.startswith("s3://"):
        source = urlsplit(options.src)
        prefixes = [options.src]
        if options.srcPrefixesFile:
            file = urlsplit(options.srcPrefixesFile)
            body = s3.get_object(Bucket=file.netloc, Key=file.path.lstrip("/"))["Body"]
            prefixes = body.read().decode().split()
        for prefix in prefixes:
            pages = s3.get_paginator("list_objects_v2").paginate(
                Bucket=source.netloc, Prefix=urlsplit(prefix).path.lstrip("/")
            )
            for entry in (entry for page in pages for entry in page.get("Contents", [])):
                target = local(options.dest) / entry["Key"].removeprefix(source.path.lstrip("/"))
                target.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(source.netloc, entry["Key"], str(target))
    else:
        source_folder, target_url = local(options.src), urlsplit(options.dest)
        if not source_folder.exists():
            sys.exit(f"Input path does not exist: {options.src}")
        for path in (path for path in source_folder.rglob("*") if path.is_file() and not path.name.startswith(".")):
            key = f"{target_url.path.strip('/')}/{path.relative_to(source_folder).as_posix()}"
            s3.upload_file(str(path), target_url.netloc, key)


def hdfs(arguments: list[str]) -> None:
    """`hdfs dfs -rm -r -f -skipTrash URL`."""
    assert arguments[:-1] == ["dfs", "-rm", "-r", "-f", "-skipTrash"], arguments
    shutil.rmtree(local(arguments[-1]), ignore_errors=True)


def hadoop(arguments: list[str]) -> None:
    """`hadoop fs -get URL... FOLDER`."""
    assert arguments[:2] == ["fs", "-get"], arguments
    for url in map(urlsplit, arguments[2:-1]):
        target = Path(arguments[-1]) / Path(url.path).name
        boto3.client("s3").download_file(url.netloc, url.path.lstrip("/"), str(target))


def spark_submit(arguments: list[str]) -> None:
    """The real one, with a local master of one core for YARN, folders for hdfs:/// and copies for s3://."""
    s3 = boto3.client("s3")
    copies = Path(tempfile.mkdtemp(dir=os.environ["EMR_DOUBLE_HDFS"]))

    def translated(argument: str) -> str:
        if argument.startswith("hdfs:///"):
            return str(local(argument))
        if argument.startswith("s3://"):
            return ",".join(map(copied, argument.split(",")))
        return {"yarn": "local[1]"}.get(argument, argument)

    def copied(url: str) -> str:
        where = urlsplit(url)
        target = copies / Path(where.path).name
        s3.download_file(where.netloc, where.path.lstrip("/"), str(target))
        return str(target)

    settings = ["--conf", "spark.ui.enabled=false"]
    for name in ("spark.driver.host", "spark.driver.bindAddress"):
        settings += ["--conf", f"{name}=127.0.0.1"]
    program = Path(os.environ["SPARK_HOME"]) / "bin/spark-submit"
    sys.exit(subprocess.run([program, *settings, *map(translated, arguments)], check=False).returncode)


if __name__ == "__main__":
    name, *rest = sys.argv[1:]
    {"s3-dist-cp": s3_dist_cp, "hdfs": hdfs, "hadoop": hadoop, "spark-submit": spark_submit}[name](rest)
