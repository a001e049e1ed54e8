"""Shapes by step, pairs with the owner's columns, lengths; intervals of owners."""

import numpy as np
import pyarrow as pa
import pytest

from clicksmith.encoding.sequences import Sequences
from clicksmith.evaluation.sequences.coded import by_owner
from clicksmith.evaluation.sequences.fidelity import fidelity_figures, step_shapes
from evaluation.sequences.shop import coded, of_items, shop, shuffled


def figures_of(real, other):
    codings, (a, b) = coded(real, other)
    return fidelity_figures(codings, a, b, 0)


def steps_of(real, other):
    return step_shapes(*coded(real, other)[1]).by_columns


def test_steps_by_hand() -> None:
    found = steps_of(of_items("abc", "ab", "bb", ""), of_items("aba", "aab", "bb", "a"))
    assert found == {
        "step 0": pytest.approx(1 - (3 / 4 - 2 / 3)),  # a a b; a a b a
        "step 1": pytest.approx(2 / 3),  # b b b; b a b
        "step 2": 0.0,  # c; a b
        "step -3": 1.0,  # a; a a
        "step -2": 1.0,  # b a b; b a b
        "step -1": pytest.approx(1 / 2),  # c b b; a b b a
    }


def test_a_step_that_only_real_owners_have_is_worth_0_and_one_that_they_lack_is_left_out() -> None:
    assert steps_of(of_items("ab", "ab"), of_items("a", "a")) == {
        "step 0": 1.0,
        "step 1": 0.0,
        "step -2": 0.0,
        "step -1": 0.0,
    }
    assert set(steps_of(of_items("a", ""), of_items("abc", "abc"))) == {"step 0", "step -1"}


def test_pairs_hold_events_against_their_owner() -> None:
    real = shop(1)
    order = pa.array(np.random.default_rng(1).permutation(len(real)))
    foreign = Sequences(real.owners.take(order), real.events, real.offsets)
    found = figures_of(real, foreign)
    assert found["fidelity.shapes", "all"].value == found["fidelity.owner_shapes", "all"].value == 1.0
    assert found["fidelity.pairs", "item|kind"].value == found["fidelity.lengths", "all"].value == 1.0
    assert found["fidelity.pairs", "item|segment"].value < 0.8
    assert ("fidelity.triples", "item|kind|segment") in found


def test_shuffled_events_keep_shapes_and_lose_steps() -> None:
    real = shop(1)
    found = figures_of(real, shuffled(real, 2))
    assert found["fidelity.shapes", "all"].value == found["fidelity.triples", "all"].value == 1.0
    steps, honest = (
        found["fidelity.step_shapes", "all"],
        figures_of(real, shop(2))["fidelity.step_shapes", "all"],
    )
    assert steps.ci_high < honest.ci_low and found["fidelity.step_shapes", "step 0"].value < 0.8


def test_lengths_by_hand() -> None:
    found = figures_of(of_items("aaaa", "aa", "a", "a"), of_items("aa", "aa", "a", "aaa"))
    assert found["fidelity.lengths", "all"].value == pytest.approx(3 / 4)


def test_intervals_are_those_of_owners() -> None:
    """100 owners of five equal events each: what they do not agree on varies as 100 rows do, not as 500."""
    rng = np.random.default_rng(3)
    single, other = (
        ["".join(rng.choice(list("ab"), p=p)) for _ in range(100)] for p in ([0.5, 0.5], [0.7, 0.3])
    )
    one, five = ([of_items(*(item * n for item in side)) for side in (single, other)] for n in (1, 5))
    a, b = (figures_of(*sides)["fidelity.shapes", "all"] for sides in (one, five))
    assert (a.value, a.ci_low, a.ci_high) == pytest.approx((b.value, b.ci_low, b.ci_high))
    by_step = figures_of(*five)["fidelity.step_shapes", "all"]
    assert (by_step.ci_low, by_step.ci_high) == pytest.approx((a.ci_low, a.ci_high))


def test_pulls_of_rows_become_those_of_owners() -> None:
    pulls = by_owner(np.array([0.3, -0.1, -0.2]), np.array([1, 1, 3]), 4)
    assert pulls.tolist() == pytest.approx([0, 0.2 * 4 / 3, 0, -0.2 * 4 / 3])
