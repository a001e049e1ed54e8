"""What is said of a verdict whose control shows a gain over itself, and what would change each one."""

import math
from typing import Any

import numpy as np
import pytest

from clicksmith.lift.statistics.comparison import ALIKE
from clicksmith.lift.statistics.fits import Part
from clicksmith.lift.statistics.intervals import Estimate
from clicksmith.lift.task import Units, few_units
from clicksmith.reporting import decisions, remedies, statements

GAIN = {"what": "gain", "subject": "none", "border": 0.001, "state": "open", "few": "", "value": 0.002,
        "ci_low": -0.001, "ci_high": 0.005}  # fmt: skip
HARM = {**GAIN, "what": "safe", "subject": "history=0-4", "border": -0.01, "state": "fails"}
ALARM = {**GAIN, "what": "same", "subject": "again", "border": 0.0, "state": "fails", "ci_low": 0.0004}


def test_a_negative_control_that_gains_is_told_first_and_no_harm_is_believed() -> None:
    evidence = {"metric": "auc", "statements": [GAIN, HARM, ALARM], "arms": {}, "reasons": []}
    verdict = {"task": "ranking", "decision": "inconclusive", "evidence": evidence}
    told = statements.reasons(verdict)
    assert told[0] == (
        "Arm again shows a gain where there can be none, +0.0020 (+0.0004 to +0.0050): the measurement is "
        "not to be trusted; take more seeds (lift.num_seeds)."
    )
    assert told[1].startswith("It harms users with 0 to 4 earlier events")
    assert told[2].startswith("Its gain may lie below or above the 0.001 AUC")
    assert statements.failing(verdict) == ""
    believed = {**verdict, "evidence": {**evidence, "statements": [GAIN, HARM]}}
    assert statements.failing(believed) == "harms users with 0 to 4 earlier events"


def _verdict(*found: dict[str, Any]) -> dict[str, Any]:
    evidence = {
        "metric": "auc", "statements": list(found), "arms": {"gan": {"role": "generator", "num_fits": 3}},
        "chosen": "gan", "num_seeds": 5, "needed_units": None, "worthwhile": 0.001, "unit": "users",
    }  # fmt: skip
    return {"task": "ranking", "decision": "inconclusive", "model": "logistic", "evidence": evidence}


def test_what_would_change_it_is_what_stands_in_the_way() -> None:
    shown = {**GAIN, "state": "holds"}
    open_harm = {**HARM, "state": "open"}
    rung = remedies.change(_verdict(shown, ALARM))
    assert rung == "More seeds (lift.num_seeds, now 5), until arms that can have no gain show none."
    assert remedies.change(_verdict(shown, open_harm)) == (
        "More test users: the gain itself is shown, not yet all else that is asked."
    )
    assert remedies.change(_verdict(GAIN, open_harm)) == (
        "More seeds (lift.num_seeds, now 5) and more fits of the generator (lift.num_fits, 3 measured): the "
        "noise between trainings hides a gain of +0.001, however many users are tested."
    )


SEEDS = "More seeds (lift.num_seeds, now 5) and more fits of the generator (lift.num_fits, 3 measured)"
ITEMS = "more test items (a longer test period has more)"
BY_SEEDS, BY_ITEMS = "the noise between trainings", "chance in which items were tested"
BOTH = f"{SEEDS.replace(' and', ',')} and {ITEMS}: {BY_SEEDS} and {BY_ITEMS}"


@pytest.mark.parametrize(
    ("items", "trainings", "told"),
    [
        (2e-6, 1e-7, f"{ITEMS}: {BY_ITEMS} hides"),
        (1e-7, 2e-6, f"{SEEDS}: {BY_SEEDS} hides"),
        (2e-6, 1e-6, f"{BOTH} hide"),
        (1e-6, 2e-6, f"{BOTH} hide"),
        (1e-7, 0.9e-7, f"{BOTH} hide"),  # neither by itself
        (2e-6, 0.0, f"{ITEMS}: {BY_ITEMS} hides"),
    ],
)
def test_no_users_are_asked_for_where_they_would_not_tell(items: float, trainings: float, told: str) -> None:
    """What hides a gain by itself is named: a variance of (.001 / (1.96 + .84))^2 = 1.27e-7 is borne."""
    parts = (Part(4e-6 + items, math.inf), Part(trainings, math.inf))
    found = Estimate(0.002, parts, 812, 20_000, lasting=items)
    assert math.isinf(found.needed_units(0.001))
    verdict = _verdict({**GAIN, **found.told})
    verdict["evidence"]["detectable"] = found.detectable(0.001)
    assert remedies.change(verdict) == (
        f"{told[0].upper()}{told[1:]} a gain of +0.001, however many users are tested."
    )


def test_more_fits_are_asked_for_where_several_made_noise() -> None:
    """A second one would add what a single fit does not have."""
    verdict = _verdict(GAIN)
    verdict["evidence"]["arms"]["gan"]["num_fits"] = 1
    assert remedies.change(verdict) == (
        "More seeds (lift.num_seeds, now 5): the noise between trainings hides a gain of +0.001, however "
        "many users are tested."
    )


