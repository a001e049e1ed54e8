"""Generators and figures of tables in memory, in this process: no lake, no Spark, no Ray, no configuration."""
