import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicksmith.reporting import plots, sections, words
from clicksmith.reporting.plots import Group, Interval

TAKEN = "Items by how often they were taken"
SHOWN = "Queries by how many products were shown with them"


def test_ticks_are_round_and_inside():
    assert plots.ticks(0, 10, 4) == [0, 2.5, 5, 7.5, 10]
    assert plots.ticks(-0.0031, 0.0052, 4) == [-0.002, 0.0, 0.002, 0.004] or plots.ticks(
        -0.0031, 0.0052, 4
    ) == [-0.0025, 0.0, 0.0025, 0.005]
    assert plots.ticks(3, 3, 4) == [3]


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_never_leave_the_axis(low, span):
    found = plots.ticks(low, low + span, 4)
    assert len(found) <= 6
    slack = 1e-6 * max(abs(low), span)
    assert all(low - slack <= tick <= low + span + slack for tick in found)


def test_bounds_hold_zero_marks_and_all_intervals():
    low, high = plots.common_bounds(
        [Interval("a", 2.0, 1.0, 3.0), Interval("b", math.nan, None, None)], [-0.5]
    )
    assert low == pytest.approx(-0.5 - 0.06 * 3.5) and high == pytest.approx(3 + 0.06 * 3.5)
    assert plots.common_bounds([]) == (-0.01, 0.01)


def test_one_bad_arm_does_not_ruin_the_axis():
    """Three times the median reach, which is 3 here; what lies beyond widens nothing."""
    good = [Interval(name, 2.0, 1.0, 3.0) for name in "abc"]
    bad = Interval("bad", -300.0, -310.0, -290.0)
    assert plots.common_bounds([*good, bad]) == plots.common_bounds(good)
    wide = [*good, Interval("wide", 5.0, 1.0, 9.0)]
    assert plots.common_bounds(wide)[1] == pytest.approx(9 * 1.06), "exactly three times is shown"
    assert plots.common_bounds([*good, Interval("wider", 5.0, 1.0, 9.1)])[1] == pytest.approx(3 * 1.06)


def test_a_worthwhile_gain_far_from_narrow_intervals_is_shown():
    low, high = plots.common_bounds([Interval("a", 0.01, 0.0, 0.02)], [1.0])
    assert low < 0 and high > 1


def forest(rows, bounds, marks=None):
    return ElementTree.fromstring(plots.forest("t", [Group("", "#123456", rows)], bounds, marks or {}))


def test_an_arrow_stands_where_an_interval_goes_beyond_the_axis():
    inside, one_end = Interval("inside", 0.0, -1.0, 1.0), Interval("one end", 1.0, -1.0, 5.0)
    beyond, both = Interval("beyond", -30.0, -40.0, -20.0), Interval("both", 0.0, -9.0, 9.0)
    for row, arrows, dots in ((inside, 0, 1), (one_end, 1, 1), (beyond, 1, 0), (both, 2, 1)):
        svg = forest([row], (-2.0, 2.0))
        assert (len(svg.findall("path")), len(svg.findall("circle"))) == (arrows, dots), row.label
    beyond_left = forest([beyond], (-2.0, 2.0)).find("path").get("d")
    assert re.match(r"M5.0 [\d.]+l7 -4.5v9z", beyond_left), "its point is on the left of the axis' left end"


def test_a_dot_is_filled_only_where_it_is_told_from_zero():
    rows = [
        Interval("corrected", 2.0, 1.0, 3.0, is_apart=True),
        Interval("taken alone", 2.0, 0.1, 3.9),
        Interval("unsure", 0.5, -1.0, 2.0),
        Interval("without an interval", 1.0, None, None),
    ]
    fills = [dot.get("fill") for dot in forest(rows, (-1, 4)).findall("circle")]
    assert fills == ["#123456", "#fff", "#fff", "#fff"]


def test_dots_lie_in_order_of_their_values():
    rows = [Interval("a", 3.0, None, None), Interval("b", -1.0, None, None), Interval("c", 0.0, None, None)]
    a, b, c = (float(dot.get("cx")) for dot in forest(rows, (-2, 4)).findall("circle"))
    assert b < c < a
    assert (a - c) / (c - b) == pytest.approx(3, abs=0.02)


def test_the_dashed_line_lies_at_its_value():
    svg = forest([Interval("a", 1.0, 0.0, 2.0)], (-1.0, 3.0), {"worthwhile": 1.0})
    dashed = [line for line in svg.findall("line") if line.get("stroke-dasharray")]
    (dot,) = svg.findall("circle")
    assert [line.get("x1") for line in dashed[1:]] == [dot.get("cx")]
    assert "worthwhile: +1" in [text.text for text in svg.findall("text")], "beside a dash of its own"


