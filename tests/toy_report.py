"""A finished lake's tables and cards, small and made up, written without Spark. Imported by tests only."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import CommitProperties, write_deltalake

from clicksmith.config import Config
from clicksmith.evaluation.gate import decide, gate_metrics
from clicksmith.evaluation.rows import Metric, metrics_table
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.lineage import trace
from clicksmith.tables import (
    BRONZE_EVENTS,
    EVALUATION_METRICS,
    EVENTS_REJECTED,
    SILVER_EVENTS,
    TRAINING_EXAMPLES,
    VERDICTS,
    Table,
)

SEGMENTS = ("history=0-49", "history=50+", "popularity=0-4", "popularity=5+")


def fill(config: Config, decision: str = "augment") -> None:
    """Write everything that a report shows."""
    write(config, BRONZE_EVENTS, _empty(BRONZE_EVENTS), {"rows_in": 1010, "accepted": 1000, "rejected": 10})
    reasons = [["unknown event_type"]] * 7 + [["event_ts before 1995-01-01", "unknown event_type"]] * 3
    columns = {"raw": ["{}"] * 10, "reasons": reasons, "ruleset_version": ["v"] * 10}
    columns |= {"source": ["toy"] * 10, "ingest_id": ["i"] * 10}
    write(config, EVENTS_REJECTED, pa.table(columns, schema=EVENTS_REJECTED.arrow_schema))
    counts = {"rows_in": 1000, "accepted": 900, "rejected": 40, "deduplicated": 60}
    write(config, SILVER_EVENTS, _empty(SILVER_EVENTS), counts)
    write(config, TRAINING_EXAMPLES, _empty(TRAINING_EXAMPLES))
    write_metrics(config, "evaluate_synthetic", synthetic_metrics(config))
    write_metrics(config, "measure_lift", lift_metrics())
    row = {"run_id": "r", **verdict(decision)}
    write(config, VERDICTS, pa.Table.from_pylist([row], schema=VERDICTS.arrow_schema))
    for name, section in config.generators.items():
        write_card(config, "generators", name, {"generator": section.model_dump(mode="json")}, _gan_history())
    for name, section in (("ranker", config.ranker), ("sequential", config.sequential)):
        write_card(config, "recommenders", name, {name: section.model_dump(mode="json")}, _loss_history())


def write(config: Config, table: Table, rows: pa.Table, counts: dict[str, int] | None = None) -> None:
    """Commit rows with the metadata of a job's commit."""
    _write(config, table, rows, None, counts)


def write_metrics(config: Config, job: str, metrics: list[Metric]) -> None:
    """Commit a job's figures as its part of the table."""
    _write(config, EVALUATION_METRICS, metrics_table(metrics, "r", job), f"job={job}", None)


def _write(
    config: Config, table: Table, rows: pa.Table, part: str | None, counts: dict[str, int] | None
) -> None:
    lineage = trace(f"toy/{table.name}", config, {"part": part})
    metadata = json.dumps(lineage.metadata(part, counts))
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
    names = list(config.generators)
    metrics = []
    for name in names:
        leaking = name == names[-1]
        figures = {
            "fidelity.shapes": (0.93, 0.98),
            "fidelity.pairs": (0.88, 0.95),
            "fidelity.triples": (0.81, 0.92),
            "fidelity.c2st_auc": (0.82, 0.502),
            "privacy.dcr_share": (0.97 if leaking else 0.51, 0.5),
            "privacy.nndr_ratio": (0.0 if leaking else 0.96, 1.03),
            "privacy.membership_auc": (0.99 if leaking else 0.505, 0.5),
            "privacy.domias_auc": (0.98 if leaking else 0.502, 0.5),
            "privacy.domias_tpr": (0.71 if leaking else 0.011, 0.01),
            "privacy.identical_share": (0.4 if leaking else 0.0, 0.001),
            "utility.trained_auc": (0.76, 0.79),
            "diversity.coverage": (0.9, 0.97),
            "diversity.entropy_ratio": (0.98, 1.0),
            "diversity.mode_share": (0.95, 1.0),
            "diversity.duplicate_share": (0.0, 0.0),
        }
        own = [Metric(m, "all", name, v, 5000, ceiling=c) for m, (v, c) in figures.items()]
        own.append(Metric("holdout.users", "all", name, 240, 4000))
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


