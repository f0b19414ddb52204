"""Finds the feeds. Each folder of this package with a contract is a feed, or the answer of a service."""

import re
from pathlib import Path

from pipeline.kernel.errors import BadContract
from pipeline.vendors.contracts import FILE, Contract, read
from pipeline.vendors.vendor_fields import Feed

FOLDER = Path(__file__).parent
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")  # PostgreSQL cuts names of indexes after 63 characters
MOST_TEXTS_OF_A_KEY = 2  # with LONGEST_KEY bytes each; an index of PostgreSQL has no room for more
OWN_COLUMNS = {"etl_batch"}  # columns of every stage table


def contracts(folder: Path = FOLDER) -> dict[str, Contract]:
    """All contracts by their names, in this order. Raises BadContract for one that cannot be used."""
    found = {path.parent.name: read(path) for path in sorted(folder.glob(f"*/{FILE}"))}
    for name, contract in found.items():
        checked(name, contract.feed)
    return found


def checked(folder: str, feed: Feed) -> Feed:
    """The feed of a folder. Raises BadContract if no stage table can be made from it."""
    names = [field.name for field in feed.fields]
    own_key = [field for field in feed.fields if field.is_key]
    texts = [field for field in own_key if field.kind == "text"]
    faults = {
        f"name it {folder!r}, as its folder": feed.name != folder,
        "give it and its fields names of small letters, digits and _": not all(map(NAME.fullmatch, [folder, *names])),
        "give each field another name": len(set(names)) < len(names),
        f"rename its field {' and '.join(OWN_COLUMNS)}": not OWN_COLUMNS.isdisjoint(names),
        "mark the fields of its key with primaryKey: true": not feed.key,
        "make the fields of its key required": not all(field.required for field in own_key),
        f"take at most {MOST_TEXTS_OF_A_KEY} texts for its key": len(texts) > MOST_TEXTS_OF_A_KEY,
        "take its instants from its fields of kind timestamp": not (feed.made_key or _are_instants(feed)),
    }
    for do, is_wrong in faults.items():
        if is_wrong:
            raise BadContract(f"use the feed of pipeline/vendors/{folder}", "of its contract", do)
    return feed


def _are_instants(feed: Feed) -> bool:
    return set(feed.instants) <= {field.name for field in feed.fields if field.kind == "timestamp"}


CONTRACTS = contracts()
# Those with loads of their own.
REVIEWS, PARTNER_ORDERS, RISK_SCORES = (
    CONTRACTS[name].feed for name in ("movie_review", "partner_orders", "risk_score")
)
