"""What the tests of faults did, by test: the table of docs/reliability.md."""

from collections import Counter

import pytest

FIGURES = ("faults", "reruns", "compared", "different")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints it at the end of a run, also of one that several processes share."""
    kinds: dict[str, Counter[str]] = {}
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if getattr(report, "when", None) == "call":
            for counts in (value for name, value in report.user_properties if name == "tally"):
                kind = report.nodeid.rpartition("::")[2].partition("[")[0].removeprefix("test_").replace("_", " ")
                kinds.setdefault(kind, Counter()).update(counts)
    if kinds:
        terminalreporter.section("faults")
        width = max(map(len, kinds))
        terminalreporter.line("  ".join([f"{'test':{width}}", *(f"{name:>9}" for name in FIGURES)]))
        for kind, counts in [*kinds.items(), ("all", sum(kinds.values(), Counter[str]()))]:
            terminalreporter.line("  ".join([f"{kind:{width}}", *(f"{counts[name]:>9,}" for name in FIGURES)]))
