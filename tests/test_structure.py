"""docs/structure.svg shows the packages as they are."""

import runpy

from support.world import ROOT


def test_the_picture_of_the_packages_is_what_its_script_draws() -> None:
    drawn = runpy.run_path(str(ROOT / "docs/structure.py"))["picture"]()
    kept = (ROOT / "docs/structure.svg").read_text()
    assert kept == drawn, "the packages changed; draw them again: .venv/bin/python docs/structure.py"
