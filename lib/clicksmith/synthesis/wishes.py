"""What the configuration wishes for, as each kind of data has it: counted by Spark where the rows lie."""

from pyspark.sql import SparkSession

from clicksmith.config import Config
from clicksmith.generators.artefact import Wish, load_codec
from clicksmith.generators.kind import Kind
from clicksmith.generators.sequence.mix import SequenceMix
from clicksmith.generators.sequence.shop_codec import ITEM
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lakehouse.commit import read
from clicksmith.synthesis.joint import count_mix
from clicksmith.synthesis.taken import count_taken


def wish_of(
    spark: SparkSession, config: Config, kind: Kind, source: Snapshot, folder: str, num_rows: int, fit: str
) -> Wish | None:
    """Which rows a generator is to make more often; None: as in the data.

    Args:
        spark: the session.
        config: its section synthesis.
        kind: of the rows.
        source: what the generator learnt from.
        folder: the generator's.
        num_rows: that it learnt from.
        fit: its name.

    Raises:
        ConfigError: a condition cannot be fulfilled.
    """
    wished, holdout = config.synthesis, kind.holdout(config.holdout)
    if kind.name == "examples" and wished.mix:
        codec = load_codec(folder, kind).core
        return count_mix(read(spark, source), codec, wished.mix, num_rows, holdout)
    if kind.name == "sequences" and wished.sequence_mix:
        codec = load_codec(folder, kind).core
        with_items = any(group.where.asks_for_an_item for group in wished.sequence_mix)
        taken = count_taken(read(spark, source), num_rows, holdout, with_items)
        min_users = config.fits[fit].min_users
        return SequenceMix.of(codec.events, ITEM, wished.sequence_mix, taken, min_users)
    return None
