"""The edges of the views that warehouse/ddl creates, those of the mart and those for analysts."""

import re

from pipeline import kpis
from pipeline.kernel.sql_files import COMMENT, VARIABLE
from pipeline.lineage import select_files
from pipeline.lineage.draft import Draft
from pipeline.lineage.known_tables import declarations
from pipeline.lineage.relations import NOTHING, Relation

VIEW = re.compile(r"^create view (\w+\.\w+)(?: with \(security_barrier\))? as\n(.*?);$", re.MULTILINE | re.DOTALL)
# What pipeline/star/schema.py fills in from the catalogue, which has no columns.
GIVEN = {
    ":task_layers": Relation({"task": NOTHING, "name": NOTHING}),
    ":facts": Relation({"name": NOTHING}),
}


def draw_views(draft: Draft) -> None:
    """From tables to views, in the order in which the files create them."""
    for where, text in declarations().items():
        for name, select in VIEW.findall(VARIABLE.sub(_expression, COMMENT.sub("", text))):
            draft.add(name, select_files.of_text(select, {**draft.known, **GIVEN}, where), where)


def _expression(variable: re.Match[str]) -> str:
    """The expression of a KPI in place of its variable; any other variable as it is."""
    return kpis.expressions().get(variable[1], variable[0])
