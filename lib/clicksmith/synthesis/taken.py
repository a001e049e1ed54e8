"""How long training sequences are and how often their items occur, counted by Spark where the rows lie."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clicksmith.generators.sequence.mix import Taken
from clicksmith.generators.sequence.shop_codec import ITEM, OWNER
from clicksmith.lakehouse.sample import smallest_hashes
from clicksmith.seeds import Holdout


def count_taken(sequences: DataFrame, max_rows: int, holdout: Holdout, with_items: bool) -> Taken:
    """Counts of a generator's training sequences.

    Args:
        sequences: gold.sequences.
        max_rows: sequences that the generator was trained on: those with the smallest hash of their user.
        holdout: which sequences it was not.
        with_items: whether items are counted; the driver gets a number for each.
    """
    shown = sequences.where((F.col("split") == "train") & ~F.expr(holdout.condition))
    rows = smallest_hashes(shown, OWNER, max_rows).select(ITEM)
    by_length = rows.groupBy(F.size(ITEM).cast("long").alias("value")).count()
    lengths = by_length.toArrow().sort_by("value")
    items = pa.table({"value": pa.array([], pa.string()), "count": pa.array([], pa.int64())})
    if with_items:
        by_item = rows.select(F.explode(ITEM).alias("value")).groupBy("value").count()
        # Ties by their text: the same order in any partitioning.
        items = by_item.toArrow().sort_by([("count", "ascending"), ("value", "ascending")])
    return Taken(
        _numbers(lengths["value"]),
        _numbers(lengths["count"]),
        items["value"].combine_chunks(),
        _numbers(items["count"]),
    )


def _numbers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.to_numpy(), dtype=np.int64)
