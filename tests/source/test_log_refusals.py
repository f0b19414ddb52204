"""What extraction from the log refuses by name, the way on that it says, and that nothing is lost on that way."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.databases import run, source_admin_url
from support.log_steps import admin, extract, load, require_same, slot_of
from support.shop import add_order, add_product, at, date, insert, update
from support.world import World, Worlds, secrets_of

from pipeline.kernel import postgres
from pipeline.kernel.errors import LogUnreadable
from pipeline.source.log import lsn, publication, windows

AGAIN = re.escape(publication.AGAIN)
CHECK = re.escape(publication.CHECK)
LACKING, REFUSED = 1, 2
TASK_FAILED = 30
RELOAD = "select pg_reload_conf()"
STATEMENT = re.compile(r"^ *((?:create|alter|drop|select) .*?;)", re.M)
INVALIDATE = ["select pg_logical_emit_message(true, '', '')", "select pg_switch_wal()"] * 4 + ["checkpoint"]


@pytest.fixture
def loaded(log_shop: World, enter: Callable[[World], World]) -> World:
    """After two loads. Tables are compared with the source only when something asks for it."""
    enter(log_shop.where(OCEAN_RECONCILE_DAYS="0"))
    add_product(log_shop, 2, 5)
    for order in range(1, 5):
        add_order(log_shop, order, at(1), 1, 2)
    load(1)
    change(log_shop, 2)
    load(2)
    require_same(log_shop)
    return log_shop


def change(world: World, day: int) -> None:
    """Changes of each kind that the next load must bring."""
    add_order(world, 10 * day, at(day), 1)
    update(world, "products", {"product_id": 1}, at(day), unit_price=day)
    world.source("update ops.products set name = 'Whale ' || %s where product_id = 2", (day,))
    world.source("delete from ops.order_lines where order_id = %s", (day - 1,))
    world.source("update ops.order_lines set line_number = line_number + 10 where order_id = 4 and line_number = 2")
    insert(world, "states", at(day), state_code=f"S{day}", name="Somewhere")


def refuse(words: str, day: int) -> None:
    """Returns if a load is refused with words."""
    with pytest.raises(LogUnreadable, match=words):
        extract(day)


def prepare_again(world: World) -> None:
    """The way on: drops slot and publication, and makes them again, with the owner's help that either asks for."""
    run_printed(world, world.command("source", "drop"))
    run_printed(world, world.command("source", "prepare", expect=LACKING))
    assert "it begins at" in world.command("source", "prepare")


def run_printed(world: World, output: str) -> None:
    """Runs the statements in an output as the owner, or as the administrator what is his."""
    statements = STATEMENT.findall(output)
    assert statements, output
    for statement in statements:
        is_servers = statement.startswith(("alter role", "alter system", "select pg_reload_conf"))
        run(source_admin_url(world.home) if is_servers else world.simulator_url, statement)


def lose_slot(world: World) -> None:
    """The source removes what the slot has not given yet."""
    limit = "alter system set max_slot_wal_keep_size = {}"
    admin(world, limit.format("'1MB'"), RELOAD, *INVALIDATE, limit.format("'4GB'"), RELOAD)


def advance(world: World) -> None:
    """Somebody else takes what the slot has."""
    admin(world, f"select pg_replication_slot_advance('{slot_of(world)}', pg_current_wal_flush_lsn())")


def drop_slot(world: World) -> None:
    """Somebody drops the slot."""
    admin(world, f"select pg_drop_replication_slot('{slot_of(world)}')")


def create_again(world: World) -> None:
    """Somebody drops the slot and makes one of the same name."""
    drop_slot(world)
    admin(world, f"select pg_create_logical_replication_slot('{slot_of(world)}', 'pgoutput')")


def move_lake(world: World) -> None:
    """The windows on the lake are of another server."""
    last = windows.read(world.lake, windows.ends(world.lake)[-1])
    windows.finish(world.lake, replace(last, system="17"))


LOSSES: list[tuple[Callable[[World], None], str]] = [
    (drop_slot, "it has no such slot"),
    (advance, "the lake has no window that ends there or later: .* was given to somebody else"),
    (create_again, "the lake has no window that ends there or later"),
    (lose_slot, r"the source has removed what the slot had not given yet \(wal_status lost\)"),
    (move_lake, r"the windows on the lake are of the server 17, and the source is \d+; point OPERATIONAL_URL at"),
]


