"""Sets Superset's own database, the dashboards, the roles and the first users to the files here.

    python deploy.py [ASSETS]       (the folder of the YAML files; by default the one beside this file)

The environment is that of superset_config.py, with SUPERSET_ADMIN_PASSWORD and SUPERSET_VIEWER_PASSWORD. With
SUPERSET_ANONYMOUS=1 the company dashboard needs no login. With SUPERSET_ASSISTANT=1 there is a user for assistant.py.
A rerun only undoes changes made by hand.
On an error the exit code is 1, and one line says what is wrong.
"""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from asset_files import Config, of_kind, read
from errors import DeployError

HERE = Path(__file__).parent


def main(folder: Path) -> int:
    """Deploys the assets of `folder`; returns the exit code."""
    try:
        assets = read(folder)  # before Superset is imported, which takes seconds
        for line in _deploy(assets):
            print(line, flush=True)
    except DeployError as error:
        print(f"cannot deploy the dashboards, because {error}", file=sys.stderr)
        return 1
    return 0


def _deploy(assets: dict[str, Config]) -> Iterator[str]:
    """Deploys, and yields lines about the result."""
    os.environ.setdefault("SUPERSET_CONFIG_PATH", str(HERE / "superset_config.py"))
    anonymous, assistant = (os.environ.get(f"SUPERSET_{name}", "0") == "1" for name in ("ANONYMOUS", "ASSISTANT"))
    gc.disable()  # nothing of what is imported is garbage, and to look for it takes a third of the time
    from superset.app import create_app

    app = create_app()
    gc.freeze()
    gc.enable()
    with app.app_context():
        # These need the application when they are imported.
        import asset_import
        import flask_migrate
        import roles
        import superset
        import warehouse_check
        from superset.extensions import appbuilder
        from superset.utils.decorators import transaction

        flask_migrate.upgrade(directory=str(Path(superset.__file__).parent / "migrations"))
        appbuilder.add_permissions(update_perms=True)
        superset.security_manager.sync_role_definitions()
        roles.define(anonymous=anonymous)
        roles.define_assistant(wanted=assistant)
        admin = roles.require_user("admin", "Admin", os.environ["SUPERSET_ADMIN_PASSWORD"])
        roles.require_user("viewer", roles.VIEWER, os.environ["SUPERSET_VIEWER_PASSWORD"])

        @transaction(on_error=None)  # all or nothing: after a failure the dashboards are as before
        def bring() -> list[str]:
            asset_import.load(assets, admin)
            asset_import.require_all(assets)
            roles.open_company_dashboard(anonymous=anonymous, assistant=assistant)
            return warehouse_check.unloaded(assets)

        for table in bring():
            yield f"{table} is not in the warehouse yet; its charts are empty until a day is loaded"
    yield f"{len(of_kind(assets, 'charts'))} charts on {len(of_kind(assets, 'dashboards'))} dashboards are in place"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "assets"))