def lift_metrics() -> list[Metric]:
    """A synthetic arm that helps, and controls that do not."""
    rng = np.random.default_rng(1)
    metrics = []
    for arm, ratio, lift in (
        ("none", 0.0, None),
        ("duplicate_25", 0.25, 0.0002),
        ("oversample_tail_25", 0.25, -0.0011),
        ("autoregressive_25", 0.25, 0.0031),
        ("gan_25", 0.25, 0.0014),
        ("gan_50", 0.5, -0.0004),
    ):
        metrics.append(Metric("arm.ratio", "all", arm, ratio, 40_000))
        metrics.append(Metric("arm.auc", "all", arm, 0.781 + (lift or 0.0), 20_000, seed=0))
        if lift is None:
            continue
        for index, segment in enumerate(("all", *SEGMENTS)):
            value = lift if segment == "all" else lift + float(rng.normal(0, 0.002))
            half = 0.0012 if segment == "all" else 0.004
            row = Metric("lift.auc", segment, arm, value, 20_000 // (1 + index), value - half, value + half)
            metrics.append(row)
    metrics.append(Metric("lift.auc", "history=600+", "gan_50", math.nan, 0))
    return metrics


def verdict(decision: str) -> dict[str, Any]:
    """A verdict with evidence in the shape of measure_lift's."""
    figure = {"value": 0.0031, "ci_low": 0.0012, "ci_high": 0.005, "num_rows": 20_000}
    augment = decision == "augment"
    doubt = ["it may be no better than the cheap arm duplicate_25: +0.0029 [-0.0001, +0.0050] AUC"]
    evidence = {
        "best_arm": "autoregressive_25",
        "control": "none",
        "arms": {
            "autoregressive_25": {"lift": figure, "against": {}, "segments": {}, "reasons": doubt},
        },
        "reasons": [] if augment else doubt,
        "skipped_arms": {"dense_25": "the gate published no rows of generator 'dense_gan'"},
        "label": "label_purchase",
        "model": "dcnv2",
        "num_seeds": 3,
        "num_steps": 400,
        "num_real_rows": 40_000,
        "num_test_rows": 20_000,
        "num_test_users": 812,
        "interval": "paired bootstrap over users, widened by the noise between training seeds",
    }
    return {
        "decision": decision,
        "arm": "autoregressive_25" if augment else None,
        "ratio": 0.25 if augment else None,
        "segments": ["history=0-49"] if augment else [],
        "evidence": json.dumps(evidence),
    }


def write_card(
    config: Config, kind: str, name: str, section: dict[str, Any], history: list[dict[str, float]]
) -> None:
    """A model's card, in the folder where its job would put it."""
    lake = Lake.of(config)
    examples = lake.get(TRAINING_EXAMPLES)
    metrics = {
        "test_auc": 0.79, "test_logloss": 0.31, "popularity_auc": 0.64, "base_rate_logloss": 0.36,
        "num_test_rows": 20_000,
    } if name == "ranker" else {
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
            "name": examples.table.name,
            "uri": examples.uri,
            "version": examples.version,
            "fingerprint": examples.fingerprint,
        },
        "num_rows": 40_000,
        "num_workers": 2,
        "seconds": 61.5,
        "history": history,
        "metrics": metrics,
    }
    folder = storage.join(lake.root, "_models", kind, f"{name}-0123456789abcdef")
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


def _loss_history() -> list[dict[str, float]]:
    return [{"step": step, "loss": 0.3 + 0.4 * math.exp(-step / 150)} for step in range(20, 801, 20)]


def page(config: Config) -> Path:
    """Where write_report puts the page."""
    return Path(Lake.of(config).root) / "_reports" / "report.html"
