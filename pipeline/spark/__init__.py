"""Where Spark runs: one small interface, and the engines behind it."""

from pipeline.kernel.config import Settings
from pipeline.lake.objects import Lake
from pipeline.spark.job import Engine, Job, Say

__all__ = ["Engine", "Job", "Say", "engine"]


def engine(settings: Settings, lake: Lake) -> Engine:
    """The engine of `spark_engine`; what it needs is imported and looked for only once it runs a job."""
    if settings.spark.engine == "emr":
        from pipeline.spark.emr import EmrEngine

        return EmrEngine(settings.spark, lake)
    from pipeline.spark.local import LocalEngine

    return LocalEngine(settings.spark, lake, logs=settings.home / "log")
