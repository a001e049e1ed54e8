"""Small plots as inline SVG, drawn by hand: crisp on paper, a few kB each, the same bytes each time.

Every plot has a title and a description for screen readers. Lengths are in the SVG's own units, about
pixels at its natural width; the page scales them.
"""

import math
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from statistics import median

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's palette: told apart by colour-blind readers."""

GREY, INK, FAINT, WASH = "#c9ced6", "#3b4252", "#dde2ea", "#f3f5f9"
DASHES = "3 2.5"


@dataclass(frozen=True)
class Interval:
    """One row of a forest plot.

    Attributes:
        label: what it is of.
        value: its dot; NaN draws nothing.
        low: end of the interval; None where there is none.
        high: likewise.
        note: beside the label.
        detail: on hover.
        is_apart: whether it is told from zero: its dot is filled.
    """

    label: str
    value: float
    low: float | None
    high: float | None
    note: str = ""
    detail: str = ""
    is_apart: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """Of the interval; the value twice where there is none."""
        return (self.value, self.value) if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class Group:
    """Rows of a forest plot below a common title, in one colour."""

    title: str
    colour: str
    rows: Sequence[Interval]


def forest(
    title: str, groups: Sequence[Group], bounds: tuple[float, float], marks: Mapping[str, float]
) -> str:
    """Values with intervals below their labels, beside a line at zero; filled where they are told from it.

    Args:
        title: for screen readers.
        groups: from top to bottom.
        bounds: of the axis, so that several plots share one; an arrow where an interval goes beyond it.
        marks: the value that gains are held against, by what it is: a dashed line.
    """
    width, left, right, top = 350, 4, 346, 18 if marks else 4
    scale = _scale(bounds, (left + 8, right - 8))
    parts = []
    for name, value in marks.items():
        parts.append(_line(left + 4, 1, left + 4, 13, INK, dashes=DASHES))
        parts.append(_text(left + 13, 11, f"{name}: {value:+g}", style="tick"))
    y = float(top)
    for group in groups:
        if group.title:
            parts.append(f'<circle cx="{left + 4}" cy="{y + 12:.1f}" r="4" fill="{group.colour}"/>')
            parts.append(_text(left + 13, y + 16, group.title, style="head"))
            y += 22
        for row in group.rows:
            parts += [
                _text(left, y + 12, _fit(row.label, 172)),
                _text(right, y + 12, row.note, "end", "tick"),
            ]
            parts += _band((left, right), y + 17, bounds, scale, marks)
            parts += _interval(row, y + 24, bounds, scale, group.colour)
            y += 34
    for tick in ticks(*bounds, count=4):
        parts.append(_text(scale(tick), y + 11, f"{tick:+g}" if tick else "0", "middle", "tick"))
    told = [(f"{group.title}: " if group.title else "", row) for group in groups for row in group.rows]
    described = "; ".join(f"{title}{row.label}: {row.note}" for title, row in told)
    return _svg(title, described, width, y + 18, parts)


def _band(
    sides: tuple[int, int],
    y: float,
    bounds: tuple[float, float],
    scale: "_Scale",
    marks: Mapping[str, float],
    height: int = 14,
) -> list[str]:
    """What an interval is drawn on: lines at round numbers, at zero and at the marks."""
    left, right = sides
    parts = [f'<rect x="{left}" y="{y:.1f}" width="{right - left}" height="{height}" fill="{WASH}"/>']
    parts += [_line(scale(tick), y, scale(tick), y + height, FAINT) for tick in ticks(*bounds, count=4)]
    parts.append(_line(scale(0.0), y, scale(0.0), y + height, INK))
    parts += [_line(scale(x), y, scale(x), y + height, INK, dashes=DASHES) for x in marks.values()]
    return parts


