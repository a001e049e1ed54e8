import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.evaluation import figures
from clicksmith.evaluation.quality import attack
from clicksmith.evaluation.samples.sample import Coding, Sample, columns_of
from clicksmith.evaluation.samples.space import Space


def test_plain_attack_by_hand():
    # Members at 0 and 2, others at 1 and 2: of 4 pairs the member is nearer in 2 and ties in 1.
    assert attack.attack_area(np.array([0, -2]), np.array([-1, -2]))[0] == 2.5 / 4


def test_density_scores_by_hand():
    scores = attack.density_scores(np.array([0, 3, 7]), np.array([3, 3, 0]))
    assert scores == pytest.approx(np.log([4 / 1, 4 / 4, 1 / 8]))


def test_the_reference_corrects_for_dense_regions():
    # Two members in a sparse region, two others in a dense one, where any row has a near neighbour.
    to_synthetic, to_reference = np.array([2, 2, 1, 1]), np.array([10, 9, 1, 1])
    scores = attack.density_scores(to_synthetic, to_reference)
    assert attack.attack_area(-to_synthetic[:2], -to_synthetic[2:])[0] == 0.0
    assert attack.attack_area(scores[:2], scores[2:])[0] == 1.0


def test_found_members_by_hand():
    others = np.arange(100.0)
    # One of 100 may be accused, 99: the threshold is 98, which 99 and 100 exceed.
    found = attack.found_members(np.array([97.0, 98.0, 99.0, 100.0]), others)
    assert found.tolist() == [False, False, True, True]
    # A tenth: 90 to 99; the threshold is 89.
    assert attack.found_members(np.array([89.0, 90.0]), others, 0.1).tolist() == [False, True]
    # With fewer than 100 others nobody may be accused wrongly, and ties accuse nobody.
    found = attack.found_members(np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0]))
    assert found.tolist() == [False, False, True]
    assert not attack.found_members(np.array([5.0, 5.0]), np.full(500, 5.0)).any()


scores = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=300).map(np.array)


@settings(max_examples=60, deadline=None)
@given(scores, scores, st.floats(0.001, 0.9))
def test_no_more_of_the_others_are_accused_than_allowed(members, others, rate):
    assert attack.found_members(others, others, rate).mean() <= rate
    area, low, high = attack.attack_area(members, others)
    assert (1 - area, 1 - high, 1 - low) == pytest.approx(attack.attack_area(others, members))


def population(seed, num_rows=2000):
    """Rows of a dense cluster, of which half are, and of a sparse rest."""
    rng = np.random.default_rng(seed)
    scale = np.where(rng.random(num_rows) < 0.5, 0.05, 1.0)[:, None]
    numbers = rng.normal(size=(num_rows, 4)) * scale
    return pa.table({**{f"x{i}": numbers[:, i] for i in range(4)}, "kind": rng.choice(list("abc"), num_rows)})


@pytest.fixture(scope="module")
def sides():
    train, holdout, fresh = (population(seed) for seed in (1, 2, 3))
    coding = Coding.fit(train, columns_of(train.schema))
    return tuple(coding.encode(rows) for rows in (train, holdout, fresh))


def attacked(rows, train, holdout):
    found = figures.attack_figures(Space.fit(train), rows, train, holdout)
    return {metric.partition(".")[2]: figure for (metric, _), figure in found.items()}


def test_training_rows_sold_as_synthetic_are_found(sides):
    train, holdout, _ = sides
    found = attacked(train, train, holdout)
    assert found["membership_auc"].value > 0.99
    assert found["domias_auc"].value > 0.95
    assert found["domias_tpr"].value > 0.3


def test_copies_among_a_fifth_of_the_rows_are_found(sides):
    train, holdout, fresh = sides
    planted = Sample(
        train.names, train.is_categorical, np.concatenate([train.values[:400], fresh.values[400:]])
    )
    found = attacked(planted, train, holdout)
    # A fifth of the members is copied: were each of them ranked first, 1/5 + 4/5 x 1/2 = .6.
    assert found["domias_auc"].value > 0.57 and found["domias_auc"].ci_low > 0.54
    assert found["domias_tpr"].value > 0.1 and found["domias_tpr"].ci_low > 0.05


