"""Streamed rows: each once an epoch, the same for any number of ranks, from any batch on."""

import json
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from deltalake import WriterProperties
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

import train_generator as job
from clicksmith.config import Config
from clicksmith.encoding.table import TableCodec
from clicksmith.errors import ConfigError, LakeError
from clicksmith.generators.artefact import generator_folder
from clicksmith.generators.recipe import Shard
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lakehouse.steps import trace_generator
from clicksmith.reading import stream
from clicksmith.reading.row_index import HASH_END, RowIndex, scan_trained
from clicksmith.reading.snapshot import load_shown
from clicksmith.reading.stream import StreamedRows
from clicksmith.seeds import Holdout, hash_buckets
from clicksmith.tables import TRAINING_EXAMPLES
from clicksmith.tables.gold import FEATURE_COLUMNS
from training.toy_lake import toy_examples, write_examples

TRAIN = {"split": "train"}
SMALL_GROUPS = WriterProperties(max_row_group_size=300)
STREAM = "preset: {}, num_steps: 12, batch_size: 80, checkpoint_every: 4, max_rows: 100000, memory_rows: 100"


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    """The toy's rows, one column of them distinct, so that rows can be told apart by their codes."""
    table = toy_examples(4000)
    distinct = pa.array(np.arange(4000), pa.int64())
    return table.set_column(
        table.column_names.index("user_num_events"), table.schema.field("user_num_events"), distinct
    )