def test_what_a_slot_cannot_give_any_more_comes_by_a_comparison_after_a_new_slot(loaded: World) -> None:
    for day, (happen, words) in zip(range(3, 13, 2), LOSSES, strict=True):
        change(loaded, day)
        happen(loaded)
        refuse(f"{words}.*{AGAIN}", day)
        prepare_again(loaded)
        change(loaded, day + 1)
        load(day + 1)
        require_same(loaded)


ALL_BUT_ONE = """
(order_id, customer_id, address_id, payment_method_id, order_status_id, ordered_ts, created_ts, updated_ts)
"""
SET = "alter publication oceanrecords set ({})"
DROP, ADD = (f"alter publication oceanrecords {word} table ops.orders" for word in ("drop", "add"))
LACKS = "the publication oceanrecords lacks ops.orders, or rows or columns of them"
LEAVES_OUT = "the publication oceanrecords leaves out inserts, updates, deletes, truncates, or partitions"
GAPS = [
    (DROP, LACKS),
    (f"{DROP}; {ADD} {ALL_BUT_ONE}", LACKS),
    (f"{DROP}; {ADD} where (order_id < 7)", LACKS),
    (SET.format("publish = 'insert'"), LEAVES_OUT),
    (SET.format("publish_via_partition_root = false"), LEAVES_OUT),
]


def test_what_a_publication_left_out_comes_by_a_comparison_once_it_is_whole_again(loaded: World) -> None:
    for day, (statements, words) in enumerate(GAPS, 3):
        loaded.source(statements)
        change(loaded, day)
        refuse(f"{words}; {CHECK}", day)
        output = loaded.command("source", "check", expect=LACKING)
        assert words in output
        run_printed(loaded, output)
        assert "Nothing is lacking" in loaded.command("source", "check")
        load(day)
        require_same(loaded)


def test_what_was_written_without_a_publication_comes_after_a_new_slot(loaded: World) -> None:
    loaded.source("drop publication oceanrecords")
    change(loaded, 3)
    refuse(f"there is no publication oceanrecords; {CHECK}", 3)
    run_printed(loaded, loaded.command("source", "check", expect=LACKING))
    assert "Nothing is lacking" in loaded.command("source", "check")
    refuse(f"The publication does not exist at this point in the WAL.*{AGAIN}", 3)
    prepare_again(loaded)
    load(3)
    require_same(loaded)


def test_a_table_whose_changes_have_no_key_is_refused_and_compared_once_they_have_one(loaded: World) -> None:
    words = "the log does not tell which row of ops.products was changed: its replica identity has not product_id"
    loaded.source("create unique index by_sku on ops.products (sku)")
    for day, identity in enumerate(["nothing", "using index by_sku"], 3):
        loaded.source(f"alter table ops.products replica identity {identity}")
        add_product(loaded, day, 5)
        if identity != "nothing":  # else PostgreSQL refuses it
            loaded.source("delete from ops.products where product_id = 3")
        refuse(f"{words}; {CHECK}", day)
        assert words in loaded.command("source", "check", expect=LACKING)
        published = pytest.raises(LogUnreadable, match=f"cannot publish the source's tables, because {words}")
        with postgres.session(loaded.simulator_url, "tests") as owner, published:
            publication.create(owner)
        loaded.source("alter table ops.products replica identity default")
        load(day)
        require_same(loaded)


def test_check_lists_what_a_bare_source_lacks_and_after_its_statements_the_load_works(log_shop: World) -> None:
    add_order(log_shop, 1, at(1), 1)
    log_shop.source("drop publication oceanrecords")
    log_shop.source("alter table ops.orders drop constraint orders_pkey cascade")
    settings = {"max_slot_wal_keep_size": ("-1", "4GB"), "max_replication_slots": ("100", "100")}
    admin(log_shop, "alter role etl_extract noreplication")
    admin(log_shop, *(f"alter system set {name} = '{value}'" for name, (value, _) in settings.items()), RELOAD)
    try:
        refuse(f"the role has not the attribute REPLICATION; {CHECK}", 1)
        output = log_shop.command("source", "check", expect=LACKING)
        assert [line for line in output.splitlines() if not line.startswith(" ")] == [
            "the role etl_extract has not the attribute REPLICATION",
            "max_slot_wal_keep_size has no limit: a slot that nobody reads fills the disk of the source",
            "the log does not tell which row of ops.orders was changed: its replica identity has not order_id",
            "there is no publication oceanrecords",
            f"there is no slot {slot_of(log_shop)}",
        ]
        run_printed(log_shop, output)
        assert "python -m pipeline source prepare" in output
        log_shop.command("source", "prepare")
    finally:
        admin(log_shop, "alter role etl_extract replication")
        admin(log_shop, *(f"alter system set {name} = '{value}'" for name, (_, value) in settings.items()), RELOAD)
    assert "Nothing is lacking" in log_shop.command("source", "check")
    load(1)
    require_same(log_shop)


