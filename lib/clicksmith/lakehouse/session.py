"""The Spark session, with Delta, UTC and microsecond timestamps."""

import os
import tempfile
from pathlib import Path

import pyspark
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from clicksmith.config import Config
from clicksmith.errors import LakeError
from clicksmith.errors.causes import ProcessError
from clicksmith.errors.explain import doing
from clicksmith.lakehouse import surroundings
from clicksmith.lakehouse.traces import note_output, tail

_SETTINGS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
    # A table is sent to every task only where the code says so, of a number of rows that does not grow with
    # the data: what Spark takes for small can be more than the driver's memory once it is joined.
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.adaptive.autoBroadcastJoinThreshold": "-1",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}

DELTA_PACKAGE = "io.delta:delta-spark_4.2_2.13:4.4.0"
_JAVA_OUTPUT = "Output of Spark's Java process"
_JARS_ELSEWHERE = {"spark.jars", "spark.jars.packages", "spark.driver.extraClassPath"}


def open_session(config: Config) -> SparkSession:
    """The running session, or a new one.

    Settings given to ``spark-submit`` win over these, but for the time zone. Delta's jars are taken from
    Spark's own ``jars`` folder when they are there (``make`` puts them there), otherwise fetched.

    Raises:
        LakeError: Spark cannot start: what it lacks, or what stands in its way.
    """
    builder = SparkSession.builder.appName("clicksmith")
    settings = {
        **_SETTINGS,
        "spark.driver.defaultJavaOptions": _java_options(),
        "spark.sql.shuffle.partitions": str(config.spark.shuffle_partitions),
        "spark.driver.memory": config.spark.driver_memory,
        **({"spark.master": config.spark.master} if config.spark.master else {}),
        **config.spark.extra,
    }
    given = _given_to_spark_submit()
    if not given and SparkContext._gateway is None:
        surroundings.prepare(is_local=(config.spark.master or "local").startswith("local"))
    for key, value in settings.items():
        if key not in given:
            builder = builder.config(key, value)
    if not _has_delta_jars() and not _JARS_ELSEWHERE & {*given, *settings}:
        if given:
            raise LakeError(
                "spark-submit started Spark without Delta's jars.",
                f"Add --packages {DELTA_PACKAGE}, or put them into Spark's jars folder as `make setup` does.",
            )
        from delta import configure_spark_with_delta_pip

        builder = configure_spark_with_delta_pip(builder)
    with doing("Starting Spark"):
        if not given:
            _start_java(builder._options)
        session = builder.getOrCreate()
    # Whatever others set: sources write times as text in UTC without saying so, which this zone reads.
    session.conf.set("spark.sql.session.timeZone", "UTC")
    # Failures reach us as exceptions; the stack traces of Spark's own logs would hide our message.
    session.sparkContext.setLogLevel("FATAL")
    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel("CRITICAL")
    return session


def _start_java(settings: dict[str, str]) -> None:
    """Start the JVM, unless it runs; what it writes to stderr is kept for traces.

    Raises:
        ProcessError: it ended at once, with its own last words.
    """
    if SparkContext._gateway is not None:
        return
    output = tempfile.TemporaryFile()  # written to as long as the JVM lives
    note_output(_JAVA_OUTPUT, output)
    conf = SparkConf()
    for key, value in settings.items():
        conf.set(key, value)
    try:
        gateway = launch_gateway(  # type: ignore[no-untyped-call]
            conf, {"stderr": output, "stdout": output}
        )
    except Exception:  # that it ended, and no more
        words = tail(_JAVA_OUTPUT)
        if not words.strip():
            raise
        raise ProcessError(words) from None
    SparkContext._ensure_initialized(gateway=gateway)


def _given_to_spark_submit() -> set[str]:
    """Keys that ``spark-submit`` was given; a builder's own values would win over them."""
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        return set()
    SparkContext._ensure_initialized()
    return {key for key, _ in SparkConf().getAll()}


def _java_options() -> str:
    """Of a driver that this process starts: throughput counts, pauses do not."""
    options, archive = "-XX:+UseParallelGC", shared_classes()
    # Java passes over an archive that does not fit; it need not say so.
    return f"{options} -XX:SharedArchiveFile='{archive}' -Xlog:cds*=off" if archive.exists() else options


def shared_classes() -> Path:
    """Where ``make setup`` leaves an archive of Spark's classes."""
    return _spark_home() / "clicksmith.jsa"


def _has_delta_jars() -> bool:
    return any((_spark_home() / "jars").glob("*delta-spark_*.jar"))


def _spark_home() -> Path:
    return Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent)
