"""A lift measurement as rows of gold.evaluation_metrics and gold.verdicts."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from clicksmith.lift.inputs import JOB
from clicksmith.lift.measure import Measured
from clicksmith.lift.statistics.intervals import Estimate, holm, told_apart
from clicksmith.lift.task import ALL, control_of, kind_of
from clicksmith.lift.verdict import Verdict, cheap_arms
from clicksmith.reporting.words import join_words
from clicksmith.tables import EVALUATION_METRICS, VERDICTS


def metric_rows(run_id: str, measured: Sequence[Measured]) -> pa.Table:
    """Rows for gold.evaluation_metrics.

    ``arm.TASK.METRIC`` are an arm's figures by training, ``lift.TASK.METRIC`` its gain over the
    control, where above 0 is better whatever the metric. A training's number is fit x seeds + seed.

    Beside a gain with an interval: ``detectable.TASK.METRIC`` is the gain that would be found above 0 eight
    times in ten; ``apart.TASK.METRIC`` is 1 where the gain is told from 0 even once corrected for all that
    are shown of its task, see `shown_gains`, and 0 where it is not.
    """
    rows = [row for one in measured for row in (*_ratios(one), *_figures(one))]
    return pa.Table.from_pylist(
        [{"run_id": run_id, "job": JOB, "ceiling": None, **row} for row in rows],
        schema=EVALUATION_METRICS.arrow_schema,
    )


def _ratios(measured: Measured) -> Iterator[dict[str, Any]]:
    task = measured.task
    for name, arm in task.arms.items():
        yield _row(f"arm.{task.name}.ratio", ALL, name, arm.ratio, task.units["test"].num_rows)


def shown_gains(measured: Measured) -> dict[tuple[str, str, str], Estimate]:
    """The gains that a report draws with an interval, by metric, segment and arm: what is corrected together.

    All arms by the metric that decides, the chosen arm by the others too.
    """
    task, control, first = measured.task, control_of(measured.task.arms), next(iter(measured.task.metrics))
    found = {
        (metric, segment, arm): comparison.gain(arm, control)
        for (split, metric, segment), comparison in measured.comparisons.items()
        if split == "test"
        for arm in task.arms
        if arm != control and (metric == first or arm == measured.verdict.arm)
        if not measured.why_few(segment, arm, control)
    }
    return {key: gain for key, gain in found.items() if not math.isnan(gain.error)}


def _figures(measured: Measured) -> Iterator[dict[str, Any]]:
    task, control, shown = measured.task, control_of(measured.task.arms), shown_gains(measured)
    apart = set(told_apart(shown))
    for (split, metric, segment), comparison in measured.comparisons.items():
        if split != "test":
            continue
        for name in task.arms:
            for number, value in enumerate(comparison.values[name].ravel()):
                what = f"arm.{task.name}.{metric}"
                yield _row(what, segment, name, float(value), comparison.num_rows, number)
            if name != control:
                found, key = comparison.gain(name, control), (metric, segment, name)
                low, high = found.interval()
                if measured.why_few(segment, name, control):
                    low = high = math.nan
                own = f"{task.name}.{metric}"
                yield _row(f"lift.{own}", segment, name, found.value, comparison.num_rows, low=low, high=high)
                if key in shown:
                    smallest, is_apart = shown[key].detectable(), float(key in apart)
                    yield _row(f"detectable.{own}", segment, name, smallest, comparison.num_rows)
                    yield _row(f"apart.{own}", segment, name, is_apart, comparison.num_rows)


def _row(
    metric: str,
    segment: str,
    arm: str,
    value: float,
    num_rows: int,
    seed: int | None = None,
    low: float | None = None,
    high: float | None = None,
) -> dict[str, Any]:
    return {
        "metric": metric,
        "slice": segment,
        "arm": arm,
        "seed": seed,
        "value": known(value),
        "ci_low": known(low),
        "ci_high": known(high),
        "num_rows": num_rows,
    }


def known(value: Any) -> Any:
    """The value with None in place of what is no finite number, at any depth: JSON has neither."""
    if isinstance(value, Mapping):
        return {key: known(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [known(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def verdict_rows(
    run_id: str,
    measured: Sequence[Measured],
    verdicts: Mapping[str, Verdict],
    facts: Mapping[str, Any],
    before: Mapping[str, int] | None = None,
) -> pa.Table:
    """The rows for gold.verdicts, one a task, with all that a reader needs to judge each decision.

    Args:
        run_id: of the rows.
        measured: the tasks.
        verdicts: of each task, corrected for all of them.
        facts: of the whole measurement.
        before: how many others tried each kind of task on the same rows; None: nobody counted.
    """
    rows = []
    for one in measured:
        task, verdict = one.task, verdicts[one.task.name]
        counted = {} if before is None else {"num_measured_before": before[kind_of(task.name)]}
        evidence = known({**_evidence(one, verdict), **facts, **counted})
        augments = verdict.decision == "augment" and verdict.arm is not None
        rows.append(
            {
                "run_id": run_id,
                "task": kind_of(task.name),
                "model": task.model,
                "decision": verdict.decision,
                "arm": verdict.arm if augments else None,
                "ratio": task.arms[verdict.arm].ratio if augments and verdict.arm else None,
                "segments": better_segments(one, verdict),
                "evidence": json.dumps(evidence, sort_keys=True),
            }
        )
    return pa.Table.from_pylist(rows, schema=VERDICTS.arrow_schema)


def better_segments(measured: Measured, verdict: Verdict) -> list[str]:
    """Segments on which the chosen arm is better than the control and than every cheap arm.

    Of a segment all of that must hold at once; of several they are corrected for how many there are (Holm),
    and for how many arms it was chosen from.
    None where no arm was there to choose, nor where the control again shows a gain: nothing is believed then.
    """
    arm = verdict.arm
    if arm is None or any(one.what == "same" for one in verdict.statements):
        return []
    task, first = measured.task, next(iter(measured.task.metrics))
    beaten = [control_of(task.arms), *cheap_arms(arm, task.arms)]
    p_values = {
        segment: verdict.chosen_from
        * float(np.max([measured.gain(first, segment, arm, other).p_value() for other in beaten]))
        for segment in task.units["test"].segments
        if segment != ALL and not any(measured.why_few(segment, arm, other) for other in beaten)
    }
    return sorted(holm(p_values), key=list(p_values).index)


def _evidence(measured: Measured, verdict: Verdict) -> dict[str, Any]:
    task, control, first = measured.task, control_of(measured.task.arms), next(iter(measured.task.metrics))
    gain = verdict.statements[0] if verdict.statements else None
    return {
        "name": task.name,
        "metric": first,
        "worthwhile": task.worthwhile,
        "control": control,
        "chosen": verdict.arm,
        "chosen_from": verdict.chosen_from,
        "detectable": None
        if gain is None or gain.few
        else gain.estimate.detectable(task.worthwhile, verdict.level),
        "needed_units": verdict.needed_units,
        "reasons": list(verdict.reasons),
        "statements": [one.told for one in verdict.statements],
        "arms": {
            name: {
                "kind": arm.kind,
                "role": arm.role,
                "ratio": arm.ratio,
                "num_fits": arm.num_fits,
                **(_told(measured, name) if name != control else {}),
            }
            for name, arm in task.arms.items()
        },
        "skipped_arms": dict(task.skipped),
        "few": _few(measured, verdict.arm),
        "small": dict(task.units["test"].small),
        "num_seeds": measured.num_seeds,
        "num_test_rows": task.units["test"].num_rows,
        "num_test_units": measured.comparisons["test", first, ALL].num_units,
        "unit": task.unit,
        "chosen_on": "validation" if "validation" in task.units else None,
        "interval": _interval_words(measured, verdict),
        **task.facts,
    }


def _told(measured: Measured, arm: str) -> dict[str, Any]:
    """An arm's gain on all test observations, without an interval where that is not to be believed."""
    control, first = control_of(measured.task.arms), next(iter(measured.task.metrics))
    told = measured.gain(first, ALL, arm, control).told
    return {**told, "ci_low": None, "ci_high": None} if measured.why_few(ALL, arm, control) else told


def _few(measured: Measured, chosen: str | None) -> dict[str, str]:
    """Segments on which an arm, the chosen one if there is one, has no interval over the control, and why."""
    task, control = measured.task, control_of(measured.task.arms)
    arm = chosen or next((name for name in task.arms if name != control), control)
    found = {segment: measured.why_few(segment, arm, control) for segment in task.units["test"].segments}
    return {segment: why for segment, why in found.items() if why}


def _interval_words(measured: Measured, verdict: Verdict) -> str:
    """Over what the intervals are, of the chosen arm if there is one, and what they are corrected for."""
    task, chosen = measured.task, verdict.arm
    crossed = " and items" if len(task.units["test"].clusters) > 1 else ""
    judged = [task.arms[chosen]] if chosen is not None else list(task.arms.values())
    chance = [f"which {task.unit}{crossed} were tested", "the seeds of the trainings"]
    if any(arm.num_fits > 1 for arm in judged):
        chance.append("the fits of the generator")
    corrected = ""
    if verdict.chosen_from > 1:
        corrected = f", corrected for the {verdict.chosen_from} arms that it was chosen from"
    return f"95 %{corrected}: it allows for chance in {join_words(chance)} (Student's t)"
