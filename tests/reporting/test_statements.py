"""What is said of a verdict whose negative control shows a gain."""

from clicksmith.reporting import statements

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
