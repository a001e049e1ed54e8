"""A run keeps the weights of its best validation, ends when it gives up, and goes on where it was cut off."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from clicksmith.config import RayConfig
from clicksmith.training.engine.supervised import Batch, Schedule
from clicksmith.training.runs import train

HERE = RayConfig(num_workers=0)


class Counting(nn.Module):
    """Counts its steps in a buffer, so that a figure can be a function of the weights alone."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        self.steps += 1
        return (self.weight * x).sum()


@dataclass(frozen=True)
class FiguresTask:
    """Validates to planted figures, one a step."""

    figures: list[float]
    patience: int | None
    fails_at: int | None = None
    network: Counting = field(default_factory=Counting)
    codec: Any = None
    num_rows: int = 1
    selection: ClassVar[str] = "figure"
    sharded: ClassVar[tuple[str, ...]] = ()

    @property
    def objective(self) -> nn.Module:
        return self.network

    @property
    def schedule(self) -> Schedule:
        steps = len(self.figures)
        return Schedule(steps, 1, 0.1, seed=0, num_validations=steps, patience=self.patience)

    def batch(self, step: int, rank: int, world_size: int) -> Batch:
        if step == self.fails_at:
            raise RuntimeError("the power went out")
        return (torch.ones(1),)

    def validate(self) -> dict[str, float]:
        return {"figure": self.figures[int(self.network.steps) - 1]}

    def test(self) -> dict[str, float]:
        return {"steps_of_the_kept": float(self.network.steps)}


def _train(folder: Path, **task: Any) -> dict[str, Any]:
    return train(lambda: FiguresTask(**task), "figures", str(folder / "run"), HERE)


@pytest.mark.parametrize(
    ("figures", "patience", "kept", "ended"),
    [
        ([0.1, 0.5, 0.4, 0.3, 0.9], None, 5, 5),
        ([0.1, 0.5, 0.4, 0.3, 0.9], 2, 2, 4),
        ([0.1, 0.5, 0.4, 0.6, 0.2], 2, 4, 5),
        ([0.5, 0.5, 0.5, 0.5], 3, 1, 4),
    ],
)
def test_the_best_weights_are_kept(
    tmp_path: Path, figures: list[float], patience: int | None, kept: int, ended: int
) -> None:
    state = _train(tmp_path, figures=figures, patience=patience)
    assert state["metrics"] == {"steps_of_the_kept": kept}
    assert int(state["network"]["steps"]) == kept
    assert state["step"] == ended
    again = _train(tmp_path, figures=figures, patience=patience, fails_at=0)
    assert again["metrics"] == state["metrics"], "a finished run trains nothing more"


def test_a_run_that_was_cut_off_remembers_its_best(tmp_path: Path) -> None:
    figures = [0.1, 0.5, 0.4, 0.3, 0.9]
    with pytest.raises(RuntimeError, match="the power went out"):
        _train(tmp_path, figures=figures, patience=2, fails_at=3)
    state = _train(tmp_path, figures=figures, patience=2)
    assert (state["step"], state["metrics"]) == (4, {"steps_of_the_kept": 2})
    assert [row["figure"] for row in state["history"]] == figures[:4]
