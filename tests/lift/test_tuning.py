"""The tuned control: hopeless settings are mended, on validation rows alone, and no trial is lost."""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from clicksmith.config import Config
from clicksmith.errors import TrainingError
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.lift.measure import measure
from clicksmith.lift.ranking import RankingTask, ranking_task
from clicksmith.lift.task import Training
from clicksmith.lift.tuning import tuned
from clicksmith.tables import VOCABULARY
from training.toy_lake import write_examples, write_rows
from training.toy_lift import examples_with, vocabulary_of

HOPELESS = (
    "lift.arms={none: {kind: none}, tuned: {kind: tuned}}", "lift.num_seeds=4", "lift.max_rows=3000",
    "ranker.num_steps=60", "ranker.batch_size=256", "ranker.learning_rate=1e-6",
    "ray.num_workers=2", "ray.num_cpus=2",
)  # fmt: skip


def prepare(config: Config, lake: Lake) -> RankingTask:
    rows = examples_with(8000, 400, "interaction")
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "f" * 32)
    return ranking_task(config, write_examples(lake, rows), vocabulary, {})


@pytest.mark.soak
def test_a_control_of_hopeless_settings_is_tuned_and_a_search_goes_on(
    make_config: Callable[..., Config], lake: Lake, ray_cluster: None, caplog: pytest.LogCaptureFixture
) -> None:
    config = make_config(*HOPELESS)
    task, folder = prepare(config, lake), storage.join(models_root(config), "runs", "lift")
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
def test_a_trial_that_fails_says_why(
    make_config: Callable[..., Config], lake: Lake, ray_cluster: None
) -> None:
    config = make_config(*HOPELESS)
    task = prepare(config, lake)
    broken = replace(task, splits=replace(task.splits, train=task.splits.train.take(np.zeros(0, np.int64))))
    with pytest.raises(TrainingError, match="Tuning the control of ranking failed: ") as caught:
        tuned(broken, config, storage.join(models_root(config), "runs", "broken"))
    assert "Traceback" not in str(caught.value) and "finished trials are kept" in str(caught.value)


def test_a_search_needs_workers(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(*HOPELESS, "ray.num_workers=0")
    with pytest.raises(TrainingError, match=r"but ray\.num_workers is 0"):
        tuned(prepare(config, lake), config, "nowhere")


def test_without_validation_rows_nothing_is_tuned(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(*HOPELESS)
    rows = examples_with(8000, 400, "interaction")
    rows = rows.filter([split != "validation" for split in rows["split"].to_pylist()])
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "f" * 32)
    task = ranking_task(config, write_examples(lake, rows), vocabulary, {})
    assert task.skipped == {"tuned": "there are no validation rows to tune by"}
    assert tuned(task, config, "nowhere") is task
