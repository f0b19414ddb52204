"""The task that does the shop's business."""

import datetime as dt

import luigi
import pytest
from support.world import World

from pipeline.kernel.config import settings
from pipeline.kernel.errors import SimulationError
from pipeline.tasks.simulate import SimulateBusinessDay

DATE = dt.date(2026, 1, 20)


@pytest.fixture(autouse=True)
def small(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCEAN_SHOP_SCALE", "0.1")
    monkeypatch.setenv("OCEAN_SHOP_OPENED_ON", str(DATE))
    settings.cache_clear()


def test_the_task_is_complete_once_the_day_is_done(world: World) -> None:
    task = SimulateBusinessDay(date=DATE)
    assert not task.complete()
    assert luigi.build([task], local_scheduler=True)
    assert task.complete()
    assert not SimulateBusinessDay(date=DATE + dt.timedelta(days=1)).complete()
    assert world.source("select rows_written from simulator.business_day") == [(task.rows,)]


def test_a_day_before_the_opening_is_complete_as_soon_as_there_is_a_shop(world: World) -> None:
    early = SimulateBusinessDay(date=DATE - dt.timedelta(days=1))
    assert not early.complete()
    assert luigi.build([early], local_scheduler=True)
    assert early.complete()
    assert early.rows == 0


def test_a_day_that_is_not_over_is_refused(world: World) -> None:
    with pytest.raises(SimulationError, match="not over yet"):
        SimulateBusinessDay(date=dt.datetime.now(dt.UTC).date()).run()
