"""What the first page says of a decision: the same words for people and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clicksmith.reporting import cautions, decisions, statements
from clicksmith.reporting.data import ReportData
from clicksmith.reporting.statements import Verdict
from clicksmith.tables import VERDICTS


@dataclass(frozen=True)
class Said:
    """A decision in words.

    Attributes:
        question: what the model is asked.
        headline: the decision.
        advice: what to do.
        reasons: why it is not to augment; of one that is out of date, why it was not, after what it was.
        cautions: what has to be known beside it.
        facts: figures, cost, scope and what would change it, by name.
    """

    question: str
    headline: str
    advice: str
    reasons: Sequence[str]
    cautions: Sequence[str]
    facts: Mapping[str, str]


def said(verdict: Verdict, data: ReportData) -> Said:
    """All that is said of one of a report's verdicts."""
    arms = _arms(verdict, data)
    cost = decisions.cost_words(verdict, arms, data.generators, data.measuring.get(verdict["run_id"]))
    cut = decisions.cut_words(verdict, data.cut, data.config["features"])
    beside = [
        cautions.weak_sentence(verdict, data.lift, data.recommenders),
        cautions.noise_sentence(verdict),
        cautions.overfit_sentence(verdict, data.recommenders),
        cautions.withheld_sentence(verdict, data.synthetic, arms),
        decisions.segments_sentence(verdict),
        cautions.small_sentence(verdict, data.config["lift"]["min_users"]),
        *map(decisions.family_sentence, decisions.families(verdict, data.verdicts)),
        cautions.fit_caveat(verdict),
        cautions.caveat(verdict),
    ]
    why = [decisions.stale_sentence(verdict), *statements.reasons(verdict)]
    return Said(
        question=decisions.task_words(verdict),
        headline=decisions.headline(verdict),
        advice=decisions.advice(verdict),
        reasons=[sentence for sentence in why if sentence],
        cautions=[sentence for sentence in beside if sentence],
        facts=dict(decisions.facts(verdict, cost, cut)),
    )


def unmeasured(data: ReportData) -> list[str]:
    """What is said in place of a verdict on a shipped ranker that cannot be measured; empty where it can."""
    if found := decisions.unmeasured(data.verdicts):
        return found
    has_run = any(table.name == VERDICTS.name for table in data.tables)
    return [decisions.UNMEASURED] if has_run and data.config["ranker"]["model"] == "din" else []


def verdict_line(data: ReportData) -> str:
    """All decisions on what is shipped, for a log."""
    lines = [
        f"{decisions.name_words(one)}: {decisions.headline(one)}. {decisions.advice(one)}"
        for one in decisions.shipped(data.verdicts)
    ]
    return " ".join([*unmeasured(data), *lines]) or decisions.NO_VERDICT


def _arms(verdict: Verdict, data: ReportData) -> Mapping[str, Mapping[str, Any]]:
    """Of its task, as they are configured."""
    lift, task = data.config["lift"], verdict["task"]
    arms: Mapping[str, Mapping[str, Any]] = lift["arms"] if task == "ranking" else lift[task]["arms"]
    return arms