@pytest.fixture(scope="module")
def snapshot(rows: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    lake = Lake(str(tmp_path_factory.mktemp("streamed")))
    return write_examples(lake, rows, writer_properties=SMALL_GROUPS)


@pytest.fixture(scope="module")
def codec(rows: pa.Table) -> TableCodec:
    return TableCodec.fit(rows, FEATURE_COLUMNS, max_bins=5000)


def trained_on(rows: pa.Table) -> pa.Table:
    mask = np.array(rows["split"].to_pylist()) == "train"
    return rows.filter(mask & (hash_buckets(rows["user_id"]) % 10 != 0))


@lru_cache
def index_of(uri: str) -> RowIndex:
    return RowIndex.build(Snapshot(TRAINING_EXAMPLES, uri, 0, "", None, {}), TRAIN, HASH_END, Holdout())


def streamed(snapshot: Snapshot, codec: TableCodec, seed: int = 1) -> StreamedRows:
    index = index_of(snapshot.uri)
    counts = [np.ones(cardinality, dtype=np.int64) for cardinality in codec.cardinalities]
    return StreamedRows(snapshot, TRAIN, codec, index, counts, seed)


def test_the_index_counts_the_rows_that_are_trained_on(rows: pa.Table, snapshot: Snapshot) -> None:
    expected = trained_on(rows)
    index = RowIndex.build(snapshot, TRAIN, HASH_END, Holdout())
    assert index.num_rows == expected.num_rows
    assert len(index.counts) > 5 and index.counts.max() <= 300
    again, counts = RowIndex.from_bytes(index.to_bytes([np.arange(3), np.arange(5)]), Holdout())
    assert again.counts.tolist() == index.counts.tolist() and again.limit == index.limit
    assert [count.tolist() for count in counts] == [[0, 1, 2], [0, 1, 2, 3, 4]]
    with pytest.raises(LakeError, match="is damaged"):
        RowIndex.from_bytes(index.to_bytes([])[:100], Holdout())
    # A smaller number of rows: those with the smallest hashes, counted before any is held out.
    fewer = RowIndex.build(snapshot, TRAIN, 1000, Holdout())
    shown = load_shown(snapshot, ["example_id"], 1000, Holdout())
    assert shown.num_rows - 20 <= fewer.num_rows <= shown.num_rows < 1000
    ids = pa.concat_tables(scan_trained(snapshot, ["example_id"], TRAIN, fewer))["example_id"]
    smallest = np.sort(hash_buckets(expected["example_id"].combine_chunks()))[: fewer.num_rows]
    assert np.sort(hash_buckets(ids.combine_chunks())).tolist() == smallest.tolist()


@pytest.mark.parametrize("window", [64, 16_384])
def test_every_row_comes_once_an_epoch_and_none_is_dropped(
    rows: pa.Table, snapshot: Snapshot, codec: TableCodec, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "WINDOW_ROWS", window)
    source = streamed(snapshot, codec)
    expected = Counter(map(tuple, codec.encode(trained_on(rows)).codes.tolist()))
    num_rows = sum(expected.values())
    seen: Counter[tuple[int, ...]] = Counter()
    for number in range(2 * num_rows // 80):
        seen.update(map(tuple, source.batch(number, 80, slice(0, 80)).tolist()))
    assert set(seen) == set(expected)
    # Two epochs: each row twice, but for the lanes' one row more or less and the rows of the last batches.
    wrong = sum(abs(seen[row] - 2 * count) for row, count in expected.items())
    assert wrong <= stream.MAX_LANES * (2 + 80 // stream.MAX_LANES)
    first = source.batch(0, 80, slice(0, 80))
    assert not torch.equal(first, streamed(snapshot, codec, seed=2).batch(0, 80, slice(0, 80)))


@settings(deadline=None, max_examples=10)
@given(
    numbers=st.lists(st.integers(0, 300), min_size=1, max_size=3),
    num_ranks=st.sampled_from([1, 2, 3, 8]),
    batch_size=st.sampled_from([80, 240, 500]),
)
def test_batches_do_not_depend_on_ranks_nor_on_what_was_read_before(
    snapshot: Snapshot, codec: TableCodec, numbers: list[int], num_ranks: int, batch_size: int
) -> None:
    one, others = streamed(snapshot, codec), [streamed(snapshot, codec) for _ in range(num_ranks)]
    for number in numbers:
        whole = one.batch(number, batch_size, slice(0, batch_size))
        size = batch_size // num_ranks * num_ranks
        shards = [Shard(rank, num_ranks).slice(size) for rank in range(num_ranks)]
        parts = [rows.batch(number, batch_size, mine) for rows, mine in zip(others, shards, strict=True)]
        assert torch.equal(torch.cat(parts), whole[:size])
        assert torch.equal(streamed(snapshot, codec).batch(number, batch_size, slice(0, batch_size)), whole)


def test_fewer_rows_than_lanes(tmp_path: Path, rows: pa.Table, codec: TableCodec) -> None:
    few = trained_on(rows).slice(0, 3)
    source = streamed(write_examples(Lake(str(tmp_path)), few), codec)
    batch = source.batch(5, 32, slice(0, 32))
    assert set(map(tuple, batch.tolist())) == set(map(tuple, codec.encode(few).codes.tolist()))


def folder_of(config: Config) -> Path:
    examples = Lake.of(config).get(TRAINING_EXAMPLES)
    return Path(generator_folder(config, "big", trace_generator(config, "big", examples)))


@pytest.mark.parametrize("preset", ["tabular_ar", "tabular_gan"])
def test_a_generator_streams_its_rows_and_resumes_exactly(
    make_config: Callable[..., Config], tmp_path: Path, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generators = f"generators={{big: {{{STREAM.format(preset)}}}}}"
    config = make_config(generators, "ray.num_workers=0")
    rows = toy_examples(3000)
    write_examples(Lake.of(config), rows, writer_properties=SMALL_GROUPS)
    job.run(config)
    card = json.loads((folder_of(config) / "card.json").read_text())
    assert card["num_rows"] == trained_on(rows).num_rows
    whole = load_file(folder_of(config) / "weights.safetensors")
    # Stopped at its second checkpoint, in another place, and run again.
    ray_settings = config.ray.model_copy(update={"storage_path": str(tmp_path / "other")})
    other = config.model_copy(update={"ray": ray_settings})
    from clicksmith.training.engine import workers

    saved, limit = workers._Here.save, [2]

    def save_and_stop(self: object, *arguments: object) -> None:
        saved(self, *arguments)  # type: ignore[arg-type]
        limit[0] -= 1
        if limit[0] == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(workers._Here, "save", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        job.run(other)
    monkeypatch.undo()
    job.run(other)
    resumed = load_file(folder_of(other) / "weights.safetensors")
    assert all(torch.equal(resumed[name], weight) for name, weight in whole.items())


def test_presets_that_hold_their_rows_in_memory_say_so(make_config: Callable[..., Config]) -> None:
    """How many rows memory holds is asked of those alone that can do with fewer."""
    with pytest.raises(ConfigError, match=r"generators\.big\.memory_rows: unknown key"):
        make_config(f"generators={{big: {{{STREAM.format('ctgan')}}}}}", "ray.num_workers=0")
