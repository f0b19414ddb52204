"""Plays a history in a real source, lake and warehouse, and keeps in plain Python what the source then holds."""

import datetime as dt
from contextlib import ExitStack, closing
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from psycopg2.extensions import connection as Connection
from support import shop
from support.commands import KILLED, NAMED, Process
from support.databases import database_of
from support.histories import Oracle
from support.world import World, Worlds

from histories.steps import Step
from pipeline.kernel import postgres

SECONDS = 120  # that a command may take
OPENED = shop.at(1, 1)
OPTIONS = {"OCEAN_RECONCILE_DAYS": "0"}  # the comparison at the end is the only one


class Broken(Exception):
    """A command broke a promise."""


@dataclass(frozen=True)
class Backup:
    """Copies of source, lake and warehouse of one instant, and what the source held then."""

    world: World
    oracle: Oracle
    customers: int
    addresses: int


@dataclass
class Player:
    """A shop, whose clock goes on with each step."""

    worlds: Worlds
    world: World
    oracle: Oracle = field(default_factory=Oracle)
    now: dt.datetime = OPENED
    ahead: dt.timedelta = dt.timedelta(0)
    backups: list[Backup] = field(default_factory=list)
    held: list[Connection] = field(default_factory=list)
    pending: list[tuple[tuple[int, int], dt.datetime, int]] = field(default_factory=list)  # what these will commit
    customers: int = 1
    addresses: int = 1
    has_loaded: bool = False
    is_cut_short: bool = False  # the last load was, or the lake is one from before it
    has_lost_extracts: bool = False
    is_from_log: bool = False
    loads: int = 0
    faults: int = 0

    def play(self, steps: list[Step]) -> None:
        """Plays all steps, then compares source and warehouse and repairs what only that finds. Raises Broken."""
        with ExitStack() as stack:
            stack.callback(self._hang_up)
            for product in (1, 2):
                self.oracle.put("ops.products", product, shop.at(1, 0), price=10)
            for kind, hours, *numbers in steps:
                self.now += dt.timedelta(hours=hours)
                getattr(self, f"_{kind}")(*numbers)
            self._let_go()
        self.ahead = dt.timedelta(0)
        self.now += dt.timedelta(days=2)
        self._must(self._luigi("DailyWarehouseLoad", "--date", str(self.yesterday)))
        repair = ("ReconcileSource", "--date", str(self.yesterday), "--repair", "--allow-deletes")
        self._must(self._luigi(*repair))

    def _hang_up(self) -> None:
        for each in self.held:
            each.close()

    @property
    def yesterday(self) -> dt.date:
        """The last date that is over."""
        return self.now.date() - dt.timedelta(days=1)

    # Changes of the source.

    def _orders(self) -> list[int]:
        return sorted(self.oracle.now["ops.orders"])

    def _lines(self) -> list[tuple[int, int]]:
        """The lines that no open transaction has changed: it would keep the next one waiting for ever."""
        return sorted(set(self.oracle.now["ops.order_lines"]) - {key for key, *_ in self.pending})

    def _order(self, number: int, days: int) -> None:
        key = max([0, *self._orders()]) + 1
        ordered = self.now - dt.timedelta(days=days % 40)
        products = [1 + number % 2, 2 - number % 2][: 1 + days % 2]
        who = {"customer_id": 1 + number % self.customers, "address_id": 1 + days % self.addresses}
        shop.add_order(self.world, key, self.now, *products, ordered_ts=ordered, **who)
        self.oracle.put("ops.orders", key, self.now, ordered=ordered, delivered=None, status=1)
        for line, product in enumerate(products, 1):
            self.oracle.put("ops.order_lines", (key, line), self.now, product=product, quantity=2, price=10)

    def _changed(self, number: int, columns: dict[str, Any], values: dict[str, Any]) -> None:
        if orders := self._orders():
            key = orders[number % len(orders)]
            shop.update(self.world, "orders", {"order_id": key}, self.now, **columns)
            self.oracle.put("ops.orders", key, self.now, **values)

    def _status(self, number: int, status: int) -> None:
        self._changed(number, {"order_status_id": 1 + status % 2}, {"status": 1 + status % 2})

    def _deliver(self, number: int, days: int) -> None:
        delivered = self.now + dt.timedelta(days=days % 9)
        self._changed(number, {"delivered_ts": delivered}, {"delivered": delivered})

    def _redate(self, number: int, days: int) -> None:
        ordered = self.now - dt.timedelta(days=days)
        self._changed(number, {"ordered_ts": ordered}, {"ordered": ordered})

    def _quantity(self, number: int, quantity: int) -> None:
        if lines := self._lines():
            order, line = lines[number % len(lines)]
            key = {"order_id": order, "line_number": line}
            shop.update(self.world, "order_lines", key, self.now, quantity=1 + quantity % 9)
            self.oracle.put("ops.order_lines", (order, line), self.now, quantity=1 + quantity % 9)

    def _price(self, product: int, price: int) -> None:
        product = 1 + product % 2
        shop.update(self.world, "products", {"product_id": product}, self.now, unit_price=5 + price % 3)
        self.oracle.put("ops.products", product, self.now, price=5 + price % 3)

    def _rename(self, product: int, _: int) -> None:
        shop.update(self.world, "products", {"product_id": 1 + product % 2}, self.now, name=f"Record of {self.now}")

    def _customer(self, *_: int) -> None:
        self.customers += 1
        registered = self.now.date()
        row = {"first_name": "Ada", "last_name": str(self.customers), "registered_on": registered}
        shop.insert(self.world, "customers", self.now, customer_id=self.customers, **row)

    def _address(self, *_: int) -> None:
        self.addresses += 1
        row = {"street": "2 Pier", "city": "Lima", "country": "Peru"}
        shop.insert(self.world, "addresses", self.now, address_id=self.addresses, **row)

    def _delete_line(self, number: int, _: int) -> None:
        if lines := self._lines():
            order, line = lines[number % len(lines)]
            self.world.source("delete from ops.order_lines where order_id = %s and line_number = %s", (order, line))
            del self.oracle.now["ops.order_lines"][order, line]

    def _delete_order(self, number: int, _: int) -> None:
        pending = {order for (order, _), *_ in self.pending}
        if orders := [order for order in self._orders() if order not in pending]:
            self._drop_order(orders[number % len(orders)])

    def _drop_order(self, order: int) -> None:
        self.world.source("delete from ops.order_lines where order_id = %s", (order,))
        self.world.source("delete from ops.orders where order_id = %s", (order,))
        del self.oracle.now["ops.orders"][order]
        lines = self.oracle.now["ops.order_lines"]
        for key in [key for key in lines if key[0] == order]:
            del lines[key]

    def _other_key(self, number: int, _: int) -> None:
        """An order without lines gets another key, as whoever merges two shops does; its updated_ts stays."""
        having = {order for order, _ in self.oracle.now["ops.order_lines"]}
        if orders := [order for order in self._orders() if order not in having]:
            order, key = orders[number % len(orders)], max(self._orders()) + 100
            self.world.source("update ops.orders set order_id = %s where order_id = %s", (key, order))
            row = self.oracle.now["ops.orders"].pop(order)
            self.oracle.now["ops.orders"][key] = row | {"key": key}

    def _hold(self, number: int, quantity: int) -> None:
        """A transaction changes a line, and stays open over what follows.

        Not over a first copy from the log, which waits for it, as it must see whole transactions.
        """
        is_copied = self.has_loaded or not self.is_from_log
        if self.held or not is_copied or not (lines := self._lines()):
            return
        order, line = lines[number % len(lines)]
        connection = postgres.connect(self.world.simulator_url, "tests")
        self.held.append(connection)
        connection.cursor().execute(
            "update ops.order_lines set quantity = %s, updated_ts = %s where order_id = %s and line_number = %s",
            (1 + quantity % 9, self.now, order, line),
        )
        self.pending.append(((order, line), self.now, 1 + quantity % 9))

    def _let_go(self, *_: int) -> None:
        while self.held:
            with closing(self.held.pop()) as connection:
                connection.commit()
            key, when, quantity = self.pending.pop()
            self.oracle.put("ops.order_lines", key, when, quantity=quantity)

    # What happens to the warehouse.

    def _luigi(self, *words: str, fault: str = "") -> Process:
        self.loads += 1
        return self.world.at(self.now + self.ahead).faulty(fault).start(*words)

    def _must(self, process: Process, *, may_fail: bool = False) -> None:
        output, _ = process.communicate(timeout=SECONDS)
        self.has_loaded |= process.returncode == 0
        self.is_cut_short = process.returncode != 0
        if process.returncode == 0 or (process.returncode == KILLED and may_fail):
            return
        if not (may_fail and NAMED.search(output)):
            raise Broken(f"exit code {process.returncode}: {output[-3000:]}")

    def _load(self, *_: int) -> None:
        self._must(self._luigi("DailyWarehouseLoad", "--date", str((self.now + self.ahead).date())))

    def _killed(self, number: int) -> None:
        self.faults += 1
        load = ("DailyWarehouseLoad", "--date", str((self.now + self.ahead).date()))
        self._must(self._luigi(*load, fault=f"kill {number} *"), may_fail=True)

    def _two(self, *_: int) -> None:
        load = ("DailyWarehouseLoad", "--date", str((self.now + self.ahead).date()))
        for process in [self._luigi(*load), self._luigi(*load)]:
            self._must(process)

    def _rebuild(self, *_: int) -> None:
        """The lake has no date as a whole before the first load, and after one that was killed at the date's end."""
        self._must(self._luigi("RebuildWarehouse", "--replace"), may_fail=not self.has_loaded or self.is_cut_short)

    def _from_log(self) -> None:
        self.is_from_log = True
        self.world = self.world.where(OCEAN_EXTRACTION="log", OCEAN_LOG_SLOT=database_of(self.world.operational_url))

    def _back_up(self, *_: int) -> None:
        """Copies all, and of a source with an open transaction, of which no copy can be made, the rest."""
        copy = self.worlds.copy_lake(self.world, self.worlds.copy_warehouse(self.world))
        if not self.held:
            copy = replace(copy, operational_url=self.worlds.copy_database_of_source(self.world))
        self.backups.append(Backup(copy, deepcopy(self.oracle), self.customers, self.addresses))

    def _restore(self, number: int) -> None:
        """The warehouse, the source or the lake goes back to the last backup, and the others stay as they are."""
        if not self.backups:
            return
        self.faults += 1
        backup = self.backups[-1]
        # What is read from the log follows one life of a server: from another one it starts again, by hand.
        if number % 3 == 1 and not self.is_from_log and backup.world.operational_url != self.world.operational_url:
            self._restore_source(backup)
        elif number % 3 == 2 and not self.is_from_log:
            self.has_lost_extracts = self.is_cut_short = True
            copy = self.worlds.copy_lake(backup.world, self.world.warehouse_url)
            self.world = replace(self.world, lake_url=copy.lake_url)
        else:
            self.world = replace(self.world, warehouse_url=self.worlds.copy_warehouse(backup.world))

    def _restore_source(self, backup: Backup) -> None:
        self._hang_up()
        self.held.clear()
        self.pending.clear()
        self.worlds.replace_source(self.world, backup.world.operational_url)
        self.oracle = deepcopy(backup.oracle)
        self.customers, self.addresses = backup.customers, backup.addresses

    def _clock(self, number: int) -> None:
        """The clock of the source is set ahead, or right again."""
        self.faults += 1
        self.ahead = dt.timedelta(hours=number % 30)
