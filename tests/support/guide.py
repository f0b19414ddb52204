"""The commands of the operations guide, for a test that runs them."""

import datetime as dt
import re
from collections.abc import Mapping

from support.world import ROOT

OPERATIONS = ROOT / "docs/operations.md"
COMMAND = re.compile(r"\.venv/bin/luigi --module pipeline ([A-Z]\w+(?: --?[a-z][\w-]*(?: [\w.-]+)?)*)")


def documented(section: str, dates: Mapping[str, dt.date]) -> list[str]:
    """The commands in the blocks of a section, with the test's dates instead of the guide's."""
    text = re.split(r"\n###? ", OPERATIONS.read_text().partition(f"\n### {section}\n")[2])[0]
    blocks = "\n".join(re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    commands = COMMAND.findall(blocks)
    assert len(commands) == blocks.count("luigi --module"), section
    return [re.sub("|".join(dates), lambda found: str(dates[found[0]]), command) for command in commands]
