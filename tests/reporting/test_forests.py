"""What was measured, as plots: arms in groups by role, segments, an axis that one bad arm does not ruin."""

import json
import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from clicksmith.evaluation.rows import Metric
from clicksmith.lift.rows import metric_rows, verdict_rows
from clicksmith.reporting import forests
from reporting.toy_measured import (
    ARMS,
    BAD,
    CHOSEN,
    NEXT_ITEM,
    PLANS,
    RANKING,
    SEGMENTS,
    Planned,
    ToyTask,
    measured,
)

OLDER = ("detectable.", "apart.")
"""What older releases did not tell."""


def measurement(
    planned: str | Planned, task: ToyTask = RANKING, without: tuple[str, ...] = ()
) -> forests.Measurement:
    """What is drawn, without figures of some names."""
    found = measured(task, PLANS[planned] if isinstance(planned, str) else planned)
    (row,) = verdict_rows("r", [found], {task.name: found.verdict}, {}).to_pylist()
    rows = metric_rows("r", [found]).select(list(Metric.__dataclass_fields__)).to_pylist()
    kept = [Metric(**one) for one in rows if not one["metric"].startswith(without)]
    return forests.measurement({**row, "evidence": json.loads(row["evidence"])}, kept)


def texts(svg: str, style: str | None = None) -> list[str]:
    found = ElementTree.fromstring(svg).findall("text")
    return [text.text for text in found if style is None or text.get("class") == style]


def dots(svg: str) -> dict[str, tuple[bool, str]]:
    """Of each label below which a dot is drawn: whether it is filled, and what it shows on hover."""
    found, label = {}, ""
    for element in ElementTree.fromstring(svg):
        if element.get("class") == "label":
            label = element.text or ""
        if element.tag == "circle" and element.get("stroke"):
            found[label] = (element.get("fill") != "#fff", element.findtext("title") or "")
    return found


def test_arms_stand_in_groups_by_role_with_the_control_named():
    plot = measurement("augment").chosen["All arms on all test rows"]
    assert [text for text in texts(plot) if not re.match(r"[-+0]|worthwhile", text)] == [
        "Control: none, real rows alone",
        "Must show nothing", "same",
        "More real rows: the ceiling", "real_all", "real_more_25",
        "Cheap arms: to be beaten", "duplicate_25", "oversample_tail_25", "shuffled_25", "smote_25",
        "teacher_25",
        "Generated rows", f"chosen: {CHOSEN}", BAD, "gan_25",
    ]  # fmt: skip
    heads = ElementTree.fromstring(plot)
    colours = {circle.get("fill") for circle in heads.findall("circle") if not circle.get("stroke")}
    assert len(colours) == 5, "a colour a role"
    assert "worthwhile: +0.001" in texts(plot, "tick")


def test_a_bad_arm_is_an_arrow_beside_its_figure():
    plot = measurement("augment").chosen["All arms on all test rows"]
    (arrow,) = ElementTree.fromstring(plot).findall("path")
    assert arrow.get("d").startswith("M5.0 "), "at the left end"
    assert "-0.3100 (-0.3118 to -0.3082)" in texts(plot, "tick")
    ticks = [float(text) for text in texts(plot, "tick") if re.fullmatch(r"[-+0-9.]+", text)]
    assert ticks and max(map(abs, ticks)) <= 0.02


def test_the_chosen_arm_is_shown_by_segment_and_metric_the_others_are_folded_away():
    found = measurement("augment")
    assert list(found.chosen) == [
        "All arms on all test rows", f"{CHOSEN} by segment, AUC", f"{CHOSEN} by segment, log loss",
    ]  # fmt: skip
    assert next(iter(found.others)) == "same" and set(found.others) == set(RANKING.arms) - {CHOSEN, "none"}
    plot = found.chosen[f"{CHOSEN} by segment, AUC"]
    assert texts(plot, "head") == [
        "Users by earlier events", "Items by how often they were taken", "New since the cut",
        "Items by category",
    ]  # fmt: skip
    assert texts(plot, "label") == [
        "all test rows", "0–49 events", "50–199 events", "200+ events", "0 times", "1–4 times", "5+ times",
        "users", "items", "DRUG GM", "FRZN VEGETABLE/VEG …",
    ]  # fmt: skip
    assert "margin: -0.01" in texts(plot, "tick")


def test_a_segment_of_too_few_users_has_no_interval():
    plot = measurement("inconclusive").chosen[f"{CHOSEN} by segment, AUC"]
    (few,) = [text for text in texts(plot, "tick") if text.endswith("no interval")]
    assert re.fullmatch(r"[-+]0\.\d{4}, no interval", few)


def test_a_dot_is_filled_where_the_gain_is_told_from_zero_once_corrected():
    """Of 132 gains: 11 arms by 11 segments, and the chosen one by log loss.

    One of smote_25, -.0020 with an error of .0009, is told from zero only where it is taken alone.
    """
    found = measurement("augment")
    assert found.num_corrected == 132
    drawn = dots(found.chosen["All arms on all test rows"])
    assert [arm for arm, (is_filled, _) in drawn.items() if is_filled] == [
        "real_all", "real_more_25", f"chosen: {CHOSEN}",
    ]  # fmt: skip
    assert drawn["smote_25"][1].startswith("-0.0020 (-0.0038 to -0.0002), ")
    assert {"same", "shuffled_25"} <= drawn.keys(), "what must show nothing, or be beaten, stands beside them"


