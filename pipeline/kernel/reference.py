"""Writes what settings.py declares into luigi.cfg and docs/configuration.md: `python -m pipeline.kernel.reference`.

In a checkout, after a declaration changed. Values that were changed in luigi.cfg become the defaults again.
"""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.kernel.config import SECTION
from pipeline.kernel.declaration import Setting
from pipeline.kernel.settings import every_setting

CHECKOUT = Path(__file__).parents[2]


def section(settings: Sequence[Setting]) -> str:
    """The section of luigi.cfg: a comment and a line for each setting, and a blank line above each group."""
    return "".join(_lines(each) for each in settings).removeprefix("\n")


def tables(settings: Sequence[Setting]) -> str:
    """The tables of docs/configuration.md, one for each group."""
    return "".join(_row(each) for each in settings) + "\n"


def _lines(setting: Setting) -> str:
    text = setting.text
    if setting.own_variable:
        text += f" In the environment: {setting.own_variable}."
    comment = textwrap.fill(
        text, 120, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
    )
    return ("\n" if setting.heading else "") + f"{comment}\n" + f"{setting.name} = {setting.default}".rstrip() + "\n"


def _row(setting: Setting) -> str:
    head = f"\n## {setting.heading}\n\n| setting | default | in the environment | |\n|---|---|---|---|\n"
    default = f"`{setting.default}`" if setting.default else ""
    return (head if setting.heading else "") + (
        f"| `{setting.name}` | {default} | `{setting.environment}` | {setting.text} |\n"
    )


# By file: the text before and after the generated part, and the function that generates it.
WRITTEN: dict[str, tuple[str, str, Callable[[Sequence[Setting]], str]]] = {
    "luigi.cfg": (f"[{SECTION}]\n", "\n[", section),
    "docs/configuration.md": ("<!-- written by pipeline/kernel/reference.py -->\n", "<!-- end -->\n", tables),
}


def updated(file: str) -> str:
    """The text that a file of the checkout must have."""
    begin, end, write = WRITTEN[file]
    before, _, rest = (CHECKOUT / file).read_text().partition(begin)
    _, _, after = rest.partition(end)
    return before + begin + write(every_setting()) + end + after


if __name__ == "__main__":
    for file in WRITTEN:
        (CHECKOUT / file).write_text(updated(file))
