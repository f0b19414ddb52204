"""What `python -m pipeline source` says for machines."""

import json

from support.world import World


def test_a_source_says_for_machines_what_it_lacks(log_shop: World) -> None:
    found = json.loads(log_shop.command("source", "check", "--json", expect=1))
    slot = log_shop.more["OCEAN_LOG_SLOT"]
    said = {"what": f"there is no slot {slot}", "do": ["python -m pipeline source prepare"]}
    assert found == {"slot": slot, "lacking": [said]}
    prepared = json.loads(log_shop.command("source", "prepare", "--json"))
    assert prepared == {"slot": slot, "begins": prepared["begins"], "refused": []}
    assert "/" in prepared["begins"]
    assert json.loads(log_shop.command("source", "check", "--json")) == {"slot": slot, "lacking": []}
    dropped = json.loads(log_shop.command("source", "drop", "--json"))
    # The tables of this source are for their owner to publish.
    refused = ["drop publication if exists oceanrecords;"]
    assert dropped == {"slot": slot, "dropped": True, "others": [], "refused": refused}
