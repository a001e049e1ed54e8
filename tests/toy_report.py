"""A finished lake's tables and cards, small and made up, written without Spark. Imported by tests only."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import CommitProperties, write_deltalake

import write_report
from clicksmith.config import Config
from clicksmith.evaluation.gate import decide, gate_metrics
from clicksmith.evaluation.rows import Metric, metrics_table
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lakehouse.lineage import Lineage, schema_hash, trace
from clicksmith.lakehouse.steps import sequential_inputs
from clicksmith.lift.decided import decided
from clicksmith.lift.inputs import inputs_of, lineage_of
from clicksmith.lift.measure import Measured
from clicksmith.lift.rows import metric_rows, verdict_rows
from clicksmith.reporting.data import ReportData, gather
from clicksmith.tables import (
    BRONZE_EVENTS,
    EVALUATION_METRICS,
    EVENTS_REJECTED,
    SEQUENCES,
    SILVER_EVENTS,
    SYNTHETIC_EXAMPLES,
    TRAINING_EXAMPLES,
    VERDICTS,
    VOCABULARY,
    Table,
)
from reporting import toy_measured
from training.toy_lake import toy_examples
from training.toy_lift import synthetic_from

BEFORE = {"ranking": 2, "next_item": 0, "search": 0}
"""Measurements that were started on the same rows, by kind of task."""


def fill(
    config: Config, decision: str = "augment", *further: Measured, sequences: Lineage | None = None
) -> None:
    """Write everything that a report shows, with this decision on rankers, and what was measured further.

    Args:
        config: its lake.
        decision: on rankers.
        further: what was measured as well.
        sequences: the lineage of gold.sequences; None: it tells of no settings.
    """
    write(config, BRONZE_EVENTS, _empty(BRONZE_EVENTS), {"rows_in": 1010, "accepted": 1000, "rejected": 10})
    reasons = [["unknown event_type"]] * 7 + [["event_ts before 1995-01-01", "unknown event_type"]] * 3
    columns = {"raw": ["{}"] * 10, "reasons": reasons, "ruleset_version": ["v"] * 10}
    columns |= {"source": ["toy"] * 10, "ingest_id": ["i"] * 10}
    write(config, EVENTS_REJECTED, pa.table(columns, schema=EVENTS_REJECTED.arrow_schema))
    counts = {"rows_in": 1000, "accepted": 900, "rejected": 40, "deduplicated": 60}
    write(config, SILVER_EVENTS, _empty(SILVER_EVENTS), counts)
    write(config, TRAINING_EXAMPLES, toy_examples(500))
    for table in (VOCABULARY, SEQUENCES):
        write(config, table, _empty(table), lineage=sequences if table is SEQUENCES else None)
    arm = config.lift.arms.get(toy_measured.CHOSEN)
    if arm is not None and arm.generator is not None:
        rows = synthetic_from(toy_examples(1), arm.generator, config, Lake.of(config).get(TRAINING_EXAMPLES))
        _write(config, SYNTHETIC_EXAMPLES, rows, f"generator={arm.generator}", None)
    write_metrics(config, "evaluate_synthetic", synthetic_metrics(config))
    write_lift(
        config,
        toy_measured.measured(toy_measured.RANKING, toy_measured.PLANS[decision]),
        toy_measured.measured(toy_measured.NEXT_ITEM, toy_measured.NOISY),
        *further,
    )
    for name, section in config.fits.items():
        write_card(config, "generators", name, {"generator": section.model_dump(mode="json")}, _gan_history())
    for name, section in (("ranker", config.ranker), ("sequential", config.sequential)):
        settings = {name: section.model_dump(mode="json")}
        arm = decided(config, Lake.of(config), "ranking", _inputs(config)).arm if name == "ranker" else None
        if arm is not None:
            settings["augmented"] = arm.told
        table = TRAINING_EXAMPLES if name == "ranker" else SEQUENCES
        write_card(config, "recommenders", name, settings, loss_history(), table)


def gathered(config: Config) -> ReportData:
    """What write_report shows."""
    return gather(config, write_report.standing(config, Lake.of(config)))


def write(
    config: Config,
    table: Table,
    rows: pa.Table,
    counts: dict[str, int] | None = None,
    lineage: Lineage | None = None,
) -> None:
    """Commit rows with the metadata of a job's commit."""
    _write(config, table, rows, None, counts, lineage)


