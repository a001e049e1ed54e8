"""For whom an arm is shown to be better: than real rows alone, and than all else that has to be beaten."""

from dataclasses import replace

import numpy as np
import pytest

from clicksmith.lift.rows import better_segments
from clicksmith.lift.task import Arm
from reporting.toy_measured import CHOSEN, NEXT_ITEM, PLANS, RANKING, measured

SEGMENT = "history=200+"


def better(changed: dict[str, float], kind: str = "duplicate", role: str = "cheap") -> list[str]:
    """With what is added to the chosen arm's figures to give those of duplicate_25 on one segment."""
    arms = {**RANKING.arms, "duplicate_25": Arm(kind, role, 0.25)}  # type: ignore[arg-type]
    found = measured(replace(RANKING, arms=arms), PLANS["augment"])
    comparisons = dict(found.comparisons)
    for segment, less in changed.items():
        one = comparisons["test", "auc", segment]
        values = {**one.values, "duplicate_25": one.values[CHOSEN][:1] + less}
        comparisons["test", "auc", segment] = replace(one, values=values)
    return better_segments(replace(found, comparisons=comparisons), found.verdict)


def test_who_gains_as_much_by_copies_is_not_named() -> None:
    everywhere = better({})
    assert SEGMENT in everywhere
    assert better({SEGMENT: -0.02}) == everywhere
    assert better({SEGMENT: 0.0}) == better({SEGMENT: np.nan}) == [s for s in everywhere if s != SEGMENT]


@pytest.mark.parametrize(
    ("kind", "role"), [("real_more", "ceiling"), ("same", "same"), ("synthetic", "generator")]
)
def test_what_need_not_be_beaten_takes_nobody_away(kind: str, role: str) -> None:
    assert SEGMENT in better({SEGMENT: 0.02}, kind, role)


def test_whom_it_helps_is_corrected_for_how_the_arm_was_chosen() -> None:
    found = measured(RANKING, replace(PLANS["augment"], gain=0.006))
    one, two, ten = (
        set(better_segments(found, replace(found.verdict, chosen_from=number))) for number in (1, 2, 10)
    )
    assert one > two > ten > set()


def test_a_free_augmentation_need_not_beat_the_other_one() -> None:
    found = measured(NEXT_ITEM, replace(PLANS["augment"], gain=0.009))
    segments = better_segments(found, found.verdict)
    assert segments, "mask and crop are both free: any of them may be chosen"
    arms = {**NEXT_ITEM.arms, "mask": Arm("duplicate", "cheap", 0.25)}
    one = found.comparisons["test", "ndcg@10", segments[0]]
    level = replace(one, values={**one.values, "mask": one.values["crop"]})
    comparisons = {**found.comparisons, ("test", "ndcg@10", segments[0]): level}
    assert better_segments(replace(found, comparisons=comparisons), found.verdict) == segments
    cheap = replace(found, comparisons=comparisons, task=replace(NEXT_ITEM, arms=arms))
    assert better_segments(cheap, found.verdict) == segments[1:]
