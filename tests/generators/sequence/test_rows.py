"""Windows on sequences, by hand."""

import numpy as np

from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.generators.sequence.rows import MemorySequences, Windows

LENGTHS = [2, 0, 5]
OFFSETS = np.array([0, 2, 2, 7])
DATA = EncodedSequences(
    np.array([[7], [8], [9]], dtype=np.int32), np.arange(10, 17, dtype=np.int32)[:, None], OFFSETS
)


def test_windows_by_hand() -> None:
    uniform = np.array([[0.5, 0.0], [0.5, 0.0], [0.5, 0.99]])
    found = Windows.of(DATA, np.array([0, 1, 2]), 3, uniform)
    assert found.owners[:, 0].tolist() == [7, 8, 9]
    assert found.events[:, :, 0].tolist() == [[10, 11, 0], [0, 0, 0], [14, 15, 16]]
    assert (found.sizes.tolist(), found.starts.tolist()) == ([2, 0, 3], [0, 0, 2])
    assert found.lengths.tolist() == LENGTHS
    assert found.mask.tolist() == [[True, True, False], [False] * 3, [True] * 3]


def test_windows_begin_anywhere_and_more_often_at_either_end() -> None:
    uniform = np.random.default_rng(0).random((20_000, 2))
    found = Windows.of(DATA, np.full(20_000, 2), 3, uniform)
    shares = np.bincount(found.starts.numpy()) / 20_000
    np.testing.assert_allclose(shares, [0.3 + 0.6 / 3, 0.6 / 3, 0.1 + 0.6 / 3], atol=0.01)


def test_each_owner_comes_once_an_epoch_on_any_number_of_ranks() -> None:
    whole = [MemorySequences(DATA, 5).batch(n, 2, slice(0, 2)).owners[:, 0].tolist() for n in range(3)]
    assert sorted(whole[0] + whole[1][:1]) == [7, 8, 9]
    parts = [MemorySequences(DATA, 5).batch(n, 2, slice(rank, rank + 1)) for n in range(3) for rank in (0, 1)]
    assert [part.owners[0, 0].item() for part in parts] == [code for batch in whole for code in batch]


def test_windows_of_a_batch_do_not_depend_on_the_ranks() -> None:
    whole = MemorySequences(DATA, 5, 2).batch(4, 2, slice(0, 2))
    part = MemorySequences(DATA, 5, 2).batch(4, 2, slice(1, 2))
    assert part.starts.tolist() == whole.starts[1:].tolist()
