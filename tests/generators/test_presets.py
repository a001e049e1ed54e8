"""Each preset: a known joint distribution recovered, pure sampling, exact conditions."""

import numpy as np
import pyarrow.compute as pc
import pytest
import torch

from clicksmith.encoding.table import TableCodec
from clicksmith.errors import TrainingError
from clicksmith.generators.presets import check_config
from clicksmith.generators.recipe import RowOrder, Sampler, Shard, one_cycle
from generators.toy_joint import (
    KINDS,
    TABULAR,
    joint_distance,
    toy_config,
    toy_data,
    toy_recipe,
    toy_rows,
    train,
)


def trained(preset: str, num_steps: int, **config: object) -> tuple[TableCodec, Sampler]:
    codec, data = toy_data(8000)
    recipe = toy_recipe(codec, data, preset=preset, num_steps=num_steps, **config)
    return codec, train(recipe, num_steps).sampler


@pytest.mark.parametrize(
    ("preset", "num_steps", "joint", "price", "config"),
    [
        ("tabular_ar", 400, 0.04, 0.3, {"batch_size": 500}),
        pytest.param("ctgan", 700, 0.12, 1.5, {"batch_size": 200}, marks=pytest.mark.slow),
    ],
)
def test_the_joint_distribution_is_recovered(preset, num_steps, joint, price, config):
    codec, sampler = trained(preset, num_steps, **config)
    rows = codec.decode(sampler.sample(5, np.arange(4000)))
    real = toy_rows(4000, seed=9)
    assert joint_distance(real, rows, ("kind", "shade")) < joint
    assert joint_distance(real, rows, ("kind", "label")) < joint
    for number, kind in enumerate(KINDS):
        mine = rows.filter(pc.equal(rows["kind"], kind))
        assert pc.quantile(mine["price"], 0.5)[0].as_py() == pytest.approx(10.0 * (number + 1), abs=price)


@pytest.mark.parametrize("preset", TABULAR)
def test_a_row_depends_on_seed_and_row_id_alone(preset):
    _, sampler = trained(preset, 3, batch_size=100)
    ids = np.arange(64)
    whole = sampler.sample(5, ids)
    order = np.random.default_rng(0).permutation(64)
    shuffled = sampler.sample(5, ids[order])
    np.testing.assert_array_equal(shuffled.codes, whole.codes[order])
    np.testing.assert_allclose(shuffled.positions, whole.positions[order], atol=1e-5)
    again = sampler.sample(5, ids)
    np.testing.assert_array_equal(again.positions, whole.positions)
    assert (sampler.sample(6, ids).codes != whole.codes).any()


@pytest.mark.parametrize("preset", TABULAR)
def test_sampling_leaves_training_mode_and_the_random_state_alone(preset):
    _, sampler = trained(preset, 3, batch_size=100)
    sampler.train()
    state = torch.get_rng_state()
    sampler.sample(5, np.arange(8))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("preset", TABULAR)
def test_fixed_labels_are_exact_and_codes_never_seen_never_appear(preset):
    codec, sampler = trained(preset, 3, batch_size=100)
    wanted = np.arange(500) % 2 + 1
    encoded = sampler.sample(5, np.arange(500), {0: wanted})
    np.testing.assert_array_equal(encoded.codes[:, 0], wanted)
    rows = codec.decode(encoded)
    assert rows["kind"].null_count == 0  # null never occurs in training
    assert (encoded.codes[:, 1] > 0).all()
    assert (encoded.codes < codec.cardinalities).all()


@pytest.mark.slow
def test_a_fixed_label_conditions_the_other_columns():
    codec, sampler = trained("tabular_ar", 400, batch_size=500)
    rows = codec.decode(
        sampler.sample(5, np.arange(3000), {0: np.full(3000, 1 + codec.columns[0].values.index(True))})
    )
    assert rows["label"].to_pylist() == [True] * 3000
    # P(kind | label) by Bayes from the toy's shares: .05, .15, .18 of .38
    for kind, share in zip(KINDS, (0.05 / 0.38, 0.15 / 0.38, 0.18 / 0.38), strict=True):
        assert rows["kind"].to_pylist().count(kind) / 3000 == pytest.approx(share, abs=0.04)


@pytest.mark.parametrize(
    ("preset", "loss"),
    [
        ("tabular_ar", None),
        *((preset, loss) for preset in ("ctgan", "dense_gan") for loss in (None, "gan", "wgan_gp")),
    ],
)
def test_steps_repeat_exactly(preset, loss):
    codec, data = toy_data(500)
    figures = []
    for _ in range(2):
        recipe = toy_recipe(codec, data, preset=preset, num_steps=3, batch_size=100, loss=loss)
        figures.append([recipe.step(step, Shard()) for step in range(3)])
    assert figures[0] == figures[1]
    assert all(np.isfinite(float(value)) for value in figures[0][-1].values())


def test_two_shards_average_to_the_global_batch():
    codec, data = toy_data(500)
    recipes = [toy_recipe(codec, data, preset="tabular_ar", num_steps=3, batch_size=100) for _ in range(3)]
    whole = recipes[0].step(0, Shard())["nats"]
    halves = [recipes[1 + rank].step(0, Shard(rank, 2))["nats"] for rank in range(2)]
    assert float(sum(halves)) / 2 == pytest.approx(float(whole), rel=1e-5)


def test_no_row_is_dropped_and_none_comes_twice_in_an_epoch():
    order = RowOrder(10, seed=3)
    rows = torch.cat([order.rows(step, 4) for step in range(5)])  # 20 rows: two epochs
    assert sorted(rows[:10].tolist()) == list(range(10))
    assert sorted(rows[10:].tolist()) == list(range(10))
    assert rows[:10].tolist() != rows[10:].tolist()
    assert RowOrder(10, seed=3).rows(2, 4).tolist() == rows[8:12].tolist(), (
        "a step's rows need no earlier step"
    )


def test_one_cycle_by_hand():
    assert one_cycle(0, 100, 1.0) == pytest.approx(1 / 25)
    assert one_cycle(30, 100, 1.0) == pytest.approx(1.0)
    assert one_cycle(65, 100, 1.0) == pytest.approx(0.5, abs=1e-5)  # half way down
    assert one_cycle(100, 100, 1.0) == pytest.approx(1 / 2.5e5)


def test_batches_that_do_not_divide_are_refused():
    config = toy_config(preset="ctgan", batch_size=110)
    with pytest.raises(TrainingError, match="needs a multiple of 20"):
        check_config("gan", config, num_workers=2)
    check_config("gan", config, num_workers=1)
    check_config("control", toy_config(preset="smote"), num_workers=7)  # it has no batches
