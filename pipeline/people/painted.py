"""Reports on a terminal: what is well, what needs attention and what to do are told apart by colours too.

In a pipe and in a file a report is the same text without them.
"""

import sys

from pipeline.kernel.terminal import can_draw

# What a word or a line of a report looks like, in Rich's names of styles. The words say it all: a colour adds nothing.
STYLES = {
    r"(?m)^ok\b|\bdone\b|\brunning\b": "green",
    r"(?m)^warn\b:?|\bunder way\b|\bby later\b": "yellow",
    r"(?m)^error\b:?|\bfailed\b(?: \d+)?|\bmissing\b(?: \d+)?|\bstopped\b|\bDIFFERENT\b": "bold red",
    r"(?m)^ +do: .*$|^ {4}\S.*$": "cyan",
    r"(?m)^-[- ]+$": "dim",
}


def show(report: str) -> None:
    """Prints a report: with colours on a terminal, as far as TERM and NO_COLOR let it and Rich is installed."""
    if can_draw(sys.stdout):
        _paint(report)
    else:
        print(report)


def _paint(report: str) -> None:
    from rich.console import Console
    from rich.text import Text

    text = Text(report)  # whose words are no markup, wherever they come from
    for pattern, style in STYLES.items():
        text.highlight_regex(pattern, style)
    Console(highlight=False).print(text, soft_wrap=True)
