"""What an arm is to the verdict, by its kind; which arms of real rows can be measured."""

import math
from collections.abc import Mapping

from clicksmith.config import ArmConfig
from clicksmith.lift.task import TUNED, Arm, Role

LEARNING_NOTHING = ("independent", "smote")
"""Presets that are controls: what they give as well is no merit of a generator."""
SAME_RATIO = 0.1
"""Ratios that differ by no more than this part are the same."""
CEILINGS = ("real_more", "real_all")
"""Kinds of arms that train on real rows which the control lacks."""

_ROLES: Mapping[str, Role] = {
    "none": "control",
    "same": "same",
    "shuffled": "cheap",
    **dict.fromkeys(CEILINGS, "ceiling"),
    "duplicate": "cheap",
    "oversample_tail": "cheap",
    "oversample_label": "cheap",
    "reweight": "cheap",
    TUNED: "cheap",
    "teacher": "cheap",
    "augmentation": "free",
    "titles": "free",
}


def role_of(arm: ArmConfig, preset: str | None = None) -> Role:
    """What an arm is to the verdict; `preset` is its generator's, if it has one."""
    if arm.kind == "synthetic":
        return "cheap" if preset in LEARNING_NOTHING else "generator"
    return _ROLES[arm.kind]


def real_arms(
    configured: Mapping[str, ArmConfig], num_real: int, num_more: int, lacking: Mapping[str, str]
) -> tuple[dict[str, Arm], dict[str, str]]:
    """What can be measured, with the ratio as it comes out, and what cannot, and why.

    Args:
        configured: arms by name, none of them of generated rows.
        num_real: rows of the control.
        num_more: further real rows, which a ceiling may take.
        lacking: by kind, why arms of it cannot be measured; empty where they can.
    """
    arms, skipped = {}, {}
    for name, arm in configured.items():
        if why := lacking.get(arm.kind):
            skipped[name] = why
            continue
        wanted = round(arm.ratio * num_real)
        added = {"real_all": num_more, "real_more": min(wanted, num_more)}.get(arm.kind, wanted)
        arms[name] = Arm(arm.kind, role_of(arm), added / max(1, num_real))
    return arms, skipped


def missing_copies(arms: Mapping[str, Arm]) -> dict[str, ArmConfig]:
    """Arms of copies in each ratio of generated rows that has none, by name; a ratio as it came out.

    Generated rows have to beat as many copies. How many come out of an arm is not known before the gate has
    published them, so that nobody could name these arms beforehand.
    """
    found: dict[str, ArmConfig] = {}
    known = [arm.ratio for arm in arms.values() if arm.kind == "duplicate"]
    for arm in arms.values():
        is_met = any(math.isclose(arm.ratio, ratio, rel_tol=SAME_RATIO) for ratio in known)
        if arm.role == "generator" and not is_met:
            name = f"copies_{arm.ratio:.3g}"
            found[name if name not in arms else f"{name}_again"] = ArmConfig(
                kind="duplicate", ratio=arm.ratio
            )
            known.append(arm.ratio)
    return found
