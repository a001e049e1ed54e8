"""Planted modes: what plain training loses, the measures keep."""

import numpy as np
import pytest

from generators.mixtures import centres, covered_modes, mixture_data, mixture_rows
from generators.toy_joint import toy_recipe, train

NUM_STEPS = 1500


def coverage(mixture: str, num_steps: int, **config: object) -> tuple[int, float]:
    codec, data = mixture_data(mixture, 5000)
    recipe = toy_recipe(codec, data, seed=3, num_steps=num_steps, **config)
    return covered_modes(codec.decode(train(recipe, num_steps).sampler.sample(5, np.arange(2500))), mixture)


@pytest.mark.parametrize(("mixture", "num_modes"), [("ring", 8), ("grid", 25)])
def test_real_rows_cover_all_modes_and_one_point_covers_one(mixture: str, num_modes: int) -> None:
    rows = mixture_rows(mixture, 2500, seed=4)
    modes, inside = covered_modes(rows, mixture)
    assert modes == num_modes == len(centres(mixture))
    assert inside > 0.99
    assert covered_modes(rows.take([0] * 100), mixture)[0] == 1


@pytest.mark.parametrize(("mixture", "num_modes"), [("ring", 8), ("grid", 25)])
def test_positives_are_the_odd_modes(mixture: str, num_modes: int) -> None:
    rows = mixture_rows(mixture, 4000, positives=0.25)
    label = rows["label"].to_numpy(zero_copy_only=False)
    assert label.mean() == pytest.approx(0.25, abs=0.02)
    odd = num_modes // 2
    assert covered_modes(rows.filter(label), mixture, slice(1, None, 2))[0] == odd
    assert covered_modes(rows.filter(~label), mixture, slice(0, None, 2))[0] == num_modes - odd


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mixture", "num_modes"), [("ring", 8), pytest.param("grid", 25, marks=pytest.mark.soak)]
)
def test_a_plain_gan_loses_modes_and_a_packed_one_with_averaged_weights_covers_all(
    mixture: str, num_modes: int
) -> None:
    config = {"preset": "gan", "batch_size": 100, "learning_rate": 5e-4}
    plain, _ = coverage(mixture, NUM_STEPS, **config)
    packed, _ = coverage(mixture, NUM_STEPS, packing=2, average_weights=True, **config)
    assert plain < num_modes
    assert packed == num_modes


@pytest.mark.parametrize("mixture", ["ring", "grid"])
@pytest.mark.parametrize(("preset", "num_steps", "inside"), [("tabular_ar", 400, 0.7), ("smote", 1, 0.9)])
def test_controls_cover_all_modes(mixture: str, preset: str, num_steps: int, inside: float) -> None:
    modes, found = coverage(mixture, num_steps, preset=preset, batch_size=200)
    assert modes == len(centres(mixture))
    assert found > inside


def test_independent_columns_cover_the_grid_and_leave_the_ring() -> None:
    assert coverage("grid", 1, preset="independent")[0] == 25
    assert coverage("ring", 1, preset="independent")[1] < 0.6
