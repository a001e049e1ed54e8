"""What the shipped models are trained with: the newest verdict's arm, another one, or real rows alone."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clicksmith.config import SECTIONS, ArmConfig, Config
from clicksmith.errors import ConfigError, TrainingError
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lift.inputs import published, why_stale
from clicksmith.reading.snapshot import load_table
from clicksmith.tables import VERDICTS

logger = logging.getLogger(__name__)

MEASURED_ONLY = ("none", "same", "tuned", "shuffled", "real_more", "real_all")
"""Kinds of arms that serve the measurement: nobody would ship a model of theirs."""

WITHOUT_HISTORIES = ("synthetic", "teacher")
"""Kinds of arms whose rows, or labels, come from what knows no histories."""


@dataclass(frozen=True)
class Decided:
    """An arm that a shipped model is trained with.

    Attributes:
        name: of the arm.
        arm: its settings; the ratio is the one that was measured, where a verdict names the arm.
        fit: of its generator, whose rows are taken; None where it has none.
        generated: the published rows of the fit.
        verdict: run id of the verdict; None where the configuration names the arm.
    """

    name: str
    arm: ArmConfig
    fit: str | None
    generated: Snapshot | None
    verdict: str | None

    @property
    def told(self) -> dict[str, Any]:
        """For the lineage and the card of the model."""
        settings = self.arm.model_dump(mode="json")
        return {"arm": self.name, **settings, "fit": self.fit, "verdict": self.verdict}


@dataclass(frozen=True)
class Followed:
    """What a shipped model follows.

    Attributes:
        asked: the ``augment`` of the model's section.
        decision: of the verdict; "not measured" where there is none; None where none is to be followed.
        verdict: its run id.
        arm: what real rows are trained with; None: nothing.
    """

    asked: str
    decision: str | None
    verdict: str | None
    arm: Decided | None

    @property
    def told(self) -> dict[str, str | None]:
        """For the card of the model."""
        arm = None if self.arm is None else self.arm.name
        return {"asked": self.asked, "decision": self.decision, "verdict": self.verdict, "arm": arm}


def decided(config: Config, lake: Lake, task: str, inputs: Mapping[str, Snapshot]) -> Followed:
    """What a task's shipped model is trained with besides real rows, and why.

    Args:
        config: the ``augment`` of the model's section: verdict, none, or the name of an arm.
        lake: where verdicts lie.
        task: one of `config.SECTIONS`.
        inputs: what a measurement would read now, see `inputs_of`.

    Raises:
        ConfigError: there is no such arm, or it serves the measurement alone.
        TrainingError: the verdict is of other rows or settings than are there now, or the arm's generator has
            published nothing.
    """
    asked, arms = _settings(config, task)
    if asked == "none":
        return Followed(asked, None, None, None)
    if asked != "verdict":
        return Followed(asked, None, None, _arm(config, asked, arms, inputs, task, None))
    unmeasured = Followed(asked, "not measured", None, None)
    if all(arm.kind in MEASURED_ONLY for arm in arms.values()):
        return unmeasured
    found = lake.find(VERDICTS)
    if found is None:
        logger.info("%s: nothing has been measured yet: real rows alone are trained on", task)
        return unmeasured
    if stale := why_stale(config, lake, inputs, found):
        raise TrainingError(
            f"{VERDICTS.name} version {found.version}: {stale} The shipped model of {task} cannot follow it.",
            f"Do so, or set {SECTIONS[task]}.augment to none.",
        )
    rows = load_table(found, ["run_id", "decision", "arm", "model", "ratio"], {"task": task}).to_pylist()
    shipped = getattr(config, SECTIONS[task]).model
    verdicts = [row for row in rows if row["model"] == shipped]  # other families have verdicts of their own
    if not verdicts:
        logger.info("%s: %s was not measured: real rows alone are trained on", task, shipped)
        return unmeasured
    verdict = verdicts[0]
    logger.info("%s: the verdict is %s", task, " ".join(filter(None, (verdict["decision"], verdict["arm"]))))
    augments = verdict["decision"] == "augment"
    arm = _arm(config, str(verdict["arm"]), arms, inputs, task, verdict) if augments else None
    return Followed(asked, verdict["decision"], verdict["run_id"], arm)


def _settings(config: Config, task: str) -> tuple[str, Mapping[str, ArmConfig]]:
    """What a task's shipped model is to be trained with, and its arms."""
    if task == "ranking":
        return config.ranker.augment, config.lift.arms
    if task == "next_item":
        return config.sequential.augment, config.lift.next_item.arms
    return "none" if config.search is None else config.search.augment, config.lift.search.arms


def _arm(
    config: Config,
    name: str,
    arms: Mapping[str, ArmConfig],
    inputs: Mapping[str, Snapshot],
    task: str,
    verdict: Mapping[str, Any] | None,
) -> Decided:
    where = "lift.arms" if task == "ranking" else f"lift.{task}.arms"
    can_ship = [key for key, arm in arms.items() if arm.kind not in MEASURED_ONLY]
    if name not in can_ship:
        raise ConfigError(
            f"{SECTIONS[task]}.augment is {name!r}, which is no arm of {where} that adds rows.",
            f"Set it to verdict, none or one of: {', '.join(can_ship) or 'there are no such arms'}.",
        )
    arm = arms[name]
    if config.ranker.model == "din" and task == "ranking" and arm.kind in WITHOUT_HISTORIES:
        raise ConfigError(
            f"The ranker is to be trained with {name!r}, whose rows have no histories of users, which "
            "ranker.model 'din' reads.",
            "Set ranker.model to dcnv2, deepfm or logistic, or ranker.augment to none.",
        )
    run = None if verdict is None else verdict["run_id"]
    if arm.generator is None:
        return Decided(name, arm, None, None, run)
    fits = published(config, inputs, arm.generator)
    if not fits:
        raise TrainingError(
            f"Arm {name} needs rows of generator {arm.generator!r}, of which none are published: the gate "
            "withheld them, as the report says, or has not judged them yet.",
            "Name another arm, or run train_generator and the jobs after it where they have not run.",
        )
    fit, generated = next(iter(fits.items()))
    if verdict is not None:  # fewer rows may have been published than the arm asks for
        arm = arm.model_copy(update={"ratio": min(arm.ratio, verdict["ratio"])})
    return Decided(name, arm, fit, generated, run)
