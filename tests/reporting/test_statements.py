"""What is said of a verdict whose negative control shows a gain."""

from typing import Any

from clicksmith.reporting import decisions, statements

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
    copies = {**GAIN, "what": "cheap", "subject": "copies in its ratio", "few": "none were measured"}
    open_harm = {**HARM, "state": "open"}
    rung = decisions.change(_verdict(shown, ALARM))
    assert rung == "More seeds (lift.num_seeds, now 5), until arms that can have no gain show none."
    missing = decisions.change(_verdict(shown, copies))
    assert missing == "An arm of copies in the ratio of the generated rows: the gain itself is shown."
    assert decisions.change(_verdict(shown, copies, open_harm)).startswith("More test users")


def test_another_family_whose_negative_control_gains_tells_nothing() -> None:
    assert decisions.family_sentence(_verdict(GAIN, ALARM)) == (
        "With logistic in its place nothing is to be trusted: again shows a gain where none can be."
    )
