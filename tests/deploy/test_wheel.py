"""The package as it is shipped: a wheel, installed where no checkout is to be seen, loads a day."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.shop import add_order, at, date, open_shop
from support.world import ROOT, World

PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
# What a build takes: what lies about in a checkout besides may be of another version.
SOURCES = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "pipeline", "warehouse")
# As the interpreter of this environment has them, but for the checkout, which is installed here for development.
OTHERS = Path(pytest.__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without the network."""
    checkout, target = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, checkout / name)
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(target))
    subprocess.run([*PIP, "wheel", *offline, str(checkout)], check=True, cwd=target)
    [found] = target.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment that has the wheel, and sees all packages that it needs."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    found = environment / "bin/python"
    subprocess.run([*PIP, "--python", str(found), "install", "--no-deps", "--no-index", str(wheel)], check=True)
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(f"{OTHERS}\n")
    return found


def test_a_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    kept = {
        path.relative_to(ROOT).as_posix()
        for package in ("pipeline", "warehouse")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == kept
    assert sum(name.endswith(".sql") for name in shipped) > 90


def test_an_installed_wheel_loads_a_day_without_a_checkout(world: World, python: Path, tmp_path: Path) -> None:
    open_shop(world)
    add_order(world, 1, at(1), 1)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = kept | world.environment | {"TMPDIR": str(temporary)}
    command = [str(python), "-m", "luigi", "--module", "pipeline", "DailyWarehouseLoad", "--date", str(date(1))]
    where = subprocess.run(
        [str(python), "-c", "import pipeline, warehouse; print(pipeline.__file__, *warehouse.__path__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert all(Path(each).is_relative_to(python.parents[1]) for each in where), where
    done = subprocess.run(
        [*command, "--local-scheduler"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.warehouse("select sum(order_amount) from dwh.fact_order") == [(20,)]
    # There it would lock other accounts out.
    assert not (temporary / "luigi").exists()


def test_an_installed_wheel_has_the_program_oceanrecords(python: Path, tmp_path: Path) -> None:
    program = python.with_name("oceanrecords")
    asked = subprocess.run([program, "explain", "--help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert asked.stdout.startswith("usage: oceanrecords explain ")