def test_long_labels_leave_room_for_their_figures():
    rows = [Interval("W" * 40, 1.0, 0.0, 2.0, "+1.0000 (+0.0000 to +2.0000)")]
    label, note = (text.text for text in forest(rows, (-1.0, 3.0)).findall("text")[:2])
    assert label.endswith("…") and len(label) < 21 and note.startswith("+1.0000")


def test_bars_are_as_long_as_their_shares():
    svg = ElementTree.fromstring(plots.bars("t", ["x", "y"], [0.75, 0.25], {"gan": [0.5, 0.5]}))
    widths = [float(bar.get("width")) for bar in svg.findall("rect")]
    assert widths[0] / widths[1] == pytest.approx(3, abs=0.02)
    assert len(svg.findall("circle")) == 2


def test_lines_survive_gaps_and_nothing():
    assert "nothing was recorded" in plots.lines("t", {"loss": []})
    assert "polyline" in plots.lines("t", {"loss": [(1, 1.0), (2, math.nan), (3, 2.0)]})
    ElementTree.fromstring(plots.lines("t", {"a<b": [(1, 1.0)]}))


def test_curves_are_grouped_by_kind():
    history = [{"step": 10, "generator_loss": 1.0, "critic_loss": 2.0, "coverage": 0.5, "gradient_norm": 9.0}]
    assert sections.curves(history) == [
        ("loss", {"critic loss": [(10.0, 2.0)], "generator loss": [(10.0, 1.0)]}),
        ("figures on held-out rows", {"coverage": [(10.0, 0.5)]}),
    ]


@pytest.mark.parametrize(
    ("name", "group", "told", "short"),
    [
        ("all", "", "all test rows", "all test rows"),
        ("history=0-49", "Users by earlier events", "users with 0 to 49 earlier events", "0–49 events"),
        ("history=7-7", "Users by earlier events", "users with 7 earlier events", "7 events"),
        ("history=600+", "Users by earlier events", "users with 600 or more earlier events", "600+ events"),
        ("popularity=5-9", TAKEN, "items taken 5 to 9 times before", "5–9 times"),
        ("cold_user=yes", "New since the cut", "new users", "users"),
        ("cold_item=yes", "New since the cut", "new items", "items"),
        ("unknown_item=yes", "New or too rare to be known", "items new or too rare to be known", "items"),
        ("frequency=0-3", SHOWN, "queries shown with 0 to 3 products in training", "0–3 products"),
        ("category=FRZN=VEG-DSH+", "Items by category", "items of category FRZN=VEG-DSH+", "FRZN=VEG-DSH+"),
        ("other=1", "", "other=1", "other=1"),
    ],
)  # fmt: skip
def test_segments_in_words(name, group, told, short):
    found = words.segment(name)
    assert (found.group, found.words, found.short) == (group, told, short)


def test_segments_lie_in_rising_order():
    names = ["category=B", "popularity=10+", "history=10-19", "history=2-9", "all", "cold_item=yes"]
    assert sorted(names, key=lambda name: words.segment(name).order) == [
        "all", "history=2-9", "history=10-19", "popularity=10+", "cold_item=yes", "category=B",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        ("history=50+", "users with 50 or more earlier events"),
        ("all by logloss", "all test rows, by log loss"),
        ("category=MADE BY HAND by logloss", "items of category MADE BY HAND, by log loss"),
        ("cold_item=yes by recall@10", "new items, by recall@10"),
        ("category=soap by lush", "items of category soap by lush"),
    ],
)
def test_what_has_to_be_safe_in_words(subject, told):
    assert words.subject_words(subject) == told


def test_nothing_that_rounds_to_zero_is_below_it():
    assert words.figure_words(-0.00001, -0.1, 0.00001) == "0.0000 (-0.1000 to +0.0000)"
    assert words.figure_words(None) == words.figure_words(math.nan) == "undefined"
    assert words.figure_words(0.5, None, 1.0) == "+0.5000"


def test_joining_words():
    assert words.join_words([]) == ""
    assert words.join_words(["a"]) == "a"
    assert words.join_words(["a", "b", "c"]) == "a, b and c"


def test_names_of_curves_stay_inside_the_plot():
    names = ["coverage", "diversity", "duplicate rate", "entropy ratio", "held-out nats"]
    svg = plots.lines("figures", {name: [(1, 0.5), (2, 0.6)] for name in names})
    placed = {}
    for across, down, name in re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]+)</text>', svg):
        if name in names:
            placed[name] = (float(across), float(down))
    assert placed.keys() == set(names)
    assert all(across + 6 * len(name) < 340 for name, (across, _) in placed.items())
    assert len({down for _, down in placed.values()}) == 2, "they take two lines"
    assert len(set(placed.values())) == len(names)