def write_metrics(config: Config, job: str, metrics: list[Metric]) -> None:
    """Commit a job's figures as its part of the table."""
    _write(config, EVALUATION_METRICS, metrics_table(metrics, "r", job), f"job={job}", None)


def write_lift(config: Config, *measured: Measured) -> None:
    """Commit figures and verdicts as measure_lift does, the tasks in an order that no reader expects."""
    verdicts = {one.task.name: one.verdict for one in measured}
    rows = verdict_rows("r", measured[::-1], verdicts, {"impressions": config.impressions}, BEFORE)
    lineage = lineage_of(config, _inputs(config))
    _write(config, EVALUATION_METRICS, metric_rows("r", measured), "job=measure_lift", None, lineage)
    _write(config, VERDICTS, rows, None, None, lineage)


def _inputs(config: Config) -> dict[str, Snapshot]:
    """What measure_lift and train_recommender read."""
    lake = Lake.of(config)
    return inputs_of(config, lake, sequential_inputs(config, lake))


def _write(
    config: Config,
    table: Table,
    rows: pa.Table,
    part: str | None,
    counts: dict[str, int] | None,
    lineage: Lineage | None = None,
) -> None:
    # No job of the road made it: of which settings it is, is not told.
    lineage = lineage or replace(trace(f"toy/{table.name}", config, {"part": part}), asked_hash=None)
    metadata = json.dumps({**lineage.metadata(part, counts), "schema": schema_hash(table)})
    write_deltalake(
        Lake.of(config).uri(table),
        rows,
        mode="append",
        partition_by=list(table.partition_by) or None,
        commit_properties=CommitProperties(custom_metadata={"userMetadata": metadata}),
    )


def _empty(table: Table) -> pa.Table:
    return table.arrow_schema.empty_table()


def synthetic_metrics(config: Config) -> list[Metric]:
    """Figures of every generator; the last one repeats its training rows."""
    rng = np.random.default_rng(0)
    names = list(config.fits)
    metrics = []
    for name in names:
        leaking = name == names[-1]
        figures = {
            "fidelity.shapes": (0.93, 0.98),
            "fidelity.pairs": (0.88, 0.95),
            "fidelity.triples": (0.81, 0.92),
            "fidelity.label_ratio": (0.94, 0.98),
            "fidelity.c2st_auc": (0.82, 0.502),
            "privacy.dcr_share": (0.97 if leaking else 0.51, 0.5),
            "privacy.nndr_ratio": (0.0 if leaking else 0.96, 1.03),
            "privacy.membership_auc": (0.99 if leaking else 0.505, 0.5),
            "privacy.domias_auc": (0.98 if leaking else 0.502, 0.5),
            "privacy.domias_tpr": (0.71 if leaking else 0.011, 0.01),
            "privacy.identical_share": (0.4 if leaking else 0.0, 0.001),
            "utility.trained_auc": (0.76, 0.79),
            "utility.auc_loss": (0.03, None),
            "diversity.coverage": (0.9, 0.97),
            "diversity.entropy_ratio": (0.98, 1.0),
            "diversity.mode_share": (0.95, 1.0),
            "diversity.duplicate_share": (0.0, 0.0),
        }
        own = [Metric(m, "all", name, v, 5000, ceiling=c) for m, (v, c) in figures.items()]
        own.append(Metric("holdout.users", "all", name, 240, 4000))
        own.append(Metric("holdout.rows_without_user", "all", name, 0, 4000))
        metrics += [*own, *gate_metrics(decide(name, own, config.gate), 5000)]
    labels = {
        "item_category": ["GROCERY", "DRUG GM", "PRODUCE", "MEAT-PACKAGED", "other", "missing"],
        "user_num_events": ["< 59.5", "59.5-110", "110-160", "160-210", ">= 210"],
        "hour_of_day": [str(hour) for hour in range(24)],
        "label_purchase": ["false", "true"],
        "item_price": ["< 1.2", "1.2-2.4", "2.4-3.6", ">= 3.6", "missing"],
        "user_age_band": ["45-54", "35-44", "25-34", "missing"],
        "day_of_week": [str(day) for day in range(1, 8)],
    }
    for column, names_of in labels.items():
        real = rng.dirichlet(np.full(len(names_of), 2.0))
        for arm in ("real", "holdout", *names):
            noise = 0 if arm == "real" else 0.02 if arm == "holdout" else 0.2
            shares = real * np.exp(noise * rng.normal(size=len(real)))
            for rank, (label, share) in enumerate(zip(names_of, shares / shares.sum(), strict=True)):
                metrics.append(
                    Metric(f"distribution.{column}", f"{rank:02d} {label}", arm, float(share), 5000)
                )
    return metrics


