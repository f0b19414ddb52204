"""The warehouse as it is before its first load."""

import luigi

from pipeline import postgres, sql
from pipeline.config import settings
from pipeline.targets import Marker
from pipeline.tasks.base import retried


class CreateWarehouse(luigi.Task):
    """Creates all schemas, tables, views and unknown members of the warehouse.

    Runs again when a file under warehouse/ddl or a setting that it contains has changed; what is there stays.

    luigi --module pipeline CreateWarehouse --local-scheduler
    """

    priority = 1 << 40  # before all others: without it no run of a task can be recorded

    def output(self) -> Marker:
        return Marker(f"CreateWarehouse({sql.digest('ddl', **self.variables())})", "etl.marker", None)

    @retried
    def run(self) -> None:
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            postgres.lock(cursor, "CreateWarehouse")
            for path in sql.files("ddl"):
                cursor.execute(sql.statement(path, **self.variables()))
            # Going back to earlier files or settings is a change too.
            cursor.execute("delete from etl.marker where update_id like 'CreateWarehouse(%'")
            self.output().touch(cursor)

    @staticmethod
    def variables() -> dict[str, float]:
        """What the files contain of luigi.cfg."""
        return {"lost_order_limit": settings().lost_order_limit}
