"""Groups of users with the same view, for whom an answer may be kept. The only place that decides this."""

from functools import lru_cache
from typing import Any

from flask import g


def audience(state: str) -> tuple[str, ...] | None:
    """The group of users who see the same as the user of this request; None if nothing may be kept.

    Results are cached while `state`, of Superset's own users, roles and dashboards, is the same.

    A group is all users with the same roles: roles open dashboards, choose rows, and choose the login for the
    warehouse. An owner of a dashboard, chart or dataset may see more than the roles allow, and is a group alone. The
    guest of an embedded dashboard has rules of the guest's own token.
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
