"""Two requests of a user whose roles change while the first runs, without Superset: run in Superset's environment.

    changed_roles.py FOLDER

Prints, for each, for whom its answer would be kept and what the user might do.
"""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import audience  # type: ignore[import-not-found]
import permissions  # type: ignore[import-not-found]
from answers import keep_answers  # type: ignore[import-not-found]
from flask import Flask, g, jsonify
from result_cache import Folder  # type: ignore[import-not-found]

roles = ["Admin"]
manager = SimpleNamespace(
    is_guest_user=lambda user: False,
    get_user_roles=lambda user: [SimpleNamespace(name=name) for name in user.roles],
    get_user_roles_permissions=lambda user: user.roles,
    _has_view_access=lambda user, permission_name, view_name: user.roles == ["Admin"],
    is_item_public=lambda permission_name, view_name: roles == ["Admin"],
    user_view_menu_names=lambda permission_name: set(g.user.roles),
)
sys.modules["superset"] = ModuleType("superset")
sys.modules["superset"].security_manager = manager  # type: ignore[attr-defined]
audience._owns_something = lambda user_id: False

folder = Folder(Path(sys.argv[1]), "postgresql://nowhere.invalid/none")
folder._data = SimpleNamespace(now=lambda: "version")
app: Any = Flask(__name__)
app.appbuilder = SimpleNamespace(sm=manager)


@app.before_request
def load_user() -> None:
    """Reads the user; just then an Admin takes a role of his away."""
    g.user = SimpleNamespace(id=1, is_anonymous=False, roles=list(roles))
    if roles == ["Admin"]:
        roles[:] = ["Viewer"]
        folder.assets_changed()


keep_answers(app, folder, lambda: None)
permissions.remember(app, folder)


@app.get("/")
def look() -> Any:
    """What is known of the user, twice as each page asks."""
    may = [manager._has_view_access(g.user, "can_read", "Dashboard") for _ in range(2)]
    is_public = [manager.is_item_public("can_read", "Dashboard") for _ in range(2)]
    views = [*manager.user_view_menu_names("datasource_access")]
    return jsonify([folder.scope(), manager.get_user_roles_permissions(g.user), may, is_public, views])


print(json.dumps([app.test_client().get("/").json for _ in range(2)]))
