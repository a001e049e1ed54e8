"""The item that a row is given is measured like its columns: what is learnt of it, and what is given away."""

import numpy as np
import pyarrow as pa
import pytest

from clicksmith.config import GateConfig
from clicksmith.evaluation import gate
from clicksmith.evaluation.compare import compare_tables
from clicksmith.tables.gold import JUDGED_COLUMNS
from synthetic_lake import real_rows

LABELS = ("label_click", "label_cart", "label_purchase")


def with_items(rows, items):
    index = rows.column_names.index("item_id")
    return rows.set_column(index, rows.schema.field(index), pa.array(items))


def measured(synthetic):
    """Figures of generated rows by metric and slice, and the bounds of the default gate that they break."""
    found = compare_tables(
        real_rows(1, 2000),
        real_rows(2, 1500),
        synthetic,
        labels=["label_purchase"],
        left_out=LABELS,
        columns=JUDGED_COLUMNS,
    )
    decision = gate.decide("synthetic", found, GateConfig())
    broken = {bound.name for bound in decision.bounds if not bound.passed}
    return {(m.metric, m.slice): m for m in found}, broken


@pytest.fixture(scope="module")
def fresh():
    return measured(real_rows(3, 2000))


def test_rows_of_the_right_items_pass(fresh):
    found, broken = fresh
    assert broken == set()
    for slice_name in ("item_id", "item_category|item_id"):
        metric = "fidelity.pairs" if "|" in slice_name else "fidelity.shapes"
        assert found[metric, slice_name].value == pytest.approx(found[metric, slice_name].ceiling, abs=0.05)


def test_right_columns_with_items_that_nobody_sells_are_refused():
    rows = real_rows(3, 2000)
    found, broken = measured(with_items(rows, [f"new{i % 40}" for i in range(2000)]))
    assert found["fidelity.shapes", "item_id"].value == 0.0
    assert found["fidelity.pairs", "item_category|item_id"].value == 0.0
    assert found["fidelity.shapes", "item_category"].value > 0.95, "all other columns are right"
    assert "max_c2st_auc" in broken and found["fidelity.c2st_auc", "all"].value > 0.999


def test_right_columns_with_items_at_random_are_told_apart(fresh):
    """Ten items of each of four categories, of .4, .3, .2 and .1 of the rows: .3 go with their category."""
    rows = real_rows(3, 2000)
    found, _ = measured(with_items(rows, np.random.default_rng(0).permutation(rows["item_id"].to_pylist())))
    assert found["fidelity.shapes", "item_id"].value > 0.9
    pair = found["fidelity.pairs", "item_category|item_id"]
    assert pair.value == pytest.approx(0.16 + 0.09 + 0.04 + 0.01, abs=0.05) and pair.ceiling > 0.9
    # The other .7 are no real rows, and the rest may be: 1/2 + .7 / 2 at best.
    assert 0.75 < found["fidelity.c2st_auc", "all"].ci_low < 0.87
    assert fresh[0]["fidelity.c2st_auc", "all"].ci_low < 0.5


def test_a_training_row_of_another_item_is_no_copy_and_lies_a_column_away():
    train = real_rows(1, 2000)
    copied, broken = measured(train)
    assert copied["privacy.identical_share", "all"].value == 1.0 and "max_identical_excess" in broken
    changed, _ = measured(with_items(train, [f"new{i % 40}" for i in range(2000)]))
    assert changed["privacy.identical_share", "all"].value == 0.0
    # A copy lies at its training row itself, another item a column away from it.
    assert copied["privacy.nndr_ratio", "all"].value == 0.0 < changed["privacy.nndr_ratio", "all"].value
