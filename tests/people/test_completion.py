"""A shell completes commands, options, KPIs and feeds of the program oceanrecords."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import ROOT, start
from support.world import World

from pipeline import arguments
from pipeline.kernel.errors import ConfigError
from pipeline.kpis import kpis
from pipeline.people import completion
from pipeline.vendors.declared_feeds import CONTRACTS

# What bash does at a tab: it calls the function of the program's first word, with the words typed so far.
BASH = """
source /dev/stdin
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
[[ $(complete -p oceanrecords) =~ -F\\ ([^ ]+) ]]
"${BASH_REMATCH[1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
# Each shell of a user that may be there asks its own way.
OTHERS = {
    "fish": ["fish", "--no-config", "-c", "source script; complete -C 'oceanrecords explain kpi sal'"],
    "zsh": ["zsh", "-f", "-c", 'autoload -U compinit; compinit -D; eval "$(<script)"; print $_comps[oceanrecords]'],
}


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    """The script of each shell, as the command prints it."""
    return {
        shell: subprocess.run(
            [sys.executable, "-m", "pipeline", "completion", shell],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for shell in ("bash", "zsh", "fish")
    }


def completed(script: str, *words: str) -> set[str]:
    asked = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", "oceanrecords", *words],
        input=script,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "error" not in asked.stderr
    return set(asked.stdout.split())


def test_bash_completes_a_word(scripts: dict[str, str]) -> None:
    script = scripts["bash"]
    assert completed(script, "sta") == {"status"}
    assert completed(script, "explain", "kpi", "") == set(kpis())
    assert completed(script, "explain", "kpi", "sal") == {"sales", "sales_growth"}
    assert completed(script, "check-feed", "--feed", "") == set(CONTRACTS)
    assert {"check", "prepare", "drop"} <= completed(script, "source", "")
    assert completed(script, "check-feed", "READ") == {"README.md"}
    assert completed(script, "book", "--to", "ware") == {"warehouse"}
    assert completed(script, "completion", "f") == {"fish"}


def test_bash_completes_every_option_of_every_command(scripts: dict[str, str]) -> None:
    for command in arguments.commands_of(arguments.parser()):
        assert {"--help", "-h"} <= completed(scripts["bash"], command, "-"), command
    for command in ("status", "doctor", "show", "explain", "check-feed", "follow", "book", "source"):
        assert "--json" in completed(scripts["bash"], command, "--js"), command


def test_each_shell_that_is_installed_takes_its_script(scripts: dict[str, str], tmp_path: Path) -> None:
    for shell, words in OTHERS.items():
        assert "sales_growth" in scripts[shell]
        if program := shutil.which(shell):
            (tmp_path / "script").write_text(scripts[shell])
            asked = subprocess.run([program, *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=True)
            assert "sal" in asked.stdout or "_shtab" in asked.stdout, asked.stderr


def test_a_kpi_that_is_not_there_is_refused_as_before(shop: World) -> None:
    asked = shop.command("explain", "kpi", "nothing", "2026-01", expect=2)
    assert asked.startswith("cannot explain")


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    parser = arguments.parser()
    with pytest.raises(ConfigError, match=r"shtab is not installed; install oceanrecords\[terminal\]"):
        completion.script(parser, arguments.words_of(parser), "oceanrecords", "bash")


def test_the_help_names_the_program_as_it_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    for called, name in (
        ("/opt/bin/oceanrecords", "oceanrecords"),
        ("/opt/pipeline/__main__.py", "python -m pipeline"),
    ):
        monkeypatch.setattr(sys, "argv", [called, "status"])
        assert arguments.parser().format_usage().startswith(f"usage: {name} ")


def test_the_help_of_each_command_has_an_example_that_it_understands() -> None:
    parser = arguments.parser()
    for name, command in arguments.commands_of(parser).items():
        example = (command.epilog or "").partition("example")[2].rstrip('")')
        words = example.rpartition("/")[2] if name == "completion" else example.partition("-m pipeline ")[2]
        assert parser.parse_args(words.removeprefix("oceanrecords ").split()).command == name


def test_follow_tells_machines_a_line_for_each_round(shop: World) -> None:
    words = ("-m", "pipeline", "follow", "--every", "1", "--rounds", "2", "--json")
    process = start(words, {**shop.environment, "RISK_API_URL": ""}, errors_apart=True)
    output, errors = process.communicate(timeout=300)
    rounds = [json.loads(line) for line in output.splitlines()]
    assert [each["exit_code"] for each in rounds] == [0, 0], errors
    assert all(each.keys() == {"began", "seconds", "exit_code"} for each in rounds)


def test_the_book_tells_machines_where_it_is(shop: World, tmp_path: Path) -> None:
    shop.load("2026-01-01")
    found = json.loads(shop.command("book", "--to", str(tmp_path / "book"), "--json"))
    assert Path(found["book"].removeprefix("file:")).samefile(tmp_path / "book/index.html")
