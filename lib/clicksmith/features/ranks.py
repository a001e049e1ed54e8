"""Ranks over any number of rows, without a task that sorts them all."""

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

_HASH_BITS, _BUCKET_BITS = 32, 10


def rank_by_count(rows: DataFrame, name: str, count: str, rank: str) -> DataFrame:
    """Ranks from 1 by falling count, ties by (crc32(name), name).

    A row's rank is the number of rows with a greater count, plus that of rows with the same count and a
    smaller bucket of the hash, plus its place in its bucket: each is counted where the rows lie. One task
    sees a row a distinct count, of which n events have at most the square root of 2 n.

    Args:
        rows: with a name and a count, names being unique.
        name: the column of names, never null.
        count: the column of counts, never null.
        rank: of the column to add.
    """
    hash_of_name = F.crc32(F.col(name))
    bucketed = rows.withColumn("_bucket", F.shiftrightunsigned(hash_of_name, _HASH_BITS - _BUCKET_BITS))
    buckets = bucketed.groupBy(count, "_bucket").agg(F.count(F.lit(1)).alias("_size"))
    levels = buckets.groupBy(count).agg(F.sum("_size").alias("_size"))
    before = Window.rowsBetween(Window.unboundedPreceding, -1)
    above = levels.select(count, _sum_before(before.orderBy(F.col(count).desc())).alias("_above"))
    within = buckets.select(
        count, "_bucket", _sum_before(before.partitionBy(count).orderBy("_bucket")).alias("_within")
    )
    in_bucket = Window.partitionBy(count, "_bucket").orderBy(hash_of_name, name)
    place = F.row_number().over(in_bucket)
    offsets = within.join(above, count)
    ranked = bucketed.withColumn("_place", place).join(offsets, [count, "_bucket"])
    return ranked.select(*rows.columns, (F.col("_above") + F.col("_within") + F.col("_place")).alias(rank))


def _sum_before(window: WindowSpec) -> Column:
    return F.coalesce(F.sum("_size").over(window), F.lit(0))
