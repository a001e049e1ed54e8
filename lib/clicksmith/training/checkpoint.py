"""Checkpoints: one file of tensors and plain values. Nothing in it can run code."""

import io
from typing import Any

import torch

from clicksmith.errors import TrainingError

State = dict[str, Any]


def dump_state(state: State) -> bytes:
    """A checkpoint's content."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def load_state(content: bytes) -> State:
    """The inverse of `dump_state`; loads tensors and plain values only.

    Raises:
        TrainingError: the content is damaged.
    """
    try:
        state: State = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
        return state
    except Exception as error:  # torch raises many kinds for damaged files
        raise damaged(error) from error


def damaged(error: Exception) -> TrainingError:
    """What to say of a checkpoint that is damaged, or of another model."""
    return TrainingError(
        f"A checkpoint cannot be loaded: {str(error)[:300]}.",
        "Delete the run's folder under runs/ and train again.",
    )
