"""A page as a reader finds it."""

from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input"}
SAYING = {"h2", "p", "li", "dt", "dd"}


class Checker(HTMLParser):
    """Collects text, references and whether every element is closed in order.

    Attributes:
        articles: of each, what its headings, paragraphs, list items, terms and definitions say.
    """

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.references: list[str] = []
        self.unlabelled = 0
        self.counts: dict[str, int] = {}
        self.articles: list[list[str]] = []

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        named = dict(attrs)
        if tag == "article":
            self.articles.append([])
        elif tag in SAYING and "article" in self.open:
            self.articles[-1].append("")
        self.references += [named[key] for key in ("src", "href", "xlink:href") if key in named]
        self.unlabelled += tag == "svg" and not named.get("aria-label")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] in SAYING and "article" in self.open:
            self.articles[-1][-1] += data

    @classmethod
    def of(cls, page: str) -> "Checker":
        checker = cls()
        checker.feed(page)
        checker.close()
        assert checker.open == []
        return checker

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())
