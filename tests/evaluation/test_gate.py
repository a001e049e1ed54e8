import math

import pytest

from clicksmith.config import GateConfig
from clicksmith.errors import ContractError
from clicksmith.evaluation import gate
from clicksmith.evaluation.rows import Metric

GOOD = {
    "fidelity.shapes": 0.9,
    "fidelity.pairs": 0.8,
    "fidelity.c2st_auc": 0.7,
    "privacy.dcr_share": 0.5,
    "privacy.membership_auc": 0.5,
    "privacy.identical_share": 0.0,
}
LIMITS = GateConfig(
    min_shapes=0.8, min_pairs=0.7, max_c2st_auc=0.9, max_dcr_share=0.6, max_identical_excess=0.02
)


def rows(ceiling=0.0, **changes):
    figures = {**GOOD, **{name.replace("__", "."): value for name, value in changes.items()}}
    return [Metric(name, "all", "gan", value, 100, ceiling=ceiling) for name, value in figures.items()]


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, []),
        ({"fidelity__shapes": 0.8}, []),  # the bound itself is enough
        ({"fidelity__shapes": 0.7999}, ["min_shapes"]),
        ({"fidelity__pairs": 0.1}, ["min_pairs"]),
        ({"fidelity__c2st_auc": 0.95}, ["max_c2st_auc"]),
        ({"privacy__dcr_share": 0.61}, ["max_dcr_share"]),
        ({"privacy__membership_auc": 0.61}, ["max_membership_auc"]),
        ({"privacy__identical_share": 0.5}, ["max_identical_excess"]),
        ({"privacy__identical_share": 0.51, "ceiling": 0.5}, []),  # real rows repeat as often
        ({"fidelity__shapes": math.nan}, ["min_shapes"]),
        ({"fidelity__shapes": 0.1, "privacy__dcr_share": 1.0}, ["min_shapes", "max_dcr_share"]),
    ],
)
def test_decisions(changes, broken):
    decision = gate.decide("gan", rows(**changes), LIMITS)
    assert [bound.name for bound in decision.bounds if not bound.passed] == broken
    assert decision.passed == (not broken)


def test_a_failure_names_bound_value_and_limit():
    decision = gate.decide("gan", rows(fidelity__shapes=0.71), LIMITS)
    assert decision.failures == ["min_shapes: found 0.7100, at least 0.8 is needed"]


def test_an_unmeasured_figure_is_an_error():
    with pytest.raises(ContractError, match=r"fidelity\.shapes of 'other'"):
        gate.decide("other", rows(), LIMITS)


def test_decisions_survive_the_table():
    decisions = {"gan": gate.decide("gan", rows(fidelity__pairs=0.2), LIMITS)}
    written = gate.gate_metrics(decisions["gan"], 100)
    assert gate.read_decisions(written) == decisions
    assert [m.value for m in written if m.metric == "gate.passed"] == [0.0]


def test_each_failure_is_one_warning_and_no_survivor_is_an_error(caplog):
    bad = gate.decide("gan", rows(fidelity__shapes=0.1), LIMITS)
    gate.log_decisions({"gan": bad})
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    caplog.clear()
    gate.log_decisions({"gan": bad, "ar": gate.decide("gan", rows(), LIMITS)})
    assert "ERROR" not in [record.levelname for record in caplog.records]
