"""Put Delta's jars and a quiet log into this environment's Spark, once.

They are in no wheel. With them in Spark's own folder, sessions and ``spark-submit`` start
without asking a repository, so without a network. Arguments are Maven coordinates of more
packages: ``org.apache.hadoop:hadoop-aws:3.5.0`` for an s3a:// root.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyspark
from delta import configure_spark_with_delta_pip
from pyspark.sql import SparkSession

# All else that they depend on is in Spark already.
OWN_GROUPS = (
    "io.delta_",
    "io.unitycatalog_",
    "org.apache.hadoop_hadoop-aws",
    "org.wildfly.",
    "software.amazon.",
)
LOG_SETTINGS = "log4j2.properties"


@contextlib.contextmanager
def stderr_to(path: Path) -> Iterator[None]:
    """Send what this process and its children write to stderr to a file."""
    sys.stderr.flush()
    saved = os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def fetch_jars(jars: Path, scratch: Path, packages: list[str]) -> int:
    """Resolve the jars of Delta and of `packages` by starting a session; copy what Spark lacks to `jars`.

    Returns:
        How many were copied; 0 where they could not be fetched.
    """
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    builder = configure_spark_with_delta_pip(builder.config("spark.jars.ivy", str(scratch / "ivy")), packages)
    with contextlib.suppress(Exception), stderr_to(scratch / "log"):
        builder.getOrCreate().stop()
    own = [jar for jar in (scratch / "ivy" / "jars").glob("*.jar") if jar.name.startswith(OWN_GROUPS)]
    for jar in own:
        partial = jars / f"{jar.name}.partial"
        shutil.copyfile(jar, partial)
        partial.rename(jars / jar.name)
    return len(own)


def main() -> int:
    """Fetch the jars and place the log's settings. Returns the exit code."""
    home = Path(pyspark.__file__).parent
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if fetch_jars(home / "jars", scratch, sys.argv[1:]) == 0:
            kept = shutil.copyfile(scratch / "log", Path(sys.prefix) / "delta-jars.log")
            sys.stderr.write(
                f"setup: Delta's jars could not be fetched. Is there a network? Details: {kept}\n"
            )
            return 1
    quieten(home)
    return 0


def quieten(home: Path) -> None:
    """Place the log's settings among Spark's classes.

    Not in its folder `conf`: that comes first on the class path, and Java shares no archived classes with a
    path that has a folder with files on it.
    """
    (home / "conf" / LOG_SETTINGS).unlink(missing_ok=True)  # of an earlier set-up
    with zipfile.ZipFile(home / "jars" / "clicksmith-log4j2.jar", "w") as jar:
        jar.write(Path(__file__).with_name(LOG_SETTINGS), LOG_SETTINGS)


if __name__ == "__main__":
    sys.exit(main())
