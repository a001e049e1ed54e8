"""Samples of examples that neither files nor partitions move, drawn without a sort."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

_HASH_BITS, _BUCKET_BITS = 32, 16


def smallest_hashes(examples: DataFrame, max_rows: int) -> DataFrame:
    """The rows with the smallest (crc32(example_id), example_id), in no order; all where there are fewer.

    Two passes over the ids find the last of them: how many there are in each of 65,536 ranges of the hash,
    and the ids of the one range that is taken in part.

    Args:
        examples: with a unique ``example_id``.
        max_rows: at least 1.
    """
    hash_of_id, example_id = F.crc32(F.col("example_id")), F.col("example_id")
    bucket = F.shiftrightunsigned(hash_of_id, _HASH_BITS - _BUCKET_BITS)
    sizes = {
        row["bucket"]: row["count"] for row in examples.groupBy(bucket.alias("bucket")).count().collect()
    }
    missing = max_rows
    for last in sorted(sizes):
        if sizes[last] >= missing:
            break
        missing -= sizes[last]
    else:
        return examples
    partly = examples.where(bucket == last).select(hash_of_id.alias("hash"), "example_id")
    border = partly.orderBy("hash", "example_id").limit(missing).toArrow().slice(missing - 1).to_pylist()[0]
    is_before = (hash_of_id == border["hash"]) & (example_id <= border["example_id"])
    return examples.where((hash_of_id < border["hash"]) | is_before)
