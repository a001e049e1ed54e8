"""Three verdicts, each for the right reason."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from clicksmith.config import ArmConfig
from clicksmith.lift.kinds.roles import role_of
from clicksmith.lift.statistics.fits import Part
from clicksmith.lift.statistics.intervals import Estimate
from clicksmith.lift.task import Arm, Metric
from clicksmith.lift.verdict import Gain, Verdict, choose, confirm, decide

ARMS = {
    "none": Arm("none", "control", 0.0),
    "again": Arm("same", "same", 0.0),
    "duplicate": Arm("duplicate", "cheap", 0.5),
    "gan": Arm("synthetic", "generator", 0.5),
    "ar": Arm("synthetic", "generator", 1.0),
}
COPIED = {**ARMS, "twofold": Arm("duplicate", "cheap", 1.0)}
"""With copies in the ratio of either generator."""
METRICS = {"auc": Metric(1, 0.005), "logloss": Metric(-1, 0.01)}
WIDE = 1e9


def estimate(value: float, error: float = 0.001) -> Estimate:
    return Estimate(value, (Part(error**2, WIDE),), 1000, 10_000)


def gains(found: Mapping[tuple[str, str, str, str], Estimate] | None = None, ordinary: float = 0.02) -> Gain:
    """Gains that are all alike but those named; the control again has none."""

    def gain(metric: str, segment: str, arm: str, against: str) -> Estimate:
        alike = 0.0 if arm in ("again", "third") else ordinary
        return (found or {}).get((metric, segment, arm, against), estimate(alike))

    return gain


def judged(gain: Gain, few: Mapping[str, str] | None = None, chosen: str | None = "gan") -> Verdict:
    return decide(chosen, ARMS, gain, METRICS, 0.002, ["all", "history=0-4"], few or {})


def test_all_that_has_to_hold_holds() -> None:
    verdict = judged(gains())
    assert (verdict.decision, verdict.arm, verdict.reasons) == ("augment", "gan", ())
    assert [(s.what, s.subject, s.border) for s in verdict.statements] == [
        ("gain", "none", 0.002),
        ("cheap", "duplicate", 0.0),
        ("safe", "history=0-4", -0.005),
        ("safe", "all by logloss", -0.01),
        ("safe", "history=0-4 by logloss", -0.01),
    ]
    assert verdict.needed_units is None


@pytest.mark.parametrize(
    ("value", "decision", "reason"),
    [
        # The interval reaches .00196 to either side; worthwhile is .002.
        (0.0042, "augment", None),
        (0.0038, "inconclusive", "may lie below or above the 0.002 AUC"),
        (0.0002, "inconclusive", "may lie below or above the 0.002 AUC"),
        (-0.0002, "no_gain", r"lies below the 0.002 AUC that .*: -0.0002 \(-0.0022 to \+0.0018\)"),
    ],
)
def test_a_gain_is_held_against_what_is_worthwhile(value: float, decision: str, reason: str | None) -> None:
    verdict = judged(gains({("auc", "all", "gan", "none"): estimate(value)}))
    assert verdict.decision == decision
    if reason is None:
        assert verdict.reasons == ()
    else:
        assert len(verdict.reasons) == 1
        assert re.search(reason, verdict.reasons[0])


@pytest.mark.parametrize(("value", "size"), [(0.0008, 0.0012), (0.0001, 0.0019), (0.0039, 0.0019)])
def test_units_that_would_settle_it_are_told(value: float, size: float) -> None:
    """An error of .001 with 1,000 units has to fall to a 2.80th of how far the gain is from the border."""
    verdict = judged(gains({("auc", "all", "gan", "none"): estimate(value)}))
    assert verdict.decision == "inconclusive"
    assert verdict.needed_units == pytest.approx(1000 * (0.001 * 2.801585 / size) ** 2, rel=1e-4)


def test_what_copies_give_as_well_is_no_merit() -> None:
    undecided = judged(gains({("auc", "all", "gan", "duplicate"): estimate(0.0001)}))
    assert undecided.decision == "inconclusive"
    assert undecided.reasons[0].startswith("it is not shown to be better than duplicate, which costs nothing")
    worse = judged(gains({("auc", "all", "gan", "duplicate"): estimate(-0.01)}))
    assert (worse.decision, worse.reasons[0][:24]) == ("no_gain", "it is worse than duplica")


def test_labels_that_say_nothing_may_gain_and_have_to_be_beaten() -> None:
    """Noise keeps a model from overfitting: that it helps is no fault of the measurement."""
    settings = ArmConfig(kind="shuffled", ratio=0.5)
    arms = {**ARMS, "noise": Arm("shuffled", role_of(settings, None), 0.5)}
    helps = {("auc", "all", "noise", "none"): estimate(0.01)}
    beaten = decide("gan", arms, gains(helps), METRICS, 0.002, ["all"], {})
    assert (beaten.decision, beaten.reasons) == ("augment", ())
    assert ("cheap", "noise") in [(one.what, one.subject) for one in beaten.statements]
    as_well = gains({**helps, ("auc", "all", "gan", "noise"): estimate(0.0001)})
    verdict = decide("gan", arms, as_well, METRICS, 0.002, ["all"], {})
    assert verdict.decision == "inconclusive"
    assert verdict.reasons == (
        "it is not shown to be better than noise, whose labels say nothing: +0.0001 (-0.0019 to +0.0021)",
    )


def test_what_was_refuted_is_told_before_what_is_open() -> None:
    found = {
        ("auc", "all", "gan", "duplicate"): estimate(0.0001),
        ("auc", "history=0-4", "gan", "none"): estimate(-0.01),
    }
    assert [reason.split(":")[0] for reason in judged(gains(found)).reasons] == [
        "it harms users with 0 to 4 earlier events",
        "it is not shown to be better than duplicate, which costs nothing",
    ]


def test_what_has_to_be_beaten_is_told_by_its_kind() -> None:
    """Settings and labels of other models are not for nothing."""
    arms = {**ARMS, "best": Arm("tuned", "cheap", 0.0), "labels": Arm("teacher", "cheap", 0.5)}
    worse = gains({("auc", "all", "gan", name): estimate(-0.01) for name in ("best", "labels")})
    found = decide("gan", arms, worse, METRICS, 0.002, ["all"], {}).reasons
    assert found == (
        "it is worse than best, real rows alone with better settings: -0.0100 (-0.0120 to -0.0080)",
        "it is worse than labels, real rows with labels of a simpler model: -0.0100 (-0.0120 to -0.0080)",
    )


TWICE = {**ARMS, "third": Arm("same", "same", 0.0)}


@pytest.mark.parametrize(
    ("arms", "value", "alarm"),
    [
        # An error of .001: 1.960 of them at 95 %, 2.241 of them at 97.5 %, where there are two such arms.
        (ARMS, 0.0019, None),
        (ARMS, 0.0020, r"\+0.0020 \(\+0.0000 to \+0.0040\)"),
        (TWICE, 0.0022, None),
        (TWICE, 0.0023, r"\+0.0023 \(\+0.0001 to \+0.0045\)"),
        (TWICE, -0.0100, None),
    ],
)
def test_a_gain_where_there_can_be_none_is_an_alarm(
    arms: Mapping[str, Arm], value: float, alarm: str | None
) -> None:
    found = {("auc", "all", "again", "none"): estimate(value)}
    verdict = decide("gan", arms, gains(found), METRICS, 0.002, ["all"], {})
    if alarm is None:
        assert verdict.decision == "augment" and all(one.what != "same" for one in verdict.statements)
        return
    assert (verdict.decision, verdict.p_value) == ("inconclusive", 1.0)
    assert re.fullmatch(
        rf"arm again shows a gain where there can be none, {alarm}: the measurement is not to be trusted; "
        r"take more seeds \(lift\.num_seeds\)",
        verdict.reasons[0],
    )
    assert verdict.statements[0].what == "gain", "the gain stays the first statement"
    told = verdict.statements[-1].told
    assert (told["what"], told["subject"], told["state"]) == ("same", "again", "fails")
    reach = 0.0022414 if arms is TWICE else 0.0019600
    assert (told["ci_low"], told["ci_high"]) == pytest.approx((value - reach, value + reach), abs=1e-7)


def test_what_too_few_cases_tell_is_no_alarm() -> None:
    again = replace(estimate(0.01), few="the two differ on 3 test cases, where an interval needs 50")
    assert judged(gains({("auc", "all", "again", "none"): estimate(0.01)})).decision == "inconclusive"
    assert judged(gains({("auc", "all", "again", "none"): again})).decision == "augment"


def test_an_alarm_is_believed_before_what_it_casts_doubt_on() -> None:
    """No gain is believed as little as a gain; users would not settle it."""
    doubted = {
        ("auc", "all", "third", "none"): estimate(0.01),
        ("auc", "all", "gan", "none"): estimate(0.0005),
    }
    verdict = decide("gan", TWICE, gains(doubted), METRICS, 0.002, ["all"], {})
    assert (verdict.decision, verdict.needed_units) == ("inconclusive", None)
    assert [reason.split(":")[0] for reason in verdict.reasons] == [
        "arm third shows a gain where there can be none, +0.0100 (+0.0078 to +0.0122)",
        "its gain may lie below or above the 0.002 AUC that would be worthwhile",
    ]
    worse = gains({**doubted, ("auc", "all", "gan", "none"): estimate(-0.01)})
    assert decide("gan", TWICE, worse, METRICS, 0.002, ["all"], {}).decision == "inconclusive"
    few = {"all": "3 users were tested"}
    silent = decide("gan", TWICE, worse, METRICS, 0.002, ["all"], few)
    assert silent.decision == "inconclusive" and "has no interval" in silent.reasons[0]
    undefined = {("auc", "all", "third", "none"): Estimate(math.nan, (), 0, 0)}
    assert decide("gan", TWICE, gains(undefined), METRICS, 0.002, ["all"], {}).decision == "augment"


def test_ignorance_is_no_safety() -> None:
    """A true harm of .01 with an error as large was accepted in 83 % of trials."""
    segment = ("auc", "history=0-4", "gan", "none")
    unknown = judged(gains({segment: estimate(-0.01, error=0.01)}))
    assert unknown.decision == "inconclusive"
    assert unknown.reasons[0].startswith(
        "it is not shown to be safe for users with 0 to 4 earlier events: -0.0100 (-0.0296 to "
    )
    harmed = judged(gains({segment: estimate(-0.01)}))
    assert harmed.decision == "no_gain" and harmed.reasons[0].startswith(
        "it harms users with 0 to 4 earlier events: -0.0100"
    )
    undefined = judged(gains({segment: Estimate(math.nan, (), 0, 0)}))
    assert undefined.decision == "inconclusive"
    slight = judged(gains({segment: estimate(-0.001)}))
    assert slight.decision == "augment", "a loss within its margin is none"


def test_what_is_only_told_decides_nothing() -> None:
    metrics = {**METRICS, "coverage": Metric(1, None)}
    worse = gains({("coverage", "all", "gan", "none"): estimate(-0.5)})
    found = decide("gan", ARMS, worse, metrics, 0.002, ["all", "history=0-4"], {})
    assert found.decision == "augment" and not any("coverage" in s.subject for s in found.statements)


def test_damaged_probabilities_are_seen_where_the_order_is_not() -> None:
    worse = judged(gains({("logloss", "all", "gan", "none"): estimate(-0.05)}))
    assert worse.decision == "no_gain" and worse.reasons[0].startswith(
        "it harms all test rows, by log loss: -0.0500 "
    )


def test_few_units_are_said() -> None:
    verdict = judged(gains(), few={"history=0-4": "12 users were tested"})
    assert verdict.decision == "inconclusive"
    assert (
        verdict.reasons[0]
        == "it is not shown to be safe for users with 0 to 4 earlier events: 12 users were tested"
    )
    everywhere = judged(gains(), few={"all": "3 users were tested"})
    assert everywhere.decision == "inconclusive" and everywhere.reasons[0] == (
        "its gain has no interval: 3 users were tested"
    )


def test_nothing_generated_is_nothing_decided() -> None:
    verdict = judged(gains(), chosen=None)
    assert (verdict.decision, verdict.arm, verdict.p_value) == ("inconclusive", None, 1.0)
    assert verdict.reasons == ("no augmentation was there to judge, only what one is held against",)


def test_the_largest_gain_is_chosen_among_generated_rows() -> None:
    on_validation = gains({("auc", "all", "ar", "none"): estimate(0.03)})
    assert choose(COPIED, on_validation, "auc") == "ar"
    undefined = gains({("auc", "all", "ar", "none"): Estimate(math.nan, (), 0, 0)})
    assert choose(COPIED, undefined, "auc") == "gan"
    assert choose({"none": ARMS["none"], "duplicate": ARMS["duplicate"]}, gains(), "auc") is None
    assert choose(COPIED, gains(ordinary=math.nan), "auc") == "gan", "the first one where nothing is known"


def test_no_interval_needs_no_number_of_units() -> None:
    """Test rows of one class: no AUC, and nothing to say of more users."""
    undefined = gains({("auc", "all", "gan", "none"): Estimate(math.nan, (), 50, 500)})
    verdict = judged(undefined, few={"all": "0 rows of the rarer outcome were tested"})
    assert (verdict.decision, verdict.needed_units) == ("inconclusive", None)
    few = judged(gains({("auc", "all", "gan", "none"): estimate(0.0041)}), few={"all": "3 users were tested"})
    assert (few.decision, few.needed_units) == ("inconclusive", None)


def test_several_tasks_are_corrected_together() -> None:
    strong, weak = judged(gains()), judged(gains({("auc", "all", "gan", "none"): estimate(0.0041)}))
    assert weak.decision == "augment" and 0.0125 < weak.p_value < 0.025
    assert confirm({"ranking": weak})["ranking"].decision == "augment"
    nothing = judged(gains({("auc", "all", "gan", "none"): estimate(-0.01)}))
    found = confirm({"ranking": weak, "next_item": nothing})
    assert found["ranking"].decision == "inconclusive" and "not once corrected" in found["ranking"].reasons[0]
    assert found["next_item"] is nothing
    both = confirm({"ranking": weak, "next_item": strong})
    assert [v.decision for v in both.values()] == ["augment", "augment"], "Holm: the second needs less"


def test_a_refutation_beside_the_gain_is_corrected_for_all_that_could_refute() -> None:
    """Four statements stand beside the gain: 98.75 % intervals, which reach 2.498 errors, not 1.96."""
    worse = ("auc", "all", "gan", "duplicate")
    hardly, surely = (judged(gains({worse: estimate(value)})) for value in (-0.0022, -0.0026))
    assert (hardly.decision, surely.decision) == ("inconclusive", "no_gain")
    assert [one.state for one in surely.statements].count("fails") == 1
    # What is to hold is not corrected: all of it has to.
    assert judged(gains({worse: estimate(0.0022)})).decision == "augment"
