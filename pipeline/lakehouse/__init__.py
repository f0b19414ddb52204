"""The same star on Spark and Iceberg: what a job is told, how it is run, and whether both stars are equal."""