def test_fresh_rows_give_nothing_away(sides):
    train, holdout, fresh = sides
    found = attacked(fresh, train, holdout)
    assert found["membership_auc"].ci_low < 0.5 < found["membership_auc"].ci_high
    assert found["domias_auc"].value == pytest.approx(0.5, abs=0.03)
    assert found["domias_tpr"].value < 0.03


def test_rows_that_keep_most_of_a_training_row_are_found_though_none_is_a_copy(sides):
    train, holdout, fresh = sides
    redrawn = np.random.default_rng(4).integers(5, size=train.num_rows)[:, None] == np.arange(5)
    rows = Sample(train.names, train.is_categorical, np.where(redrawn, fresh.values, train.values))
    assert attacked(rows, train, holdout)["domias_auc"].ci_low > 0.55


def test_few_rows_are_attacked_as_well(sides):
    train, holdout, fresh = sides
    found = attacked(fresh.head(50), train.head(50), holdout.head(50))
    assert 0 <= found["domias_auc"].ci_low <= found["domias_auc"].value <= 1


def test_chance_by_hand():
    # Of K others, (1 - s)^K = .01: a share of .99 beyond a single one, .9 beyond two.
    assert attack.chance_rate(1) == pytest.approx(0.99)
    assert attack.chance_rate(2) == pytest.approx(0.9)
    assert attack.chance_rate(15) == pytest.approx(0.2644, abs=1e-4)
    # Of two, the least of whom may be passed by: beyond the larger and the smaller, 1 - s^2 = .01.
    assert attack.chance_rate(2, 0.5) == pytest.approx(0.99**0.5)


def test_chance_is_as_it_is_drawn():
    """150 others, of whom one may be accused, and 300 members like them: found beyond the rate 1 in 100."""
    rng = np.random.default_rng(3)
    found = [attack.found_members(rng.normal(size=300), rng.normal(size=150)).mean() for _ in range(2000)]
    assert (np.array(found) > attack.chance_rate(150)).mean() == pytest.approx(0.01, abs=0.01)
    assert attack.chance_rate(120) > attack.MOST_BY_CHANCE > attack.chance_rate(140)


def test_honest_rows_are_hardly_refused_by_what_chance_finds(sides):
    """110 users are attacked, of whom one may be accused: chance may find a twentieth of the members."""
    train, holdout, fresh = sides
    order = np.random.default_rng(5)
    for _ in range(10):
        few = holdout.take(np.isin(np.arange(holdout.num_rows), order.permutation(holdout.num_rows)[:220]))
        found = attacked(fresh, train, few)["domias_tpr"]
        assert math.isnan(found.value) or found.value > attack.chance_rate(110)
    assert attacked(train, train, few)["domias_tpr"].ci_low > 0.05, "a leak is found all the same"


def by_few_users(rows, train, holdout, seed):
    """The share found with 30 users held out, of 3 equal rows each: 15 are attacked."""
    order = np.random.default_rng(seed).permutation(holdout.num_rows)[:30].repeat(3)
    users = np.arange(30).repeat(3)
    few = Sample(holdout.names, holdout.is_categorical, holdout.values[order], users)
    return attacked(rows, train.head(100), few)["domias_tpr"].value


def test_by_few_users_chance_accuses_nobody_and_a_leak_is_found_all_the_same(sides):
    train, holdout, fresh = sides
    honest = [by_few_users(fresh.head(500), train, holdout, seed) for seed in range(20)]
    assert not any(found > 0.05 for found in honest)
    assert any(math.isnan(found) for found in honest)
    assert by_few_users(train.head(100), train, holdout, 1) > 0.5


def users(seed, num_users, num_rows=8, spread=0.6):
    """Rows of users who each have a profile of their own, eight numbers, and scatter around it."""
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(num_users), num_rows)
    profiles = rng.normal(size=(num_users, 8))
    return owners, profiles, profiles[owners] + spread * rng.normal(size=(len(owners), 8))


def sample_of(numbers, owners=None):
    return Sample(tuple("abcdefgh"), np.zeros(8, bool), numbers, owners)


def test_whole_users_tell_what_single_rows_do_not():
    """New rows of all who were trained on: each says little, all of a user's say who was there."""
    (owners, profiles, shown), (others, _, unseen) = users(1, 300), users(2, 600)
    train, holdout = sample_of(shown, owners), sample_of(unseen, others)
    rng = np.random.default_rng(3)
    leaking = sample_of(profiles[owners] + 0.6 * rng.normal(size=shown.shape))
    honest = sample_of(users(4, 300)[2])
    space = Space.fit(train)

    def of_users(rows):
        return figures.user_attack_figures(space, rows, train, holdout)["privacy.user_auc", "all"]

    by_row = attacked(leaking, train, holdout)["domias_auc"].value
    assert of_users(leaking).ci_low > 0.65 and of_users(leaking).value > by_row + 0.08
    assert of_users(honest).ci_low < 0.5 < of_users(honest).ci_high


