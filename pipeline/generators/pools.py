"""Pools of names, streets and companies from Faker, made once: Faker is too slow for each row."""

import unicodedata
from dataclasses import dataclass
from functools import cache
from random import Random

from faker import Faker

from pipeline.generators.world import COUNTRIES, GROWING, STATES, UNITED_STATES, Country

VALUES = 120  # of each kind and country
COMPANIES = 20  # of each country
UNITS = ("Apt. {}", "Flat {}", "Unit #{}", "{}, rear house", 'c/o "The Anchor", {}', "Floor {}")
MAIL_DOMAINS = ("example.org", "post.example.org", "sea-mail.example.org")


@dataclass(frozen=True)
class Locals:
    """The names of people and places of one country."""

    country: Country
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    streets: tuple[str, ...]
    cities: tuple[str, ...]
    postal_codes: tuple[str, ...]
    companies: tuple[str, ...]


@dataclass(frozen=True)
class Pools:
    """The pools of a shop. The caller of each draw passes the randomness, so that each day has its own draws."""

    countries: tuple[Locals, ...]

    def somewhere(self, rng: Random, growth: float = 1) -> Locals:
        """A country; the common ones come more often, and the growing one `growth` times as often as at the opening."""
        weights = [country.weight * (growth if country.name == GROWING else 1) for country in COUNTRIES]
        return rng.choices(self.countries, weights)[0]

    def address(self, rng: Random, country: Locals) -> tuple[str, str | None, str, str | None, str | None, str]:
        """street, unit, city, postal_code, state_code, country."""
        unit = rng.choice(UNITS).format(rng.randint(1, 60)) if rng.random() < 0.25 else None
        state = rng.choice(STATES)[0] if country.country.name == UNITED_STATES else None
        postal_code = rng.choice(country.postal_codes) if rng.random() < 0.98 else None
        return (
            rng.choice(country.streets),
            unit,
            rng.choice(country.cities),
            postal_code,
            state,
            country.country.name,
        )

    def email(self, rng: Random, customer: int, last_name: str) -> str:
        """An address that exists nowhere and belongs to one customer alone."""
        letters = unicodedata.normalize("NFKD", last_name).encode("ascii", "ignore").decode().lower()
        name = "".join(filter(str.isalpha, letters)) or "customer"
        return f"{name}.{customer}@{rng.choice(MAIL_DOMAINS)}"


@cache
def pools(seed: int) -> Pools:
    """The pools of a seed. They are the same in every process, and made once in each."""
    return Pools(tuple(_locals(seed, country) for country in COUNTRIES))


def _locals(seed: int, country: Country) -> Locals:
    fake = Faker(country.locale)
    fake.seed_instance(f"{seed}:{country.locale}")

    def draw(kind: str, count: int = VALUES) -> tuple[str, ...]:
        return tuple(" ".join(fake.format(kind).split()) for _ in range(count))

    return Locals(
        country,
        first_names=draw("first_name"),
        last_names=draw("last_name"),
        streets=draw("street_address"),
        cities=draw("city"),
        postal_codes=draw("postcode"),
        companies=draw("company", COMPANIES),
    )
