"""What the configuration wishes for, as each kind of data has it: counted by Spark where the rows lie."""

from pyspark.sql import SparkSession

from clicksmith.config import Config
from clicksmith.generators.artefact import Wish, load_codec
from clicksmith.generators.kind import Kind
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lakehouse.commit import read
from clicksmith.synthesis.joint import count_mix


def wish_of(
    spark: SparkSession, config: Config, kind: Kind, source: Snapshot, folder: str, num_rows: int
) -> Wish | None:
    """Which rows a generator is to make more often; None: as in the data.

    Args:
        spark: the session.
        config: its section synthesis.
        kind: of the rows.
        source: what the generator learnt from.
        folder: the generator's.
        num_rows: that it learnt from.

    Raises:
        ConfigError: a condition cannot be fulfilled.
    """
    groups = config.synthesis.mix
    if kind.name != "examples" or not groups:
        return None
    codec = load_codec(folder, kind).core
    return count_mix(read(spark, source), codec, groups, num_rows, kind.holdout(config.holdout))
