"""Sessions that write to a source side by side, and the notes that triggers take of each change they commit."""

import random
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Self

import psycopg2
from support.databases import database_of, run
from support.world import World

from faults.log_statements import STATEMENTS, Statement

KEYS = {
    "products": ("product_id",),
    "suppliers": ("supplier_id",),
    "customers_addresses": ("customer_id", "address_id"),
}
MOST_PREPARED = 3  # transactions of a writer that wait to be committed
Change = tuple[str, str, tuple[str, ...]]  # operation, table, key

# Nothing refers to a row, so that no change of a key and no TRUNCATE is refused.
PREPARE = """
do $$
declare change text;
begin
    for change in
        select format('alter table %s drop constraint %I', conrelid::regclass, conname)
        from pg_constraint where contype = 'f' and connamespace = 'ops'::regnamespace
    loop
        execute change;
    end loop;
end
$$;
alter table ops.products alter column name set storage external;
create schema audit;
create table audit.change (
    number bigserial primary key, xid xid8 not null default pg_current_xact_id(),
    op text not null, relation text not null, key text[] not null
);
create function audit.note() returns trigger language plpgsql as $$
declare
    old_key text[];
    new_key text[];
begin
    if tg_op = 'TRUNCATE' then
        insert into audit.change (op, relation, key) values ('T', tg_table_name, '{}');
        return null;
    end if;
    if tg_op <> 'INSERT' then
        select array_agg(to_jsonb(old) ->> name order by place) into old_key
        from unnest(tg_argv) with ordinality as named (name, place);
    end if;
    if tg_op <> 'DELETE' then
        select array_agg(to_jsonb(new) ->> name order by place) into new_key
        from unnest(tg_argv) with ordinality as named (name, place);
    end if;
    if tg_op = 'UPDATE' and old_key <> new_key then
        insert into audit.change (op, relation, key) values ('K', tg_table_name, old_key);
    end if;
    insert into audit.change (op, relation, key)
    values (left(tg_op, 1), tg_table_name, coalesce(new_key, old_key));
    return null;
end
$$;
"""
WATCH = """
create trigger noted after insert or update or delete on ops.{0} for each row execute function audit.note({1});
create trigger truncated after truncate on ops.{0} for each statement execute function audit.note();
"""


def watch(world: World) -> None:
    """Has triggers note each change of the tables, and takes away what would refuse some."""
    world.source(PREPARE)
    for table, key in KEYS.items():
        world.source(WATCH.format(table, ", ".join(f"'{name}'" for name in key)))


def noted(world: World) -> list[tuple[Change, ...]]:
    """The changes of each transaction, in their order, as the triggers noted them."""
    query = "select xid::text, op, relation, key from audit.change order by number"
    transactions: dict[str, list[Change]] = {}
    for xid, op, table, key in world.source(query):
        transactions.setdefault(xid, []).append((op, table, tuple(key)))
    return sorted(map(tuple, transactions.values()))


@dataclass
class Writers:
    """Sessions that each do a number of operations whenever they are asked; what they do is decided by a seed."""

    world: World
    seed: str
    number: int = 3
    add_column: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._writers = [_Writer(self, number) for number in range(self.number)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.settle()

    def begin(self, operations: int) -> Callable[[], None]:
        """Starts all of them; what is returned waits until they are done, and raises what one of them raised."""
        threads = [threading.Thread(target=writer.work, args=(operations,), daemon=True) for writer in self._writers]
        for thread in threads:
            thread.start()

        def end() -> None:
            for thread in threads:
                thread.join()
            if self.failures:
                raise self.failures[0]

        return end

    def settle(self) -> None:
        """Ends what is prepared, so that nothing is open."""
        for writer in self._writers:
            writer.settle()


class _Writer:
    def __init__(self, writers: Writers, number: int) -> None:
        self.writers, self.number = writers, number
        self.chance = random.Random(f"{writers.seed} {number}")
        self.prepared: list[str] = []
        self.named = 0

    def work(self, operations: int) -> None:
        try:
            with closing(psycopg2.connect(self.writers.world.simulator_url)) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    # A prepared transaction keeps its locks, also from the writer that has prepared it.
                    cursor.execute("set lock_timeout = '50ms'")
                    for number in range(operations):
                        self._operate(cursor, is_late=2 * number >= operations)
        except BaseException as error:
            self.writers.failures.append(error)
            raise

    def settle(self) -> None:
        for name in self.prepared:
            run(self.writers.world.simulator_url, f"rollback prepared '{name}'")
        self.prepared.clear()

    def _operate(self, cursor: Any, *, is_late: bool) -> None:
        """One transaction. One that cannot be done, for a deadlock or a key that is taken, is rolled back."""
        try:
            if self.prepared and (len(self.prepared) == MOST_PREPARED or self.chance.random() < 0.1):
                ending = self.chance.choice(["commit", "rollback"])
                cursor.execute(f"{ending} prepared %s", (self.prepared.pop(0),))
                self._count(f"{ending} prepared")
                return
            if self.writers.add_column and self.number == 0 and is_late:
                cursor.execute("alter table ops.suppliers add column fee numeric(10, 2) default 1.5")
                self.writers.add_column = False
                self._count("add column")
                return
            cursor.execute("begin")
            for _ in range(self.chance.randrange(1, 8)):
                self._step(cursor)
            self._end(cursor)
        except psycopg2.Error as error:
            cursor.execute("rollback")
            self._count(f"refused {type(error).__name__}")

    def _step(self, cursor: Any) -> None:
        """A statement, or some within a savepoint."""
        if self.chance.random() < 0.2:
            cursor.execute("savepoint here")
            for statement in [self._statement() for _ in range(self.chance.randrange(1, 3))]:
                cursor.execute(*statement)
            ending = self.chance.choice(["rollback to", "release"])
            cursor.execute(f"{ending} savepoint here")
            self._count(f"{ending} savepoint")
        else:
            cursor.execute(*self._statement())

    def _end(self, cursor: Any) -> None:
        chance = self.chance.random()
        if chance < 0.1:
            self.named += 1
            name = f"{database_of(self.writers.world.operational_url)} {self.number} {self.named}"
            cursor.execute("prepare transaction %s", (name,))
            self.prepared.append(name)
            self._count("prepare")
            return
        ending = "rollback" if chance < 0.2 else "commit"
        cursor.execute(ending)
        self._count(ending)

    def _count(self, what: str) -> None:
        self.writers.counts[what] = self.writers.counts.get(what, 0) + 1

    def _statement(self) -> Statement:
        [statement] = self.chance.choices(list(STATEMENTS), weights=list(STATEMENTS.values()))
        return statement(self.chance)
