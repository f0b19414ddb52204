"""Finds the feeds. Each folder of this package is a feed, with its declaration as FEED."""

import pkgutil
import re
from importlib import import_module

from pipeline import vendors
from pipeline.vendors.vendor_fields import Feed

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")  # PostgreSQL cuts names of indexes after 63 characters
MOST_TEXTS_OF_A_KEY = 2  # with LONGEST_KEY bytes each; an index of PostgreSQL has no room for more
OWN_COLUMNS = {"etl_batch"}  # columns of every stage table


def feeds() -> dict[str, Feed]:
    """All feeds by their names, in this order. Raises ValueError for a declaration that cannot be used."""
    folders = sorted(found.name for found in pkgutil.iter_modules(vendors.__path__) if found.ispkg)
    return {folder: checked(folder, import_module(f"{vendors.__name__}.{folder}").FEED) for folder in folders}


def checked(folder: str, feed: Feed) -> Feed:
    """The feed of a folder. Raises ValueError if no stage table can be made from it."""
    names = [field.name for field in feed.fields]
    own_key = [field for field in feed.fields if field.is_key]
    texts = [field for field in own_key if field.kind == "text"]
    faults = {
        f"name it {folder!r}, as its folder": feed.name != folder,
        "give it and its fields names of small letters, digits and _": not all(map(NAME.fullmatch, [folder, *names])),
        "give each field another name": len(set(names)) < len(names),
        f"rename its field {' and '.join(OWN_COLUMNS)}": not OWN_COLUMNS.isdisjoint(names),
        "mark the fields of its key with is_key=True": not feed.key,
        "make the fields of its key required": not all(field.required for field in own_key),
        f"take at most {MOST_TEXTS_OF_A_KEY} texts for its key": len(texts) > MOST_TEXTS_OF_A_KEY,
        "take its instants from its fields of kind timestamp": not (feed.made_key or _are_instants(feed)),
    }
    for do, is_wrong in faults.items():
        if is_wrong:
            raise ValueError(f"cannot use the feed of pipeline/vendors/{folder}, because of its declaration; {do}")
    return feed


def _are_instants(feed: Feed) -> bool:
    return set(feed.instants) <= {field.name for field in feed.fields if field.kind == "timestamp"}
