"""What is said of a verdict whose control shows a gain over itself, and what would change each one."""

from typing import Any

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
    copies = {**GAIN, "what": "cheap", "subject": "copies in its ratio", "few": "none were measured"}
    open_harm = {**HARM, "state": "open"}
    rung = remedies.change(_verdict(shown, ALARM))
    assert rung == "More seeds (lift.num_seeds, now 5), until arms that can have no gain show none."
    missing = remedies.change(_verdict(shown, copies))
    assert missing == "An arm of copies in the ratio of the generated rows: the gain itself is shown."
    assert remedies.change(_verdict(shown, copies, open_harm)) == (
        "An arm of copies in the ratio of the generated rows and more test users: the gain itself is shown, "
        "not yet all else that is asked."
    )
    assert remedies.change(_verdict(GAIN, copies, open_harm)) == (
        "More seeds (lift.num_seeds, now 5) and more fits of the generator (lift.num_fits, 3 measured): the "
        "noise between trainings hides a gain of +0.001, however many users are tested; and an arm of copies "
        "in the ratio of the generated rows."
    )


def test_no_users_are_asked_for_where_items_are_what_hides_a_gain() -> None:
    """Or trainings: what is the larger of the two, where no number of users would tell."""
    by_items = {**GAIN, "noise": {"units": 4e-6, "items": 2e-6, "trainings": 1e-6}}
    assert remedies.change(_verdict(by_items)) == (
        "More test items (a longer test period has more): chance in which items were tested hides a gain of "
        "+0.001, however many users are tested."
    )
    by_seeds = {**GAIN, "noise": {"units": 4e-6, "items": 1e-6, "trainings": 2e-6}}
    assert remedies.change(_verdict(by_seeds)).startswith("More seeds (lift.num_seeds, now 5) and more fits")


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
        "More test items (a longer test period has more), more test users and as many test users and items "
        "as each interval needs: the gain itself is shown, not yet all else that is asked."
    )
    queries = {**_verdict(shown, few), "task": "search"}
    queries["evidence"] = {**queries["evidence"], "unit": "queries"}
    assert remedies.change(queries).startswith("As many test queries as each interval needs: the gain itself")


def test_for_whom_it_helps_is_not_said_where_nothing_is_believed() -> None:
    believed = {**_verdict(GAIN), "segments": ["history=0-4"]}
    assert decisions.segments_sentence(believed).startswith("A gain is shown for users with 0 to 4 earlier ")
    for segments in (["history=0-4"], []):
        assert decisions.segments_sentence({**_verdict(GAIN, ALARM), "segments": segments}) == ""


def test_another_family_whose_negative_control_gains_tells_nothing() -> None:
    assert decisions.family_sentence(_verdict(GAIN, ALARM)) == (
        "With logistic in its place nothing is to be trusted: again shows a gain where none can be."
    )
