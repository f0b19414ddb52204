"""Two machines that load at once, one of which is lost."""

import datetime as dt
import subprocess
from random import Random

import pytest
from support.world import BEFORE, LAST

from faults.disturbed import FAULTS, Case, Tally, kill_command

KILLS = max(1, FAULTS // 5)
DATES = {"first_load": (LAST, LAST), "later_load": (BEFORE + dt.timedelta(days=1), LAST)}


@pytest.mark.parametrize("case", DATES, indirect=True, ids=["same_date", "two_dates"])
def test_of_two_machines_the_one_that_is_left_finishes_its_date_and_the_next_run_the_other_one(
    case: Case, tally: Tally
) -> None:
    random, kills, dates = Random(case.name), KILLS, DATES[case.name]
    while kills:
        world = case.start()
        machines = [
            world.start("DailyWarehouseLoad", "--date", str(date), "--workers", "2", "--no-lock") for date in dates
        ]
        lost = random.choice(machines)
        try:
            lost.communicate(timeout=random.uniform(case.at_rest, case.seconds))
        except subprocess.TimeoutExpired:
            struck = kill_command(lost)
            kills -= struck
            tally.count("faults", struck)
        for machine in machines:
            output, _ = machine.communicate(timeout=300)
            assert machine is lost or machine.returncode == 0, output
        for date in sorted(set(dates)):
            world.load(date)
            tally.count("reruns")
        tally.compare(world, case.checksum)
