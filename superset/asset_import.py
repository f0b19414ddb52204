"""Imports the asset files into Superset, and checks that they arrived."""

from typing import Any
from uuid import UUID

import yaml
from asset_files import KINDS, METADATA, Config, charts_of, kind, of_kind
from errors import DeployError
from superset import db
from superset.commands.exceptions import CommandInvalidError
from superset.commands.importers.exceptions import IncorrectVersionError
from superset.commands.importers.v1.assets import ImportAssetsCommand
from superset.connectors.sqla.models import SqlaTable
from superset.models.core import Database
from superset.models.dashboard import Dashboard
from superset.models.slice import Slice
from superset.utils.core import override_user

MODELS: dict[str, Any] = dict(zip(KINDS, (Database, SqlaTable, Slice, Dashboard), strict=True))


def load(assets: dict[str, Config], owner: Any) -> None:
    """Imports the assets, and deletes those of an earlier deployment that have no file any more.

    Leaves users' own assets alone. A rerun changes nothing. Raises DeployError that names the files which Superset does
    not understand. The caller commits.
    """
    # Marked as managed: Superset's pages do not offer to edit them, because the next deployment would undo it.
    contents = {
        name: yaml.safe_dump(config if name == METADATA else {**config, "is_managed_externally": True})
        for name, config in assets.items()
    }
    command = ImportAssetsCommand(contents)
    with override_user(owner):
        try:
            command.validate()
        except (CommandInvalidError, IncorrectVersionError) as error:
            raise DeployError(_why_invalid(error)) from None
        command.run()
    _remove_strays(assets)


def require_all(assets: dict[str, Config]) -> None:
    """Raises DeployError with the name of each file that Superset has no asset for, and of each missing chart."""
    lost = [name for name, config in assets.items() if name != METADATA and find(name, config) is None]
    if lost:
        raise DeployError(f"Superset left out {', '.join(lost)}")
    for name, config in of_kind(assets, "dashboards").items():
        shown = {str(chart.uuid) for chart in find(name, config).slices}
        if missing := charts_of(config).keys() - shown:
            raise DeployError(f"Superset left out of {name} the charts {', '.join(sorted(missing))}")


def find(name: str, config: Config) -> Any:
    """Superset's asset for a file; None without one."""
    return db.session.query(MODELS[kind(name)]).filter_by(uuid=UUID(config["uuid"])).one_or_none()


def _remove_strays(assets: dict[str, Config]) -> None:
    kept = {UUID(config["uuid"]) for name, config in assets.items() if name != METADATA}
    for model in reversed(MODELS.values()):
        for asset in db.session.query(model).filter_by(is_managed_externally=True):
            if asset.uuid not in kept:
                db.session.delete(asset)
        db.session.flush()


def _why_invalid(error: CommandInvalidError | IncorrectVersionError) -> str:
    if isinstance(error, IncorrectVersionError):
        return f"{METADATA} is of another version: {error}"
    return "; ".join(f"{name} is not what Superset expects: {why}" for name, why in error.normalized_messages().items())
