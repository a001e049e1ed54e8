"""The card of a trained model: what it is, what it was trained on, how it went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lakehouse.lineage import Lineage


@dataclass(frozen=True)
class Subject:
    """What a card is about.

    Attributes:
        kind: "generator" or "recommender".
        name: the model's in the configuration.
        preset: of the network.
        lineage: of the run.
        training: the table trained on.
    """

    kind: str
    name: str
    preset: str
    lineage: Lineage
    training: Snapshot


def make_card(
    subject: Subject,
    num_rows: int,
    starts: Sequence[Mapping[str, int]],
    seconds: float,
    history: Sequence[Mapping[str, float]],
    metrics: Mapping[str, float],
) -> dict[str, Any]:
    """A JSON value; the same for every kind of model."""
    lineage, training = subject.lineage, subject.training
    return {
        "name": subject.name,
        "kind": subject.kind,
        "preset": subject.preset,
        "run_id": lineage.run_id,
        "fingerprint": lineage.fingerprint,
        "seed": lineage.settings["seed"],
        "settings": dict(lineage.settings),
        "training_table": {
            "name": training.table.name,
            "uri": training.uri,
            "version": training.version,
            "fingerprint": training.fingerprint,
        },
        "num_rows": num_rows,
        "num_workers": starts[-1]["num_workers"],
        "starts": list(starts),
        "seconds": round(seconds, 1),
        "history": list(history),
        "metrics": dict(metrics),
    }
