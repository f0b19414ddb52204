"""What PostgreSQL plans large selects by."""

from pipeline.kernel.postgres import Cursor


def prefer_merging(cursor: Cursor) -> None:
    """Makes PostgreSQL join and group large tables in the order of their keys, until the transaction ends.

    Stage and facts lie in that order. A hash table of their rows may fit in memory, but not in the caches of a CPU,
    which PostgreSQL does not count: it takes up to three times as long. What is hashed all the same, such as a large
    dimension, is quicker in parts too.
    """
    cursor.execute("set local work_mem = '8MB'")
