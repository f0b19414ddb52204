"""Superset's own roles, those of the company dashboard, and the first users."""

import secrets
from typing import Any

from errors import DeployError
from flask import current_app
from phone_variant import SUFFIX
from superset import db, security_manager
from superset.connectors.sqla.models import RowLevelSecurityFilter
from superset.models.dashboard import Dashboard
from warehouse_logins import ASSISTANT, COUNTRIES, VIEWER
from werkzeug.security import check_password_hash

COMPANY = "ocean-records"  # the slug of the dashboard for everyone in the company

# The rights to see a dashboard, draw its charts and use its filters.
VIEWING = [
    ("can_read", "Dashboard"),
    ("can_read", "Chart"),
    ("can_dashboard", "Superset"),
    ("can_explore_json", "Superset"),
    ("can_dashboard_permalink", "Superset"),
    ("can_read", "DashboardPermalinkRestApi"),
    ("can_read", "DashboardFilterStateRestApi"),
    ("can_write", "DashboardFilterStateRestApi"),
    ("can_time_range", "Api"),
    ("can_read", "CssTemplate"),
    ("can_read", "Theme"),
]
# The rights that the pages around it need for a user who has logged in.
OWN_ACCOUNT = [
    ("menu_access", "Dashboards"),
    ("can_read", "CurrentUserRestApi"),
    ("can_userinfo", "UserDBModelView"),
    ("can_recent_activity", "Log"),
    ("can_read", "SecurityRestApi"),
]
# The rights that the assistant's tools ask for. No right to a dataset: the dashboard opens its charts with their data.
ASSISTING = [("can_read", "Dashboard"), ("can_read", "Chart"), ("can_read", "Dataset")]


def define(*, anonymous: bool) -> None:
    """Gives the viewers' roles exactly these rights. With `anonymous`, users without a login get them, otherwise none.

    A rerun undoes changes made by hand.
    """
    for name in (VIEWER, *COUNTRIES):
        _grant(name, VIEWING + OWN_ACCOUNT)
    _grant(security_manager.auth_role_public, VIEWING if anonymous else [])
    db.session.commit()


def define_assistant(*, wanted: bool) -> None:
    """Creates the assistant's role and user; if they are not wanted, deletes the role, and leaves the user no rights.

    Nobody can log in as this user. It is kept, because the log of actions names it.
    """
    name = current_app.config["MCP_DEV_USERNAME"]
    if wanted:
        _grant(ASSISTANT, ASSISTING)
        user = security_manager.find_user(username=name) or require_user(name, ASSISTANT, secrets.token_urlsafe(24))
        user.roles, user.active = [security_manager.find_role(ASSISTANT)], False
    else:
        if user := security_manager.find_user(username=name):
            user.roles = []
        if role := security_manager.find_role(ASSISTANT):
            db.session.delete(role)
    db.session.commit()


def open_company_dashboard(*, anonymous: bool, assistant: bool) -> None:
    """Lets viewers see the company dashboard, at a desk and on a phone, and no other.

    Some of them see one country's rows alone. The assistant reads the charts of the one for desks.

    Raises DeployError if it is missing, not published, or without data by country. The caller commits.
    """
    company = db.session.query(Dashboard).filter_by(slug=COMPANY).one_or_none()
    if company is None or not company.published:
        raise DeployError(
            f"no file in dashboards/ has slug: {COMPANY} and published: true, and viewers see only such a one"
        )
    viewers = [VIEWER, *COUNTRIES, *[security_manager.auth_role_public] * anonymous]
    phone = db.session.query(Dashboard).filter_by(slug=COMPANY + SUFFIX).one()  # deployed with it
    phone.roles = [security_manager.find_role(name) for name in viewers]
    company.roles = [*phone.roles, *[security_manager.find_role(ASSISTANT)] * assistant]
    for name, country in COUNTRIES.items():
        _restrict(name, country, company)


def require_user(username: str, role: str, password: str) -> Any:
    """Creates a user or sets role and password of an existing one; returns the user."""
    user = security_manager.find_user(username=username)
    if user is None:
        wanted = security_manager.find_role(role)
        address = f"{username}@oceanrecords.invalid"
        user = security_manager.add_user(username, username.capitalize(), "OceanRecords", address, wanted, password)
        if not user:
            raise DeployError(f"Superset refuses to create the user {username}")
    elif not check_password_hash(user.password, password):
        security_manager.reset_password(user.id, password)
    return user


def _grant(name: str, rights: list[tuple[str, str]]) -> None:
    role = security_manager.add_role(name)  # or the existing one
    permissions = [security_manager.find_permission_view_menu(*right) for right in rights]
    if unknown := [right for right, found in zip(rights, permissions, strict=True) if found is None]:
        raise DeployError(f"this Superset does not know the rights {unknown} of the role {name}")
    role.permissions = permissions


def _restrict(name: str, country: str, dashboard: Dashboard) -> None:
    """Limits the role to one country's rows, and to none of a dataset that cannot tell countries apart."""
    by_country = [dataset for dataset in dashboard.datasources if "country" in dataset.column_names]
    if not by_country:
        raise DeployError(f"no dataset of the dashboard {COMPANY} has a column country, which the role {name} needs")
    others = [dataset for dataset in dashboard.datasources if dataset not in by_country]
    _rule(name, name, f"country = '{country}'", by_country)
    _rule(f"{name}: nothing else", name, "1 = 0", others)


def _rule(name: str, role: str, clause: str, datasets: list[Any]) -> None:
    rule = db.session.query(RowLevelSecurityFilter).filter_by(name=name).one_or_none()
    if rule is None:
        rule = RowLevelSecurityFilter(name=name)
        db.session.add(rule)
    rule.filter_type, rule.clause, rule.tables = "Regular", clause, datasets
    rule.roles = [security_manager.find_role(role)]
