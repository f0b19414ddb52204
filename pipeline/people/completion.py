"""`python -m pipeline completion`: the scripts by which shells complete the words of our commands."""

import argparse
from collections.abc import Sequence
from typing import Any

from pipeline import kpis
from pipeline.kernel.errors import ConfigError
from pipeline.vendors.declared_feeds import CONTRACTS


def script(parser: argparse.ArgumentParser, words: Sequence[argparse.Action], program: str, shell: str) -> str:
    """The script for a shell, of the parser itself, whose words these are. It names the KPIs and feeds of now.

    The parser is changed: it then takes no other KPI. Raises ConfigError where the package that writes it is missing.
    """
    try:
        import shtab
    except ModuleNotFoundError:
        raise ConfigError(
            "print the script", "the package shtab is not installed", "install oceanrecords[terminal]"
        ) from None
    files: dict[str, Any] = {"file": shtab.FILE, "to": shtab.DIRECTORY}
    known = {"kpi": list(kpis.kpis()), "feed": list(CONTRACTS)}
    for word in words:
        if word.dest in known:
            word.choices = known[word.dest]
        elif word.dest in files:
            setattr(word, "complete", files[word.dest])  # noqa: B010  # it is shtab's own
    parser.prog = program
    found: str = shtab.complete(parser, shell)
    return found
