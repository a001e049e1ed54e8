"""What an arm is to the verdict, by its kind; which arms of real rows can be measured."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from clicksmith.config import ArmConfig
from clicksmith.generators.presets import PRESETS
from clicksmith.lift.task import TUNED, Arm, Role

SAME_RATIO = 0.1
"""Ratios that differ by no more than this part are the same."""
HOW = ("weight", "share_of_steps", "alone")
"""Settings of an arm that say how added rows are trained on."""
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
    if preset is not None:
        return "cheap" if PRESETS[preset].is_control else "generator"
    return _ROLES[arm.kind]


def too_few_fits(generator: str, num_rows: Sequence[int], num_fits: int) -> str:
    """Why an arm of generated rows cannot be measured; empty where it can.

    Args:
        generator: its name.
        num_rows: published rows of each fit that passed the gate.
        num_fits: that are configured.
    """
    if not sum(num_rows):
        return f"the gate published no rows of generator {generator!r}"
    if len(num_rows) == 1 < num_fits:
        return (
            f"the gate published rows of one of {num_fits} fits of generator {generator!r}, which "
            "cannot tell what another fit would give"
        )
    return ""


def real_arms(
    configured: Mapping[str, ArmConfig], num_real: int, num_more: int, lacking: Mapping[str, str]
) -> tuple[dict[str, Arm], dict[str, str]]:
    """What can be measured, with the ratio as it comes out, and what cannot, and why.

    Args:
        configured: arms by name; those of generated rows are passed over.
        num_real: rows of the control.
        num_more: further real rows, which a ceiling may take.
        lacking: by kind, why arms of it cannot be measured; empty where they can.
    """
    arms, skipped = {}, {}
    for name, arm in configured.items():
        if arm.generator is not None:
            continue
        if why := lacking.get(arm.kind) or no_row(arm, num_real):
            skipped[name] = why
            continue
        wanted = round(arm.ratio * num_real)
        added = {"real_all": num_more, "real_more": min(wanted, num_more)}.get(arm.kind, wanted)
        arms[name] = Arm(arm.kind, role_of(arm), added / max(1, num_real))
    return arms, skipped


def no_row(arm: ArmConfig, num_real: int) -> str:
    """Why an arm of so small a ratio cannot be measured; empty where it can, or has none."""
    if not arm.ratio or round(arm.ratio * num_real):
        return ""
    return f"a ratio of {arm.ratio:g} adds not a single row to {num_real:,} real ones"


def missing_copies(arms: Mapping[str, Arm], configured: Mapping[str, ArmConfig]) -> dict[str, ArmConfig]:
    """Arms of copies that generated rows have to beat and that are not there, by name.

    As many copies, as it came out: how many rows that is, is not known before the gate has published them, so
    that nobody could name these arms beforehand. And of the same weight, in the same steps: how long real
    rows alone are trained on is no merit of what stands beside them.

    Args:
        arms: that can be measured, by name.
        configured: their settings.
    """
    found: dict[str, ArmConfig] = {}
    known = [(arm.ratio, _how(configured[name])) for name, arm in arms.items() if arm.kind == "duplicate"]
    for name, arm in arms.items():
        how = _how(configured[name])
        is_met = any(
            math.isclose(arm.ratio, one, rel_tol=SAME_RATIO) and how == other for one, other in known
        )
        if arm.role == "generator" and not is_met:
            own = f"copies_{arm.ratio:.3g}" if how == _how(ArmConfig(kind="none")) else f"copies_as_{name}"
            copies = ArmConfig(kind="duplicate", ratio=arm.ratio, **how)
            found[own if own not in arms else f"{own}_again"] = copies
            known.append((arm.ratio, how))
    return found


def _how(arm: ArmConfig) -> dict[str, Any]:
    """How added rows are trained on."""
    return arm.model_dump(include=set(HOW))
