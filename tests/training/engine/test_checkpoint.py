"""A run's checkpoint: whole or the old one; cut off, changed or of another run is one clear error."""

from pathlib import Path

import numpy as np
import pytest
import torch

from clicksmith.errors import TrainingError
from clicksmith.training.engine.checkpoint import RunCheckpoint, dump_state, load_state

STATE = {"weights": torch.arange(1000.0), "history": [{"step": 3, "loss": 0.5}]}


def test_what_is_written_comes_back_and_each_start_is_told(tmp_path: Path) -> None:
    folder = str(tmp_path / "runs" / "gan-1")
    first = RunCheckpoint(folder, 2)
    assert first.load(first.read()) is None, "a new run has none"
    first.write(STATE, 3)
    second = RunCheckpoint(folder, 1)
    state = second.load(second.read())
    assert state is not None
    assert torch.equal(state["weights"], STATE["weights"])
    assert state["history"] == STATE["history"]
    second.write(STATE, 6)
    third = RunCheckpoint(folder, 1).load(second.read())
    assert third is not None
    assert third["step"] == 6
    assert third["starts"] == [{"step": 0, "num_workers": 2}, {"step": 3, "num_workers": 1}]
    assert [path.name for path in Path(folder).iterdir()] == ["checkpoint.pt"], "nothing half-written is left"


def test_any_changed_bit_and_any_cut_is_one_clear_error() -> None:
    content = dump_state(STATE)
    rng = np.random.default_rng(0)
    for position in [0, 15, 16, len(content) - 1, *rng.integers(0, len(content), 40)]:
        flipped = bytearray(content)
        flipped[position] ^= 1 << int(rng.integers(8))
        with pytest.raises(TrainingError, match="cut off or damaged"):
            load_state(bytes(flipped))
    for length in [1, 16, 17, len(content) // 2, len(content) - 1]:
        with pytest.raises(TrainingError, match="cut off or damaged"):
            load_state(content[:length])


def test_a_checkpoint_of_another_run_names_both(tmp_path: Path) -> None:
    """Another preset, codec or setting gives another run name, even where all tensors would fit."""
    one = RunCheckpoint(str(tmp_path / "gan-1"), 0)
    other = RunCheckpoint(str(tmp_path / "gan-2"), 0)
    one.write(STATE, 3)
    with pytest.raises(TrainingError, match=r"gan-2/checkpoint\.pt: .* of the run gan-1, not of gan-2"):
        other.load(one.read())


def test_code_in_a_checkpoint_does_not_run() -> None:
    with pytest.raises(TrainingError, match="checkpoint cannot be loaded"):
        load_state(dump_state({"code": pytest.raises}))
