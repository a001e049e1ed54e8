"""The page is no wider than a phone: what a browser would lay out wider is found in markup and style."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import toy_report
from clicksmith.config import load_config
from clicksmith.reporting.html import render
from clicksmith.reporting.style import STYLE
from reporting import toy_measured
from reporting.checker import VOID
from toy_report import gathered

ROOT = Path(__file__).resolve().parents[2]
PHONE = 420
ROOM = PHONE - 2 * 12
"""What the margins of the page leave."""
LENGTH = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)px")


def rules(style: str) -> dict[tuple[str, str], str]:
    """Each selector's properties, as they are on a phone: what is asked of narrow screens comes last."""
    inside = r"@media\s*([^{]*)\{((?:[^{}]*\{[^{}]*\})*)[^{}]*\}"
    narrow = "".join(body for condition, body in re.findall(inside, style) if "max-width" in condition)
    found = {}
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(inside, "", style) + narrow):
        for selector in selectors.split(","):
            for name, _, value in (part.partition(":") for part in body.split(";") if part.strip()):
                found[selector.strip(), name.strip()] = value.strip()
    return found


def too_wide(name: str, value: str) -> bool:
    """Whether a property asks for more room than there is, or keeps a line from being broken."""
    if name == "grid-template-columns":  # a column may grow to the second length of minmax, and need not
        value = re.sub(r"minmax\(([^,]*),[^)]*\)", r"\1", value)
    elif name not in ("width", "min-width", "flex-basis"):
        return name == "white-space" and "nowrap" in value
    return sum(map(float, LENGTH.findall(value))) > ROOM


class Widths(HTMLParser):
    """Collects what is wider than a phone."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        inline = (part.partition(":") for part in named.get("style", "").split(";"))
        self.faults += [f"{tag}: {name}" for name, _, value in inline if too_wide(name.strip(), value)]
        if tag == "svg" and not float(named["viewbox"].split()[2]) <= ROOM:
            self.faults.append("svg: its letters shrink")
        if "width" in named and tag in ("svg", "table", "td", "th", "img"):
            self.faults.append(f"{tag}: a fixed width")
        if tag == "table" and not any("scroll" in classes.split() for _, classes in self.open):
            self.faults.append("table: outside of what scrolls")
        if tag not in VOID:
            self.open.append((tag, named.get("class") or ""))

    def handle_endtag(self, tag):
        self.open.pop()


def faults(page: str) -> list[str]:
    """Of a page with its style sheet."""
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    found = Widths()
    found.feed(page)
    asked = rules(style)
    found.faults += [
        f"{selector}: {name}" for (selector, name), value in asked.items() if too_wide(name, value)
    ]
    scrolls = {"pre": "overflow-x", ".scroll": "overflow-x"}
    found.faults += [one for one, name in scrolls.items() if asked.get((one, name)) != "auto"]
    if asked.get(("body", "overflow-wrap")) not in ("anywhere", "break-word"):
        found.faults.append("body: a long name is not broken")
    if '<meta name="viewport" content="width=device-width,initial-scale=1">' not in page:
        found.faults.append("a phone would show a page for large screens")
    return found.faults


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("width")
    config = load_config(ROOT / "conf" / "local.yaml", [f"lake.root={folder / 'lake'}"])
    toy_report.fill(config, "augment", toy_measured.measured(toy_measured.LOGISTIC, toy_measured.NOISY))
    return render(gathered(config))


def test_nothing_on_the_page_is_wider_than_a_phone(page):
    assert page.count("<table") >= 10 and page.count("<svg") >= 40
    assert faults(page) == []


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ('<div class="scroll"><table>', "<div><table>", "table: outside of what scrolls"),
        ('<svg viewBox="0 0 350', '<svg viewBox="0 0 640', "svg: its letters shrink"),
        ("<svg viewBox", '<svg width="640" viewBox', "svg: a fixed width"),
        ('<p class="lead">', '<p class="lead" style="min-width:640px">', "p: min-width"),
        ("p{margin", "p{width:640px;margin", "p: width"),
        ("p{margin", "p{white-space:nowrap;margin", "p: white-space"),
        (
            ".grid{grid-template-columns:minmax(0,1fr)}",
            ".grid{grid-template-columns:minmax(500px,1fr)}",
            ".grid: grid-template-columns",
        ),
        ("minmax(230px,1fr)", "minmax(440px,1fr)", ".grid.small: grid-template-columns"),
        ("overflow-wrap:break-word", "", "body: a long name is not broken"),
        (".scroll{overflow-x:auto", ".scroll{", ".scroll"),
    ],
)
def test_what_is_wider_is_found(page, before, after, fault):
    assert before in page
    assert set(faults(page.replace(before, after))) == {fault}


def test_what_a_phone_asks_for_counts():
    style = (
        "a{width:640px;color:red}b,i{min-width:9px}@media(max-width:760px){a{width:90px}}"
        "@media print{b{width:900px}}"
    )
    assert rules(style) == {
        ("a", "width"): "90px", ("a", "color"): "red", ("b", "min-width"): "9px", ("i", "min-width"): "9px",
    }  # fmt: skip
    assert rules(STYLE)[".halves", "grid-template-columns"] == "minmax(0,1fr)"
