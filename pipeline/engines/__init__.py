"""Where Spark runs: one small interface, and the engines behind it."""

from pipeline.config import Settings
from pipeline.engines.job import Engine, Job, Say
from pipeline.lake import Lake

__all__ = ["Engine", "Job", "Say", "engine"]


def engine(settings: Settings, lake: Lake) -> Engine:
    """The engine of `spark_engine`; what it needs is imported and looked for only once it runs a job."""
    if settings.spark.engine == "emr":
        from pipeline.engines.emr import EmrEngine

        return EmrEngine(settings.spark, lake)
    from pipeline.engines.local import LocalEngine

    return LocalEngine(settings.spark, lake, logs=settings.home / "log")
