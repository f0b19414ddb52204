"""Runs the script of the lake star again and again in one Spark 3.5, for the tests: python warm_lake.py.

Each line of its input is a request, JSON: the arguments of the script with its path first, settings of Spark and
variables. Each line of its output that begins with ANSWER answers one; the others are what the script said.
"""

import importlib
import json
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

ANSWER = "answer: "
MODULES = (
    *("lake_tables", "lake_files", "lake_changes", "lake_stage", "lake_star", "lake_mart"),
    *("lake_checks", "lake_publish"),
)


def main() -> None:
    """Starts Spark with the settings of the first request, and answers until the input ends."""
    first = json.loads(sys.stdin.readline())
    builder = SparkSession.builder.master("local[2]").appName("tests")
    for name, value in first["settings"].items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    print(ANSWER + json.dumps({"code": 0}), flush=True)
    for line in sys.stdin:
        print(ANSWER + json.dumps({"code": answer(spark, json.loads(line))}), flush=True)


def answer(spark: SparkSession, request: dict[str, Any]) -> int:
    """Runs the script in a session of its own, as spark-submit would; returns its exit code."""
    session = spark.newSession()
    SparkSession._instantiatedSession = session
    jvm: Any = spark._jvm
    jvm.SparkSession.setActiveSession(session._jsparkSession)
    jvm.SparkSession.setDefaultSession(session._jsparkSession)
    for name, value in request["settings"].items():
        if not name.startswith(("spark.driver", "spark.local", "spark.ui", "spark.log", "spark.authenticate")):
            session.conf.set(name, value)
    for module in MODULES:
        sys.modules.pop(module, None)
    importlib.invalidate_caches()
    os.environ.update(request["secrets"])
    sys.argv = request["argv"]
    sys.path.insert(0, str(Path(request["argv"][0]).parent))
    try:
        runpy.run_path(request["argv"][0], run_name="__main__")
    except SystemExit as error:
        return int(error.code or 0)
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        sys.path.pop(0)
        session.catalog.clearCache()
    return 0


if __name__ == "__main__":
    main()
