"""Names as awkward as real ones."""

import datetime as dt
from random import Random

from pipeline.generators.entities import SUBTYPES, customer, product
from pipeline.generators.pools import pools
from pipeline.generators.world import COUNTRIES, GOODS, STATES

PEOPLE = [customer(Random(key), pools(1), key, 0, dt.date(2026, 1, 1), 1) for key in range(1, 2001)]


def test_the_same_seed_gives_the_same_pools_and_another_seed_others() -> None:
    names = pools(1)
    pools.cache_clear()
    assert pools(1) == names
    assert pools(2) != names


def test_values_hold_commas_quotes_apostrophes_and_letters_beyond_ascii() -> None:
    text = " ".join(str(value) for person, address in PEOPLE for value in (*person, *address))
    text += " ".join(product(Random(key), key, 0)[2] for key in range(1, 500))
    assert all(character in text for character in ",\"'")
    assert not text.isascii()


def test_no_value_breaks_a_line() -> None:
    assert not any(set(str(value)) & set("\r\n\t") for rows in PEOPLE for row in rows for value in row)


def test_customers_come_from_every_country_and_unevenly() -> None:
    homes = [address[-1] for _, address in PEOPLE]
    assert set(homes) == {country.name for country in COUNTRIES}
    assert homes.count("United States") > 3 * homes.count("Japan")


def test_addresses_in_the_united_states_alone_have_a_state() -> None:
    codes = {code for code, _ in STATES}
    assert len(codes) == 50
    for _, (*_, state, country) in PEOPLE:
        assert state in codes if country == "United States" else state is None


def test_emails_are_unique_and_lead_nowhere() -> None:
    emails = [person[3] for person, _ in PEOPLE if person[3]]
    assert len(set(emails)) == len(emails)
    assert all(email.endswith("example.org") for email in emails)
    assert len(emails) < len(PEOPLE)


def test_a_dozen_product_types_have_four_subtypes_each() -> None:
    assert len(GOODS) == 12
    assert len(set(SUBTYPES)) == 48
