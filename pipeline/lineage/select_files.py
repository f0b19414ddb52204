"""The selects of the project's files, made ready for the walk."""

import re
from collections.abc import Mapping

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from pipeline.kernel import sql_files
from pipeline.kernel.errors import OceanError
from pipeline.lineage.relations import Relation
from pipeline.lineage.select_walk import read

GIVEN = "given"  # the schema of what has none: variables that stand for relations, and temporary tables


class LineageUnknown(OceanError):
    """A file cannot be followed from column to column."""

    def __init__(self, where: str, because: str) -> None:
        super().__init__(
            f"follow the columns of {where}", because, "correct the file, or teach pipeline/lineage what it says"
        )


def of_file(path: str, known: Mapping[str, Relation]) -> Relation:
    """What the select `warehouse/<path>.sql` gives; see `of_text`."""
    return of_text(sql_files.COMMENT.sub("", sql_files.read(path)), known, f"warehouse/{path}.sql")


def of_text(select: str, known: Mapping[str, Relation], where: str) -> Relation:
    """What a select of a file gives.

    `known` are the relations by the names that the select has for them: `dwh.fact_order`, `counted_order` for a
    temporary table, `:orders` for a variable. Other variables are values.

    Raises LineageUnknown, which names the file, for what cannot be read and for names that nothing is known of.
    """
    try:
        tree = parse_one(_without_variables(select, known), read="postgres")
        relations = _place_tables(tree, known)
        for empty in (each for each in tree.find_all(exp.Select) if not each.expressions):
            empty.select("1", copy=False)  # that of `exists`
        tree = qualify(tree, dialect="postgres", schema=_schema(relations))
        return read(tree, relations)
    except KeyError as error:
        raise LineageUnknown(where, f"nothing is known of {error.args[0]}") from error
    except (SqlglotError, TypeError, ValueError) as error:
        raise LineageUnknown(where, str(error)) from error


def _without_variables(select: str, known: Mapping[str, Relation]) -> str:
    for name in known:
        if name.startswith(":"):
            select = re.sub(rf"(?<![:\w]){name}\b", f"{GIVEN}.{name[1:]}", select)
    return select


def _place_tables(tree: exp.Expr, known: Mapping[str, Relation]) -> dict[str, Relation]:
    """The relations that a select reads, by the names that they get there: each with a schema."""
    inside = {each.alias for each in tree.find_all(exp.CTE)}
    given = {name.removeprefix(":"): relation for name, relation in known.items() if "." not in name}
    found = {}
    for table in tree.find_all(exp.Table):
        if not table.db and table.name not in inside:
            table.set("alias", table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name)))
            table.set("db", exp.to_identifier(GIVEN))
        if table.db:
            name = f"{table.db}.{table.name}"
            found[name] = given[table.name] if table.db == GIVEN else known[name]
    return found


def _schema(relations: Mapping[str, Relation]) -> MappingSchema:
    nested: dict[str, object] = {}
    for name, relation in relations.items():
        schema, _, table = name.partition(".")
        of_schema = nested.setdefault(schema, {})
        assert isinstance(of_schema, dict)
        of_schema[table] = dict.fromkeys(relation.columns, "text")
    return MappingSchema(nested, dialect="postgres")
