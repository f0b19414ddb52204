"""docs/security.md names the tests that there are, and leaves none out."""

import re

from support.world import ROOT


def test_the_guide_names_every_file_of_attacks_and_no_other() -> None:
    named = set(re.findall(r"`((?:tests/)?test_\w+\.py)`", (ROOT / "docs/security.md").read_text()))
    here = {path.name for path in (ROOT / "tests/security").glob("test_*.py")}
    assert here - named <= {"test_dependencies.py", "test_guide.py"}
    assert all((ROOT / name).exists() or name in here for name in named)
