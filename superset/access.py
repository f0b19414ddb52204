"""Who may have what: Superset's own rules, and stricter ones."""

from typing import Any

from superset.security import SupersetSecurityManager


class SecurityManager(SupersetSecurityManager):
    """Whoever is no Admin runs stored queries alone; anything else is answered with 403."""

    def raise_for_access(
        self, dashboard: Any = None, chart: Any = None, query_context: Any = None, viz: Any = None, **others: Any
    ) -> None:
        """Raises SupersetSecurityException when the user may not have what the arguments name.

        `others` are databases, datasets, tables and statements of SQL: an Admin's alone.
        """
        if not self.is_admin():
            import query_guard  # asks for the application when it is imported

            if any(other is not None for other in others.values()):
                query_guard.refuse()
            if query_context is not None:
                query_guard.require_stored_queries(query_context, self._dashboard_of(query_context.form_data or {}))
                # Who only looks has nothing computed again before the next load.
                query_context.force, query_context.custom_cache_timeout = False, None
            if viz is not None:
                query_guard.require_stored_form(viz, self._dashboard_of(viz.form_data))
        super().raise_for_access(dashboard=dashboard, chart=chart, query_context=query_context, viz=viz, **others)

    def _dashboard_of(self, form: Any) -> Any:
        import query_guard
        from superset.models.dashboard import Dashboard

        if not isinstance(form, dict):
            query_guard.refuse()
        dashboard = query_guard.stored(Dashboard, form.get("dashboardId"))
        if not self.can_access_dashboard(dashboard):
            query_guard.refuse()
        return dashboard