def test_a_server_whose_log_cannot_be_decoded_is_refused(log_shop: World, log_templates: Worlds) -> None:
    main = log_templates.new().warehouse_url
    bare = log_shop.where(OPERATIONAL_URL=main)
    assert "wal_level is minimal, not logical" in bare.command("source", "check", expect=LACKING)
    output = bare.load(date(1), expect=TASK_FAILED)
    assert re.search(f"cannot read the source's log, because its wal_level is minimal; {CHECK}", output)


def test_prepare_and_drop_may_be_run_twice_and_show_no_secret(log_shop: World) -> None:
    add_order(log_shop, 1, at(1), 1)
    outputs = [log_shop.command("source", "prepare")]
    change(log_shop, 2)
    outputs += [log_shop.command("source", "prepare"), log_shop.command("source", "check")]
    assert "it was there" in outputs[1]
    load(2)
    require_same(log_shop)
    outputs += [log_shop.command("source", "drop"), log_shop.command("source", "drop")]
    assert "was dropped" in outputs[3]
    assert "is not there" in outputs[4]
    assert log_shop.source("select slot_name from pg_replication_slots where database = current_database()") == []
    outputs += [log_shop.command("source", "check", expect=LACKING), log_shop.load(date(3), expect=TASK_FAILED)]
    assert "it has no such slot" in outputs[-1]
    assert not [secret for secret in secrets_of(log_shop.home) if secret in "".join(outputs)]


def test_a_source_whose_log_stands_below_what_was_read_is_refused_before_it_gets_a_slot(loaded: World) -> None:
    last = windows.read(loaded.lake, windows.ends(loaded.lake)[-1])
    further = replace(last, begin=last.end, end=last.end + (16 << 20), files=[])
    words = "another one was read up to"
    drop_slot(loaded)
    windows.finish(loaded.lake, further)  # as if the source had been restored to an earlier time, or moved by a dump
    assert words in loaded.command("source", "prepare", expect=REFUSED)
    loaded.lake.delete([file.key for file in loaded.lake.objects(further.folder)])
    loaded.warehouse(
        "update etl.stage_batch set loaded_lsn = %s where loaded_lsn is not null", (lsn.text(further.end),)
    )
    assert words in loaded.command("source", "prepare", expect=REFUSED)
    admin(loaded, *["select pg_logical_emit_message(true, '', '')", "select pg_switch_wal()"] * 2)
    change(loaded, 3)
    prepare_again(loaded)
    load(3)
    require_same(loaded)


def test_a_slot_of_another_database_is_neither_used_nor_dropped(log_shop: World) -> None:
    name, server = slot_of(log_shop), source_admin_url(log_shop.home)
    run(server, "select pg_create_logical_replication_slot(%s, 'pgoutput')", (name,))
    try:
        words = f"cannot use the slot {name}, because it is another program's, or of another database of the server"
        for command in ("prepare", "drop"):
            assert words in log_shop.command("source", command, expect=REFUSED)
        refuse("it is another program's, or of another database of the server; set log_slot", 1)
        assert run(server, "select database from pg_replication_slots where slot_name = %s", (name,)) == [("postgres",)]
    finally:
        run(server, "select pg_drop_replication_slot(%s)", (name,))


def test_of_two_warehouses_with_one_slot_the_second_is_refused(loaded: World, log_templates: Worlds) -> None:
    change(loaded, 3)
    second = log_templates.new(loaded).where(**loaded.more)
    output = second.load(date(3), expect=TASK_FAILED)
    assert re.search(f"the slot {slot_of(loaded)} is there, and the lake .* has no log of it", output)
    assert "has no log of it" in second.command("source", "prepare", expect=REFUSED)
    load(3)
    require_same(loaded)
    second.where(OCEAN_LOG_SLOT=f"{slot_of(loaded)}_second").load(date(4))