def test_beside_each_gain_stands_the_smallest_that_would_be_found():
    """2.8 errors: of all rows sqrt(.0009^2 + .0002^2), of a segment twice the first part."""
    found = measurement("augment")
    shown = dots(found.chosen["All arms on all test rows"])[f"chosen: {CHOSEN}"][1]
    assert shown == (
        "+0.0043 (+0.0025 to +0.0061), 20,000 rows; a gain of +0.0026 would be found 8 times in 10"
    )
    told = {name: (gain, smallest) for name, _, _, gain, smallest in found.arms}
    assert told[CHOSEN] == ("+0.0043 (+0.0025 to +0.0061)", "+0.0026") and told["none"] == ("–", "–")
    assert all(smallest.startswith("+") for _, smallest in told.values() if smallest != "–")
    of_new_users = [row for row in found.segments if row[0] == "new users"]
    assert [(row[1], row[3], row[4]) for row in of_new_users] == [
        ("AUC", "+0.0051", "5,000"), ("log loss", "+0.0051", "5,000"),
    ]  # fmt: skip
    assert len(found.segments) == 22 and found.segments[0][:2] == ("all test rows", "AUC")


def test_a_segment_of_too_few_users_has_no_smallest_gain_and_claims_nothing():
    found = measurement("inconclusive")
    assert found.num_corrected == 132 - 12
    (few,) = {row[2:] for row in found.segments if row[0] == "new users" and row[1] == "AUC"}
    assert re.fullmatch(r"[-+]0\.\d{4}", few[0]) and few[1] == "–"
    is_filled, shown = dots(found.chosen[f"{CHOSEN} by segment, AUC"])["users"]
    assert not is_filled and shown.endswith(", no interval, 5,000 rows")


def test_what_an_older_release_measured_is_drawn_without_what_it_did_not_tell():
    found = measurement("augment", without=OLDER)
    assert found.num_corrected == 0 and found.chosen.keys() == measurement("augment").chosen.keys()
    assert "by a release that did not correct" in found.correction
    for plot in (*found.chosen.values(), *found.others.values()):
        assert not any(is_filled or "8 times" in shown for is_filled, shown in dots(plot).values())
    assert {row[4] for row in found.arms} == {"–"} and {row[3] for row in found.segments} == {"–"}


def test_where_no_difference_has_an_interval_no_release_is_blamed():
    """Of too few users none has, of a control alone there is none, and of undefined figures neither."""
    few = dict.fromkeys(SEGMENTS, "7 users were tested, where an interval needs 30")
    without = "No difference has an interval, and no dot is filled:"
    one = replace(RANKING, arms={name: ARMS[name] for name in ("none", CHOSEN)})
    alone = replace(RANKING, arms={"none": ARMS["none"]}, chosen=None)
    told = [
        (Planned(0.0043, 0.0009, few=few), RANKING),
        (Planned(0.0043, 0.0009), alone),
        (Planned(math.nan, 0.0009), one),
        (Planned(0.0043, 0.0009), one),
    ]
    assert [measurement(plan, task).correction for plan, task in told] == [
        f"{without} 7 users were tested, where an interval needs 30.",
        "No other arm was measured beside it: there is no difference to draw.",
        f"{without} they are not defined on these rows.",
        "Filled dots are corrected for 22 differences.",
    ]


def test_tasks_do_not_mix():
    ranking, next_item = (measured(task, PLANS["augment"]) for task in (RANKING, NEXT_ITEM))
    rows = metric_rows("r", [ranking, next_item]).select(list(Metric.__dataclass_fields__)).to_pylist()
    verdicts = {"ranking": ranking.verdict, "next_item": next_item.verdict}
    row = verdict_rows("r", [ranking, next_item], verdicts, {}).to_pylist()[1]
    verdict = {**row, "evidence": json.loads(row["evidence"])}
    found = forests.measurement(verdict, [Metric(**one) for one in rows])
    assert list(found.chosen) == ["All arms on all test rows", "crop by segment, NDCG@10"]
    assert texts(found.chosen["All arms on all test rows"], "head")[-2:] == [
        "Cheap arms: to be beaten", "Free augmentations",
    ]  # fmt: skip
    assert found.control_value == pytest.approx(0.781)
    assert found.num_corrected == 5 * 11, "of the five arms of its own"


def test_what_each_arm_adds_is_told():
    found = measurement("augment")
    assert found.arms[0][:3] == ("none", "real rows alone", 1)
    told = {name: (what, fits) for name, what, fits, *_ in found.arms}
    assert told["shuffled_25"] == ("repeats real rows, with labels that say nothing, 0.25 a real row", 1)
    assert told[CHOSEN] == ("adds generated rows, 0.25 a real row", 2)
    assert found.skipped == [
        "Arm dense_25 was not measured: the gate published no rows of generator 'dense_gan'."
    ]