def of_users(rows, train, holdout):
    return figures.user_attack_figures(Space.fit(train), rows, train, holdout)["privacy.user_auc", "all"]


def test_users_of_many_rows_are_attacked_as_well():
    """Of 60 rows each, where sixteen users have as many rows as single rows are attacked."""
    (owners, profiles, shown), (others, _, unseen) = users(1, 200, 60), users(2, 320, 60)
    train, holdout = sample_of(shown, owners), sample_of(unseen, others)
    again = np.repeat(np.arange(200), 8)
    leaking = sample_of(profiles[again] + 0.6 * np.random.default_rng(3).normal(size=(len(again), 8)))
    assert of_users(leaking, train, holdout).ci_low > 0.65
    honest = of_users(sample_of(users(4, 200)[2]), train, holdout)
    assert honest.ci_low < 0.5 < honest.ci_high


def test_users_of_fewer_rows_than_others_are_not_accused_for_that():
    """Three rows in ten are all alike: of skewed scores the mean of one is mostly below that of ten."""

    def drawn(seed, num_users, num_rows):
        owners, _, numbers = users(seed, num_users, num_rows)
        return sample_of(
            np.where(np.random.default_rng(seed + 1).random(len(owners))[:, None] < 0.3, 0.0, numbers), owners
        )

    found = []
    for seed in range(0, 60, 10):
        train, holdout, fresh = drawn(seed, 1000, 1), drawn(seed + 3, 300, 10), drawn(seed + 6, 200, 8)
        found.append(of_users(fresh, train, holdout).value)
    assert np.mean(found) == pytest.approx(0.5, abs=0.025)


def test_too_few_users_and_unknown_ones_are_not_attacked():
    (owners, _, shown), (others, _, unseen) = users(1, 300), users(2, 60)
    train, holdout = sample_of(shown, owners), sample_of(unseen, others)
    found = figures.user_attack_figures(Space.fit(train), train, train, holdout)
    assert math.isnan(found["privacy.user_auc", "all"].value)
    assert figures.user_attack_figures(Space.fit(train), train, sample_of(shown), holdout) == {}


def test_an_attack_s_interval_knows_that_rows_of_a_user_come_together():
    """Each row twice: as of one user, the interval is that of half as many rows; as of two, too narrow."""
    rng = np.random.default_rng(1)
    members, others = rng.normal(size=400), rng.normal(0.2, 1, size=400)
    once = attack.attack_area(members, others)
    both = members.repeat(2), others.repeat(2)
    users = np.arange(400).repeat(2), 400 + np.arange(400).repeat(2)
    assert attack.attack_area(*both, users) == pytest.approx(once)
    _, low, high = attack.attack_area(*both)
    assert high - low == pytest.approx((once[2] - once[1]) / 2**0.5, rel=0.01)


def test_rows_found_of_few_users_tell_little(sides):
    """All copies are of twenty users of twenty rows: of others it might be fewer, or more."""
    train, holdout, fresh = sides
    users = np.arange(train.num_rows) // 20
    shown = Sample(train.names, train.is_categorical, train.values, users)
    unseen = Sample(holdout.names, holdout.is_categorical, holdout.values, 1000 + users)
    planted = Sample(
        train.names, train.is_categorical, np.concatenate([train.values[:400], fresh.values[400:]])
    )
    alone, together = (attacked(planted, *pair)["domias_tpr"] for pair in ((train, holdout), (shown, unseen)))
    assert together.ci_low < alone.ci_low < alone.ci_high < together.ci_high


def test_a_single_user_of_a_side_tells_nothing_of_others():
    rng = np.random.default_rng(1)
    members, others = rng.normal(size=100), rng.normal(size=1000)
    _, *ends = attack.attack_area(members, others, (np.arange(100), np.zeros(1000, np.int64)))
    assert ends == [0.0, 1.0]
    _, low, high = attack.attack_area(members, others, (np.arange(100), np.arange(1000)))
    assert high - low < 0.2
