"""Segments: borders from the values, every row in one of each kind, nothing of the outcome."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicksmith.lift.kinds.segments import buckets, large_enough, quantile_buckets, segments_of


def test_buckets_by_hand() -> None:
    found = buckets(np.array([0, 49, 50, 600, 601]), [50, 600], "history")
    assert {name: mask.tolist() for name, mask in found.items()} == {
        "history=0-49": [True, True, False, False, False],
        "history=50-599": [False, False, True, False, False],
        "history=600+": [False, False, False, True, True],
    }


def test_quartiles_by_hand() -> None:
    found = quantile_buckets(np.arange(8), "n")
    assert {name: mask.sum() for name, mask in found.items()} == {
        "n=0-1": 2,
        "n=2-3": 2,
        "n=4-5": 2,
        "n=6+": 2,
    }


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_every_row_is_in_one_bucket(values: list[int]) -> None:
    found = quantile_buckets(np.array(values), "n")
    assert len(found) <= 4
    if found:
        assert (np.sum(list(found.values()), axis=0) == 1).all() and all(m.any() for m in found.values())
    else:
        assert np.mean(np.array(values) == min(values)) >= 0.5, "most are alike: nothing to tell apart"


def test_all_kinds() -> None:
    categories = ["a"] * 4 + ["b"] * 3 + ["c", "d", "e", "f"] + [None]
    facts = {
        "history": np.zeros(12, int),
        "cold_user": np.arange(12) == 3,
        "cold_item": np.zeros(12, bool),
        "category": np.array(categories, object),
    }
    found = segments_of(facts)
    large, small = large_enough(found, [np.arange(12)], 3, "users")
    assert list(large) == ["all", "category=a", "category=b"]
    one = "1 users were tested, where lift.min_users asks for 3"
    assert small == dict.fromkeys(("cold_user=yes", "category=c", "category=d", "category=e"), one)
    large, small = large_enough(found, [np.array([0] * 4 + [1] * 8)], 2, "queries")
    assert list(large) == ["all"]
    assert small["category=a"] == "1 queries were tested, where lift.min_users asks for 2", "four rows of one"
    assert large_enough(found, [np.arange(12)], 1, "users") == (found, {})
    assert large_enough({"all": found["all"]}, [np.zeros(12, int)], 5, "users") == ({"all": found["all"]}, {})
    assert list(found) == ["all", "cold_user=yes"] + [f"category={name}" for name in "abcde"]
    assert found["all"].all() and np.flatnonzero(found["cold_user=yes"]).tolist() == [3]
    assert [int(found[f"category={name}"].sum()) for name in "abcde"] == pytest.approx([4, 3, 1, 1, 1])


def test_what_no_number_of_users_would_tell_is_put_aside_by_hand() -> None:
    """Six users; whatever all rows together are like, they stay."""
    items, labels = np.array([7, 7, 7, 7, 8, 8]), np.array([0, 1, 0, 1, 1, 0], bool)
    rows = {"all": range(6), "one item": range(3), "one outcome": (3, 4), "both": (4, 5), "told": range(3, 6)}
    masks = {name: np.isin(np.arange(6), list(of)) for name, of in rows.items()}
    clusters = [np.arange(6), items]
    item = "users were tested on a single item, where an interval needs several"
    outcome = "all rows have the same outcome, so that nothing can be ranked"
    large, small = large_enough(masks, clusters, 2, "users", labels)
    assert list(large) == ["all", "told"]
    assert small == {"one item": f"all 3 {item}", "one outcome": outcome, "both": f"all 2 {item}"}
    large, small = large_enough(masks, clusters, 2, "users")
    assert list(large) == ["all", "one outcome", "told"], "of a task without outcomes"
    alike = [np.arange(6), np.zeros(6, int)]
    assert list(large_enough(masks, alike, 2, "users", labels | True)[0]) == ["all"]