@pytest.mark.parametrize(
    ("num_users", "num_items", "rarer", "lacking"),
    [
        (1200, 50, 7, "rows of the rarer outcome"),
        (5, 50, 60, "users and items"),
        (5, 50, 7, "users, items and rows of the rarer outcome"),
        (1200, 1, 60, "items"),
        (5, 50, None, "users and items"),
    ],
)
def test_what_is_lacking_is_read_from_what_is_told(
    num_users: int, num_items: int, rarer: int | None, lacking: str
) -> None:
    """Of an interval that needs 100 users with 50 rows of the rarer outcome, and several items."""
    rows = np.arange(2400)
    units = Units(
        (rows % num_users, rows % num_items),
        {"all": np.ones(len(rows), bool)},
        {} if rarer is None else {"all": rarer},
    )
    why = few_units(units, 100, 50)["all"]
    gain = {**GAIN, "few": why}
    assert remedies.change(_verdict(gain)) == f"As many test {lacking} as an interval needs."
    harm = {**HARM, "state": "open", "few": why}
    assert remedies.change(_verdict({**GAIN, "state": "holds"}, harm)).startswith(
        f"As many test {lacking} as each interval needs: the gain itself is shown"
    )


def test_what_holds_for_one_task_alone_wants_its_least_sure_claim_surer() -> None:
    """A gain one interval's width above its border; a loss five eighths of one above its own."""
    trainings = {"units": 1.0, "items": 0.5, "trainings": 2.0}
    gain = {**GAIN, "state": "holds", "ci_low": 0.0015, "ci_high": 0.0025}
    found = {"value": 0.0, "ci_low": -0.008, "ci_high": 0.008, "noise": trainings}
    safe = {**HARM, "subject": "cold_user=yes", "state": "holds", **found}
    told = "or fewer tasks or families, chosen before anything is measured: for this task alone all that is"
    assert remedies.change(_verdict(gain, safe)) == (
        f"{SEEDS}, for what is least sure, that it is safe for new users; {told} asked holds."
    )
    assert remedies.change(_verdict(gain, {**safe, "value": 0.02})) == (
        f"More test users, for what is least sure, its gain; {told} asked holds."
    )


def test_of_each_open_statement_the_largest_noise_is_what_more_is_wanted_of() -> None:
    def open_harm(**changes: Any) -> dict[str, Any]:
        return {**HARM, "state": "open", **changes}

    noises = [
        {"units": 1.0, "items": 2.0, "trainings": 0.0},
        {"units": 3.0, "items": 2.0, "trainings": 0.0},
        {"units": 0.5, "items": 1.0, "trainings": 0.0},
    ]
    shown, few = {**GAIN, "state": "holds"}, open_harm(few="all of its 9 users ask for one item", noise={})
    assert remedies.change(_verdict(shown, *(open_harm(noise=noise) for noise in noises), few)) == (
        "More test items (a longer test period has more), more test users and as many test items as each "
        "interval needs: the gain itself is shown, not yet all else that is asked."
    )
    queries = {**_verdict(shown, few), "task": "search"}
    queries["evidence"] = {**queries["evidence"], "unit": "queries"}
    assert remedies.change(queries).startswith("As many test items as each interval needs: the gain itself")
    chosen = _verdict(GAIN)
    chosen["evidence"] = {
        **chosen["evidence"],
        "chosen_from": 4,
        "needed_units": 900.0,
        "num_test_units": 300,
    }
    assert remedies.change(chosen).endswith(
        "the gain lies. Fewer arms to choose from (4 now), named before anything is measured, would be surer."
    )
    alike = {**GAIN, "few": ALIKE}
    assert remedies.change(_verdict(alike)) == (
        "Longer trainings, or an arm that changes what the model gives, which this one did not."
    )
    hardly = {**GAIN, "few": "the two differ on 3 test cases, where an interval needs 50"}
    assert remedies.change(_verdict(hardly)) == (
        "More test users, on enough of whom the arm differs from what it is held against."
    )
    nowhere = {**HARM, "state": "open", "few": ALIKE}
    some = _verdict({**GAIN, "state": "holds"}, nowhere, {**nowhere, "few": hardly["few"]})
    some["evidence"] = {**some["evidence"], "chosen_from": 4}
    assert remedies.change(some) == (
        "More test users, on enough of whom the arm differs from what it is held against: the gain itself is "
        "shown, not yet all else that is asked."
    )


def test_for_whom_it_helps_is_not_said_where_nothing_is_believed() -> None:
    believed = {**_verdict(GAIN), "segments": ["history=0-4"]}
    assert decisions.segments_sentence(believed) == "", "of a release that held them against real rows alone"
    believed["evidence"]["chosen_from"] = 1
    assert decisions.segments_sentence(believed).startswith("For users with 0 to 4 earlier events, gan ")
    for segments in (["history=0-4"], []):
        assert decisions.segments_sentence({**_verdict(GAIN, ALARM), "segments": segments}) == ""


def test_another_family_whose_negative_control_gains_tells_nothing() -> None:
    assert decisions.family_sentence(_verdict(GAIN, ALARM)) == (
        "With logistic in its place nothing is to be trusted: again shows a gain where none can be."
    )
