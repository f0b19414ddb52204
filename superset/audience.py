"""Who sees the same: the one place that says for whom an answer may be kept."""

from functools import lru_cache
from typing import Any

from flask import g


def audience(state: str) -> tuple[str, ...] | None:
    """Names those who see what the user of this request sees; None where nothing may be kept for anybody.

    What was found is believed as long as `state`, of Superset's own users, roles and dashboards, is the same.

    These are all with the same roles: roles open dashboards, choose rows, and the login with which the warehouse is
    asked. Who owns a dashboard, chart or dataset may see more than the roles say, and is an audience alone. An embedded
    dashboard's guest has rules of the own token.
    """
    from superset import security_manager

    user = getattr(g, "user", None)
    if user is None or security_manager.is_guest_user(user):
        return None
    return _roles(None) if user.is_anonymous else _of_user(user.id, state)


@lru_cache(maxsize=1000)
def _of_user(user_id: int, _state: str) -> tuple[str, ...]:
    alone = (f"user {user_id}",) if _owns_something(user_id) else ()
    return (*_roles(g.user), *alone)


def _roles(user: Any) -> tuple[str, ...]:
    from superset import security_manager

    return tuple(sorted(f"role {role.name}" for role in security_manager.get_user_roles(user)))


def _owns_something(user_id: int) -> bool:
    from sqlalchemy import exists, or_, select
    from superset import db
    from superset.connectors.sqla.models import sqlatable_user
    from superset.models.dashboard import dashboard_user
    from superset.models.slice import slice_user

    owners = (dashboard_user, slice_user, sqlatable_user)
    owned = [exists().where(table.c.user_id == user_id) for table in owners]
    found: bool = db.session.execute(select(or_(*owned))).scalar()
    return found
