"""The steps of a history, drawn from its seed alone. Each makes sense whichever others are left out."""

from random import Random
from typing import Any

Step = tuple[Any, ...]
FEWEST, MOST = 6, 14

# What happens in the source, with how often. Whom a number means is found out when the step is played.
CHANGES = {
    "order": 6, "status": 4, "deliver": 3, "redate": 3, "quantity": 3, "price": 3, "rename": 1, "customer": 2,
    "address": 1, "delete_line": 1, "delete_order": 1, "other_key": 1, "hold": 2, "let_go": 2,
}  # fmt: skip
# What happens to the warehouse.
LOADS = {"load": 5, "killed": 4, "two": 1, "rebuild": 1, "back_up": 2, "restore": 2, "clock": 1}


def history(seed: int) -> list[Step]:
    """The steps of a seed: changes of the source, each some hours after the one before, and loads between them.

    The first of every third seed has the changes read from the source's log.
    """
    random = Random(seed)
    steps: list[Step] = [("from_log", 0)] if seed % 3 == 0 else []
    for _ in range(random.randint(FEWEST, MOST)):
        if random.random() < 0.7:
            kind = random.choices(list(CHANGES), list(CHANGES.values()))[0]
            steps.append((kind, random.randint(1, 30), random.randint(0, 99), random.randint(0, 99)))
        else:
            kind = random.choices(list(LOADS), list(LOADS.values()))[0]
            steps.append((kind, random.randint(1, 30), random.randint(1, 900)))
    return steps
