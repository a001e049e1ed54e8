"""Whether generated rows belong to the training table that they are judged and measured beside."""

from collections.abc import Collection

from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Snapshot


def require_current(found: Collection[str], current: str, rows: Snapshot, examples: Snapshot) -> None:
    """Generated rows have to come from the generator that learnt from this very training table.

    One that learnt from an older table, of a later cut, has seen what is tested now; one whose table held
    out other users has seen those that it is judged by.

    Args:
        found: ids of the generators that made the rows.
        current: id of the one that the configuration and the training table describe.
        rows: where they lie.
        examples: gold.training_examples.

    Raises:
        TrainingError: they come from another one.
    """
    others = sorted(set(found) - {current})
    if others:
        raise TrainingError(
            f"{rows.table.name} version {rows.version} holds rows of the generator {', '.join(others)}, but "
            f"the one that learns from {examples.table.name} version {examples.version} as configured is "
            f"{current}: they may know what they are now judged by, such as test rows.",
            "Run train_generator, synthesize_samples and evaluate_synthetic again, or the whole pipeline.",
        )
