"""Where Luigi is told to use our worker and scheduler: what we count on in it, and a load where it is not there."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import luigi
import pytest
from luigi import interface
from luigi.scheduler import RUNNING, Scheduler
from luigi.worker import TaskProcess, Worker
from support.shop import add_order, at, date, open_shop
from support.world import ROOT, World

from pipeline.tasks.base import OceanTask
from pipeline.tasks.runtime.seam import SEAM
from pipeline.tasks.runtime.worker import Factory

# Luigi's command as a version would be that makes its worker somewhere else.
WITHOUT = f"""
import sys
from luigi import interface
from luigi.cmdline import luigi_run
own, run = interface.{SEAM}, interface._schedule_and_run
interface._schedule_and_run = lambda tasks, factory=None, defaults=None: run(tasks, factory or own(), defaults)
del interface.{SEAM}
luigi_run(sys.argv[1:])
"""
HEAVY = ("boto3", "botocore", "pyspark", "pyarrow", "faker", "alembic", "sqlalchemy", "pandas", "psutil")
UNTOUCHED = """
import sys, luigi
from luigi import configuration, interface, worker
def state():
    objects = (interface, worker.Worker, worker.TaskProcess, luigi.Task, interface.core)
    cfg = configuration.get_config()
    return [dict(vars(each)) for each in objects], {name: dict(cfg.items(name, raw=True)) for name in cfg.sections()}
before = state()
import pipeline  # which every module of it imports first
assert state() == before
print(*(name for name in sys.argv[1:] if name in sys.modules))
"""


def run(code: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_luigi_makes_its_worker_at_the_seam() -> None:
    assert SEAM in vars(interface), f"luigi.interface.{SEAM} is gone"
    assert SEAM in interface._schedule_and_run.__code__.co_names, f"_schedule_and_run does not use {SEAM} any more"
    makes = {name for name, _ in inspect.getmembers(getattr(interface, SEAM), inspect.isfunction) if name[0] != "_"}
    assert makes == {name for name in vars(Factory) if name[0] != "_"}, f"{SEAM} makes other things"


def test_luigi_forks_as_the_worker_expects() -> None:
    name = "_create_task_process"
    assert [*inspect.signature(getattr(Worker, name)).parameters] == ["self", "task"], f"Worker.{name} is another one"
    assert "use_multiprocessing" in inspect.signature(TaskProcess).parameters, "TaskProcess.use_multiprocessing is gone"


class Asked(OceanTask):
    """A task that is done once it ran; `broken` says what fails."""

    broken = luigi.Parameter(default="")
    ran = False

    def complete(self) -> bool:
        """Whether it ran."""
        if self.broken == "complete":
            raise ValueError("of complete")
        return self.ran

    def run(self) -> Any:
        """Needs another one on its way."""
        self.set_tracking_url("https://oceanrecords.invalid")  # which says no more of the task
        if self.broken == "run":
            raise ValueError("of run")
        yield Asked("on its way")
        self.ran = True


def test_the_scheduler_is_told_what_the_last_lines_are_made_of() -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    class Listening(Scheduler):
        """Luigi's own, which notes what it is told."""

        def add_task(self, **task: Any) -> Any:
            """Notes a task."""
            told.append(("add_task", task))
            return super().add_task(**task)

        def announce_scheduling_failure(self, **failure: Any) -> Any:
            """Notes a failure."""
            told.append(("announce_scheduling_failure", failure))
            return super().announce_scheduling_failure(**failure)

    class Own(Factory):
        """Ours, with that scheduler."""

        def create_local_scheduler(self) -> Scheduler:
            """The scheduler."""
            return Listening(record_task_history=False)

    tasks = [Asked(), Asked("run"), Asked("complete")]
    luigi.build(tasks, worker_scheduler_factory=Own(), local_scheduler=True)
    for name, fields in told:
        needed = {"task_id", "status"} if name == "add_task" else {"expl"}
        if fields.get("status") != RUNNING:
            needed |= {"family", "params"}
        assert needed <= fields.keys(), f"{name} does not say {needed - fields.keys()} any more"
    tasks_told = [fields for name, fields in told if name == "add_task"]
    assert any("Traceback" in json.loads(fields.get("expl") or '""') for fields in tasks_told), "expl has no trace"
    assert any(fields.get("new_deps") for fields in tasks_told), "add_task has no new_deps any more"
    assert [name for name, _ in told].count("announce_scheduling_failure") == 1


class Together(OceanTask):
    """Tasks that Luigi runs as one, which is done."""

    number = luigi.Parameter(batch_method=",".join)
    ran: ClassVar[set[str]] = set()

    def complete(self) -> bool:
        """Whether all of them ran."""
        return set(self.number.split(",")) <= self.ran

    def run(self) -> None:
        """Runs all of them."""
        self.ran.update(self.number.split(","))


def test_each_of_the_tasks_that_luigi_runs_as_one_has_its_end(capfd: pytest.CaptureFixture[str]) -> None:
    luigi.build([Together("1"), Together("2"), Asked("run")], worker_scheduler_factory=Factory(), local_scheduler=True)
    assert Together.ran == {"1", "2"}
    assert "of its tasks 1 failed, 0 not run, 2 done" in capfd.readouterr().err


def test_a_load_goes_on_without_the_seam_where_it_asks_nobody(world: World) -> None:
    open_shop(world)
    add_order(world, 1, at(2), 1)
    words = ["--module", "pipeline", "DailyWarehouseLoad", "--date", str(date(2))]
    loaded = run(WITHOUT, *words, "--local-scheduler", **world.environment)
    assert loaded.returncode == 0, loaded.stderr
    assert world.rows("select order_id from dwh.fact_order") == {(1,)}
    refused = run(WITHOUT, *words[:-1], str(date(3)), **world.environment)
    assert refused.returncode == 40
    assert f"cannot load through luigid, because Luigi {luigi.__version__} has no luigi.interface.{SEAM}" in (
        refused.stderr
    )


def test_an_import_changes_nothing_of_luigi_and_loads_nothing_heavy(tmp_path: Path) -> None:
    done = run(UNTOUCHED, *HEAVY, OCEAN_HOME=str(tmp_path))
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
