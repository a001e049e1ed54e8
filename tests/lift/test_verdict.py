"""The decision table."""

import numpy as np
import pytest

from clicksmith.lift.difference import Difference
from clicksmith.lift.verdict import Arm, Verdict, decide

SLICES = ["all", "history=0-49", "history=50+"]
ARMS = {
    "none": Arm("none", 0.0),
    "duplicate": Arm("duplicate", 0.5),
    "ar": Arm("synthetic", 0.4),
    "gan": Arm("synthetic", 0.5),
}
QUANTILES = np.linspace(-1, 1, 401)  # a replicate's place in an interval of half-width `spread`


def _decide(
    skill: dict[str, float],
    spread: float = 0.002,
    by_segment: dict[tuple[str, str], float] | None = None,
    arms: dict[str, Arm] = ARMS,
    undecidable: dict[str, str] | None = None,
) -> Verdict:
    """Decide where an arm's AUC over the control is `skill`, on segments too unless given."""

    def difference(arm: str, against: str, slice_name: str) -> Difference:
        def of(name: str) -> float:
            return (by_segment or {}).get((name, slice_name), skill.get(name, 0.0))

        value = of(arm) - of(against)
        return Difference("auc", arm, against, slice_name, value, value + spread * QUANTILES, 1000)

    return decide(arms, SLICES, difference, undecidable)


def test_augments_with_the_best_arm_that_passes() -> None:
    verdict = _decide({"ar": 0.010, "gan": 0.008, "duplicate": 0.001})
    assert (verdict.decision, verdict.arm, verdict.ratio) == ("augment", "ar", 0.4)
    assert verdict.segments == ["history=0-49", "history=50+"]
    assert verdict.evidence["adjusted_level"] == pytest.approx(0.975)
    assert verdict.evidence["reasons"] == []


def test_does_not_augment_where_the_lift_may_be_zero() -> None:
    verdict = _decide({"ar": 0.001, "gan": -0.001}, spread=0.004)
    assert (verdict.decision, verdict.arm, verdict.ratio, verdict.segments) == (
        "do_not_augment",
        None,
        None,
        [],
    )
    assert verdict.evidence["best_arm"] == "ar"
    assert "its lift over none may be zero: +0.0010 [-0.0029, +0.0049]" in verdict.evidence["reasons"][0]


def test_what_is_worse_is_called_worse() -> None:
    verdict = _decide({"ar": -0.010, "gan": -0.020, "duplicate": 0.001})
    assert verdict.evidence["best_arm"] == "ar"
    assert [reason.split(":")[0] for reason in verdict.evidence["reasons"][:2]] == [
        "it is worse than none",
        "it is worse than the cheap arm duplicate",
    ]


def test_does_not_augment_where_copies_do_as_well() -> None:
    verdict = _decide({"ar": 0.010, "gan": 0.008, "duplicate": 0.009})
    assert verdict.decision == "do_not_augment"
    assert [reason.split(":")[0] for reason in verdict.evidence["reasons"]] == [
        "it may be no better than the cheap arm duplicate"
    ]
    assert verdict.segments == ["history=0-49", "history=50+"]  # where its lift is real is told all the same


def test_a_harmed_segment_blocks_its_arm_and_the_next_best_is_taken() -> None:
    harmed = {("ar", "history=0-49"): -0.01}
    verdict = _decide({"ar": 0.010, "gan": 0.008}, by_segment=harmed)
    assert (verdict.decision, verdict.arm) == ("augment", "gan")
    assert "harms the segment history=0-49" in verdict.evidence["arms"]["ar"]["reasons"][0]


def test_choosing_among_more_arms_asks_for_more() -> None:
    many = {**ARMS, **{f"gan{i}": Arm("synthetic", 0.5) for i in range(20)}}
    skill = {"ar": 0.0096}
    few_arms = {name: ARMS[name] for name in ("none", "ar")}
    assert _decide(skill, spread=0.01, arms=few_arms).decision == "augment"
    assert _decide(skill, spread=0.01, arms=many).decision == "do_not_augment"


def test_without_a_synthetic_arm_there_is_nothing_to_augment_with() -> None:
    verdict = _decide({}, arms={name: ARMS[name] for name in ("none", "duplicate")})
    assert verdict.decision == "do_not_augment"
    assert verdict.evidence["reasons"] == ["no synthetic arm was measured"]


def test_an_unknown_figure_never_augments() -> None:
    verdict = _decide({"ar": float("nan"), "gan": float("nan")})
    assert verdict.decision == "do_not_augment"


@pytest.mark.parametrize("order", [("ar", "gan"), ("gan", "ar")])
def test_an_unknown_figure_is_never_the_best_in_whatever_order(order: tuple[str, str]) -> None:
    arms = {name: ARMS[name] for name in ("none", *order)}
    verdict = _decide({"ar": float("nan"), "gan": 0.001}, spread=0.004, arms=arms)
    assert verdict.evidence["best_arm"] == "gan"


def test_too_few_rows_in_all_are_inconclusive_and_in_a_segment_are_told() -> None:
    skill = {"ar": 0.010, "gan": 0.008}
    verdict = _decide(skill, undecidable={"all": "5 users were tested", "history=50+": "2 users were tested"})
    assert (verdict.decision, verdict.arm, verdict.segments) == ("inconclusive", None, [])
    assert verdict.evidence["reasons"] == ["5 users were tested"]
    verdict = _decide(skill, undecidable={"history=50+": "2 users were tested"})
    assert (verdict.decision, verdict.segments) == ("augment", ["history=0-49"])
    assert verdict.evidence["undecidable"] == {"history=50+": "2 users were tested"}
    segments = verdict.evidence["arms"]["ar"]["segments"]
    assert [np.isnan(segments[name]["ci_low"]) for name in SLICES[1:]] == [False, True]
    assert segments["history=50+"]["value"] == 0.010


def test_harm_to_a_segment_of_too_few_users_blocks_as_any_other() -> None:
    few, arms = {"history=50+": "80 users were tested"}, {name: ARMS[name] for name in ("none", "ar")}
    verdict = _decide({"ar": 0.010}, by_segment={("ar", "history=50+"): -0.01}, arms=arms, undecidable=few)
    assert (verdict.decision, verdict.segments) == ("do_not_augment", ["history=0-49"])
    assert verdict.evidence["reasons"] == [
        "it harms the segment history=50+, too small for an interval: -0.0100 AUC"
    ]
