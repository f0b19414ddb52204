"""The warehouse's selects in Spark's words, with the views of the job in place of relations that are variables."""

import re
from collections.abc import Mapping

from pipeline.kernel import sql_files
from pipeline.lakehouse.spark_sql import to_spark


def for_spark(path: str, names: Mapping[str, str], texts: Mapping[str, str] | None = None) -> str:
    """The select `warehouse/<path>.sql` for Spark.

    `names` says what tables are called there: by their own name, or by their schema with a dot, for all others of it.
    `texts` are put in place of variables; `:name` of other relations becomes the view `given_name`, and of values
    stays a parameter. Raises KeyError for a schema without a name.
    """
    text = sql_files.COMMENT.sub("", sql_files.read(path))
    given = {name[1:]: f"given_{name[1:]}" for name in sql_files.head(path).reads if name.startswith(":")}
    for name, value in {**given, **(texts or {})}.items():
        text = re.sub(rf"(?<![:\w]):{name}\b", value.replace("\\", r"\\"), text)

    def found(table: str) -> str | None:
        schema, _, name = table.rpartition(".")
        if not schema:
            return names.get(table)
        return names.get(table) or f"{names[f'{schema}.']}{name}"

    return to_spark(text, found)
