"""The day's people: registrations, moves, and the addresses of orders."""

import datetime as dt
from random import Random

from pipeline.generators import entities
from pipeline.generators.books import Books
from pipeline.generators.copying import copy_rows
from pipeline.generators.entities import Row
from pipeline.generators.moments import stamp
from pipeline.generators.pools import Pools
from pipeline.generators.seasons import country_growth
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor

ADDRESS_AT_ONCE = 0.9  # the share of customers who give an address when they register
NEW_HOME = 0.7  # the share of moves to an address of their own

HOMES = """
select customer_id, array_agg(address_id order by address_id) from ops.customers_addresses
where customer_id = any(%s) group by customer_id
"""


class People:
    """New customers, addresses and links, until they are written."""

    def __init__(self, rng: Random, books: Books, pools: Pools, date: dt.date) -> None:
        self.rng, self.books, self.pools = rng, books, pools
        self.homes: dict[int, list[int]] = {}  # addresses of this morning
        self._growth = country_growth(date, books.shop.opened_on)
        self._customers: list[Row] = []
        self._addresses: list[Row] = []
        self._links: dict[tuple[int, int], Row] = {}

    def look_up(self, cursor: Cursor, customers: list[int]) -> None:
        """Reads the addresses of these customers."""
        self.homes = dict(postgres.rows(cursor, HOMES, (customers,)))

    def register(self, moment: int, registered_on: dt.date) -> None:
        """A new customer; most give an address at once, the others when they buy."""
        self.books.customers += 1
        key = self.books.customers
        customer, address = entities.customer(self.rng, self.pools, key, moment, registered_on, self._growth)
        self._customers.append(customer)
        if self.rng.random() < ADDRESS_AT_ONCE:
            self._new_address(key, moment, address)

    def move(self, customer: int, other: int, moment: int) -> None:
        """A customer gets one more address: a new one, or that of another customer."""
        if self.rng.random() < NEW_HOME:
            self._new_address(customer, moment, self._somewhere())
        elif other in self.homes:
            shared = self.rng.choice(self.homes[other])
            if shared not in self.homes.get(customer, ()):
                self._link(customer, shared, moment)

    def address_of(self, customer: int, moment: int) -> int:
        """The address of a customer's order: one of this morning's, or a first one, given now."""
        homes = self.homes.get(customer)
        if not homes:
            homes = self.homes[customer] = [self._new_address(customer, moment, self._somewhere())]
        return homes[0] if len(homes) == 1 else self.rng.choice(homes)

    def write(self, cursor: Cursor) -> int:
        """Copies the new rows into the tables; returns their number."""
        rows = copy_rows(cursor, "ops.customers", self._customers)
        rows += copy_rows(cursor, "ops.addresses", self._addresses)
        return rows + copy_rows(cursor, "ops.customers_addresses", self._links.values())

    def _somewhere(self) -> Row:
        return self.pools.address(self.rng, self.pools.somewhere(self.rng, self._growth))

    def _new_address(self, customer: int, moment: int, address: Row) -> int:
        self.books.addresses += 1
        key, now = self.books.addresses, stamp(moment)
        self._addresses.append((key, *address, now, now))
        self._link(customer, key, moment)
        return key

    def _link(self, customer: int, address: int, moment: int) -> None:
        now = stamp(moment)
        self._links.setdefault((customer, address), (customer, address, now, now))
