"""The metrics of Superset that are KPIs: warehouse/kpis.toml defines them, and nothing else."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.world import ROOT

READ = """
import json, sys
from pathlib import Path
import asset_files
from errors import DeployError
try:
    print(json.dumps(asset_files.read(Path("assets"))["datasets/kpi_monthly_country.yaml"]["metrics"]))
except DeployError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that Superset is deployed from."""
    shutil.copytree(ROOT / "superset", tmp_path / "superset")
    (tmp_path / "warehouse").mkdir()
    shutil.copy(ROOT / "warehouse/kpis.toml", tmp_path / "warehouse/kpis.toml")
    return tmp_path


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def read(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / ".venv-superset/bin/python", "-c", READ], cwd=checkout / "superset", capture_output=True, text=True
    )


def metrics(checkout: Path) -> dict[str, dict[str, Any]]:
    done = read(checkout)
    assert done.returncode == 0, done.stderr
    return {metric["metric_name"]: metric for metric in json.loads(done.stdout)}


def test_a_changed_kpi_changes_superset(checkout: Path) -> None:
    before = metrics(checkout)
    assert before["average_order_value"] == {
        "metric_name": "average_order_value",
        "verbose_name": "Average order value",
        "expression": "sum(sales) / nullif(sum(orders_not_lost), 0)",
        "description": "Sales per order that is not lost.",
        "d3format": ",.2f",
    }
    assert before["average_fulfilment_days"]["verbose_name"] == "Average order fulfilment (days)"
    deviation = before["lost_order_deviation"]
    assert deviation["expression"].startswith("100.0 * (sum(lost_orders) /")
    assert deviation["verbose_name"] == "Deviation from the limit (pp)"

    changed(
        checkout / "warehouse/kpis.toml", "sum(sales) / nullif(sum(orders_not_lost), 0)", "sum(sales) / sum(orders)"
    )
    assert metrics(checkout)["average_order_value"]["expression"] == "sum(sales) / sum(orders)"


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("superset/assets/datasets/sales_growth.yaml", "kpi: sales_growth", "kpi: growth", "which kpis.toml has not"),
        (
            "superset/assets/datasets/sales_growth.yaml",
            "kpi: sales_growth",
            "kpi: sales",
            "not define over sales_growth",
        ),
        ("warehouse/kpis.toml", "[sales]", "[sales", "kpis.toml cannot be read"),
    ],
)
def test_a_metric_that_is_no_kpi_is_named(checkout: Path, file: str, old: str, new: str, says: str) -> None:
    changed(checkout / file, old, new)
    done = read(checkout)
    assert done.returncode == 1
    assert says in done.stderr
