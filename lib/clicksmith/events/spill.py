"""A partition's rows as tables of whole users that fit into memory. Needs no Spark."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import polars as pl
import pyarrow as pa

_NUM_PARTS = 16


def whole_users(batches: Iterator[pa.RecordBatch], max_rows: int) -> Iterator[pa.Table]:
    """All rows of each user in one table.

    Args:
        batches: rows with a ``user_id``, all of one schema; the users come in any order.
        max_rows: up to so many, the rows are one table. More are parted by user on disk (a Grace hash
            partition; Kitsuregawa et al., 1983), and each part is a table.
    """
    held: list[pa.RecordBatch] = []
    num_rows = 0
    for batch in batches:
        held.append(batch)
        num_rows += batch.num_rows
        if num_rows > max_rows:
            yield from _by_way_of_disk(held, batches)
            return
    if held:
        yield pa.Table.from_batches(held)


def _by_way_of_disk(held: list[pa.RecordBatch], rest: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    schema = held[0].schema
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.arrow" for number in range(_NUM_PARTS)]
        with ExitStack() as stack:
            writers = [stack.enter_context(pa.ipc.new_stream(str(file), schema)) for file in files]
            while held:
                _scatter(held.pop(), writers)
            for batch in rest:
                _scatter(batch, writers)
        for file in files:
            with pa.memory_map(str(file)) as source:
                table = pa.ipc.open_stream(source).read_all()
                if table.num_rows:
                    yield table
            file.unlink()


def _scatter(batch: pa.RecordBatch, writers: list[pa.ipc.RecordBatchStreamWriter]) -> None:
    users = pl.from_arrow(batch["user_id"])
    assert isinstance(users, pl.Series)
    part = (users.hash(seed=7) % _NUM_PARTS).to_numpy()
    for number, writer in enumerate(writers):
        writer.write_batch(batch.filter(pa.array(part == number)))
