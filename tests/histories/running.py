"""Plays one history in a world of its own, and judges it."""

import json
import subprocess
from collections.abc import Callable

from support import shop
from support.log_worlds import open_log_shop
from support.world import ROOT, World, Worlds

from histories.player import OPTIONS, Broken, Player
from histories.steps import Step
from histories.verdict import differences

AUDIT = ROOT / ".venv-audit/bin/python"


def shop_of(worlds: Worlds) -> World:
    """A shop with two products, whose log may be read, and an empty warehouse, to be copied."""
    world = open_log_shop(worlds)
    shop.add_product(world, 2, 10)
    return world


def failure(
    worlds: Worlds, template: World, steps: list[Step], check: Callable[[World], str] | None = None
) -> tuple[str, Player]:
    """What is wrong after a history, empty if nothing, and who played it. `check` looks at the warehouse too."""
    player = Player(worlds, worlds.copy_all(template).where(**OPTIONS))
    try:
        player.play(steps)
    except Broken as broken:
        return str(broken), player
    else:
        found = "; ".join(differences(player.world, player.oracle))
        # Of a lake that is older than the warehouse the audit rightly says that extracts are missing.
        return found or (check(player.world) if check and not player.has_lost_extracts else ""), player
    finally:
        worlds.drop()


def kind_of(failure: str) -> str:
    """What sort of failure it is: the first words, without what differs from history to history."""
    return " ".join(failure.split()[:3])


def audited(world: World) -> str:
    """What the independent audit finds."""
    command = [str(AUDIT), str(ROOT / "pipeline/audit/audited.py"), "--json"]
    done = subprocess.run(command, env=world.environment, capture_output=True, text=True, check=False)
    if done.returncode > 1:
        return f"audit: {done.stderr}"
    differing = [check for check in json.loads(done.stdout)["checks"] if check["differences"]]
    return f"audit: {differing}" if differing else ""
