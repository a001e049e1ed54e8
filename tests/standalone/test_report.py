"""Figures of generated rows, and their page."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from clicksmith import evaluate
from clicksmith.errors import ConfigError, ContractError
from generators.toy_joint import toy_rows
from standalone.tables import cycle


def test_real_rows_reach_the_ceilings(tmp_path: Path) -> None:
    real, other, holdout = (toy_rows(900, seed) for seed in (1, 2, 3))
    report = evaluate(real, other, holdout, labels=["label"])
    for name in ("fidelity.shapes", "fidelity.pairs", "utility.trained_auc"):
        assert abs(report[name].value - report[name].ceiling) < 0.06, name
    assert report["privacy.dcr_share"].value < 0.55
    assert abs(report["fidelity.c2st_auc"].value - 0.5) < 0.06
    assert {"metric", "value", "ceiling"} <= set(report.to_pandas().columns)
    assert "Column shapes (1 is best): 0.9" in repr(report) and "<table>" in report._repr_html_()
    report.save(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Told apart by trees" in page and "<svg" in page and "src=" not in page and "href=" not in page


def test_bad_rows_are_seen() -> None:
    real, holdout = toy_rows(600, 1), toy_rows(600, 2)
    rng = np.random.default_rng(0)
    broken = pa.table({name: real[name].take(rng.permutation(600)) for name in real.column_names})
    assert evaluate(real, broken, holdout)["fidelity.c2st_auc"].value > 0.8
    assert evaluate(real, real, holdout)["privacy.identical_share"].value == 1.0


def test_kinds_of_tables_may_differ_and_rows_be_sorted() -> None:
    real = toy_rows(300, 1).to_pandas().sort_values("price")
    report = evaluate(real, toy_rows(300, 2), toy_rows(300, 3).to_pandas())
    assert report["fidelity.shapes"].value > 0.85


def test_groups_reach_their_ceilings(tmp_path: Path) -> None:
    real, other, holdout = (
        cycle(150, seed).assign(who=lambda rows, seed=seed: rows["who"] + f"-{seed}") for seed in (1, 2, 3)
    )
    report = evaluate(real, other, holdout, group="who", order="at", owner_columns=["country"], item="page")
    for name in ("fidelity.shapes", "fidelity.lengths", "coherence.neighbours"):
        assert abs(report[name].value - report[name].ceiling) < 0.1, name
    report.save(tmp_path / "report.html")
    assert "One event and the next" in (tmp_path / "report.html").read_text()


def test_errors_are_plain() -> None:
    rows = toy_rows(100)
    with pytest.raises(ContractError, match="lacks the columns price"):
        evaluate(rows, rows.drop_columns(["price"]), rows)
    with pytest.raises(ConfigError, match="order, item and owner_columns are of groups"):
        evaluate(rows, rows, rows, item="kind")
    with pytest.raises(ConfigError, match="labels and user_column are of single rows"):
        evaluate(rows, rows, rows, group="kind", labels=["label"])
    with pytest.raises(ContractError, match="no column to measure"):
        lists = pd.DataFrame({"a": [["x"], ["y"]]})
        evaluate(lists, lists, lists)
