"""T-mAP and optimal transport of continuations, by hand and against all ways to match."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.errors import ContractError
from clicksmith.evaluation.sequences.continuation import (
    Continuations,
    compare_continuations,
    t_map,
    transport_distances,
)


def events(*rows):
    """Each an owner, a time, a label and perhaps a score."""
    columns = list(zip(*rows, strict=True)) if rows else [[], [], []]
    kinds = (np.int64, np.float64, np.int64, np.float64)
    return Continuations(*(np.array(c, kind) for c, kind in zip(columns, kinds, strict=False)))


def test_precision_is_averaged_over_true_events_by_hand() -> None:
    true = events((0, 1, 0), (0, 5, 0), (1, 2, 0), (1, 2, 1))
    predicted = events((0, 1.5, 0, 0.9), (1, 9, 0, 0.8), (1, 2.5, 0, 0.7), (0, 1.2, 0, 0.6), (1, 3, 1, 0.1))
    # Label 0: hit, miss, hit, and a second prediction of one true event: (1 + 2/3) / 3. Label 1: one of one.
    assert t_map(predicted, true, [1]) == pytest.approx(((1 + 2 / 3) / 3 + 1) / 2)
    # Within .4 only the last of label 0 is a hit.
    assert t_map(predicted, true, [0.4]) == pytest.approx(((1 / 4) / 3 + 0) / 2)
    assert t_map(predicted, true, [1, 0.4]) == pytest.approx((((1 + 2 / 3) / 3 + 1) / 2 + 1 / 24) / 2)


def test_as_many_events_as_can_be_are_matched_and_the_surest_first() -> None:
    # The one at 2 may take either true event, the one at 1 only the first: both are matched.
    true = events((0, 1, 0), (0, 3, 0))
    assert t_map(events((0, 2, 0, 0.9), (0, 1, 0, 0.1)), true, [1]) == 1.0
    # Of two that want the same event the surer one gets it: hit, then miss.
    one = events((0, 1, 0))
    assert t_map(events((0, 1, 0, 0.1), (0, 2, 0, 0.9)), one, [1]) == 1.0
    assert t_map(events((0, 1, 0, 0.1), (0, 3, 0, 0.9)), one, [1]) == pytest.approx(1 / 2)


def test_equal_scores_are_one_threshold_and_other_owners_and_labels_no_match() -> None:
    true = events((0, 1, 0))
    assert (
        t_map(events((0, 1, 0), (0, 9, 0)), true, [1])
        == t_map(events((0, 9, 0), (0, 1, 0)), true, [1])
        == 0.5
    )
    assert t_map(events((1, 1, 0), (0, 1, 1), (0, 1, 7)), true, [1]) == 0.0
    assert t_map(events(), true, [1]) == 0.0
    assert math.isnan(t_map(true, events(), [1]))
    assert t_map(true, true, [0]) == 1.0


def test_transport_by_hand() -> None:
    true = events((0, 1, 0), (0, 4, 1), (2, 1, 0), (3, 1, 0), (3, 2, 0))
    predicted = events((0, 2, 0), (0, 4, 2), (1, 1, 0), (2, 9, 0), (3, 2, 0), (3, 1, 0))
    # Owner 0: matched over 1, and two of other labels; 1: one too many; 2: farther than twice the price.
    assert transport_distances(predicted, true, 5, 3.0).tolist() == [1 + 2 * 3, 3, 2 * 3, 0, 0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 10), max_size=4), st.lists(st.floats(0, 10), max_size=4), st.floats(0.1, 5))
def test_transport_is_the_cheapest_of_all_ways(predicted, true, price) -> None:
    short, long = sorted((predicted, true), key=len)
    ways = (
        sum(min(abs(a - b), 2 * price) for a, b in zip(short, way, strict=True))
        for way in permutations(long, len(short))
    )
    cheapest = min(ways) + price * (len(long) - len(short))
    sides = [events(*((0, time, 0) for time in times)) for times in (predicted, true)]
    assert transport_distances(*sides, 1, price)[0] == pytest.approx(cheapest, abs=1e-9)
    assert transport_distances(*sides[::-1], 1, price)[0] == pytest.approx(cheapest, abs=1e-9)


def test_horizons_cut_both_sides_and_owners_without_events_count() -> None:
    true, predicted = events((0, 1, 0), (0, 8, 0)), events((0, 1, 0), (0, 6, 0))
    found = {
        (m.metric, m.slice): m
        for m in compare_continuations(predicted, true, 4, horizons=[5, 10], tolerances=[1], price=2.0)
    }
    assert found["continuation.t_map", "horizon 5"].value == 1.0
    assert found["continuation.t_map", "horizon 10"].value == pytest.approx(1 / 2 * 1 / 2)
    assert found["continuation.t_map", "all"].value == pytest.approx((1 + 1 / 4) / 2)
    assert found["continuation.transport", "horizon 5"].value == 0
    assert found["continuation.transport", "horizon 10"].value == pytest.approx(2 / 4)
    distances = found["continuation.transport", "all"]
    assert distances.value == pytest.approx(1 / 4) and distances.ci_low == 0 and distances.num_rows == 4
    # Standard error of 1, 0, 0, 0 over four: sqrt(3/4 / 3 / 4).
    assert distances.ci_high == pytest.approx(1 / 4 + 1.96 * 1 / 4)


def test_uncertain_labels_are_ranked_apart_from_what_is_transported() -> None:
    true = events((0, 1, 0))
    ranked = events((0, 1, 0, 0.6), (0, 1, 1, 0.4))
    found = compare_continuations(
        events((0, 1, 0)), true, 1, horizons=[5], tolerances=[1], price=1.0, ranked=ranked
    )
    assert [m.value for m in found if m.slice == "all"] == [1.0, 0.0]


def test_what_makes_no_sense_is_told() -> None:
    with pytest.raises(ContractError, match="2 owners, 1 times"):
        Continuations(np.zeros(2, np.int64), np.zeros(1), np.zeros(2, np.int64))
    with pytest.raises(ContractError, match="1 times of 2 events are no finite"):
        events((0, math.nan, 0), (0, 1, 0))
    one = events((3, 1, 0))
    with pytest.raises(ContractError, match="owners 3 to 3; these are numbered from 0 to 2"):
        compare_continuations(one, one, 3, horizons=[1], tolerances=[1], price=1)
    with pytest.raises(ContractError, match="price"):
        compare_continuations(one, one, 4, horizons=[1], tolerances=[1], price=0)
