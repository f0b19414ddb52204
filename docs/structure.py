"""Draws docs/structure.svg, the packages of `pipeline` and which may import which: `python docs/structure.py`.

The layers are those of the contract in pyproject.toml that `lint-imports` checks, the texts the packages' docstrings.
"""

import ast
import html
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs/structure.svg"
PACKAGE = "pipeline"

WIDTH, MARGIN, LEFT, GAP = 1000, 16, 62, 12
PADDING, LINE = 12, 16
# The width of an average character, as a share of the font size.
TEXT_SIZE, TEXT_CHARACTER = 12, 0.55
CODE_SIZE, CODE_CHARACTER = 11, 0.61


def layers() -> list[list[str]]:
    """The names of the packages and modules of each layer, from the top."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [found] = [each for each in contracts if each["type"] == "layers" and each["containers"] == [PACKAGE]]
    return [layer.split(" | ") for layer in found["layers"]]


def says(name: str) -> str:
    """The first line of the docstring of a package or module."""
    path = ROOT / PACKAGE / name
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return (ast.get_docstring(ast.parse(source.read_text())) or "").partition("\n")[0]


def holds(folder: Path) -> list[str]:
    """The modules of a package, and behind them each folder of modules with its own."""
    if not folder.is_dir():
        return []
    modules = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    folders = sorted({path.parent for path in folder.glob("*/*.py")})
    inside = {inner.name: ", ".join(holds(inner)) for inner in folders}
    return [*modules, *(f"{name}/ ({held})" if held else f"{name}/" for name, held in inside.items())]


def picture() -> str:
    """The picture as SVG."""
    boxes: list[str] = []
    top = MARGIN
    for layer in layers():
        width = (WIDTH - LEFT - MARGIN - GAP * (len(layer) - 1)) / len(layer)
        texts = [list(_lines(name, width - 2 * PADDING)) for name in layer]
        height = 2 * PADDING - 4 + LINE * max(map(len, texts))
        for n, lines in enumerate(texts):
            boxes += _box(LEFT + n * (width + GAP), top, width, height, lines)
        top += height + GAP
    bottom = top - GAP + MARGIN
    return "\n".join([*_head(bottom), *boxes, "</svg>", ""])


def _lines(name: str, width: float) -> Iterator[tuple[str, str]]:
    """What stands in a box, each line with its style."""
    yield "name", f"{PACKAGE}.{name}"
    for line in textwrap.wrap(says(name).replace("`", ""), int(width / TEXT_SIZE / TEXT_CHARACTER)):
        yield "text", line
    modules = ", ".join(holds(ROOT / PACKAGE / name))
    for line in textwrap.wrap(modules, int(width / CODE_SIZE / CODE_CHARACTER), break_on_hyphens=False):
        yield "code", line


def _box(left: float, top: float, width: float, height: float, lines: list[tuple[str, str]]) -> Iterator[str]:
    yield f'  <rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="6" class="box"/>'
    for n, (style, line) in enumerate(lines, 1):
        y = top + PADDING - 6 + LINE * n
        yield f'  <text x="{left + PADDING:g}" y="{y:g}" class="{style}">{html.escape(line, quote=False)}</text>'


def _head(height: float) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
        ' role="img" aria-labelledby="title desc" font-family="Helvetica, Arial, sans-serif" fill="#1f2933">'
    )
    yield '  <title id="title">The packages of the pipeline</title>'
    yield '  <desc id="desc">Each package imports only those below it. Neighbours do not import each other.</desc>'
    yield "  <style>"
    yield "    .box { fill: #f0f4f8; stroke: #829ab1 }"
    yield f"    .name {{ font-size: {TEXT_SIZE + 1}px; font-weight: bold }}"
    yield f"    .text {{ font-size: {TEXT_SIZE}px }}"
    yield f"    .code {{ font-size: {CODE_SIZE}px; font-family: Menlo, Consolas, monospace; fill: #486581 }}"
    yield "  </style>"
    yield f'  <rect width="{WIDTH}" height="{height:g}" rx="6" fill="#ffffff"/>'
    middle, end = height / 2, height - MARGIN
    yield f'  <path d="M44 {MARGIN} V{end:g} m-5 -8 l5 8 l5 -8" fill="none" stroke="#334e68" stroke-width="1.5"/>'
    yield (
        f'  <text x="28" y="{middle:g}" class="text" text-anchor="middle" transform="rotate(-90 28 {middle:g})">'
        "each imports only what is below it</text>"
    )


if __name__ == "__main__":
    PICTURE.write_text(picture())
