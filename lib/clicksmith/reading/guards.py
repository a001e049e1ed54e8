"""What may never happen between training and test rows: each is an error before anything is trained."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.errors import TrainingError
from clicksmith.evaluation.metrics import ranking
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.reading.snapshot import latest


def require_same_run(vocabulary: Snapshot, rows: Snapshot) -> None:
    """The vocabulary has to be counted on what lies before the cut of these very rows.

    Raises:
        TrainingError: another run made it, whose cut may be another.
    """
    if vocabulary.fingerprint != rows.fingerprint:
        raise TrainingError(
            f"{vocabulary.table.name} version {vocabulary.version} and {rows.table.name} version "
            f"{rows.version} were not made by the same run: one may take for training what to the other is "
            "validation or test.",
            "Run build_training_set again.",
        )


def require_known_by_then(profiles: Snapshot, asked: Sequence[pa.Table]) -> None:
    """Profiles may count nothing of what is asked, nor of what comes after it.

    Args:
        profiles: whose every row says as of when it counts.
        asked: rows of gold.sequences, of validation and of test.

    Raises:
        TrainingError: a row is as of later than the earliest event that is asked for.
    """
    moments = [pc.min(pc.list_flatten(rows.column("event_ts"))).as_py() for rows in asked]
    first = min((moment for moment in moments if moment is not None), default=None)
    as_of = latest(profiles, "as_of_ts")
    if first is not None and as_of is not None and as_of > first:
        raise TrainingError(
            f"{profiles.table.name} version {profiles.version} is as of {as_of:%Y-%m-%d %H:%M}, and what is "
            f"asked of gold.sequences begins at {first:%Y-%m-%d %H:%M}: the profiles are of a later cut, and "
            "know what is asked.",
            "Run build_profiles and build_training_set again, on the same events.",
        )


def require_real(rows: pa.Table, user_column: str, split: str) -> None:
    """Rows that are asked have to be real: generated ones have no user.

    Raises:
        TrainingError: some have none.
    """
    num_without = rows.column(user_column).null_count
    if split != "train" and num_without:
        raise TrainingError(
            f"{num_without:,} of {rows.num_rows:,} rows in split {split!r} have no user: they are generated.",
            "Such rows are for training alone: run build_training_set again, and keep other writers out.",
        )


def require_train_split(rows: pa.Table, snapshot: Snapshot) -> None:
    """Generated rows have to be of the train split.

    Raises:
        TrainingError: some are not.
    """
    splits = pc.unique(rows.column("split")).to_pylist()
    if set(splits) - {"train"}:
        raise TrainingError(
            f"{snapshot.table.name} version {snapshot.version} has rows of the splits {sorted(splits)}; "
            "only 'train' is allowed.",
            "Run synthesize_samples and evaluate_synthetic again, and keep other writers out.",
        )


def require_both_classes(labels: NDArray[np.bool_], label: str, snapshot: Snapshot) -> None:
    """A model of a class that never occurs would say nothing.

    Raises:
        TrainingError: all training labels are alike.
    """
    if labels.all() or not labels.any():
        raise TrainingError(
            f"{label} is {'always' if labels.all() else 'never'} true in {len(labels):,} training rows of "
            f"{snapshot.table.name} version {snapshot.version}.",
            "Choose another ranker.label, or ingest more events.",
        )


def require_no_oracle(
    codes: NDArray[np.int32],
    labels: NDArray[np.bool_],
    asked_codes: NDArray[np.int32],
    asked_labels: NDArray[np.bool_],
    names: Sequence[str],
    limit: float,
) -> None:
    """No single feature may rank later rows all but perfectly: it would know what is yet to come.

    Each code of a column is scored by the share of positive training rows that have it.

    Args:
        codes: of training rows, shape (N, C).
        labels: shape (N,).
        asked_codes: of validation rows, shape (M, C).
        asked_labels: shape (M,).
        names: of the columns.
        limit: highest AUC that a feature may have alone.

    Raises:
        TrainingError: a feature is above it.
    """
    for column, name in enumerate(names):
        size = int(max(codes[:, column].max(), asked_codes[:, column].max(initial=0))) + 1
        total = np.bincount(codes[:, column], minlength=size)
        positive = np.bincount(codes[:, column], labels, size)
        rates = (positive + labels.mean()) / (total + 1.0)
        area = ranking.auc(rates[asked_codes[:, column]], asked_labels)
        if area > limit:
            raise TrainingError(
                f"The feature {name} alone ranks validation rows with an AUC of {area:.4f}, above {limit}: "
                "it seems to know the outcome.",
                "Build it from what lies strictly before the impression, or raise ranker.max_feature_auc.",
            )
