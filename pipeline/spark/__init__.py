"""The engines that run Spark jobs, and their one small interface."""

from pipeline.kernel.config import Settings
from pipeline.lake.objects import Lake
from pipeline.spark.job import Engine, Job, Say

__all__ = ["Engine", "Job", "Say", "engine"]


def engine(settings: Settings, lake: Lake) -> Engine:
    """The engine named by `spark_engine`. It imports and looks for its needs only when it runs a job."""
    if settings.spark.engine == "emr":
        from pipeline.spark.emr import EmrEngine

        return EmrEngine(settings.spark, lake)
    from pipeline.spark.local import LocalEngine

    return LocalEngine(settings.spark, lake, logs=settings.home / "log")
