"""Checks that the warehouse has the tables and columns of the datasets."""

from collections.abc import Iterator
from typing import Any

from asset_files import Config, of_kind
from asset_import import find
from errors import DeployError
from sqlalchemy.exc import DBAPIError, OperationalError

# No such table, no such schema, not granted: the warehouse was never loaded, or last by an older version.
NOT_YET = {"42P01", "3F000", "42501"}


def unloaded(assets: dict[str, Config]) -> list[str]:
    """The tables that the warehouse does not have yet. Their charts stay empty until the next load.

    Reads nothing, only plans. Raises DeployError that names the files whose columns or metrics do not fit their
    table, or if the warehouse does not answer.
    """
    missing, wrong = [], []
    for name, config in of_kind(assets, "datasets").items():
        code, why = _refusal(find(name, config))
        if code in NOT_YET:
            missing.append(f"{config.get('schema')}.{config['table_name']}")
        elif why:
            wrong.append(f"{name} does not fit the warehouse: {why}")
    if wrong:
        raise DeployError(f"{'; '.join(wrong)} (a warehouse of an older version has its new views after the next load)")
    return missing


def _refusal(dataset: Any) -> tuple[str | None, str | None]:
    """PostgreSQL's code and reason if it refuses a query of all columns, or one of all metrics."""
    try:
        with (
            dataset.database.get_sqla_engine(catalog=dataset.catalog, schema=dataset.schema) as engine,
            engine.connect().execution_options(no_parameters=True) as connection,  # leaves % in the text alone
        ):
            for statement in _statements(dataset, engine.dialect.identifier_preparer.quote):
                connection.exec_driver_sql(statement)
    except OperationalError:
        raise DeployError("the warehouse does not answer the login of Superset's role") from None
    except DBAPIError as error:
        return error.orig.pgcode, str(error.orig).splitlines()[0]
    return None, None


def _statements(dataset: Any, quote: Any) -> Iterator[str]:
    table = f"({dataset.sql}) as dataset" if dataset.sql else f"{quote(dataset.schema)}.{quote(dataset.table_name)}"
    columns = [column.expression or quote(column.column_name) for column in dataset.columns]
    for expressions in (columns, [metric.expression for metric in dataset.metrics]):
        if expressions:
            yield f"explain select {', '.join(expressions)} from {table}"  # noqa: S608 the files are ours
