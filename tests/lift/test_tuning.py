"""The tuned control: hopeless settings are mended, on validation rows alone, and no trial is lost."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clicksmith.config import Config
from clicksmith.errors import TrainingError
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.lift.kinds.ranking import ranking_task
from clicksmith.lift.measure import measure
from clicksmith.lift.task import Training
from clicksmith.lift.tuning import tuned
from clicksmith.tables import VOCABULARY
from lift.hopeless import SETTINGS, prepare, runs_folder
from training.toy_lake import write_examples, write_rows
from training.toy_lift import examples_with, vocabulary_of


@pytest.mark.soak
def test_a_control_of_hopeless_settings_is_tuned_and_a_search_goes_on(
    make_config: Callable[..., Config], lake: Lake, ray_cluster: None, caplog: pytest.LogCaptureFixture
) -> None:
    config = make_config(*SETTINGS)
    task, folder = prepare(config, lake), runs_folder(config)
    caplog.set_level(logging.INFO, "clicksmith")
    found = tuned(task, config, folder)
    trials = [line for line in caplog.messages if "trials of the tuned control done" in line]
    assert len(trials) == 4, "as many as an arm has"
    assert found.settings["learning_rate"] > 1e-4 and set(found.settings) == set(task.space)
    assert found.facts["tuned"]["num_trials"] == 4  # type: ignore[index]
    scores = {arm: found.train(Training(arm, 0, 0)) for arm in ("none", "tuned")}
    areas = {arm: found.figure("auc", "test", said["test"], "all").value for arm, said in scores.items()}
    assert areas["tuned"] > areas["none"] + 0.05

    caplog.clear()
    again = tuned(task, config, folder)
    assert again.settings == found.settings
    assert not [line for line in caplog.messages if "trials of the tuned control done" in line]
    measured = measure(again, config, folder)
    assert measured.gain("auc", "all", "tuned", "none").interval()[0] > 0


@pytest.mark.soak
def test_a_search_that_was_killed_goes_on_and_finds_the_same(
    make_config: Callable[..., Config], lake: Lake, ray_cluster: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Killed with one trial written down: that is not repeated, and the best is an undisturbed search's."""
    config = make_config(*SETTINGS)
    num_done = kill_after_a_trial(lake.root, Path(runs_folder(config)))
    assert 1 <= num_done < 4
    task = prepare(config, lake)
    caplog.set_level(logging.INFO, "clicksmith")
    found = tuned(task, config, runs_folder(config))
    told = [line.split(": ")[-1] for line in caplog.messages if "trials of the tuned control done" in line]
    assert told == [f"{number} of 4" for number in range(num_done + 1, 5)]
    undisturbed = tuned(task, config, storage.join(models_root(config), "runs", "undisturbed"))
    assert found.settings == undisturbed.settings and found.facts == undisturbed.facts


def kill_after_a_trial(lake: str, folder: Path) -> int:
    """Start the search in a process, and end it by kill -9; how many trials were written down as done."""
    tests = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join([str(tests.parent / "lib"), str(tests)])
    # Trials of seconds end faster than Ray Tune writes down how far it is, which it does every ten seconds.
    environment = {**os.environ, "PYTHONPATH": paths, "TUNE_GLOBAL_CHECKPOINT_S": "0"}
    command = [sys.executable, str(tests / "lift" / "hopeless.py"), lake]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 300
        while not (done := num_done(folder)) and time.monotonic() < until and process.poll() is None:
            time.sleep(0.05)
        assert done, "no trial was written down"
    finally:
        process.kill()
        process.wait()
    return num_done(folder)


def num_done(folder: Path) -> int:
    """Trials that the newest state of a search tells as done."""
    states = sorted((folder / "tuned").glob("experiment_state-*.json"))
    return states[-1].read_text().count("TERMINATED") if states else 0


@pytest.mark.soak
def test_a_trial_that_fails_says_why(
    make_config: Callable[..., Config], lake: Lake, ray_cluster: None
) -> None:
    config = make_config(*SETTINGS)
    task = prepare(config, lake)
    broken = replace(task, splits=replace(task.splits, train=task.splits.train.take(np.zeros(0, np.int64))))
    with pytest.raises(TrainingError, match="Tuning the control of ranking failed: ") as caught:
        tuned(broken, config, storage.join(models_root(config), "runs", "broken"))
    assert "Traceback" not in str(caught.value) and "finished trials are kept" in str(caught.value)


def test_a_search_needs_workers(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(*SETTINGS, "ray.num_workers=0")
    with pytest.raises(TrainingError, match=r"but ray\.num_workers is 0"):
        tuned(prepare(config, lake), config, "nowhere")


def test_without_validation_rows_nothing_is_tuned(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(*SETTINGS)
    rows = examples_with(8000, 400, "interaction")
    rows = rows.filter([split != "validation" for split in rows["split"].to_pylist()])
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "f" * 32)
    task = ranking_task(config, write_examples(lake, rows), vocabulary, {})
    assert task.skipped == {"tuned": "there are no validation rows to tune by"}
    assert tuned(task, config, "nowhere") is task
