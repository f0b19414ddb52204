"""luigi.cfg and the environment as one frozen object; the environment wins.

Nothing here connects anywhere. Secrets are kept out of `repr`, so that a settings object may be logged.
"""

import datetime as dt
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

from luigi.configuration import get_config

from pipeline.kernel.errors import ConfigError, ServiceDown

T = TypeVar("T")

SECTION = "ocean"
LUIGID_USER = "luigi"  # whom the embedded luigid lets in
# Any of these says that S3 is somebody else's: boto3 then finds endpoint and credentials by its own rules.
OTHER_S3 = (
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


@dataclass(frozen=True)
class S3:
    """Where the lake's endpoint is. All None: boto3's own rules (environment, profile, instance role)."""

    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Spark:
    """Where reviews are classified. `emr_cluster` empty: a cluster is started for the run, and ends with it."""

    engine: str
    master: str
    driver_memory: str
    emr_cluster: str
    emr_release: str
    emr_instance_type: str
    emr_instances: int
    emr_job_role: str
    emr_service_role: str
    emr_subnet: str
    emr_logs: str


@dataclass(frozen=True)
class Settings:
    """Every setting of the pipeline; luigi.cfg explains each one."""

    home: Path
    operational_url: str = field(repr=False)
    simulator_url: str = field(repr=False)
    warehouse_url: str = field(repr=False)
    lake_url: str
    lake_lock_days: int
    s3: S3
    from_lake: bool
    simulate: bool
    simulate_feeds: bool
    shop_seed: int
    shop_scale: float
    shop_opened_on: dt.date | None
    watermark_lag: dt.timedelta
    compression: str
    max_rejected: float
    lost_order_limit: float
    mart: bool
    check_whole_days: int
    reconcile_days: int
    retries: int
    max_queue_hours: float
    max_lag_hours: float
    alert_url: str = field(repr=False)
    risk_api_url: str = field(repr=False)
    min_quantity: int
    review_classifier: str
    spark: Spark


def default_home() -> Path:
    """The folder of the user's own in which embedded services keep their state.

    The server of the embedded PostgreSQL does not run as root, so root's state must lie where another
    user may enter; root's home folder usually is no such place.
    """
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    if os.geteuid() == 0 and Path.home().exists() and not Path.home().stat().st_mode & 0o001:
        data = Path("/var/lib")
    return data / "oceanrecords"


def home() -> Path:
    """`OCEAN_HOME`, or the default one."""
    return Path(os.environ.get("OCEAN_HOME") or _from_cfg("home") or default_home()).expanduser().absolute()


@cache
def settings() -> Settings:
    """The settings of this process, read once.

    Raises ConfigError for a value that cannot be understood, and ServiceDown when an embedded service is
    needed and was never started.
    """
    operational, warehouse = _get("OPERATIONAL_URL"), _get("WAREHOUSE_URL")
    from_lake = _parsed("from_lake", _flag, "0")
    return Settings(
        home=home(),
        operational_url="" if from_lake else operational or embedded("operational_url"),
        simulator_url="" if from_lake else _get("simulator_url") or operational or embedded("simulator_url"),
        warehouse_url=warehouse or embedded("warehouse_url"),
        lake_url=_parsed("LAKE_URL", _lake_url, "s3://ocean-lake"),
        lake_lock_days=_parsed("lake_lock_days", int, "0"),
        s3=S3()
        if any(os.environ.get(name) for name in OTHER_S3)
        else S3(embedded("s3_endpoint"), embedded("s3_access_key"), embedded("s3_secret_key")),
        from_lake=from_lake,
        simulate=_parsed("OCEAN_SIMULATE", _flag, "0" if operational else "1") and not from_lake,
        simulate_feeds=_parsed("simulate_feeds", _flag, "1"),
        shop_seed=_parsed("shop_seed", int, "42"),
        shop_scale=_parsed("shop_scale", float, "1"),
        shop_opened_on=_parsed("shop_opened_on", _optional_date, ""),
        watermark_lag=_parsed("watermark_lag", _seconds, "1"),
        compression=_parsed("compression", _one_of("zst", "gz"), "zst"),
        max_rejected=_parsed("max_rejected", float, "0.01"),
        lost_order_limit=_parsed("lost_order_limit", float, "0.05"),
        mart=_parsed("mart", _flag, "1"),
        check_whole_days=_parsed("check_whole_days", int, "7"),
        reconcile_days=_parsed("reconcile_days", int, "7"),
        retries=_parsed("retries", int, "3"),
        max_queue_hours=_parsed("max_queue_hours", float, "24"),
        max_lag_hours=_parsed("max_lag_hours", float, "36"),
        alert_url=alert_url(),
        risk_api_url="" if from_lake else _risk_api_url(operational),
        min_quantity=_parsed("min_quantity", int, "2"),
        review_classifier=_parsed("review_classifier", _one_of("auto", "keyword", "lexicon", "trained"), "auto"),
        spark=Spark(
            engine=_parsed("SPARK_ENGINE", _one_of("local", "emr"), "local"),
            master=_get("spark_master") or "local[*]",
            driver_memory=_get("spark_driver_memory") or "1g",
            emr_cluster=_get("emr_cluster") or "",
            emr_release=_get("emr_release") or "emr-7.9.0",
            emr_instance_type=_get("emr_instance_type") or "m5.xlarge",
            emr_instances=_parsed("emr_instances", int, "3"),
            emr_job_role=_get("emr_job_role") or "EMR_EC2_DefaultRole",
            emr_service_role=_get("emr_service_role") or "EMR_DefaultRole",
            emr_subnet=_get("emr_subnet") or "",
            emr_logs=_get("emr_logs") or "",
        ),
    )


def alert_url() -> str:
    """Where alerts are posted to; empty: nowhere. It may hold a secret, so that nothing ever shows it.

    Raises ConfigError. Not of `settings` alone: that these cannot be had is a failure to alert of.
    """
    url = _get("OCEAN_ALERT_URL") or ""
    if url and not re.fullmatch(r"https?://[^\s/]+\S*", url):
        raise ConfigError(
            "use the setting alert_url",
            "it is not of the form https://host/path",
            f"correct OCEAN_ALERT_URL, or luigi.cfg, [{SECTION}]",
        )
    return url


def _risk_api_url(operational: str | None) -> str:
    """What the environment says, be it nothing; else luigi.cfg; else the embedded service beside its own source."""
    if (named := os.environ.get("RISK_API_URL")) is not None:
        return named
    return _from_cfg("risk_api_url") or ("" if operational else embedded("risk_api_url"))


def _from_cfg(name: str) -> str | None:
    return get_config().get(SECTION, name.lower().removeprefix("ocean_"), None) or None


def _get(name: str) -> str | None:
    """A setting as text: those of the contract by their own name in the environment, the others by OCEAN_<NAME>."""
    return os.environ.get(name if name.isupper() else f"OCEAN_{name.upper()}") or _from_cfg(name)


def _parsed(name: str, parse: Callable[[str], T], default: str) -> T:
    text = _get(name) or default
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigError(
            f"use the setting {name.lower().removeprefix('ocean_')} = {text!r}",
            str(error),
            f"correct it in luigi.cfg, [{SECTION}]",
        ) from None


def _lake_url(text: str) -> str:
    if not text.startswith("s3://") or not text[5:].strip("/"):
        raise ValueError("it is not of the form s3://bucket/prefix")
    return text.rstrip("/")


def _flag(text: str) -> bool:
    if text.lower() not in ("0", "1", "true", "false"):
        raise ValueError("it is neither 0 nor 1")
    return text.lower() in ("1", "true")


def _seconds(text: str) -> dt.timedelta:
    if float(text) < 0:
        raise ValueError("it is below 0")
    return dt.timedelta(seconds=float(text))


def _optional_date(text: str) -> dt.date | None:
    return dt.date.fromisoformat(text) if text else None


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"it is none of {', '.join(choices)}")
        return text

    return parse


@cache
def services_file() -> dict[str, str]:
    """What the embedded services say of themselves, read once. Raises ServiceDown when they were never started."""
    try:
        found: dict[str, str] = json.loads((home() / "services.json").read_text())
    except FileNotFoundError:
        raise ServiceDown(
            "use the embedded services", f"none were started yet under {home()}", "run `make up`"
        ) from None
    except (OSError, ValueError) as error:
        raise _unreadable(type(error).__name__) from None
    if not isinstance(found, dict):
        raise _unreadable("it is no JSON object")
    return found


def _unreadable(because: str) -> ConfigError:
    return ConfigError(
        f"read {home() / 'services.json'}",
        f"it is not what `make up` wrote ({because})",
        "remove it and run `make up`: the data stays, passwords and keys become new ones",
    )


def embedded(name: str) -> str:
    """What the embedded services' file says of `name`. Raises ServiceDown when they were never started."""
    try:
        return services_file()[name]
    except KeyError as missing:
        raise ConfigError(
            f"read {home() / 'services.json'}",
            f"it says nothing of {missing}: an earlier version wrote it",
            "run `make up`, which adds what is missing",
        ) from None
