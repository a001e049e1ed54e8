"""The controls: independent columns, neighbours, and the variational network."""

import math

import numpy as np
import pyarrow.compute as pc
import pytest
import torch

from clicksmith.encoding.table import Encoded
from clicksmith.generators.presets import PRESETS
from clicksmith.generators.recipe import Shard
from clicksmith.generators.tabular import smote
from clicksmith.generators.tabular.layout import Layout
from generators.mixtures import mixture_data
from generators.toy_joint import joint_distance, toy_data, toy_recipe, toy_rows, train


def test_independent_columns_keep_their_shares_and_nothing_else() -> None:
    codec, data = toy_data(8000)
    sampler = toy_recipe(codec, data, preset="independent").sampler
    encoded = sampler.sample(5, np.arange(8000))
    for column in range(4):
        theirs = np.bincount(data.codes[:, column], minlength=codec.cardinalities[column])
        mine = np.bincount(encoded.codes[:, column], minlength=codec.cardinalities[column])
        np.testing.assert_allclose(mine / 8000, theirs / 8000, atol=0.015)
    # kind and shade: P(k) = .5 .3 .2; the truth has .9 P(k) on the diagonal, independence .9 P(k)^2
    rows, truth = codec.decode(encoded), toy_rows(8000)
    assert joint_distance(truth, rows, ("kind", "shade")) == pytest.approx(0.9 * (1 - 0.38), abs=0.03)


def test_independent_nats_are_the_entropies() -> None:
    codes = np.array([[1], [1], [1], [2]])
    codec, _ = toy_data(100)
    one = type(codec)(codec.names[:1], codec.types[:1], codec.columns[:1])
    recipe = toy_recipe(one, Encoded(codes, np.full(codes.shape, 0.5, np.float32)), preset="independent")
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert float(recipe.step(0, Shard())["nats"]) == pytest.approx(expected)
    held_out = Encoded(codes[:1], np.full((1, 1), 0.5, np.float32))
    nats = recipe.row_nats(held_out)
    assert nats is not None
    assert nats.tolist() == pytest.approx([-math.log(0.75)])


def test_a_neighbour_row_lies_between_its_two_rows() -> None:
    codec, data = mixture_data("ring", 300)
    sampler = toy_recipe(codec, data, preset="smote").sampler
    _, real = Layout(codec).split(data)
    _, found = Layout(codec).split(sampler.sample(5, np.arange(200)))
    ends = real[sampler.neighbours.long()]  # (N, K, 2)
    starts = real[:, None].expand_as(ends)
    for row in found:
        # On a segment the way over the point is as long as the way from end to end.
        over = (row - starts).norm(dim=2) + (row - ends).norm(dim=2)
        assert float((over - (ends - starts).norm(dim=2)).min()) < 1e-4


def test_neighbours_have_the_same_label_and_are_the_nearest() -> None:
    codec, data = toy_data(500)
    sampler = toy_recipe(codec, data, preset="smote", balance_by="kind").sampler
    neighbours = sampler.neighbours.numpy()
    assert (data.codes[neighbours, 1] == data.codes[:, None, 1]).all()
    assert (neighbours != np.arange(500)[:, None]).all(), "no row is its own neighbour"
    # By hand for one row: a category that differs costs the numbers' median deviation within the label.
    mine = np.flatnonzero(data.codes[:, 1] == data.codes[0, 1])
    _, scalars = Layout(codec).split(Encoded(data.codes[mine], data.positions[mine]))
    differs = (data.codes[mine][:, [0, 2]] != data.codes[0, [0, 2]]).sum(1)
    squares = (scalars[:, 0] - scalars[0, 0]).numpy() ** 2 + differs * float(scalars.std()) ** 2
    nearest = np.sort(squares[1:])[: smote.NEIGHBOURS]
    found = np.sort(squares[[int(np.flatnonzero(mine == n)[0]) for n in neighbours[0]]])
    np.testing.assert_allclose(found, nearest, rtol=1e-3, atol=1e-6)


def test_a_fixed_code_chooses_the_rows_to_start_from() -> None:
    codec, data = toy_data(3000)
    sampler = toy_recipe(codec, data, preset="smote").sampler
    plum = 1 + codec.columns[1].values.index("plum")
    rows = codec.decode(sampler.sample(5, np.arange(500), {1: np.full(500, plum)}))
    assert set(rows["kind"].to_pylist()) == {"plum"}
    assert pc.quantile(rows["price"], 0.5)[0].as_py() == pytest.approx(30.0, abs=0.5)


def test_neighbours_load_into_a_sampler_of_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smote, "MAX_ROWS", 120)
    codec, data = toy_data(500)
    trained = toy_recipe(codec, data, preset="smote").sampler
    assert len(trained.codes) == 120
    fresh = PRESETS["smote"].sampler(codec)
    fresh.load_state_dict(trained.state_dict())
    np.testing.assert_array_equal(
        fresh.sample(1, np.arange(50)).codes, trained.sample(1, np.arange(50)).codes
    )


def test_the_bound_of_a_network_that_knows_nothing_is_near_the_independent_nats() -> None:
    codec, data = toy_data(2000)
    recipe = toy_recipe(codec, data, preset="tvae", num_steps=1)
    independent = toy_recipe(codec, data, preset="independent")
    mine, theirs = recipe.row_nats(data), independent.row_nats(data)
    assert mine is not None and theirs is not None
    assert float(mine.mean()) >= float(theirs.mean()), "before training the bound cannot be below"
    again = recipe.row_nats(data)
    assert again is not None and torch.equal(again, mine), "the same noise each time"


@pytest.mark.slow
def test_the_variational_network_learns_what_independent_columns_cannot() -> None:
    codec, data = toy_data(8000)
    recipe = toy_recipe(codec, data, preset="tvae", num_steps=1500, batch_size=200)
    train(recipe, 1500)
    held_out = toy_data(4000, seed=9)[1]
    mine, theirs = recipe.row_nats(held_out), toy_recipe(codec, data, preset="independent")
    other = theirs.row_nats(held_out)
    assert mine is not None and other is not None
    assert float(mine.mean()) < float(other.mean()) - 0.5
    rows = codec.decode(recipe.sampler.sample(5, np.arange(4000)))
    assert joint_distance(toy_rows(4000, seed=9), rows, ("kind", "shade")) < 0.12
