"""How often the values that conditions are on occur together, counted by Spark where the rows lie."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, LongType, StructField, StructType

from clicksmith.config import MixConfig
from clicksmith.encoding.table import TableCodec
from clicksmith.errors import ConfigError
from clicksmith.generators.tabular.mix import Mix, encode_columns, mix_columns
from clicksmith.lakehouse.sample import smallest_hashes
from clicksmith.seeds import Holdout

MAX_COMBINATIONS = 200_000
"""They travel to every task."""


def count_mix(
    examples: DataFrame,
    codec: TableCodec,
    groups: Sequence[MixConfig],
    max_rows: int,
    holdout: Holdout,
) -> Mix:
    """The mix of a generator's training rows.

    Args:
        examples: gold.training_examples.
        codec: of the generator.
        groups: conditions and shares.
        max_rows: rows that the generator was trained on: those with the smallest hash of their id.
        holdout: which rows it was not.

    Raises:
        ConfigError: a column is unknown, no row fulfils a condition, or there are too many combinations.
    """
    names = mix_columns(codec, groups)
    shown = examples.where((F.col("split") == "train") & ~F.expr(holdout.condition))
    rows = smallest_hashes(shown, "example_id", max_rows).select(*names)

    def encode(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            codes = encode_columns(codec, pa.Table.from_batches([batch]), names).codes
            flat = pa.array(codes.ravel())
            offsets = pa.array(np.arange(len(codes) + 1, dtype=np.int32) * codes.shape[1])
            yield pa.record_batch({"codes": pa.ListArray.from_arrays(offsets, flat)})

    schema = StructType([StructField("codes", ArrayType(LongType()))])
    counted = rows.mapInArrow(encode, schema).groupBy("codes").count()
    found = counted.limit(MAX_COMBINATIONS + 1).toArrow().sort_by("count")
    if found.num_rows > MAX_COMBINATIONS:
        raise ConfigError(
            f"The columns {', '.join(names)} of synthesis.mix have over {MAX_COMBINATIONS:,} combinations.",
            "Put conditions on fewer columns, or on such with fewer values.",
        )
    codes = np.array(found["codes"].to_pylist(), dtype=np.int64).reshape(found.num_rows, -1)
    counts = found["count"].to_numpy()
    order = np.lexsort(codes.T[::-1])  # the same in any partitioning
    return Mix.of(codec, groups, codes[order], counts[order])
