"""What fails in a worker of Ray's is told by its own words."""

import re
from pathlib import Path

import pytest
import ray

from clicksmith.config import Config
from clicksmith.errors import TrainingError
from clicksmith.errors.explain import doing
from clicksmith.lakehouse.job import EXIT_USER_ERROR, run_job


def end(tmp_path: Path, capfd: pytest.CaptureFixture[str], error: Exception) -> tuple[str, str]:
    """The line that a job leaves whose worker raises, and the trace that it names."""

    def run(config: Config) -> None:
        @ray.remote
        def fail() -> None:
            raise error

        with doing("Training toy", raises=TrainingError, remedy="Run it again."):
            ray.get(fail.remote())

    (tmp_path / "lake").mkdir()
    assert run_job(run, "A job.", [f"--set=lake.root={tmp_path / 'lake'}"]) == EXIT_USER_ERROR
    (line,) = capfd.readouterr().err.splitlines()
    named = re.search(r"The whole trace: (\S+)", line)
    assert named is not None
    return line, Path(named[1]).read_text()


@pytest.mark.ray
def test_a_foreign_error(ray_cluster: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line, trace = end(tmp_path, capfd, ZeroDivisionError("on purpose"))
    assert "Training toy failed: ZeroDivisionError: on purpose. Run it again. The whole trace: " in line
    assert "in fail" in trace


@pytest.mark.ray
def test_an_error_of_ours(ray_cluster: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line, trace = end(tmp_path, capfd, TrainingError("steps are few.", "Raise them."))
    assert "clicksmith: steps are few. Raise them. The whole trace: " in line and "in fail" in trace
