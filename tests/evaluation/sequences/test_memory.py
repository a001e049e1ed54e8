"""Long runs and copies: by hand, and against a comparison of all with all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.evaluation.sequences import memory
from clicksmith.evaluation.sequences.coded import number_items
from evaluation.sequences.shop import of_items, shop


def items_of(*sides):
    return number_items([of_items(*side) for side in sides], "item")


def longest_by_hand(query: str, references: list[str]) -> int:
    runs = {query[i:j] for i in range(len(query)) for j in range(i, len(query) + 1)}
    return max((len(run) for run in runs if any(run in reference for reference in references)), default=0)


def test_longest_runs_by_hand() -> None:
    queries, references = items_of(["abcx", "xbcd", "", "yy", "z"], ["abcd", "y", "", "zz"])
    assert memory.longest_runs(queries, references).tolist() == [3, 3, 0, 1, 1]
    assert memory.longest_runs(queries, references, max_run=2).tolist() == [2, 2, 0, 1, 1]
    assert memory.longest_runs(references, queries).tolist() == [3, 1, 0, 1]


def test_a_run_ends_with_its_owner() -> None:
    queries, references = items_of(["ab"], ["xa", "bx"])
    assert memory.longest_runs(queries, references).tolist() == [1]


@settings(max_examples=50, deadline=None)
@given(*[st.lists(st.text("abc", max_size=7), min_size=1, max_size=6)] * 2)
def test_longest_runs_are_those_of_a_comparison_of_all_with_all(queries, references) -> None:
    found = memory.longest_runs(*items_of(queries, references))
    assert found.tolist() == [longest_by_hand(query, references) for query in queries]


def test_copies_are_whole_sequences_with_any_training_owner() -> None:
    train, rows = items_of(["ab", "c", "abc"], ["ab", "bc", "abc", "a", "ba"])
    figure = memory.copied_figures(rows, train)["privacy.copied_sequences", "all"]
    assert figure.value == pytest.approx(2 / 5) and figure.ci_low < 2 / 5 < figure.ci_high


def test_run_figures_by_hand() -> None:
    rows, train, unseen = items_of(["abc", "de", "f", "gg"], ["abc", "dx", "g", "x"], ["ab", "de", "f", "gg"])
    found = memory.run_figures(rows, train, unseen)
    # Longest runs with training owners 3, 1, 0, 1; with unseen ones 2, 2, 1, 2.
    assert found["privacy.run_share", "all"].value == pytest.approx(1 / 4)
    assert found["privacy.run_excess", "all"].value == pytest.approx(-2 / 4)


def test_as_many_training_owners_as_unseen_ones_are_searched() -> None:
    rows, train, unseen = items_of(["ab"], ["xy", "ab"], ["zz"])
    assert memory.run_figures(rows, train, unseen)["privacy.run_excess", "all"].value == 0


def test_a_hundred_thousand_events_of_one_owner_are_no_trouble() -> None:
    rng = np.random.default_rng(1)
    long = rng.integers(1000, size=100_000)
    sides = [memory.Items(codes, np.array([0, len(codes)]), 1000) for codes in (long, long[50_000:50_500])]
    assert memory.longest_runs(sides[1], sides[0]).tolist() == [memory.MAX_RUN]
    assert memory.longest_runs(sides[0], sides[1], max_run=10_000).tolist() == [500]


def test_a_copier_is_seen_and_fresh_owners_are_not() -> None:
    train, unseen, fresh = (shop(seed) for seed in (1, 2, 3))
    *sides, half = number_items([train, unseen, fresh, train.head(200)], "item")
    honest, copier = (memory.run_figures(rows, sides[0], sides[1]) for rows in (sides[2], half))
    assert honest["privacy.run_share", "all"].value == pytest.approx(0.5, abs=0.06)
    assert copier["privacy.run_share", "all"].ci_low > 0.6
    assert copier["privacy.run_excess", "all"].ci_low > 0.5
    copied = memory.copied_figures(half, sides[0])["privacy.copied_sequences", "all"]
    assert (
        copied.value
        == 1
        > memory.copied_figures(sides[2], sides[0])["privacy.copied_sequences", "all"].ci_high
    )
