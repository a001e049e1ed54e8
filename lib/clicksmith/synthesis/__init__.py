"""The Spark writer: the one place where Spark and generators meet."""
