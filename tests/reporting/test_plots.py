import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicksmith.reporting import plots, sections, words
from clicksmith.reporting.plots import Interval


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


def test_bounds_hold_zero_and_all_intervals():
    low, high = plots.common_bounds([Interval("a", 2.0, 1.0, 3.0), Interval("b", math.nan, None, None)])
    assert low < 0 and high > 3
    assert plots.common_bounds([]) == (-0.01, 0.01)


def circles(svg):
    return ElementTree.fromstring(svg).findall("circle")


def test_a_dot_is_filled_only_where_the_interval_excludes_zero():
    rows = [
        Interval("sure", 2.0, 1.0, 3.0),
        Interval("unsure", 0.5, -1.0, 2.0),
        Interval("alone", 1.0, None, None),
    ]
    fills = [dot.get("fill") for dot in circles(plots.forest("t", rows, (-1, 4), ["#123456"] * 3))]
    assert fills == ["#123456", "#fff", "#fff"]


def test_dots_lie_in_order_of_their_values():
    rows = [Interval("a", 3.0, None, None), Interval("b", -1.0, None, None), Interval("c", 0.0, None, None)]
    a, b, c = (float(dot.get("cx")) for dot in circles(plots.forest("t", rows, (-2, 4), ["#000"] * 3)))
    assert b < c < a
    assert (a - c) / (c - b) == pytest.approx(3, abs=0.02)


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
    ("name", "expected"),
    [
        ("all", "all test rows"),
        ("history=0-49", "users with 0 to 49 earlier events"),
        ("history=600+", "users with 600 or more earlier events"),
        ("popularity=5-29", "items bought 5 to 29 times before"),
        ("other=1", "other=1"),
    ],
)
def test_segments_in_words(name, expected):
    assert words.segment_words(name) == expected


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
