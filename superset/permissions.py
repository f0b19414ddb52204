"""Caches each user's permissions, which Superset reads several times in a request, until its roles change."""

from collections.abc import Callable, Hashable
from typing import Any

from flask import Flask, g, has_request_context
from result_cache import Folder

MOST = 10_000  # cached answers


def remember(app: Flask, folder: Folder) -> None:
    """Makes the security manager of `app` cache its answers, until `folder` reports a change of a role."""
    manager: Any = app.appbuilder.sm
    every, may, is_public = manager.get_user_roles_permissions, manager._has_view_access, manager.is_item_public
    views = manager.user_view_menu_names
    known: dict[tuple[Hashable, ...], Any] = {}

    def recall(read: Callable[[], Any], what: str, who: Hashable, *asked: str) -> Any:
        if who is None or not has_request_context():
            return read()
        key = (folder.assets(), what, who, *asked)
        found = known.get(key)
        if found is None:
            found = read()
            if len(known) >= MOST:
                known.clear()
            known[key] = found
        return found

    def get_user_roles_permissions(user: Any) -> Any:  # each page lists them, twice
        return recall(lambda: every(user), "every permission", _name(user))

    def _has_view_access(user: Any, permission_name: str, view_name: str) -> Any:
        return recall(lambda: may(user, permission_name, view_name), "may", _name(user), permission_name, view_name)

    def is_item_public(permission_name: str, view_name: str) -> Any:
        return recall(lambda: is_public(permission_name, view_name), "is public", "anybody", permission_name, view_name)

    def user_view_menu_names(permission_name: str) -> Any:
        return recall(lambda: views(permission_name), "views", _name(getattr(g, "user", None)), permission_name)

    manager.get_user_roles_permissions = get_user_roles_permissions
    manager._has_view_access = _has_view_access
    manager.is_item_public = is_item_public
    manager.user_view_menu_names = user_view_menu_names


def _name(user: Any) -> Hashable:
    """The key of a user; None without a user or a number. A guest's rights depend on the token."""
    return "anonymous" if getattr(user, "is_anonymous", False) else getattr(user, "id", None)
