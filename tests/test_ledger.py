"""What a long job has done is remembered for the code that it was done with, and its cases are shared out once each."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from support.ledger import Ledger, share_out


def test_a_ledger_has_the_cases_of_this_code_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger", "tests/histories")
    assert ledger.cases() == []
    ledger.add(seed=1)
    with ledger.path.open("a") as file:
        file.write('{"code": "another", "seed": 2}\n')
    ledger.add(seed=3)
    assert [case["seed"] for case in Ledger(ledger.path, "tests/histories").cases()] == [1, 3]
    assert Ledger(ledger.path, "tests/enumerated").cases() == []


@pytest.mark.parametrize("processes", [1, 2, 9])
def test_each_case_is_played_once(tmp_path: Path, processes: int) -> None:
    def play(cases: Sequence[int]) -> None:
        for case in cases:
            (tmp_path / str(case)).open("x").close()

    share_out(range(7), processes, play)
    assert {path.name for path in tmp_path.iterdir()} == {str(case) for case in range(7)}


def test_a_process_that_fails_is_told() -> None:
    def play(cases: Sequence[int]) -> None:
        if 3 in cases:
            raise SystemExit("a mistake")

    with pytest.raises(RuntimeError, match="a process of the run failed"):
        share_out(range(7), 2, play)
