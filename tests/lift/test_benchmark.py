"""What a case of the benchmark on verdicts measures beside an arm does not move what it finds of the arm."""

import json
from collections.abc import Callable

import pytest

from benchmarks import lift
from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lift.statistics.fits import Part
from clicksmith.lift.statistics.intervals import estimate
from clicksmith.reading.examples import read_splits
from clicksmith.tables import VOCABULARY
from training.toy_lake import write_examples, write_rows
from training.toy_lift import examples_with, vocabulary_of


def figures_of(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {line["metric"]: line["value"] for line in lines}


def test_what_stands_beside_an_arm_leaves_its_own_figures_alone(
    make_config: Callable[..., Config], lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranker, ray = lift.SETTINGS
    monkeypatch.setattr(lift, "SETTINGS", (ranker.replace("num_steps: 60", "num_steps: 10"), ray))
    monkeypatch.setattr(lift, "NUM_TRUTH_SEEDS", 1)
    rows = examples_with(6000, 300, "noise")
    index = rows.column_names.index("label_click")  # what the benchmark's rankers learn
    rows = rows.set_column(index, rows.schema.field(index), rows["label_purchase"])
    config = make_config(*lift.SETTINGS)
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "f" * 32)
    splits = read_splits(config.ranker, write_examples(lake, rows), vocabulary)
    found = {kind: lift.measure_case(config, splits, kind, 0) for kind in ("aa", "planted")}
    monkeypatch.setattr(lift, "BESIDE", {})
    for kind, case in found.items():
        alone = lift.measure_case(config, splits, kind, 0)
        assert (case.decision, case.truth) == (alone.decision, pytest.approx(alone.truth))
        assert (case.gain.value, case.gain.error) == pytest.approx((alone.gain.value, alone.gain.error))
        assert (alone.alarm, alone.over_copies) == (False, "")
    assert found["planted"].over_copies in ("no_gain", "inconclusive"), "its labels are noise"


def test_alarms_and_gains_over_copies_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """One alarm in four, and of two rows called augmentations one that copies do not reach."""
    gains = [estimate(value, [Part(1e-6, 9)], 100, 900) for value in (0.001, -0.001)]
    quiet, loud = (lift.Case(gain, "inconclusive", alarm=gain.value > 0) for gain in gains[::-1])
    lift.aa([loud, quiet, quiet, quiet])
    told = figures_of(capsys)
    assert (told["aa.alarm"], told["aa.false_augment"], told["aa.coverage"]) == (0.25, 0.0, 1.0)
    lift.planted(
        [
            lift.Case(gain, "augment", over_copies=said)
            for gain, said in zip(gains, ("augment", "no_gain"), strict=True)
        ]
    )
    told = figures_of(capsys)
    assert (told["planted.augment_over_copies"], told["planted.augment"]) == (0.5, 1.0)
