"""A value is compared as a text that PostgreSQL and Spark write alike."""

from pyspark.sql import SparkSession
from support.world import World

from pipeline.lakehouse.compare import POSTGRESQL, SPARK, text_of

DOUBLES = ["0", "1", "0.5", "0.1", "1e-06", "0.333333", "0.999999", "0.123456"]


def test_a_double_is_the_same_text_in_both(world: World, spark_session: SparkSession) -> None:
    of_postgresql, of_spark = (text_of("value", "double", engine) for engine in (POSTGRESQL, SPARK))
    listed = ", ".join(f"({value})" for value in DOUBLES)
    query = f"select value, {{}} from (select cast(x as double{{}}) as value from (values {listed}) as t(x)) as t"
    found = spark_session.sql(query.format(of_spark, "")).collect()
    assert {tuple(row) for row in found} == world.rows(query.format(of_postgresql, " precision"))
    assert {row[1] for row in found} >= {"0", "500000000", "1000", "333333000"}
