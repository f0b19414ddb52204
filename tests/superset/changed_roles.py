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
from answers import keep_answers, remember_permissions  # type: ignore[import-not-found]
from flask import Flask, g, jsonify
from result_cache import Folder  # type: ignore[import-not-found]

roles = ["Admin"]
manager = SimpleNamespace(
    is_guest_user=lambda user: False,
    get_user_roles=lambda user: [SimpleNamespace(name=name) for name in user.roles],
    get_user_roles_permissions=lambda user: user.roles,
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
remember_permissions(app, folder)
app.add_url_rule("/", "look", lambda: jsonify([folder.scope(), manager.get_user_roles_permissions(g.user)]))
print(json.dumps([app.test_client().get("/").json for _ in range(2)]))
