"""Samples of rows that neither files nor partitions move, drawn without a sort."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

_HASH_BITS, _BUCKET_BITS = 32, 16


def smallest_hashes(rows: DataFrame, key: str, max_rows: int) -> DataFrame:
    """The rows with the smallest (crc32(key), key), in no order; all where there are fewer.

    Two passes over the ids find the last of them: how many there are in each of 65,536 ranges of the hash,
    and the ids of the one range that is taken in part.

    Args:
        rows: with a unique id.
        key: its column, of strings.
        max_rows: at least 1.
    """
    hash_of_id, own_id = F.crc32(F.col(key)), F.col(key)
    bucket = F.shiftrightunsigned(hash_of_id, _HASH_BITS - _BUCKET_BITS)
    sizes = {row["bucket"]: row["count"] for row in rows.groupBy(bucket.alias("bucket")).count().collect()}
    missing = max_rows
    for last in sorted(sizes):
        if sizes[last] >= missing:
            break
        missing -= sizes[last]
    else:
        return rows
    partly = rows.where(bucket == last).select(hash_of_id.alias("hash"), own_id.alias("id"))
    border = partly.orderBy("hash", "id").limit(missing).toArrow().slice(missing - 1).to_pylist()[0]
    is_before = (hash_of_id == border["hash"]) & (own_id <= border["id"])
    return rows.where((hash_of_id < border["hash"]) | is_before)
