"""A generator from a pinned snapshot to its folder, in this process and on two Ray workers."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError
from ray.train.v2.api.exceptions import ControllerError
from safetensors.torch import load_file

import train_generator as job
from clicksmith.config import Config
from clicksmith.errors import LakeError, NotFittedError, TrainingError
from clicksmith.generators.artefact import (
    Generator,
    generator_folder,
    generator_id,
    read_card,
)
from clicksmith.generators.tabular.kind import EXAMPLES
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.lakehouse.steps import trace_generator
from clicksmith.tables import TRAINING_EXAMPLES
from clicksmith.tables.gold import FEATURE_COLUMNS, LABEL_COLUMNS
from clicksmith.training import generator as generator_module
from clicksmith.training.engine.checkpoint import RunCheckpoint
from clicksmith.training.engine.workers import _start_failure
from training.toy_lake import toy_examples, write_examples

NUM_ROWS = 3000
GAN = "generators={gan: {preset: ctgan, num_steps: 8, batch_size: 100, checkpoint_every: 4}}"


def folder_of(config: Config, name: str = "gan") -> Path:
    examples = Lake.of(config).get(TRAINING_EXAMPLES)
    return Path(generator_folder(config, name, trace_generator(config, name, examples)))


@pytest.fixture
def config(make_config: Callable[..., Config]) -> Config:
    built = make_config(GAN, "ray.num_workers=0")
    write_examples(Lake.of(built), toy_examples(NUM_ROWS))
    return built


def test_the_folder_is_complete_and_its_card_tells_the_lineage(config: Config) -> None:
    job.run(config)
    folder = folder_of(config)
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "card.json",
        "codec.json",
        "item-ids.arrow",
        "item-pairs.arrow",
        "weights.safetensors",
    ]
    card = json.loads((folder / "card.json").read_text())
    examples = Lake.of(config).get(TRAINING_EXAMPLES)
    assert card["training_table"]["version"] == examples.version
    assert card["training_table"]["fingerprint"] == examples.fingerprint
    assert (card["name"], card["kind"], card["preset"], card["num_workers"]) == (
        "gan",
        "generator",
        "ctgan",
        0,
    )
    assert [entry["step"] for entry in card["history"]] == list(range(1, 9))
    splits = toy_examples(NUM_ROWS)["split"].to_pylist()
    assert 0.88 < card["num_rows"] / splits.count("train") < 0.92, "a tenth is held out"


def test_a_second_run_trains_nothing(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    job.run(config)
    before = (folder_of(config) / "card.json").stat().st_mtime_ns
    monkeypatch.setattr(generator_module, "run_loop", None)
    job.run(config)
    assert (folder_of(config) / "card.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "preset", ["tabular_ar", "ctgan", "dense_gan", "gan", "wgan", "wgan_gp", "tvae", "independent", "smote"]
)
def test_sampled_rows_keep_the_contract(make_config: Callable[..., Config], preset: str) -> None:
    counts = preset in ("independent", "smote")  # they have no steps to set
    asked = f"generators={{gan: {{preset: {preset}}}}}" if counts else GAN.replace("ctgan", preset)
    config = make_config(asked, "ray.num_workers=0")
    rows = toy_examples(NUM_ROWS)
    write_examples(Lake.of(config), rows)
    job.run(config)
    told = json.loads((folder_of(config) / "card.json").read_text())["metrics"]
    has_likelihood = preset in ("tabular_ar", "tvae", "independent")
    assert (told.get("gap_error", 0.0) > 0) == ("held_out_nats" in told) == has_likelihood
    generator = Generator.load(str(folder_of(config)))
    sample = generator.sample_block(7, 0)
    assert sample.num_rows == EXAMPLES.block_rows
    for column in (*FEATURE_COLUMNS, *LABEL_COLUMNS):
        values = sample[column.name]
        assert values.type == column.type
        assert column.nullable or values.null_count == 0
        present = values.drop_null().to_pylist()
        assert column.minimum is None or min(present, default=column.minimum) >= column.minimum
        assert column.maximum is None or max(present, default=column.maximum) <= column.maximum
    assert set(sample["item_id"].to_pylist()) <= set(rows["item_id"].to_pylist())
    assert set(sample["label_click"].to_pylist()) == {False}, "constant in training"
    assert sample["user_item_days_since_last"].null_count == EXAMPLES.block_rows, "always null in training"
    train = rows.filter(np.array(rows["split"].to_pylist()) == "train")
    moments = sample["event_ts"].to_pylist()
    assert max(moments) < max(train["event_ts"].to_pylist())
    assert {m.date() for m in moments} <= {m.date() for m in train["event_ts"].to_pylist()}
    assert [m.isoweekday() for m in moments] == sample["day_of_week"].to_pylist()
    assert [m.hour for m in moments] == sample["hour_of_day"].to_pylist()


def test_blocks_are_the_same_whatever_was_sampled_before(config: Config) -> None:
    job.run(config)
    one, other = (Generator.load(str(folder_of(config))) for _ in range(2))
    one.sample_block(7, 0)
    assert one.sample_block(7, 3).equals(other.sample_block(7, 3))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert one.sample_block(7, 3).equals(other.sample_block(7, 3))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_damaged_folders_and_empty_tables_are_clear_errors(config: Config) -> None:
    with pytest.raises(NotFittedError, match="no complete generator"):
        Generator.load(str(folder_of(config)))
    job.run(config)
    folder = folder_of(config)
    (folder / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(LakeError, match="is damaged"):
        Generator.load(str(folder))
    for part in ("item-ids.arrow", "item-pairs.arrow"):
        content = (folder / part).read_bytes()
        (folder / part).write_bytes(content[: len(content) // 2])
        with pytest.raises(LakeError, match=r"codec\.json is damaged, or a file that it names"):
            Generator.load(str(folder))
        (folder / part).unlink()
        with pytest.raises(LakeError, match=f"Cannot read .*{part}"):
            Generator.load(str(folder))
        (folder / part).write_bytes(content)
    (folder / "codec.json").write_text("{}")
    with pytest.raises(LakeError, match=r"codec\.json is damaged"):
        Generator.load(str(folder))
    empty = toy_examples(50)
    write_examples(Lake.of(config), empty.filter(np.array(empty["split"].to_pylist()) == "test"), "0" * 32)
    with pytest.raises(TrainingError, match="no training row"):
        job.run(config)


def test_killed_during_training_and_run_again_gives_the_same_weights(config: Config, tmp_path: Path) -> None:
    """kill -9 after the first checkpoint, in a process of its own."""
    write_examples(Lake.of(config), toy_examples(NUM_ROWS))
    job.run(config)
    undisturbed = load_file(folder_of(config) / "weights.safetensors")
    other = config.model_copy(
        update={"ray": config.ray.model_copy(update={"storage_path": str(tmp_path / "other")})}
    )
    arguments = [f"--set=lake.root={config.lake.root}", f"--set=ray.storage_path={tmp_path / 'other'}"]
    command = [sys.executable, job.__file__, *arguments, f"--set={GAN}", "--set=ray.num_workers=0"]
    environment = {**os.environ, "PYTHONPATH": str(Path(job.__file__).parents[1] / "lib")}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    for line in process.stderr:
        if "step 4 of 8" in line:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    assert read_card(str(folder_of(other))) is None, "it was killed before the end"
    job.run(other)
    resumed = load_file(folder_of(other) / "weights.safetensors")
    assert all(torch.equal(resumed[name], tensor) for name, tensor in undisturbed.items())


def test_a_damaged_or_foreign_checkpoint_is_one_clear_error(config: Config) -> None:
    examples = Lake.of(config).get(TRAINING_EXAMPLES)
    run = generator_id("gan", trace_generator(config, "gan", examples))
    path = Path(models_root(config), "runs", run, "checkpoint.pt")
    other = RunCheckpoint(str(path.parents[1] / "gan-other"), 0)
    other.write({"recipe": {}, "progress": {}}, 4)
    path.parent.mkdir()
    path.write_bytes(other.read())
    with pytest.raises(TrainingError, match=rf"checkpoint\.pt: .* of the run gan-other, not of {run}"):
        job.run(config)
    path.write_bytes(other.read()[:-1])
    with pytest.raises(TrainingError, match=r"checkpoint\.pt: .* cut off or damaged"):
        job.run(config)


def test_the_number_of_workers_names_no_other_run(config: Config) -> None:
    examples = Lake.of(config).get(TRAINING_EXAMPLES)
    two = config.model_copy(update={"ray": config.ray.model_copy(update={"num_workers": 2})})
    assert trace_generator(config, "gan", examples) == trace_generator(two, "gan", examples)


@pytest.mark.slow
@pytest.mark.ray
def test_workers_that_never_can_start_are_an_error_at_once(config: Config, ray_cluster: None) -> None:
    three = config.model_copy(update={"ray": config.ray.model_copy(update={"num_workers": 3})})
    gan = three.generators["gan"].model_copy(update={"batch_size": 300})
    with pytest.raises(TrainingError, match=r"num_workers is 3, .* has 2 CPUs"):
        job.run(three.model_copy(update={"generators": {"gan": gan}}))
    # A group that lost a node, and found no other in time:
    error = ControllerError(WorkerGroupStartupTimeoutError(3))
    assert "num_workers is 3" in str(_start_failure(error, three.ray, use_gpu=False))


@pytest.mark.soak
@pytest.mark.ray
def test_two_workers_repeat_exactly_and_a_killed_worker_costs_nothing(
    make_config: Callable[..., Config], tmp_path: Path, ray_cluster: None
) -> None:
    config = make_config(GAN.replace("num_steps: 8", "num_steps: 40, min_users: 1"), "ray.num_workers=2")
    write_examples(Lake.of(config), toy_examples(NUM_ROWS))
    results: list[tuple[list[dict[str, float]], dict[str, Any]]] = []
    for number in range(2):
        ray_settings = config.ray.model_copy(update={"storage_path": str(tmp_path / f"models{number}")})
        mine = config.model_copy(update={"ray": ray_settings})
        if number == 1:
            killed = _kill_a_worker_after_a_checkpoint(tmp_path / "models1")
        job.run(mine)
        folder = folder_of(mine)
        card = json.loads((folder / "card.json").read_text())
        assert card["num_workers"] == 2
        assert len(card["starts"]) == number + 1, "the kill cost a start"
        results.append((card["history"], load_file(folder / "weights.safetensors")))
    assert len(killed) == 1
    (history, weights), (other_history, other_weights) = results
    assert history == other_history
    assert [entry["step"] for entry in history] == list(range(1, 41))
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    # And one process computes the same global batches, up to the order of sums (which Adam magnifies).
    alone = make_config(GAN.replace("num_steps: 8", "num_steps: 40, min_users: 1"), "ray.num_workers=0")
    job.run(alone)
    one = json.loads((folder_of(alone) / "card.json").read_text())["history"]
    assert one[0]["critic_loss"] == pytest.approx(history[0]["critic_loss"], abs=1e-4)
    assert one[9]["generator_loss"] == pytest.approx(history[9]["generator_loss"], abs=0.05)


def _kill_a_worker_after_a_checkpoint(models: Path) -> list[int]:
    """In the background: kill -9 one of this cluster's training workers at the first checkpoint.

    Returns:
        Where its process id will be.
    """
    killed: list[int] = []

    def wait_and_kill() -> None:
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline and not killed:
            if list(models.glob("runs/*/checkpoint.pt")):
                for process in psutil.Process().children(recursive=True):
                    with suppress(psutil.Error):  # it has just ended, or waits to be reaped
                        if "RayTrainWorker" in "".join(process.cmdline()):
                            process.kill()
                            killed.append(process.pid)
                            return
            time.sleep(0.02)

    threading.Thread(target=wait_and_kill, daemon=True).start()
    return killed
