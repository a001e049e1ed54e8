"""Slices, differences and the training noise in their intervals."""

import numpy as np
import pytest

from clicksmith.lift.bootstrap import multiplicities
from clicksmith.lift.difference import Figures, buckets, difference, measure_arm, training_error


def test_buckets_are_a_partition_with_readable_names() -> None:
    masks = buckets(np.array([0, 49, 50, 199, 600, 10_000]), (50, 200, 600), "history")
    assert list(masks) == ["history=0-49", "history=50-199", "history=200-599", "history=600+"]
    assert [mask.tolist().count(True) for mask in masks.values()] == [2, 2, 0, 2]
    assert (sum(mask.astype(int) for mask in masks.values()) == 1).all()


def test_training_error_is_the_residual_of_the_two_way_table() -> None:
    # rows: arms, columns: seeds; seed effects +-1 are common to both arms, the residuals are +-0.5
    values = np.array([[1.5, -1.5], [10.5, 9.5]])
    error, freedom = training_error(values)
    assert freedom == 1
    assert error == pytest.approx(np.sqrt(2 * (4 * 0.5**2 / 1) / 2))
    assert training_error(values[:, :1]) == (0.0, 0)


def test_measure_arm_averages_seeds_and_marks_empty_slices() -> None:
    labels = np.array([True, False, True, False])
    scores = np.array([[0.9, 0.1, 0.8, 0.2], [0.1, 0.9, 0.2, 0.8]])
    users = np.array([0, 1, 2, 3])
    slices = {"all": np.ones(4, bool), "none": np.zeros(4, bool)}
    counts = np.ones((3, 4), np.int32)
    figures = measure_arm(scores, labels, users, slices, counts)
    assert figures["all"].per_seed["auc"].tolist() == [1.0, 0.0]
    assert figures["all"].replicates["auc"].tolist() == [0.5] * 3
    assert figures["none"].num_rows == 0
    assert np.isnan(figures["none"].per_seed["auc"]).all()


def test_intervals_cover_the_truth_only_if_training_noise_is_in_them() -> None:
    """Two arms of equal skill, trained with noise: 95 % intervals should hold 0 in about 95 % of runs."""
    num_users, num_seeds, num_arms, trials = 300, 3, 4, 120
    counts = multiplicities(num_users, 150, 0)
    users = np.repeat(np.arange(num_users), 4)
    everything = {"all": np.ones(len(users), bool)}
    with_noise, without = 0, 0
    for trial in range(trials):
        random = np.random.default_rng(trial)
        labels = random.random(len(users)) < 0.4
        skill = 1.5 * labels + random.normal(size=len(users))
        arms: dict[str, dict[str, Figures]] = {}
        for arm in range(num_arms):
            # A training's noise is a common tilt of its scores: users do not average it out.
            tilt = random.normal(1.0, 0.35, size=(num_seeds, 1))
            noise = random.normal(size=len(users))
            scores = 1 / (1 + np.exp(-(tilt * skill + 0.8 * noise)))
            arms[str(arm)] = measure_arm(scores, labels, users, everything, counts)
        found = difference(arms, "auc", "1", "0", "all", seed=trial)
        low, high = found.interval()
        with_noise += low <= 0 <= high
        plain = arms["1"]["all"].replicates["auc"] - arms["0"]["all"].replicates["auc"]
        without += np.quantile(plain, 0.025) <= 0 <= np.quantile(plain, 0.975)
    assert with_noise >= 0.91 * trials
    assert without < with_noise
