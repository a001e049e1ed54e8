"""Checkpoints: one file of tensors and plain values behind its digest. Nothing in it can run code."""

import hashlib
import io
from typing import Any

import torch

from clicksmith.errors import TrainingError
from clicksmith.lakehouse import storage

State = dict[str, Any]

DIGEST_BYTES = 16


def dump_state(state: State) -> bytes:
    """A checkpoint's content: a digest, then the state."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    body = buffer.getvalue()
    return _digest(body) + body


def load_state(content: bytes) -> State:
    """The inverse of `dump_state`; loads tensors and plain values only.

    Raises:
        TrainingError: the content is damaged.
    """
    body = content[DIGEST_BYTES:]
    if content[:DIGEST_BYTES] != _digest(body):  # torch itself does not notice a changed bit in a tensor
        raise damaged(f"it is cut off or damaged, its {len(content):,} bytes do not give its digest")
    try:
        state: State = torch.load(io.BytesIO(body), weights_only=True, map_location="cpu")
        return state
    except Exception as error:  # torch raises many kinds
        raise damaged(error) from error


def damaged(reason: object) -> TrainingError:
    """What to say of a checkpoint that is damaged, or of another model."""
    return TrainingError(
        f"A checkpoint cannot be loaded: {str(reason)[:300]}.",
        "Delete the run's folder under runs/ and train again.",
    )


class RunCheckpoint:
    """The newest checkpoint of a run: the same file whatever the number of workers that write and read it.

    It is written whole and then moved into place, so a kill leaves the old one or the new one.

    Attributes:
        starts: the step at which each start of the run began, and its "num_workers".
    """

    def __init__(self, folder: str, num_workers: int) -> None:
        """`folder` is the run's, its last part the run's name; `num_workers` train now."""
        self.starts = [{"step": 0, "num_workers": num_workers}]
        self._run = folder.rsplit("/", 1)[-1]
        self._uri = storage.join(folder, "checkpoint.pt")

    def read(self) -> bytes:
        """The file's content; empty in a new run."""
        return storage.read_bytes(self._uri) if storage.exists(self._uri) else b""

    def load(self, content: bytes) -> State | None:
        """The state in what `read` gave, with its "step" and "starts", or None in a new run.

        Raises:
            TrainingError: the file is damaged, or of another run: of other data, codec or settings.
        """
        if not content:
            return None
        try:
            state = load_state(content)
            if state["run"] != self._run:
                raise damaged(f"it is of the run {state['run']}, not of {self._run}")
        except TrainingError as error:
            raise TrainingError(f"{self._uri}: {error.problem}", error.remedy) from error
        self.starts = [*state["starts"], {**self.starts[-1], "step": state["step"]}]
        return state

    def write(self, state: State, step: int) -> None:
        """Replace the checkpoint."""
        content = dump_state({**state, "run": self._run, "step": step, "starts": self.starts})
        storage.write_bytes(self._uri, content)


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()
