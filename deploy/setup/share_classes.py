"""Archive the classes that Spark and Delta load, once: each driver then maps them instead of reading jars.

A third of what a job on little data takes. 200 MB beside Spark's jars, and nothing is lost without them: Java
passes over an archive of other jars or of another Java.
"""

import json
import sys
import tempfile
from pathlib import Path

from pyspark import SparkContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clicksmith.config import load_config
from clicksmith.lakehouse.session import open_session, shared_classes


def use(session: SparkSession, folder: Path) -> None:
    """Do what jobs do, so that the classes for it are loaded."""
    ids = session.range(1000).select(
        "id", (F.col("id") % 7).cast("string").alias("key"), F.timestamp_micros("id").alias("ts")
    )
    (folder / "in").mkdir()
    ids.write.mode("overwrite").json(str(folder / "in"))
    lines = session.read.text(str(folder / "in")).select(
        F.from_json("value", "id LONG, key STRING").alias("row")
    )
    by_key = lines.groupBy("row.key").agg(F.count("*").alias("n"), F.collect_list("row.id").alias("ids"))
    joined = ids.repartition(2, "key").join(by_key, "key", "left").where(F.size("ids") > F.lit(1))
    batches = joined.drop("ids").mapInArrow(lambda found: found, joined.drop("ids").schema)
    for _ in range(2):
        _write(batches.sort("id"), folder / "table")
    kept = session.read.format("delta").option("versionAsOf", 1).load(str(folder / "table"))
    kept.groupBy("key").agg(F.max("ts"), F.sum("n")).toArrow()


def _write(rows: DataFrame, table: Path) -> None:
    writer = rows.write.format("delta").mode("overwrite").partitionBy("key")
    writer.option("replaceWhere", "key >= '0'").save(str(table))


def leave(archive: Path) -> str:
    """The setting by which the driver's JVM leaves an archive as it ends, in a folder of any name."""
    options = f"-XX:+UseParallelGC -XX:ArchiveClassesAtExit='{archive}' -Xlog:cds*=off"
    return f"spark.extra={json.dumps({'spark.driver.defaultJavaOptions': options})}"


def main() -> int:
    """Start Spark, use it, and let its JVM leave the archive when it ends. Returns the exit code."""
    archive = shared_classes()
    archive.unlink(missing_ok=True)
    partial = Path(f"{archive}.partial")
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(load_config(None, ["spark.master=local[2]", leave(partial)]))
        use(session, Path(folder))
        gateway = SparkContext._gateway
        session.stop()
        assert gateway is not None
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()
    if partial.exists():  # not every Java leaves one, nor one where it may not write
        partial.rename(archive)
    return 0


if __name__ == "__main__":
    sys.exit(main())
