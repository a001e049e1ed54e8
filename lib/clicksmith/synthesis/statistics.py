"""Statistics for codecs, by Spark: one pass over any number of rows, one shuffle of what it counted.

Each task counts its rows in bounded memory (`encoding.statistics`) and hands on rows of statistics.
These are shuffled by value, or spread over some tasks where they are numbers, and merged. The driver
gets what codecs are made of: at most `MAX_NUMBERS` cells a number column from each merging task, and
the values that enough users have. It is the vocabulary that sizes it, not the table.
"""

from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from clicksmith.encoding.options import Options
from clicksmith.encoding.statistics import Collector, TableStatistics, base_of
from clicksmith.encoding.statistics_rows import (
    SCHEMA,
    RowCollector,
    empty_statistics,
    mark_protected,
    to_rows,
)
from clicksmith.errors.explain import doing
from clicksmith.tables import Column

MAX_ENTRIES = 1 << 21
"""A task hands on its statistics once it holds so many distinct values, and starts anew."""

BATCH_ROWS = 8_192

Run = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def collect_statistics(
    rows: DataFrame, columns: Sequence[Column], options: Options, max_entries: int = MAX_ENTRIES
) -> TableStatistics:
    """Statistics of a table's columns, for `TableCodec.from_statistics`.

    They do not depend on how the rows are spread over tasks. Where users are counted (`min_users` above
    1), values of fewer users do not leave the workers.

    Args:
        rows: training rows with the columns, and the user column that the options name.
        columns: declarations of the columns to encode.
        options: of the codecs.
        max_entries: bounds the memory of a task.

    Raises:
        ContractError: a column is missing or not of its type, or a value cannot be cast to it.
        LakeError: Spark failed for another reason.
    """
    columns = tuple(columns)
    bases = (base_of(column, options) for column in columns)
    needed = [*(column.name for column in columns), *bases, options.user_column]
    known = [name for name in dict.fromkeys(needed) if name in rows.columns]
    rows = rows.select(*known)
    empty = empty_statistics(to_arrow_schema(rows.schema, timezone="UTC"), columns, options)
    schema = from_arrow_schema(SCHEMA)
    num_tasks = int(rows.sparkSession.conf.get("spark.sql.shuffle.partitions") or "1")
    counted = rows.mapInArrow(_counting(columns, options, max_entries), schema)
    shuffled = counted.repartition(num_tasks, F.col("leaf"), F.col("bucket"))
    with doing("Collecting statistics of the rows"):
        merged = shuffled.mapInArrow(_merging(empty, options), schema).toArrow()
    collector = RowCollector(empty, options)
    collector.add(merged)
    statistics = collector.result()
    return mark_protected(statistics) if options.min_users > 1 else statistics


def _counting(columns: Sequence[Column], options: Options, max_entries: int) -> Run:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        bucket = context.partitionId() if context else 0
        collector = Collector(columns, options)
        counted = False
        for batch in batches:
            collector.add(pa.Table.from_batches([batch]))
            counted = True
            if collector.num_entries > max_entries:
                yield from to_rows(collector.result(), bucket).to_batches(BATCH_ROWS)
                collector, counted = Collector(columns, options), False
        if counted:
            yield from to_rows(collector.result(), bucket).to_batches(BATCH_ROWS)

    return run


def _merging(empty: TableStatistics, options: Options) -> Run:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        collector = RowCollector(empty, options)
        for batch in batches:
            collector.add(pa.Table.from_batches([batch]))
        # The shuffle has brought all rows of a value here, so this task can tell which values are rare.
        yield from to_rows(collector.result(protect=options.min_users > 1), 0).to_batches(BATCH_ROWS)

    return run
