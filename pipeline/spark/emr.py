"""Spark on Amazon EMR: S3 to HDFS, spark-submit, HDFS to S3, as steps of a cluster. EMR keeps the steps' state."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from tenacity import Retrying, retry_if_exception, retry_if_result, stop_after_attempt, wait_random_exponential
from tenacity.wait import wait_base

from pipeline.kernel import clock, config
from pipeline.kernel.errors import ConfigError, ServiceDown, SparkFailed
from pipeline.lake import folders
from pipeline.lake.objects import Lake
from pipeline.spark.emr_steps import STEPS, EmrRun
from pipeline.spark.job import Job, Say

if TYPE_CHECKING:
    from mypy_boto3_emr import EMRClient
    from mypy_boto3_emr.type_defs import StepSummaryTypeDef

T = TypeVar("T")

UNDER_WAY = ("PENDING", "RUNNING")
GONE = ("TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS")
ATTEMPTS = 6
# Errors after which the same request may succeed. 5xx are recognised by their number.
TRANSIENT = ("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException")
BETWEEN_ATTEMPTS = wait_random_exponential(multiplier=1, max=30)
BETWEEN_LOOKS = wait_random_exponential(multiplier=5, max=60)
# What a job with a catalog needs of the cluster: Iceberg, which EMR has and leaves out.
CATALOG = "spark.sql.catalog."
ICEBERG: Any = {"Classification": "iceberg-defaults", "Properties": {"iceberg.enabled": "true"}}
DAYS_TO_LOOK_BACK = 2  # for a cluster of ours that has ended


class EmrEngine:
    """Runs a job as three steps on the cluster in the settings, or on a new cluster that ends with them.

    The steps' names hold the job's name and a hash of its code, its arguments and the objects it reads. By them a
    rerun finds the steps of an interrupted run, and tells failed or cancelled steps from newer ones.
    boto3 finds endpoint, region and credentials of EMR by its own rules.
    """

    def __init__(
        self,
        spark: config.Spark,
        lake: Lake,
        between_attempts: wait_base = BETWEEN_ATTEMPTS,
        between_looks: wait_base = BETWEEN_LOOKS,
    ) -> None:
        self.spark, self.lake = spark, lake
        self.between_attempts, self.between_looks = between_attempts, between_looks

    def run(self, job: Job, say: Say) -> None:
        """Adds the steps, or finds those of an interrupted run, and publishes their output when they have ended.

        The steps write to a folder of the run's own on the lake first. So no step leaves the target half written.
        After a kill at any instant the steps continue, and a rerun finds them.
        """
        entries = folders.objects(self.lake, job.sources)
        if not entries:
            say(f"{job.name}: nothing to read")
            return
        run = EmrRun(job, entries, self.lake)
        cluster, steps = self._find(run) or self._begin(run, say)
        self._wait(run, cluster, steps, say)
        self._publish(run, say)

    def _find(self, run: EmrRun) -> tuple[str, list[str]] | None:
        """Cluster and steps of an interrupted run that are under way, or have ended well and were not published."""
        for cluster in [self.spark.emr_cluster] if self.spark.emr_cluster else self._own_clusters(run):
            steps = self._newest_steps(run, cluster)
            states = {step["Status"]["State"] for step in steps}
            if len(steps) < len(STEPS) or not states <= {*UNDER_WAY, "COMPLETED"}:
                continue
            if states != {"COMPLETED"} or self.lake.objects(run.output):
                return cluster, [step["Id"] for step in steps]
        return None

    def _own_clusters(self, run: EmrRun) -> list[str]:
        """The clusters that were started for this run, newest first."""
        since = clock.now() - dt.timedelta(days=DAYS_TO_LOOK_BACK)
        found = self._ask(
            lambda: [
                cluster
                for page in self.client.get_paginator("list_clusters").paginate(CreatedAfter=since)
                for cluster in page["Clusters"]
                if cluster["Name"] == run.name
            ]
        )
        found.sort(key=lambda cluster: cluster["Status"]["Timeline"]["CreationDateTime"], reverse=True)
        return [cluster["Id"] for cluster in found]

    def _newest_steps(self, run: EmrRun, cluster: str) -> list["StepSummaryTypeDef"]:
        """The newest step of each of the run's names, in the order in which they run."""
        listed = self._ask(
            lambda: [
                step
                for page in self.client.get_paginator("list_steps").paginate(ClusterId=cluster)
                for step in page["Steps"]
                if step["Name"].startswith(run.name)
            ]
        )
        listed.sort(key=lambda step: step["Status"]["Timeline"]["CreationDateTime"])
        newest = {step["Name"]: step for step in listed}
        return [newest[name] for name in run.step_names if name in newest]

    def _begin(self, run: EmrRun, say: Say) -> tuple[str, list[str]]:
        """Puts code and list of sources on the lake and adds the steps, to a new cluster if none is configured.

        EMR's answer may be lost after EMR did the work. So each attempt first looks for its result.
        """
        self.lake.delete(entry.key for entry in self.lake.objects(run.folder))
        run.upload()
        cluster, steps = self._ask(lambda: self._find(run) or self._add(run))
        say(f"{run.job.name}: {len(steps)} steps added to the EMR cluster {cluster}")
        return cluster, steps

    def _add(self, run: EmrRun) -> tuple[str, list[str]]:
        spark = self.spark
        if spark.emr_cluster:
            steps = run.steps("CANCEL_AND_WAIT", spark.driver_memory)
            added = self.client.add_job_flow_steps(JobFlowId=spark.emr_cluster, Steps=steps)
            return spark.emr_cluster, added["StepIds"]
        instances: dict[str, Any] = {
            "MasterInstanceType": spark.emr_instance_type,
            "SlaveInstanceType": spark.emr_instance_type,
            "InstanceCount": spark.emr_instances,
            "KeepJobFlowAliveWhenNoSteps": False,
            "TerminationProtected": False,
        }
        logs: dict[str, Any] = {"LogUri": spark.emr_logs} if spark.emr_logs else {}
        started = self.client.run_job_flow(
            Name=run.name,
            ReleaseLabel=spark.emr_release,
            Applications=[{"Name": "Hadoop"}, {"Name": "Spark"}],
            Configurations=[ICEBERG] if any(name.startswith(CATALOG) for name in run.job.settings) else [],
            Instances={**instances, **({"Ec2SubnetId": spark.emr_subnet} if spark.emr_subnet else {})},  # type: ignore[typeddict-item]
            Steps=run.steps("TERMINATE_CLUSTER", spark.driver_memory),
            JobFlowRole=spark.emr_job_role,
            ServiceRole=spark.emr_service_role,
            VisibleToAllUsers=True,
            Tags=[{"Key": "oceanrecords-job", "Value": run.job.name}],
            **logs,
        )
        cluster = started["JobFlowId"]
        return cluster, [step["Id"] for step in self._newest_steps(run, cluster)]

    def _wait(self, run: EmrRun, cluster: str, ids: list[str], say: Say) -> None:
        """Waits until the last step has ended well. Raises SparkFailed for the first that has not."""
        told: dict[str, str] = {}

        def is_under_way() -> bool:
            steps = self._ask(lambda: self.client.list_steps(ClusterId=cluster, StepIds=ids)["Steps"])
            steps.sort(key=lambda step: ids.index(step["Id"]))
            for step in steps:
                name, state = step["Name"].removeprefix(f"{run.name}: "), step["Status"]["State"]
                if told.get(name) != state:
                    told[name] = state
                    say(f"{run.job.name}: {name} is {state}")
            for step in steps:
                if step["Status"]["State"] not in (*UNDER_WAY, "COMPLETED"):
                    raise self._failed(cluster, step)
            if all(step["Status"]["State"] == "COMPLETED" for step in steps):
                return False
            self._check(run, cluster)
            return True

        Retrying(retry=retry_if_result(bool), wait=self.between_looks)(is_under_way)

    def _check(self, run: EmrRun, cluster: str) -> None:
        """Raises SparkFailed if the cluster cannot finish its steps."""
        status = self._ask(lambda: self.client.describe_cluster(ClusterId=cluster)["Cluster"]["Status"])
        steps = self._newest_steps(run, cluster)  # read after the cluster, which may have ended with its last step
        if status["State"] in GONE and any(step["Status"]["State"] in UNDER_WAY for step in steps):
            raise SparkFailed(
                f"finish the job {run.job.name} on EMR",
                f"the cluster {cluster} is {status['State']}"
                f" ({status.get('StateChangeReason', {}).get('Message') or 'no reason given'})",
                "fix the cause and run the same command again",
            )

    def _failed(self, cluster: str, step: "StepSummaryTypeDef") -> SparkFailed:
        status = step["Status"]
        failure = status.get("FailureDetails", {})
        reason = (
            failure.get("Message")
            or failure.get("Reason")
            or status.get("StateChangeReason", {}).get("Message")
            or "EMR gives no reason"
        )
        logs = failure.get("LogFile") or self._log_folder(cluster, step["Id"])
        return SparkFailed(
            f"finish the step {step['Name']!r} of the EMR cluster {cluster}",
            f"it is {status['State']}: {reason}",
            f"see {logs}, fix the cause and run the same command again",
        )

    def _log_folder(self, cluster: str, step: str) -> str:
        logs = self._ask(lambda: self.client.describe_cluster(ClusterId=cluster)["Cluster"].get("LogUri"))
        place = f"/mnt/var/log/hadoop/steps/{step}/ on its primary node"
        return f"{logs.rstrip('/')}/{cluster}/steps/{step}/" if logs else place

    def _publish(self, run: EmrRun, say: Say) -> None:
        written = [entry.key for entry in self.lake.objects(run.output)]
        say(f"{run.job.name}: writing {len(written)} files")
        folders.publish(
            self.lake,
            run.job.target,
            {key.removeprefix(f"{run.output}/"): folders.copy(self.lake, key) for key in written},
        )
        self.lake.delete(entry.key for entry in self.lake.objects(run.folder))

    @cached_property
    def client(self) -> "EMRClient":
        """boto3's client. It makes each request once: `_ask` repeats them."""
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        options = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 1})
        try:
            return boto3.client("emr", config=options)
        except BotoCoreError as error:
            raise ConfigError(
                "use EMR", str(error).rstrip("."), "set AWS_DEFAULT_REGION and the credentials as boto3 reads them"
            ) from None

    def _ask(self, request: Callable[[], T]) -> T:
        """The answer to a request. Repeats the request after errors that pass."""
        with _errors():
            return Retrying(
                retry=retry_if_exception(_is_transient),
                wait=self.between_attempts,
                stop=stop_after_attempt(ATTEMPTS),
                reraise=True,
            )(request)


@contextmanager
def _errors() -> Iterator[None]:
    """Turns boto3's exceptions in the block into our errors."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        if _is_transient(error):
            raise ServiceDown("use EMR", f"it answered {_code(error)}", "run the same command again later") from None
        raise SparkFailed(
            "use EMR",
            f"it refused {error.operation_name}: {error.response['Error'].get('Message') or _code(error)}",
            "correct emr_ settings in luigi.cfg, or the rights of the credentials",
        ) from None
    except exceptions.BotoCoreError as error:
        raise ServiceDown(
            "use EMR", str(error).rstrip("."), "correct AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_EMR and the credentials"
        ) from None


def _is_transient(error: BaseException) -> bool:
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        return _code(error) in TRANSIENT or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
    return isinstance(error, exceptions.HTTPClientError)


def _code(error: Any) -> str:
    code: str = error.response["Error"]["Code"]
    return code
