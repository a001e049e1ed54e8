"""Generators and figures of tables in memory: in this process, without a lake, Spark or Ray."""
