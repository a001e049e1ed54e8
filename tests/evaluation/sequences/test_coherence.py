"""Whether an owner's events go together: by hand, and of shuffled events."""

import numpy as np
import pytest

from clicksmith.evaluation.sequences.coherence import coherence_figures
from evaluation.sequences.shop import coded, of_items, shop, shuffled


def figures_of(real, other, seed=0):
    codings, (a, b) = coded(real, other)
    return coherence_figures(codings.events, a, b, seed)


def of_item(found):
    return {metric.split(".")[1]: figure.value for (metric, name), figure in found.items() if name == "item"}


def test_figures_by_hand() -> None:
    found = of_item(figures_of(of_items("aa", "ab", "bb", "b"), of_items("aa", "aa", "aa", "ab")))
    assert found == {
        # Of three pairs each one aa, ab, bb; of four three aa and one ab.
        "neighbours": pytest.approx(1 - (3 / 4 - 1 / 3)),
        # One, two, one and one distinct items; one, one, one and two.
        "distinct": 1.0,
        # a with two owners and b with three; a with four and b with one.
        "categories": pytest.approx(1 - (4 / 5 - 2 / 5)),
        # a: 2, 1, 0 and 0 times, then 2, 2, 2, 1: half moved; b: 0, 1, 2, 1, then 0, 0, 0, 1: half moved.
        "counts": pytest.approx(1 / 2),
    }


def test_one_pair_of_neighbours_an_owner_is_drawn_by_the_seed_alone() -> None:
    real, other = shop(1), shop(2)
    assert figures_of(real, other, 3) == figures_of(real, other, 3) != figures_of(real, other, 4)


def test_that_rare_items_come_again_is_seen() -> None:
    letters = [chr(code) for code in range(0x4E00, 0x4E00 + 200)]
    again, apart = (
        of_items(*(a + a for a in letters)),
        of_items(*(a + b for a, b in zip(letters, letters[1:] + letters[:1], strict=True))),
    )
    # But for the ten items that are told apart, all pairs are of "other" and "other".
    assert of_item(figures_of(again, apart))["neighbours"] < 0.1


def test_shuffled_events_are_seen_by_neighbours_alone() -> None:
    real, fresh = shop(1), shop(2)
    found, honest = figures_of(real, shuffled(real, 5)), figures_of(real, fresh)
    assert {found[f"coherence.{name}", "all"].value for name in ("distinct", "categories", "counts")} == {1.0}
    neighbours = found["coherence.neighbours", "all"]
    assert neighbours.ci_low < neighbours.value < neighbours.ci_high
    assert neighbours.ci_high < honest["coherence.neighbours", "all"].ci_low
    prices = [side["coherence.neighbours", "price"].value for side in (found, honest)]
    assert prices[0] < prices[1] - 0.1


def test_intervals_cover_the_figure_of_other_owners() -> None:
    found = [figures_of(shop(100 + seed, 150), shuffled(shop(200 + seed, 150), seed)) for seed in range(25)]
    for name in ("neighbours", "distinct", "categories", "counts"):
        figures = [figures[f"coherence.{name}", "all"] for figures in found]
        mean, spread = np.mean([f.value for f in figures]), np.std([f.value for f in figures], ddof=1)
        assert np.mean([f.ci_low <= mean <= f.ci_high for f in figures]) >= 0.88, name
        half = np.mean([f.ci_high - f.ci_low for f in figures]) / 2 / 1.96
        assert 0.8 * spread < half < 2.2 * spread, name


def test_owners_without_neighbours_have_no_figure_and_a_generator_without_any_has_0() -> None:
    alone, pairs = of_items("a", "b", "", "b"), of_items("aa", "ab", "bb", "a")
    assert ("coherence.neighbours", "item") not in figures_of(alone, pairs)
    found = figures_of(pairs, alone)
    assert found["coherence.neighbours", "item"].value == found["coherence.neighbours", "all"].value == 0.0
    assert 0 < found["coherence.categories", "item"].value < 1