def write_card(
    config: Config,
    kind: str,
    name: str,
    section: dict[str, Any],
    history: list[dict[str, float]],
    table: Table = TRAINING_EXAMPLES,
    **changes: Any,
) -> None:
    """A model's card, in the folder where its job would put it; `changes` to its entries."""
    lake = Lake.of(config)
    trained_on = lake.get(table)
    metrics = {
        "ranker": {
            "test_auc": 0.79, "test_logloss": 0.31, "popularity_auc": 0.64, "base_rate_logloss": 0.36,
            "num_test_rows": 20_000,
        },
        "search": {"test_ndcg@10": 0.52, "test_mrr": 0.47, "bm25_ndcg@10": 0.44, "bm25_mrr": 0.41},
    }.get(name) or {
        "test_recall@10": 0.11, "test_ndcg@10": 0.14, "popularity_recall@10": 0.06, "popularity_ndcg@10": 0.09
    }  # fmt: skip
    card = {
        "name": name,
        "kind": kind.removesuffix("s"),
        "preset": section.get("generator", {}).get("preset", name),
        "run_id": "0123456789abcdef",
        "fingerprint": "0" * 32,
        "seed": config.seed,
        "settings": {"seed": config.seed, **section},
        "training_table": {
            "name": trained_on.table.name,
            "uri": trained_on.uri,
            "version": trained_on.version,
            "fingerprint": trained_on.fingerprint,
        },
        "num_rows": 40_000,
        "num_workers": 2,
        "seconds": 61.5,
        "history": history,
        "metrics": metrics,
        **changes,
    }
    folder = storage.join(lake.root, "_models", kind, f"{name}-{card['run_id']}")
    storage.write_json(storage.join(folder, "card.json"), card)


def _gan_history() -> list[dict[str, float]]:
    rng = np.random.default_rng(2)
    return [
        {
            "step": step,
            "generator_loss": float(-1 - 2 * np.exp(-step / 200) + rng.normal(0, 0.1)),
            "critic_loss": float(-4 * np.exp(-step / 150) + rng.normal(0, 0.1)),
            "generator_gradient_norm": 1.0,
            **({"coverage": 1 - float(np.exp(-step / 100))} if step % 100 == 0 else {}),
        }
        for step in range(10, 601, 10)
    ]


def loss_history() -> list[dict[str, float]]:
    return [{"step": step, "loss": 0.3 + 0.4 * math.exp(-step / 150)} for step in range(20, 801, 20)]


def page(config: Config) -> Path:
    """Where write_report puts the page."""
    return Path(Lake.of(config).root) / "_reports" / "report.html"
