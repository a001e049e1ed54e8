"""Several trainings on one group of workers: one start, each one's own end, and whose error it is."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clicksmith.config import RayConfig, load_config
from clicksmith.errors import TrainingError
from clicksmith.training.engine import workers
from clicksmith.training.engine.workers import Training, Worker, run_workers


def training(folder: Path, name: str, fails: bool = False) -> Training:
    """Two steps, of which each start goes on from the last; it notes which process ran it."""

    def work(worker: Worker, starts: str) -> None:
        with open(starts, "a") as file:
            file.write(f"{os.getpid()}\n")
        worker.say("reading its rows")
        saved = worker.restore()
        for step in range(1 if saved is None else saved["step"] + 1, 3):
            if fails and step == 2:
                raise TrainingError("The loss is no number.", "Lower the learning rate.")
            worker.save(lambda: {"value": step * 10}, 2, {"step": step})  # noqa: B023  # called at once

    return Training(work, str(folder / f"{name}.starts"), name, str(folder / "runs" / name))


def starts_of(one: Training) -> list[str]:
    path = Path(one.argument)
    return path.read_text().split() if path.exists() else []


def run_three(folder: Path, num_workers: int) -> tuple[list[Training], list[dict[str, Any]]]:
    """The second fails: what came before it is told, what comes after is not begun."""
    config = load_config(None, [f"ray.num_workers={num_workers}"]).ray
    trainings = [training(folder, "first"), training(folder, "second", fails=True), training(folder, "third")]
    states = []
    with pytest.raises(TrainingError, match=r"^second: The loss is no number\. Lower the learning rate\.$"):
        for state in run_workers(trainings, config):
            states.append(state)
    return trainings, states


def test_in_this_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "clicksmith")
    trainings, states = run_three(tmp_path, 0)
    assert caplog.messages[:2] == ["first: reading its rows", "first: step 1 of 2"]
    assert [(state["step"], state["value"]) for state in states] == [(2, 20)]
    assert [len(starts_of(one)) for one in trainings] == [1, 1, 0]


def test_what_has_ended_is_taken_even_where_the_last_look_missed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers have run both, of which the driver has read the first alone."""

    def run_here(trainings: Sequence[Training], config: RayConfig, use_gpu: bool) -> tuple[list[float], None]:
        for one in trainings:
            workers._work_here(one, config)
        return [1.5], None

    monkeypatch.setattr(workers, "_run_on_ray", run_here)
    config = load_config(None, ["ray.num_workers=1"]).ray
    states = list(run_workers([training(tmp_path, "first"), training(tmp_path, "second")], config))
    assert [(state["value"], state["took"]) for state in states] == [(20, 1.5), (20, 0.0)]


def test_a_group_may_fail_as_often_as_its_trainings_and_wait_for_a_day(tmp_path: Path) -> None:
    config = load_config(None, ["ray.num_workers=2"]).ray
    trainings = [training(tmp_path, name) for name in ("first", "second", "third")]
    trainer = workers._trainer(trainings, config, False, "attempt")
    failures = trainer.run_config.failure_config
    assert failures.max_failures == 6
    assert failures.controller_failure_limit == 2, "a group that finds no place is told soon"
    assert trainer.backend_config.timeout_s == 24 * 60 * 60


@pytest.mark.soak
@pytest.mark.ray
def test_on_ray_one_group_runs_all_and_starts_anew_where_it_failed(
    tmp_path: Path,
    ray_cluster: None,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "MAX_FAILURES", 1)  # for each of three
    caplog.set_level("INFO", "clicksmith")
    trainings, states = run_three(tmp_path, 1)
    assert [(state["step"], state["value"]) for state in states] == [(2, 20)]
    assert all(state["took"] >= 0 for state in states)
    first, second, third = map(starts_of, trainings)
    assert len(first) == 1, "what has ended is not begun again"
    assert len(second) == 4, "a group starts anew as often as it has trainings"
    assert second[0] == first[0] and len(set(second)) == 4, "the same process runs both"
    assert third == []
    lines = [line for line in caplog.messages if line.startswith(("first: ", "second: "))]
    begun = ["first: reading its rows", "first: step 1 of 2", "first: step 2 of 2"]
    assert lines[:5] == [*begun, "second: reading its rows", "second: step 1 of 2"], "no line is lost"
    assert lines[5:] == ["second: reading its rows"] * 3, "each start says what it does"
