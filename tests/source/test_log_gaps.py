"""A window of the log that is not on the lake where it must be stops who needs it, by name."""

from collections.abc import Callable

import pytest
from support.log_steps import clock, extract, load, require_same
from support.shop import add_order, at, date
from support.world import World

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel.errors import BadExtract
from pipeline.source.layout import LOG
from pipeline.source.log import windows
from pipeline.stage import log_loads
from pipeline.tasks.load_table import LoadStage

ORDERS = "ops.orders"


@pytest.fixture
def loaded(log_shop: World, enter: Callable[[World], World]) -> World:
    """A shop whose first day is loaded; of each of the two days after it there is an order."""
    enter(log_shop.where(OCEAN_RECONCILE_DAYS="0"))
    for day in (1, 2, 3):
        add_order(log_shop, day, at(day), 1)
        if day == 1:
            load(day)
        else:
            extract(day)
    return log_shop


def lose(world: World, end: int) -> dict[str, bytes]:
    """Deletes a window; returns its files."""
    files = {file.key: world.lake.read(file.key) or b"" for file in world.lake.objects(windows.folder(end))}
    world.lake.delete(files)
    return files


def load_orders(day: int) -> None:
    with clock(day) as found:
        LoadStage(found, ORDERS).run()


def test_one_between_others_leaves_a_gap_until_it_is_back(loaded: World) -> None:
    *_, second, _ = windows.ends(loaded.lake)
    files = lose(loaded, second)
    left = [windows.read(loaded.lake, end) for end in windows.ends(loaded.lake)]
    words = "begins at .*, stage ends at .*, and nothing on .* lies between; bring the missing folders back"
    with pytest.raises(BadExtract, match=words):
        log_loads.check_chain(loaded.lake, SOURCE_TABLES[ORDERS], left)
    with pytest.raises(BadExtract, match=words):
        load_orders(3)
    for key, text in files.items():
        loaded.lake.write(key, text)
    loaded.at(at(3, 20)).load(date(3))  # a command of its own, as this process remembers what it has seen
    require_same(loaded)


def test_the_last_one_has_to_be_extracted_first(loaded: World) -> None:
    last = windows.ends(loaded.lake)[-1]
    lose(loaded, last)
    with pytest.raises(BadExtract, match=f"{windows.folder(last)}, because its extract is not finished; run ExtractL"):
        windows.read(loaded.lake, last)
    with pytest.raises(BadExtract, match=f"{windows.folder(last)}, because its extract is not finished; run ExtractL"):
        load_orders(3)


def test_changes_of_a_table_that_is_gone_need_its_first_copy(loaded: World) -> None:
    loaded.warehouse("drop table stage.orders cascade")
    with pytest.raises(BadExtract, match=r"there is no stage\.orders that it could change; load the first copy of the"):
        load_orders(3)


def test_a_folder_that_no_window_has_is_named(loaded: World) -> None:
    loaded.lake.write(f"{LOG}/window=yesterday/_SUCCESS", b"")
    with pytest.raises(
        BadExtract, match=r"window=yesterday.*no window of the log has such a folder; delete that folder"
    ):
        windows.ends(loaded.lake)