def _interval(
    row: Interval, middle: float, bounds: tuple[float, float], scale: "_Scale", colour: str
) -> list[str]:
    """The marks of a row; nothing where its value is not defined."""
    if math.isnan(row.value):
        return []
    low, high = row.ends
    start, end = (scale(min(max(x, bounds[0]), bounds[1])) for x in row.ends)
    parts = [_line(start, middle, end, middle, colour, 2)]
    parts += [
        f'<path d="M{x + 7 * way:.1f} {middle:.1f}l{-7 * way} -4.5v9z" fill="{colour}"/>'
        for x, way, beyond in ((start, -1, low < bounds[0]), (end, 1, high > bounds[1]))
        if beyond
    ]
    if bounds[0] <= row.value <= bounds[1]:
        fill = colour if row.is_apart else "#fff"
        parts.append(
            f'<circle cx="{scale(row.value):.1f}" cy="{middle:.1f}" r="4" fill="{fill}" stroke="{colour}" '
            f'stroke-width="2"><title>{escape(row.detail or row.note)}</title></circle>'
        )
    return parts


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Curves over training steps, each named at the top."""
    width, left, right = 340, 46, 330
    names = [name for name, curve in series.items() if any(math.isfinite(value) for _, value in curve)]
    places = _key_places(names, left, right)
    top = 26 + max((y for _, y in places.values()), default=0)
    bottom, height = top + 140, top + 164
    points = [point for curve in series.values() for point in curve if math.isfinite(point[1])]
    if not points:
        return _svg(title, "nothing was recorded", width, 40, [_text(10, 24, "nothing was recorded")])
    x = _scale((min(p[0] for p in points), max(p[0] for p in points)), (left, right))
    low, high = _padded([p[1] for p in points])
    y = _scale((low, high), (bottom, top))
    parts = []
    for tick in ticks(low, high, count=4):
        parts.append(_line(left, y(tick), right, y(tick), FAINT))
        parts.append(_text(left - 6, y(tick) + 4, f"{tick:g}", "end", "tick"))
    for tick in ticks(points[0][0], max(p[0] for p in points), count=4):
        if x(tick) >= left and tick == int(tick):
            parts.append(_text(x(tick), bottom + 15, f"{tick:g}", "middle", "tick"))
    described = []
    for index, (name, curve) in enumerate(series.items()):
        finite = [point for point in curve if math.isfinite(point[1])]
        if not finite:
            continue
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in finite)
        if len(finite) == 1:
            parts.append(
                f'<circle cx="{x(finite[0][0]):.1f}" cy="{y(finite[0][1]):.1f}" r="3" fill="{colour}"/>'
            )
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        across, down = places[name]
        parts.append(f'<rect x="{across}" y="{6 + down}" width="10" height="3" fill="{colour}"/>')
        parts.append(_text(across + 14, 12 + down, name, "start", "tick"))
        described.append(f"{name} from {finite[0][1]:.4g} to {finite[-1][1]:.4g}")
    return _svg(title, "; ".join(described), width, height, parts)


def _key_places(names: Sequence[str], left: int, right: int) -> dict[str, tuple[int, int]]:
    """Where the name of each curve stands: side by side, in a further line where the width is used up."""
    places, across, down = {}, left, 0
    for name in names:
        width = 24 + round(6.2 * len(name))
        if across > left and across + width > right:
            across, down = left, down + 14
        places[name] = (across, down)
        across += width
    return places


def bars(
    title: str, labels: Sequence[str], real: Sequence[float], others: Mapping[str, Sequence[float]]
) -> str:
    """Shares of bins or values: grey bars for real rows, a dot for each generator."""
    left, width, row_height, top = 92, 270, 15, 4
    height = top + row_height * len(labels) + 4
    most = max([*real, *(share for shares in others.values() for share in shares), 1e-9])
    scale = _scale((0.0, most), (left, width - 48))
    parts = []
    for index, (label, share) in enumerate(zip(labels, real, strict=True)):
        y = top + row_height * index
        parts.append(_text(left - 6, y + 11, _short(label, 12), "end", "tick"))
        parts.append(
            f'<rect x="{left}" y="{y + 2}" width="{max(scale(share) - left, 0.5):.1f}" '
            f'height="{row_height - 4}" fill="{GREY}"><title>{escape(label)}: {share:.1%}</title></rect>'
        )
        parts.append(_text(width - 2, y + 11, _percent(share), "end", "tick"))
        for other, (name, shares) in enumerate(others.items()):
            parts.append(
                f'<circle cx="{scale(shares[index]):.1f}" cy="{y + row_height / 2:.1f}" r="3" '
                f'fill="{COLOURS[other % len(COLOURS)]}" fill-opacity=".85">'
                f"<title>{escape(name)}: {shares[index]:.1%}</title></circle>"
            )
    described = ", ".join(f"{label} {share:.1%}" for label, share in zip(labels, real, strict=True))
    return _svg(title, f"real rows: {described}", width, height, parts)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers within [low, high], about `count` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(f"{number * step:.10g}") for number in range(first, last + 1)]


def common_bounds(rows: Sequence[Interval], marks: Sequence[float] = ()) -> tuple[float, float]:
    """An axis that holds zero, the marks and the intervals, with a little room.

    It ends at three times what intervals commonly reach: one bad arm leaves the others readable.
    """
    finite = [row.ends for row in rows if math.isfinite(sum(row.ends))]
    reach = 3 * median(max(map(abs, ends)) for ends in finite) if finite else 0.0
    limit = max([reach, *(2 * abs(mark) for mark in marks)])
    shown = [0.0, *marks, *(end for ends in finite for end in ends if abs(end) <= limit)]
    low, high = min(shown), max(shown)
    room = 0.06 * (high - low) or 0.01
    return low - room, high + room


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _scale(source: tuple[float, float], target: tuple[float, float]) -> "_Scale":
    return _Scale(source[0], (source[1] - source[0]) or 1.0, target[0], target[1] - target[0])


@dataclass(frozen=True)
class _Scale:
    start: float
    span: float
    target: float
    length: float

    def __call__(self, value: float) -> float:
        return self.target + (value - self.start) / self.span * self.length


def _svg(title: str, described: str, width: int, height: float, parts: Sequence[str]) -> str:
    label = escape(f"{title}. {described}", quote=True)
    return (
        f'<svg viewBox="0 0 {width} {height:g}" role="img" aria-label="{label}" '
        f'style="max-width:{round(width * 1.25)}px">{"".join(parts)}</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width:g}"{dashed}/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", style: str = "label") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{style}">{escape(text)}</text>'


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _fit(text: str, width: int) -> str:
    """As much of a label as has room in so many pixels."""
    ends = list(accumulate(8.6 if letter.isupper() else 6.6 for letter in text))
    return text if not ends or ends[-1] <= width else f"{text[: bisect(ends, width - 8)]}…"


def _percent(share: float) -> str:
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"
