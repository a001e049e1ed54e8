"""What an arm is to the verdict, by its kind; which arms of real rows can be measured."""

from collections.abc import Mapping

from clicksmith.config import ArmConfig
from clicksmith.lift.task import TUNED, Arm, Role

LEARNING_NOTHING = ("independent", "smote")
"""Presets that are controls: what they give as well is no merit of a generator."""
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
        arms[name] = Arm(arm.kind, role_of(arm), added / max(1, num_real), asked=arm.ratio)
    return arms, skipped
