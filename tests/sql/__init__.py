"""The SQL files of the warehouse: their heads, their cases, and that they mean the same in Spark."""
