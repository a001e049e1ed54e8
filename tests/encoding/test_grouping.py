"""Groups of ids learnt from vectors."""

import numpy as np
import pyarrow as pa

from clicksmith.encoding.grouping import order_by_similarity
from clicksmith.encoding.options import Options
from clicksmith.encoding.table import TableCodec
from clicksmith.tables import Column


def test_clusters_stand_together_in_a_permutation():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 8, 8000)
    vectors = (rng.normal(size=(8, 16)) * 5)[kind] + rng.normal(size=(8000, 16))
    ranks = order_by_similarity(vectors.astype(np.float32), leaf=32)
    assert np.array_equal(np.sort(ranks), np.arange(8000))
    groups = kind[np.argsort(ranks)].reshape(80, 100)
    purity = np.mean([np.bincount(group).max() for group in groups]) / 100
    assert purity > 0.9, "at random it would be about 0.2"
    assert np.array_equal(ranks, order_by_similarity(vectors.astype(np.float32), leaf=32))


def test_equal_and_few_vectors_are_ordered_too():
    assert sorted(order_by_similarity(np.ones((300, 4), np.float32), leaf=10)) == list(range(300))
    assert order_by_similarity(np.empty((0, 4), np.float32)).tolist() == []


def test_ranks_order_the_ids_of_a_codec():
    ids = pa.array([f"i{k}" for k in range(100)])
    ranks = np.random.default_rng(0).permutation(100)
    codec = TableCodec.fit(
        pa.table({"x": ids}),
        [Column("x", pa.string())],
        options=Options(kinds={"x": "identifier"}),
        content={"x": pa.table({"id": ids, "rank": ranks})},
    )
    codes = codec.encode(pa.table({"x": ids})).codes
    assert np.array_equal((codes[:, 0] - 1) * 10 + codes[:, 1] - 1, ranks)
