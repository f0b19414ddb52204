"""Reads the settings: the environment wins over luigi.cfg, which wins over the default; settings.py declares them.

Nothing here connects anywhere. Secrets are kept out of `repr`, so that a settings object may be logged.
"""

import json
import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from luigi.configuration import get_config

from pipeline.kernel.declaration import Setting, declared
from pipeline.kernel.errors import ConfigError, ServiceDown
from pipeline.kernel.settings import OTHER_S3 as OTHER_S3
from pipeline.kernel.settings import S3 as S3
from pipeline.kernel.settings import Settings as Settings
from pipeline.kernel.settings import every_setting
from pipeline.kernel.spark_settings import Lakehouse as Lakehouse
from pipeline.kernel.spark_settings import Spark as Spark

SECTION = "ocean"
LUIGID_USER = "luigi"  # whom the embedded luigid lets in


@cache
def settings() -> Settings:
    """The settings of this process, read once.

    Raises ConfigError for a value that cannot be understood and for an unknown name. Raises ServiceDown if an embedded
    service is needed and was never started.
    """
    _refuse_unknown_names()
    operational = _text(declared(Settings)["operational_url"])
    found = Settings(
        **_values(Settings, simulate="0" if operational else "1"),
        spark=Spark(**_values(Spark)),
        lakehouse=Lakehouse(**_values(Lakehouse)),
        s3=_s3(),
    )
    warehouse = found.warehouse_url or embedded("warehouse_url")
    if found.from_lake:
        return replace(
            found, operational_url="", simulator_url="", risk_api_url="", simulate=False, warehouse_url=warehouse
        )
    return replace(
        found,
        operational_url=operational or embedded("operational_url"),
        simulator_url=found.simulator_url or operational or embedded("simulator_url"),
        risk_api_url=_risk_api_url(found),
        warehouse_url=warehouse,
    )


def home() -> Path:
    """The folder in which embedded services keep their state."""
    found: Path = _value(declared(Settings)["home"])
    return found


def alert_url() -> str:
    """Where alerts are posted to; empty: nowhere. It may hold a secret, so that nothing ever shows it.

    Raises ConfigError. Not of `settings` alone: that these cannot be had is a failure to alert of.
    """
    found: str = _value(declared(Settings)["alert_url"])
    return found


def openlineage_url() -> str:
    """Where events of OpenLineage are posted to; empty: nowhere. It may hold a secret, so that nothing ever shows it.

    Raises ConfigError. Not of `settings` alone: a command asks before it knows whether there are services.
    """
    found: str = _value(declared(Settings)["openlineage_url"])
    return found


def luigid_url() -> str:
    """The URL of luigid with its login: luigi.cfg's, or the embedded one's; empty without either. Never to be shown."""
    core = {name: str(get_config().get("core", f"default_scheduler_{name}", "")) for name in ("url", "host", "port")}
    named = core["url"] or (f"http://{core['host']}:{core['port'] or 8082}" if core["host"] else "")
    try:
        address = embedded("luigid_url")
    except ServiceDown:
        return named
    if named not in ("", address):
        return named
    return address.replace("://", f"://{LUIGID_USER}:{quote(embedded('luigid_password'), safe='')}@", 1)


def embedded_source_has_log() -> bool:
    """Whether the embedded source has to have a log that changes are extracted from. Raises ConfigError.

    Not of `settings` alone: the embedded services are started before these can be had.
    """
    found = declared(Settings)
    return bool(_value(found["extraction"]) == "log" and not _text(found["operational_url"]))


def _s3() -> S3:
    if any(os.environ.get(name) for name in OTHER_S3):
        return S3()
    return S3(embedded("s3_endpoint"), embedded("s3_access_key"), embedded("s3_secret_key"))


def _risk_api_url(found: Settings) -> str:
    """The environment's value, even if empty; else luigi.cfg's; else the embedded service's, for its own source."""
    if os.environ.get(declared(Settings)["risk_api_url"].environment) == "":
        return ""
    return found.risk_api_url or ("" if found.operational_url else embedded("risk_api_url"))


def _values(of: type, **otherwise: str) -> dict[str, Any]:
    """The settings that a class declares, by field. `otherwise`: defaults that depend on other settings."""
    return {each: _value(setting, otherwise.get(each, "")) for each, setting in declared(of).items()}


def _value(setting: Setting, otherwise: str = "") -> Any:
    text = _text(setting) or otherwise or setting.default
    try:
        return setting.parse(text)
    except ValueError as error:
        raise ConfigError(
            # Before an @ there may be a key or a password.
            f"use the setting {setting.name}" + ("" if setting.is_secret or "@" in text else f" = {text!r}"),
            str(error),
            f"correct {f'{setting.environment}, or' if setting.is_secret else 'it in'} luigi.cfg, [{SECTION}]",
        ) from None


def _text(setting: Setting) -> str:
    return os.environ.get(setting.environment) or get_config().get(SECTION, setting.name, None) or ""


def _refuse_unknown_names() -> None:
    """Of luigi.cfg alone: what else is called OCEAN_ in the environment, others may read, luigi.cfg's ${...} too."""
    try:
        found = set(get_config()[SECTION]) - set(get_config().defaults())
    except KeyError:  # the section is optional
        return
    known = {setting.name for setting in every_setting()}
    if unknown := sorted(name for name in found if name.replace("-", "_") not in known):  # as Luigi reads a name
        raise ConfigError(
            f"use luigi.cfg, [{SECTION}]",
            f"there is no setting {', '.join(unknown)}",
            "correct the name or remove the line; docs/configuration.md has all settings",
        )


@cache
def services_file() -> dict[str, str]:
    """The file of the embedded services, read once. Raises ServiceDown if they were never started."""
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
    """The value of `name` in the embedded services' file. Raises ServiceDown if they were never started."""
    try:
        return services_file()[name]
    except KeyError as missing:
        raise ConfigError(
            f"read {home() / 'services.json'}",
            f"it says nothing of {missing}: an earlier version wrote it",
            "run `make up`, which adds what is missing",
        ) from None
