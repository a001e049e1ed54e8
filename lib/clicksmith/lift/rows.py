"""A lift measurement as rows of gold.evaluation_metrics and gold.verdicts."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from clicksmith.config import Config
from clicksmith.lift.data import Data
from clicksmith.lift.difference import Difference, Figures, Metric
from clicksmith.lift.verdict import ALL_ROWS, Verdict
from clicksmith.tables import EVALUATION_METRICS, VERDICTS

JOB = "measure_lift"


def metric_rows(
    run_id: str,
    data: Data,
    figures: Mapping[str, Mapping[str, Figures]],
    differ: Callable[..., Difference],
    metrics: Sequence[Metric] = ("auc", "logloss"),
) -> pa.Table:
    """Rows for gold.evaluation_metrics.

    ``arm.*`` are each arm's figures by seed, ``lift.*`` its difference to the control, pooled over seeds.

    Args:
        run_id: of the rows.
        data: what was measured.
        figures: by arm and slice.
        differ: (arm, against, slice, metric) to their difference.
        metrics: those that differences are taken of.
    """
    control = next(name for name, arm in data.arms.items() if arm.kind == "none")
    rows: list[dict[str, Any]] = []
    for name, arm in data.arms.items():
        num_train = round((1 + arm.ratio) * len(data.real.labels))
        rows.append(_row("arm.ratio", ALL_ROWS, name, arm.ratio, num_train))
        for slice_name, figure in figures[name].items():
            for metric, values in figure.per_seed.items():
                for seed, value in enumerate(values):
                    rows.append(_row(f"arm.{metric}", slice_name, name, value, figure.num_rows, seed=seed))
            if name == control:
                continue
            for metric in metrics:
                lift = differ(name, control, slice_name, metric)
                low, high = lift.interval()
                rows.append(
                    _row(f"lift.{metric}", slice_name, name, lift.value, lift.num_rows, low=low, high=high)
                )
    return pa.Table.from_pylist(
        [{**row, "run_id": run_id, "job": JOB} for row in rows], schema=EVALUATION_METRICS.arrow_schema
    )


def _row(
    metric: str,
    slice_name: str,
    arm: str,
    value: float,
    num_rows: int,
    seed: int | None = None,
    low: float | None = None,
    high: float | None = None,
) -> dict[str, Any]:
    return {
        "metric": metric,
        "slice": slice_name,
        "arm": arm,
        "seed": seed,
        "value": _known(value),
        "ci_low": _known(low),
        "ci_high": _known(high),
        "ceiling": None,
        "num_rows": num_rows,
    }


def _known(value: Any) -> Any:
    """The value with None in place of NaN, at any depth: neither a table nor JSON should hold NaN."""
    if isinstance(value, Mapping):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_known(item) for item in value]
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    return value


def verdict_row(run_id: str, config: Config, data: Data, verdict: Verdict) -> pa.Table:
    """The row for gold.verdicts, its evidence with all that a reader needs to judge the decision."""
    evidence = {
        **verdict.evidence,
        "skipped_arms": data.skipped,
        "ratios": {name: arm.ratio for name, arm in data.arms.items()},
        "label": config.ranker.label,
        "model": config.ranker.model,
        "num_seeds": config.lift.num_seeds,
        "num_steps": config.lift.num_steps,
        "num_bootstrap": config.lift.num_bootstrap,
        "num_real_rows": len(data.real.labels),
        "num_test_rows": len(data.test.labels),
        "num_test_users": int(data.users.max()) + 1,
        "impressions": config.impressions,
        "interval": "paired bootstrap over users, widened by the noise between training seeds",
    }
    row = {
        "run_id": run_id,
        "decision": verdict.decision,
        "arm": verdict.arm,
        "ratio": verdict.ratio,
        "segments": verdict.segments,
        "evidence": json.dumps(_known(evidence), sort_keys=True, allow_nan=False),
    }
    return pa.Table.from_pylist([row], schema=VERDICTS.arrow_schema)
