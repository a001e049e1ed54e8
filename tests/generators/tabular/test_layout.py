"""The flat layout of GAN rows, and conditions drawn from it."""

import numpy as np
import pytest
import torch

from clicksmith.generators.tabular.conditions import Conditions
from clicksmith.generators.tabular.kind import EXAMPLES
from clicksmith.generators.tabular.layout import Layout
from generators.toy_joint import toy_data


@pytest.fixture
def toy():
    codec, data = toy_data(3000)
    return Layout(codec), data


def test_split_and_join_are_inverse(toy):
    layout, data = toy
    flat, scalars = layout.split(data)
    back = layout.join((flat - layout.offsets).numpy(), scalars.numpy())
    np.testing.assert_array_equal(back.codes, data.codes)
    np.testing.assert_allclose(back.positions, data.positions, atol=1e-5)


def test_extreme_scalars_stay_in_the_last_bins(toy):
    layout, _ = toy
    modes = np.tile(layout.num_atoms + (layout.num_bins > 0), (2, 1))
    encoded = layout.join(modes, np.array([[-1.0], [1.0]], dtype=np.float32))
    column = layout.numeric[0]
    assert encoded.codes[:, column].tolist() == [
        layout.num_atoms[column] + 1,
        layout.num_atoms[column] + layout.num_bins[column],
    ]
    assert ((encoded.positions >= 0) & (encoded.positions < 1)).all()


def test_dense_rows_are_one_hot_within_each_column(toy):
    layout, data = toy
    dense = layout.dense(*(part[:50] for part in layout.split(data)))
    assert dense.shape == (50, layout.width)
    totals = torch.zeros(50, layout.num_columns).index_add(1, layout.segments, dense[:, : layout.num_flat])
    assert (totals == 1).all()


def test_softmax_is_taken_within_each_column(toy):
    layout, _ = toy
    logits = torch.randn(7, layout.num_flat) * 300  # far beyond what exp can hold
    found = layout.softmax(logits)
    for part, expected in zip(
        found.split(layout.num_modes.tolist(), 1), logits.split(layout.num_modes.tolist(), 1), strict=True
    ):
        torch.testing.assert_close(part, expected.softmax(1), atol=1e-5, rtol=1e-4)


def test_choose_inverts_the_cumulated_probabilities(toy):
    layout, _ = toy
    first = int(layout.num_modes[0])
    probabilities = torch.zeros(3, layout.num_flat)
    probabilities[:, layout.offsets] = 1.0
    probabilities[:, :first] = torch.tensor([0.0, 0.25, 0.75])
    uniform = torch.full((3, layout.num_columns), 0.5, dtype=torch.float64)
    uniform[:, 0] = torch.tensor([0.01, 0.2499, 0.2501])
    chosen = layout.choose(probabilities, uniform)
    assert chosen[:, 0].tolist() == [1, 1, 2], "a mode of probability 0 is never chosen"
    assert (chosen[:, 1:] == 0).all()


def test_conditions_are_uniform_in_columns_and_logarithmic_in_frequency(toy):
    layout, data = toy
    flat, _ = layout.split(data)
    conditions = Conditions(layout, flat)
    modes, rows = conditions.draw(40_000, torch.Generator().manual_seed(0))
    columns = layout.segments[modes]
    assert (flat[rows, columns] == modes).all(), "the real row has the mode"
    shares = torch.bincount(columns) / 40_000
    torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.01, rtol=0)
    kind = torch.bincount(modes, minlength=layout.num_flat)[layout.offsets[1] :][: int(layout.num_modes[1])]
    weights = np.log(np.bincount(data.codes[:, 1], minlength=4) + 1)
    np.testing.assert_allclose(kind / kind.sum(), weights / weights.sum(), atol=0.02)
    # Rows of a mode are drawn uniformly: every one of the rarest kind's appears.
    rare = set(np.flatnonzero(data.codes[:, 1] == 3))
    assert set(rows[modes == layout.offsets[1] + 3].tolist()) <= rare
    assert len(set(rows[modes == layout.offsets[1] + 3].tolist())) > 0.9 * len(rare)


def test_figures_of_collapse(toy):
    _, data = toy
    same = type(data)(np.repeat(data.codes[:1], 100, axis=0), data.positions[:100])
    assert EXAMPLES.signs(same, data)["duplicate_rate"] == 0.99
    assert EXAMPLES.signs(same, data)["coverage"] < 0.2
    assert EXAMPLES.signs(data, data)["coverage"] == 1.0
