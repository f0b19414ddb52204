"""Access checks: Superset's own rules, and stricter ones."""

from typing import Any

from superset.security import SupersetSecurityManager


class SecurityManager(SupersetSecurityManager):
    """Lets users who are not Admin run stored queries alone; refuses anything else with 403."""

    def raise_for_access(
        self, dashboard: Any = None, chart: Any = None, query_context: Any = None, viz: Any = None, **others: Any
    ) -> None:
        """Raises SupersetSecurityException if the user may not see the objects in the arguments.

        `others` are databases, datasets, tables and SQL statements, which are for an Admin alone.
        """
        if not self.is_admin():
            import query_guard  # needs the application when it is imported

            if any(other is not None for other in others.values()):
                query_guard.refuse()
            if query_context is not None:
                query_guard.require_stored_queries(query_context, self._dashboard_of(query_context.form_data or {}))
                # Viewers cannot have anything computed again before the next load.
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
