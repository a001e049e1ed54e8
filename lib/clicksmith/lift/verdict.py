"""From differences to a decision. A pure function: no data, no engine."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from clicksmith.lift.difference import Difference

ALL_ROWS = "all"


@dataclass(frozen=True)
class Arm:
    """What an arm trained on.

    Attributes:
        kind: none (the control), duplicate, oversample_tail or synthetic.
        ratio: added rows a real row, as it came out.
    """

    kind: str
    ratio: float


Differ = Callable[..., Difference]
"""(arm, against, slice) to the difference, of AUC where no metric is named."""


@dataclass(frozen=True)
class Verdict:
    """A decision and what it rests on; the columns of gold.verdicts."""

    decision: Literal["augment", "do_not_augment", "inconclusive"]
    arm: str | None
    ratio: float | None
    segments: list[str]
    evidence: dict[str, Any] = field(default_factory=dict)


def shown(difference: Differ, undecidable: Mapping[str, str]) -> Differ:
    """Differences as they are told: on slices of too few users without an interval, which would be wrong."""

    def differ(arm: str, against: str, slice_name: str, *metric: Any) -> Difference:
        found = difference(arm, against, slice_name, *metric)
        return found.without_interval() if slice_name in undecidable else found

    return differ


def decide(
    arms: Mapping[str, Arm],
    slices: list[str],
    difference: Differ,
    undecidable: Mapping[str, str] | None = None,
    level: float = 0.95,
) -> Verdict:
    """Decide whether to augment.

    ``inconclusive`` where all rows together are too few to tell. Otherwise:

    ``augment`` names the synthetic arm of the largest lift among those that pass all of:

    1. its lift over the control on all rows has an interval above 0;
    2. so has its difference to each cheap arm (duplicate, oversample_tail): what copies of real
       rows give as well is no merit of a generator;
    3. on no guarded segment (every slice but all rows) is its lift's interval below 0.

    Choosing among m synthetic arms is paid for: the intervals of 1 and 2 are at level
    1 - (1 - level) / m (Bonferroni). Test 2 must hold against every cheap arm, which needs no
    further correction. The guard 3 is uncorrected on purpose: caution is the cheap side. For the same
    reason it looks at segments of too few users too, of which no interval is told and no gain listed.
    Segments are listed at 1 - (1 - level) / (m x segments).

    Args:
        arms: the arms that were measured; exactly one of kind none.
        slices: slices, ``all`` among them; the rest are guarded.
        difference: (arm, against, slice) to the difference of AUC, everywhere with its replicates.
        undecidable: slices of too few users or rows for an interval, and why.
        level: of the family of statements.
    """
    control = next(name for name, arm in arms.items() if arm.kind == "none")
    synthetic = [name for name, arm in arms.items() if arm.kind == "synthetic"]
    cheap = [name for name, arm in arms.items() if arm.kind not in ("none", "synthetic")]
    segments = [name for name in slices if name != ALL_ROWS]
    adjusted = 1 - (1 - level) / max(1, len(synthetic))
    undecidable = undecidable or {}
    told = shown(difference, undecidable)
    found = {name: _examine(name, control, cheap, told, adjusted) for name in synthetic}
    for name in synthetic:
        by_segment, harms = _guard(name, control, segments, difference, undecidable, level)
        found[name]["segments"] = by_segment
        found[name]["reasons"] += harms
    passed = [name for name in synthetic if not found[name]["reasons"]]
    best = max(passed or synthetic, key=lambda name: _or_least(found[name]["lift"]["value"]), default=None)
    listed_level = 1 - (1 - adjusted) / max(1, len(segments))
    listed = [s for s in segments if best and told(best, control, s).interval(listed_level)[0] > 0]
    evidence = {
        "metric": "auc",
        "level": level,
        "adjusted_level": adjusted,
        "segment_level": listed_level,
        "correction": f"Bonferroni over {len(synthetic)} synthetic arms; segments over all of theirs too",
        "control": control,
        "best_arm": best,
        "arms": found,
        "cheap_arms": {name: _figure(told(name, control, ALL_ROWS), level) for name in cheap},
        "reasons": found[best]["reasons"] if best else ["no synthetic arm was measured"],
        "undecidable": dict(undecidable),
    }
    if ALL_ROWS in undecidable:
        evidence["reasons"] = [undecidable[ALL_ROWS]]
        return Verdict("inconclusive", None, None, [], evidence)
    if passed and best:
        return Verdict("augment", best, arms[best].ratio, listed, evidence)
    return Verdict("do_not_augment", None, None, listed, evidence)


def _examine(name: str, control: str, cheap: list[str], told: Differ, adjusted: float) -> dict[str, Any]:
    """An arm's figures on all rows, and why it fails: an empty list of reasons where it passes."""
    lift = _figure(told(name, control, ALL_ROWS), adjusted)
    against = {other: _figure(told(name, other, ALL_ROWS), adjusted) for other in cheap}
    reasons = []
    if not lift["ci_low"] > 0:
        what = (
            f"it is worse than {control}" if lift["ci_high"] < 0 else f"its lift over {control} may be zero"
        )
        reasons.append(f"{what}: {_text(lift)}")
    for other, figure in against.items():
        if not figure["ci_low"] > 0:
            how = "is worse than" if figure["ci_high"] < 0 else "may be no better than"
            reasons.append(f"it {how} the cheap arm {other}: {_text(figure)}")
    return {"lift": lift, "against": against, "reasons": reasons}


def _guard(
    name: str,
    control: str,
    segments: list[str],
    difference: Differ,
    undecidable: Mapping[str, str],
    level: float,
) -> tuple[dict[str, dict[str, float | int]], list[str]]:
    """An arm's figures by segment as they are told, and which segments it harms."""
    told, by_segment, harms = shown(difference, undecidable), {}, []
    for segment in segments:
        by_segment[segment] = _figure(told(name, control, segment), level)
        if difference(name, control, segment).interval(level)[1] < 0:
            few = ", too small for an interval" if segment in undecidable else ""
            harms.append(f"it harms the segment {segment}{few}: {_text(by_segment[segment])}")
    return by_segment, harms


def _or_least(value: float) -> float:
    """The value, or what is below any other where it is undefined: NaN has no order."""
    return -math.inf if math.isnan(value) else value


def _figure(difference: Difference, level: float) -> dict[str, float | int]:
    low, high = difference.interval(level)
    return {"value": difference.value, "ci_low": low, "ci_high": high, "num_rows": difference.num_rows}


def _text(figure: Mapping[str, float]) -> str:
    if math.isnan(figure["ci_low"]):
        return f"{figure['value']:+.4f} AUC"
    return f"{figure['value']:+.4f} [{figure['ci_low']:+.4f}, {figure['ci_high']:+.4f}] AUC"
