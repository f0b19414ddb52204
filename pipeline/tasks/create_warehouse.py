"""The warehouse as it is before its first load, or before the first load of a new version."""

from typing import Any

from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.star import schema
from pipeline.tasks.base import OceanTask, logger, retried
from pipeline.tasks.runtime.targets import Marker


class CreateWarehouse(OceanTask):
    """Creates all schemas, tables, views and unknown members of the warehouse, or upgrades those that are there.

    Runs again when a file under warehouse/ddl or warehouse/migrations, or a setting that they contain, has changed.
    It is one transaction: a kill or an error leaves the warehouse of before.

    luigi --module pipeline CreateWarehouse --local-scheduler

    Raises CannotUpgrade for a warehouse of a later version.
    """

    priority = 1 << 40  # before all others: without it no run of a task can be recorded

    def output(self) -> Marker:
        return Marker(f"CreateWarehouse({schema.version(**self.variables())})", "etl.marker", None)

    @retried
    def run(self) -> None:
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            locks.lock(cursor, "CreateWarehouse")
            applied = schema.create(cursor, **self.variables())
            # Going back to earlier files or settings is a change too.
            cursor.execute("delete from etl.marker where update_id like 'CreateWarehouse(%'")
            self.output().touch(cursor)
        for name in applied:
            logger.info("upgraded the warehouse: %s", name)

    @staticmethod
    def variables() -> dict[str, Any]:
        """The settings that the DDL contains."""
        return {"lost_order_limit": settings().lost_order_limit, "is_alone": settings().lakehouse.is_alone}
