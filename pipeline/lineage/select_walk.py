"""The walk over a qualified select: which columns are behind each of its columns, and behind its rows.

sqlglot's own lineage follows values alone. Here whatever decides about rows or values is followed too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from pipeline.lineage.expressions import sources_of
from pipeline.lineage.graph import Column
from pipeline.lineage.relations import Key, Relation, Sources, together

# The parts of a query that decide which of its rows there are, and how many of these are taken.
DECIDING = ("where", "group", "having", "order", "limit", "offset")


@dataclass
class Names:
    """What names mean in a select: relations to select from, relations whose columns can be named, and its own names.

    It is the place at which expressions are read.
    """

    relations: Mapping[str, Relation]
    aliases: dict[str, Relation] = field(default_factory=dict)
    windows: Mapping[str, exp.Expr] = field(default_factory=dict)
    outputs: Mapping[str, exp.Expr] = field(default_factory=dict)

    def column(self, node: exp.Column) -> Sources:
        """The sources of a column. One without a table names an output of the same select."""
        if node.table:
            return self.aliases[node.table].columns[node.name]
        return self.of(self.outputs[node.name])

    def query(self, node: exp.Expr) -> Relation:
        """What a query inside gives, which may name columns of this select."""
        return read(node, self.relations, self.aliases)

    def window(self, name: str) -> exp.Expr:
        """A window that the select names."""
        return self.windows[name]

    def of(self, node: exp.Expr) -> Sources:
        """The sources of an expression of this select."""
        return sources_of(node, self)


def read(query: exp.Expr, relations: Mapping[str, Relation], outer: Mapping[str, Relation] | None = None) -> Relation:
    """What a qualified query gives. `outer` are the relations around it whose columns it may name.

    Raises KeyError for a name without a meaning and TypeError for a form of query that is not known here.
    """
    known = dict(relations)
    for each in query.ctes if isinstance(query, exp.Query) else ():
        known[each.alias] = _renamed(read(each.this, known, outer), each)
    names = Names(known, dict(outer or {}))
    if isinstance(query, exp.Subquery):
        return _cut(read(query.this, known, outer), query)
    if isinstance(query, exp.SetOperation):
        return _cut(_united(query, names), query)
    if isinstance(query, exp.Values):
        return _values(query, names)
    if isinstance(query, exp.Select):
        return _Select(query, names).relation()
    raise TypeError(f"a query of the form {query.key} is not known here")


def _renamed(relation: Relation, node: exp.Expr) -> Relation:
    """The relation with the names of columns that an alias gives, as in `(values (1)) as sign (sign)`."""
    alias = node.args.get("alias")
    names = [each.name for each in alias.args.get("columns") or ()] if isinstance(alias, exp.TableAlias) else []
    return relation.renamed(names) if names else relation


def _values(query: exp.Values, names: Names) -> Relation:
    rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in query.expressions]
    columns = enumerate(zip(*rows, strict=True), 1)
    return Relation({f"column{number}": together(map(names.of, values)) for number, values in columns})


def _united(query: exp.SetOperation, names: Names) -> Relation:
    left, right = names.query(query.this), names.query(query.expression)
    right = right.renamed(left.columns)
    columns = {name: sources | right.columns[name] for name, sources in left.columns.items()}
    rows = left.rows | right.rows
    if query.args.get("distinct") or not isinstance(query, exp.Union):
        # Which rows are left depends on what is in them.
        rows |= together(columns.values()).every
        return Relation(columns, rows, frozenset({frozenset(columns)}), left.identity)
    keys = left.keys & right.keys if _are_apart(query.this, query.expression) else frozenset()
    return Relation(columns, rows, keys, left.identity)


def _are_apart(left: exp.Expr, right: exp.Expr) -> bool:
    """Whether one of two selects is empty, because one asks for what the other excludes, whatever the row is."""
    one, other = _asked_of_all(left), _asked_of_all(right)
    return any(f"NOT {each}" in other for each in one) or any(f"NOT {each}" in one for each in other)


def _asked_of_all(query: exp.Expr) -> set[str]:
    where = query.unnest().args.get("where")
    return {each.sql("postgres") for each in _conjuncts(where and where.this) if not each.find(exp.Column)}


def _cut(relation: Relation, query: exp.Expr) -> Relation:
    """A union, or a query in brackets, once its rows are sorted and limited by its own outputs."""
    parts = [part for name in ("order", "limit", "offset") if (part := query.args.get(name))]
    by = together(relation.columns[column.name] for part in parts for column in part.find_all(exp.Column))
    return replace(relation, rows=relation.rows | by.every)


class _Select:
    """A single select, as it is read from its sources to its outputs."""

    def __init__(self, query: exp.Select, names: Names) -> None:
        self.query = query
        self.names = names
        self.names.windows = {each.this.name: each for each in query.args.get("windows") or ()}
        self.names.outputs = {each.alias_or_name: each for each in query.selects}
        self.rows: frozenset[Column] = frozenset()
        self.counted: list[Relation] = []  # the sources whose rows make rows here
        self.first = ""  # the alias of the first source
        self.is_of_first = True  # whether each of its rows is here once at most
        self._enter()

    def relation(self) -> Relation:
        """What the select gives."""
        for name in DECIDING:
            if part := self.query.args.get(name):
                self.rows |= self.names.of(part).every
        columns = {name: self.names.of(output) for name, output in self.names.outputs.items()}
        if distinct := self.query.args.get("distinct"):
            by = distinct.args.get("on")
            self.rows |= self.names.of(by).every if by else together(columns.values()).every
        for each in self.counted:
            if each.name and each.name not in {column.relation for column in self.rows}:
                self.rows |= {Column(each.name, name) for name in each.identity}
        keys, identity = self._known_by()
        return Relation(columns, self.rows, keys, identity or frozenset(columns))

    def _enter(self) -> None:
        """Makes the columns of all sources known, and finds what their joins decide."""
        if start := self.query.args.get("from_"):
            self.first, relation = self._source(start.this)
            self._count(self.first, relation)
        for join in self.query.args.get("joins") or ():
            self._join(join)
        for lateral in self.query.args.get("laterals") or ():
            self._count(*self._source(lateral))
            self.is_of_first = False

    def _join(self, join: exp.Join) -> None:
        alias, relation = self._source(join.this)
        self.names.aliases[alias] = relation
        condition = join.args.get("on")
        by = self.names.of(condition).every if condition else frozenset()
        found = _equated(condition, alias)
        keys = {key for key in relation.keys if key <= found}
        if not keys:
            self.is_of_first = False
        if keys and (join.side == "LEFT" or relation.found_by in keys):
            # No row comes or goes: the join decides about the columns from this side alone.
            decided = Sources(conditions=by | relation.rows)
            columns = {name: sources | decided for name, sources in relation.columns.items()}
            self.names.aliases[alias] = replace(relation, columns=columns)
        else:
            self.rows |= by
            self._count(alias, relation)

    def _count(self, alias: str, relation: Relation) -> None:
        """Takes in a source whose rows make rows here."""
        self.names.aliases[alias] = relation
        self.rows |= relation.rows
        self.counted.append(relation)

    def _source(self, node: exp.Expr) -> tuple[str, Relation]:
        """A source by its alias."""
        if isinstance(node, exp.Table):
            relation = self.names.relations[f"{node.db}.{node.name}" if node.db else node.name]
        else:
            relation = self.names.query(node.this.unnest() if isinstance(node, exp.Lateral | exp.Subquery) else node)
        return node.alias_or_name, _renamed(relation, node)

    def _known_by(self) -> tuple[frozenset[Key], Key]:
        """The sets of outputs in which no two rows are equal, as far as they are known, and what stands for a row."""
        distinct, group = self.query.args.get("distinct"), self.query.args.get("group")
        if distinct:
            by = distinct.args.get("on")
            return self._as_key(by.expressions if by else self.query.selects)
        if group:
            keys, identity = self._as_key(group.expressions)
            return frozenset() if any(group.args.get(name) for name in GROUPINGS) else keys, identity
        if _is_one_row(self.query):
            return frozenset({frozenset()}), frozenset()
        if not self.first:
            return frozenset(), frozenset()
        first = self.names.aliases[self.first]
        found = [self._as_key(self._of_first(key))[0] for key in first.keys] if self.is_of_first else []
        return frozenset(key for keys in found for key in keys), self._as_key(self._of_first(first.identity))[1]

    def _of_first(self, names: Iterable[str]) -> list[exp.Column]:
        return [exp.column(name, table=self.first) for name in names]

    def _as_key(self, expressions: Iterable[exp.Expr]) -> tuple[frozenset[Key], Key]:
        """The outputs of some expressions: as a key if all of them are put out, and those that are."""
        names = {_text(output): name for name, output in self.names.outputs.items()}
        names |= {_text(exp.column(name)): name for name in self.names.outputs}
        found = [names.get(_text(each)) for each in expressions]
        identity = frozenset(name for name in found if name)
        return frozenset({identity}) if all(found) else frozenset(), identity


GROUPINGS = ("grouping_sets", "cube", "rollup")


def _text(expression: exp.Expr) -> str:
    return expression.unalias().sql("postgres", identify=True)


def _is_one_row(query: exp.Select) -> bool:
    """Whether a select without groups sums up all its rows."""
    sums = (each for output in query.selects for each in output.find_all(exp.AggFunc))
    return any(each.find_ancestor(exp.Window, exp.Query) is query for each in sums)


def _equated(condition: exp.Expr | None, alias: str) -> Key:
    """The columns of a joined relation of which a condition says what they are equal to."""
    found = set()
    for each in _conjuncts(condition):
        if isinstance(each, exp.EQ):
            for side, other in ((each.this, each.expression), (each.expression, each.this)):
                if isinstance(side, exp.Column) and side.table == alias and not _names(other, alias):
                    found.add(side.name)
    return frozenset(found)


def _conjuncts(condition: exp.Expr | None) -> list[exp.Expr]:
    """The conditions that all have to hold."""
    if condition is None:
        return []
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]


def _names(expression: exp.Expr, alias: str) -> bool:
    return any(column.table == alias for column in expression.find_all(exp.Column))
