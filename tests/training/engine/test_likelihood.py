"""Nats a row over ranks, and how sure the gap of held-out rows is."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clicksmith.encoding.table import Encoded
from clicksmith.generators.recipe import Shard
from clicksmith.training.engine.likelihood import Watched, likelihood, mean_of_users, nats_of_users
from generators.toy_joint import toy_data, toy_recipe

Z = 1.96


def planted(nats: NDArray[np.float64]) -> Encoded:
    """Rows whose nats stand where their positions would."""
    return Encoded(np.zeros((len(nats), 1), np.int64), nats[:, None].astype(np.float32))


RECIPE = SimpleNamespace(row_nats=lambda rows: torch.from_numpy(rows.positions[:, 0]))


def test_a_mean_and_its_variance_by_hand() -> None:
    """Nats 1 and 3 of one user and 5 of another: the mean is 3, the users' sums lie 2 below and 2 above."""
    assert mean_of_users(np.array([4.0, 5.0]), np.array([2, 1])) == (3.0, pytest.approx(2 * 8 / 9))


def test_rows_that_stand_for_themselves_have_the_textbook_s_variance() -> None:
    nats = np.random.default_rng(0).normal(20, 5, 400)
    mean, variance = mean_of_users(nats, np.ones(400, int))
    assert (mean, variance) == (pytest.approx(nats.mean()), pytest.approx(nats.var(ddof=1) / 400))


def test_a_gap_and_its_error_by_hand() -> None:
    held_out = Watched(planted(np.array([1.0, 3.0, 5.0])), np.array([7, 7, 3]))
    trained = Watched(planted(np.array([1.0, 2.0])))
    assert likelihood(RECIPE, held_out, trained, Shard()) == {  # type: ignore[arg-type]
        "held_out_nats": 3.0,
        "train_nats": 1.5,
        "gap_error": pytest.approx(math.sqrt(16 / 9 + 0.25)),
    }


def test_a_single_user_tells_nothing_of_others() -> None:
    one = Watched(planted(np.array([1.0, 3.0])), np.array([0, 0]))
    two = Watched(planted(np.array([1.0, 3.0])), np.array([0, 1]))
    for held_out, trained in ((one, two), (two, one)):
        found = likelihood(RECIPE, held_out, trained, Shard())  # type: ignore[arg-type]
        assert found == {"held_out_nats": 2.0, "train_nats": 2.0}


def test_without_rows_there_is_nothing_to_tell() -> None:
    none, some = Watched(planted(np.empty(0)), np.empty(0, np.int64)), Watched(planted(np.ones(2)))
    assert likelihood(RECIPE, none, some, Shard()) is likelihood(RECIPE, some, none, Shard()) is None  # type: ignore[arg-type]


def test_intervals_cover_the_gap_of_users_who_were_not_looked_at() -> None:
    """Rows of a user are alike: the spread of rows alone would cover half as often as it says."""
    random, hits = np.random.default_rng(1), 0
    for _ in range(300):
        sides = []
        for mean in (21.0, 20.0):
            users = np.repeat(np.arange(60), random.integers(1, 20, 60))
            nats = mean + random.normal(0, 2, 60)[users] + random.normal(0, 1, len(users))
            sides.append(Watched(planted(nats), users))
        found = likelihood(RECIPE, *sides, Shard())  # type: ignore[arg-type]
        assert found is not None
        hits += abs(found["held_out_nats"] - found["train_nats"] - 1) < Z * found["gap_error"]
    assert 0.91 <= hits / 300 <= 0.98


@pytest.mark.parametrize("preset", ["tabular_ar", "tabular_gan", "tvae", "independent"])
@pytest.mark.parametrize("num_rows", [1, 7])
def test_each_rank_computes_a_part(preset: str, num_rows: int) -> None:
    """Of one row the first of two ranks has none, and adds nought."""
    codec, data = toy_data(300)
    recipe, users = toy_recipe(codec, data, preset=preset, num_steps=4), np.arange(num_rows) // 2
    whole, *parts = (
        nats_of_users(recipe, data.head(num_rows), users, Shard(rank, size))
        for rank, size in ((0, 1), (0, 2), (1, 2))
    )
    assert whole is not None and len(whole) == (num_rows + 1) // 2 and (whole > 0).all()
    if preset != "tvae" or num_rows == 1:  # whose noise is by the row's place in its part
        np.testing.assert_allclose(np.sum(parts, axis=0), whole, rtol=1e-5)
    assert (parts[0] == 0).all() == (num_rows == 1)
