"""What was measured, as plots: arms in groups by role, segments, an axis that one bad arm does not ruin."""

import json
import re
from xml.etree import ElementTree

import pytest

from clicksmith.evaluation.rows import Metric
from clicksmith.lift.rows import metric_rows, verdict_rows
from clicksmith.reporting import forests
from reporting.toy_measured import BAD, CHOSEN, NEXT_ITEM, PLANS, RANKING, ToyTask, measured


def measurement(decision: str, task: ToyTask = RANKING) -> forests.Measurement:
    found = measured(task, PLANS[decision])
    (row,) = verdict_rows("r", [found], {task.name: found.verdict}, {}).to_pylist()
    rows = metric_rows("r", [found]).select(list(Metric.__dataclass_fields__)).to_pylist()
    return forests.measurement(
        {**row, "evidence": json.loads(row["evidence"])}, [Metric(**one) for one in rows]
    )


def texts(svg: str, style: str | None = None) -> list[str]:
    found = ElementTree.fromstring(svg).findall("text")
    return [text.text for text in found if style is None or text.get("class") == style]


def test_arms_stand_in_groups_by_role_with_the_control_named():
    plot = measurement("augment").chosen["All arms on all test rows"]
    assert [text for text in texts(plot) if not re.match(r"[-+0]|worthwhile", text)] == [
        "Control: none, real rows alone",
        "Must show nothing", "same", "shuffled_25",
        "More real rows: the ceiling", "real_all", "real_more_25",
        "Cheap arms: to be beaten", "duplicate_25", "oversample_tail_25", "smote_25", "teacher_25",
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


def test_what_each_arm_adds_is_told():
    found = measurement("augment")
    assert found.arms[0] == ("none", "real rows alone", 1)
    told = {name: (what, fits) for name, what, fits in found.arms}
    assert told["shuffled_25"] == ("repeats real rows, with labels that say nothing, 0.25 a real row", 1)
    assert told[CHOSEN] == ("adds generated rows, 0.25 a real row", 2)
    assert found.skipped == [
        "Arm dense_25 was not measured: the gate published no rows of generator 'dense_gan'."
    ]
