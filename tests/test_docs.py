"""The docs name only what exists, and everything that a user can name is in them."""

import configparser
import importlib.util
import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import luigi
import pytest
from support.loads import create_warehouse
from support.world import ROOT, World

import pipeline
from pipeline.kernel import config
from pipeline.kernel.settings import every_setting
from pipeline.operations.state import EXIT_CODES
from pipeline.services.__main__ import COMMANDS, EXIT_NOT_RUNNING
from pipeline.tasks.runtime import day_parameter, stopping
from pipeline.trust import checks

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
REFERENCE, CONFIGURATION, OPERATIONS = (
    ROOT / f"docs/{name}.md" for name in ("reference", "configuration", "operations")
)

HERE = str(Path(__file__).relative_to(ROOT))
BLOCK = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
COLUMNS = """
select relation.relname, attribute.attname from pg_class as relation
inner join pg_attribute as attribute on relation.oid = attribute.attrelid and attribute.attnum > 0
where relation.relnamespace = 'mart'::regnamespace and relation.relkind in ('r', 'v') and not attribute.attisdropped
"""

FOLDERS = ("benchmarks", "deploy", "docs", "pipeline", "superset", "tests", "warehouse")
# What looks like a file of ours and is made by a run.
MADE = {"deploy/docker/.env", "superset/cache"}
SUFFIXES = (".cfg", ".lock", ".md", ".py", ".service", ".sh", ".sql", ".svg", ".timer", ".toml", ".yaml", ".yml")
# Settings of PostgreSQL.
OTHERS = {"log_error_verbosity", "max_prepared_transactions", "reserved_connections"}
VARIABLE = re.compile(
    r"\b(?:OCEAN|SUPERSET|RISK|SPARK|LAKE|WAREHOUSE|OPERATIONAL|ADMIN|ANALYST|LUIGI|LUIGID|GERMANY)_[A-Z_]*[A-Z]\b"
)

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def code(page: Path) -> Iterator[str]:
    """The blocks and spans of code of a page. Lines that go on are joined."""
    text = page.read_text()
    yield from (block.replace("\\\n", " ") for block in BLOCK.findall(text))
    yield from (span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", BLOCK.sub("", text)))


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return BLOCK.sub("", page.read_text())


@cache
def everything() -> str:
    """All pages that a user reads."""
    return "\n".join(page.read_text() for page in PAGES)


@cache
def files() -> set[str]:
    """The files and folders of the project, by their paths."""
    inside = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts)
    return {*FOLDERS, *(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.*"), *inside])} | {"Makefile", "LICENSE"}


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def targets() -> set[str]:
    """The targets of the Makefile that are commands."""
    [phony] = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return set(phony.split())


def exit_codes() -> set[int]:
    """The exit codes of luigi, where a load ends by itself or is stopped, or was typed wrong."""
    found = configparser.RawConfigParser()
    found.read(ROOT / "luigi.cfg")
    return {0, day_parameter.USAGE, stopping.EXIT_CODE, *map(int, found["retcode"].values())}


def options(task: str) -> set[str]:
    """The options of a task, and of the command itself."""
    found = [*getattr(pipeline, task).get_params(), *luigi.interface.core.get_params()]
    return {f"--{name.replace('_', '-')}" for name, _ in found}


def test_there_are_pages() -> None:
    assert len(PAGES) > 15


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        name, _, anchor = target.partition("#")
        if name.startswith("https://"):
            continue
        to = (page.parent / name).resolve() if name else page
        if not to.exists() or (anchor and anchor not in anchors(to)):
            wrong.append(target)
    assert not wrong


@each_page
def test_every_target_of_make_exists(page: Path) -> None:
    named = {
        target
        for text in code(page)
        for target in re.findall(r"(?:^|[ `])make(?: -C \S+| [A-Z]+=\S+)* ([a-z][a-z-]*)", text, re.MULTILINE)
    }
    assert named <= targets()


def test_every_target_of_make_is_documented() -> None:
    assert {target for target in targets() if f"`make {target}`" not in everything()} == set()


@each_page
def test_every_task_exists(page: Path) -> None:
    verbs = "|".join(sorted({re.findall("[A-Z][a-z]+", name)[0] for name in pipeline.__all__}))
    named = set()
    for text in code(page):
        named |= set(re.findall(r"(?:--module pipeline|--of) ([A-Z]\w+)", text))
        named |= set(re.findall(rf"\b(?:{verbs})(?:[A-Z][a-z]+)+\b", text))
    assert named <= set(pipeline.__all__)


def test_every_task_is_documented() -> None:
    assert set(pipeline.__all__) == set(re.findall(r"^### ([A-Z]\w+)$", REFERENCE.read_text(), re.MULTILINE))


@each_page
def test_every_option_of_a_task_exists(page: Path) -> None:
    wrong = []
    for text in code(page):
        for task, words in re.findall(
            r"\b((?:[A-Z][a-z]+){2,})((?:\s+--?[a-z][\w-]*(?:[ =](?!--)(?:'[^']*'|\S+))?)+)", text
        ):
            if task in pipeline.__all__:
                wrong += [
                    f"{task} {each}" for each in re.findall(r"--[a-z][a-z-]+", words) if each not in options(task)
                ]
    assert not wrong


@each_page
def test_every_module_and_script_that_is_run_exists_and_knows_its_options(page: Path) -> None:
    wrong = []
    for text in code(page):
        for module, words in re.findall(r"-m (pipeline[\w.]*|benchmarks[\w.]*)((?: [\w-]+)*)", text):
            found = importlib.util.find_spec(module)
            if found and found.submodule_search_locations:
                found = importlib.util.find_spec(f"{module}.__main__")
            source = Path(found.origin).read_text() if found and found.origin else ""
            source += (ROOT / "pipeline/arguments.py").read_text() if module == "pipeline" else ""
            wrong += [
                f"{module} {word}" for word in words.split() if word.startswith("--") and f'"{word}"' not in source
            ]
            if module == "pipeline.services" and words:
                wrong += [f"{module} {word}" for word in words.split()[:1] if word not in COMMANDS]
            if not source:
                wrong.append(module)
        for script, words in re.findall(r"(\w+\.py)((?: +--[a-z0-9-]+(?: (?!-)\S+)?)*)", text):
            for path in (each for each in files() if words and each.endswith(f"/{script}")):
                source = (ROOT / path).read_text()
                wrong += [
                    f"{script} {each}" for each in re.findall(r"--[a-z][a-z0-9-]+", words) if f'"{each}"' not in source
                ]
    assert not wrong


def test_every_block_of_python_runs(world: World) -> None:
    create_warehouse(world)
    blocks = [block for page in PAGES for block in PYTHON.findall(page.read_text())]
    assert blocks
    for block in blocks:
        exec(block, {})


def test_every_command_of_the_services_is_documented() -> None:
    assert set(COMMANDS) <= targets()


@each_page
def test_every_file_exists(page: Path) -> None:
    wrong = []
    for word in (word for text in code(page) for word in re.split(r"[\s,]+", text)):
        name = word.rstrip("/")
        is_ours = (name.split("/")[0] in FOLDERS and "/" in word) or name.endswith(SUFFIXES)
        if not is_ours or name in MADE or re.search(r"[$<>~(:=@]|\.\.\.|^/|^\.|D/", name):
            continue
        pattern = re.compile(rf"(.*/)?{re.escape(name).replace(re.escape('*'), '[^/]*')}")
        if not any(pattern.fullmatch(path) for path in files()):
            wrong.append(word)
    assert not wrong


@each_page
def test_every_exit_code_exists(page: Path) -> None:
    text = re.sub(r"\s+", " ", page.read_text())
    named = {int(code) for code in re.findall(r"[Ee]xit(?:s with|s|ed with| codes?)? (\d+)\b", text)}
    assert named <= exit_codes() | set(EXIT_CODES.values()) | {1, EXIT_NOT_RUNNING}


def test_every_exit_code_is_documented() -> None:
    text = OPERATIONS.read_text()
    rows = re.findall(r"^\| (\d+) \|", text[text.index("## Exit codes") : text.index("## When an alert")], re.MULTILINE)
    assert set(map(int, rows)) == exit_codes()
    [row] = re.findall(r"^\| `.venv/bin/python -m pipeline status` \| .*$", text, re.MULTILINE)
    assert {int(code) for code in re.findall(r"\b(\d): ", row)} | {0} == set(EXIT_CODES.values())
    assert f"exits with {EXIT_NOT_RUNNING} if a service" in text


@each_page
def test_every_variable_exists(page: Path) -> None:
    sources = [path for path in files() if path.endswith((".py", ".cfg", ".yml", "make-env.sh")) and path != HERE]
    read = {name for path in sources for name in VARIABLE.findall((ROOT / path).read_text())}
    assert set(VARIABLE.findall("\n".join(code(page)))) <= read | {each.environment for each in every_setting()}


@each_page
def test_every_setting_of_luigi_cfg_exists(page: Path) -> None:
    """Where a page has it as a line of the file: `mart = 0`."""
    cfg = configparser.RawConfigParser()
    cfg.read(ROOT / "luigi.cfg")
    known = {name for section in cfg.sections() for name in cfg[section]} | OTHERS
    assert set(re.findall(r"`([a-z]\w*) = [^`]+`", prose(page))) <= known


def test_every_setting_is_documented() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| [^|]* \| `(\w+)` \|", CONFIGURATION.read_text(), re.MULTILINE))
    assert {(each.name, each.environment) for each in every_setting()} == rows
    assert set(config.OTHER_S3) <= set(re.findall(r"\w+", CONFIGURATION.read_text()))


def test_every_check_is_documented() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (error|warn)(?:, whole)? \|", REFERENCE.read_text(), re.MULTILINE)
    assert dict(rows) == {check.name: check.severity for check in checks.checks()}


def test_every_column_of_mart_is_documented(world: World) -> None:
    create_warehouse(world)
    documented = set()
    for relation, rows in re.findall(r"^### mart\.(\w+)\n(.*?)(?=^#|\Z)", REFERENCE.read_text(), re.M | re.S):
        documented |= {(relation, column) for column in re.findall(r"^\| `(\w+)` \| \S", rows, re.MULTILINE)}
    assert documented == set(world.warehouse(COLUMNS))


def test_the_reference_is_what_its_script_writes() -> None:
    script = runpy.run_path(str(ROOT / "docs/reference.py"))
    again = "the code changed; write it again: .venv/bin/python docs/reference.py"
    assert REFERENCE.read_text() == script["page"](), again
    assert (ROOT / "docs/feeds.md").read_text() == script["feeds_page"](), again


def test_the_readme_is_short() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 200
    assert [line for line in lines if len(line) > 120] == []
