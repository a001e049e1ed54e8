"""Search pairs as they are read: nothing that was asked before the cut seems new, no title is of later."""

import zlib

import pytest

from builders import rows_of
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.reading.pairs import SearchRows, read_pairs
from clicksmith.tables import BRONZE_ITEMS, SEARCH_PAIRS, VOCABULARY
from training.toy_lake import write_rows
from training.toy_lift import vocabulary_of

QUERIES = sorted((f"query {number}" for number in range(40)), key=lambda text: zlib.crc32(text.encode()))
"""In the order in which they are read."""


@pytest.fixture
def inputs(lake: Lake) -> tuple[Snapshot, Snapshot, Snapshot]:
    """Every other query was asked before the cut, with two products; all are asked after it."""
    pairs = [
        {
            "query": query, "item_id": item, "grade": 1, "num_impressions": 1, "num_clicks": 1,
            "num_carts": 0, "num_purchases": 0, "source": "log", "split": split,
        }
        for split, queries in (("train", QUERIES[::2]), ("validation", QUERIES), ("test", QUERIES))
        for query in queries
        for item in ("a", "b")
    ]  # fmt: skip
    items = [{"item_id": name, "title": title} for name, title in (("a", "A"), ("b", None), ("new", "New"))]
    return (
        write_rows(lake, SEARCH_PAIRS, rows_of(SEARCH_PAIRS, pairs), "f" * 32),
        write_rows(lake, BRONZE_ITEMS, rows_of(BRONZE_ITEMS, items), "f" * 32),
        write_rows(lake, VOCABULARY, vocabulary_of(["a", "b"]), "f" * 32),
    )


def asked(found: SearchRows, split: str = "test") -> list[str]:
    return list(dict.fromkeys(found.asked[split].queries))


@pytest.mark.parametrize(
    ("max_pairs", "max_known", "num_trained", "num_asked"),
    [
        (1000, None, 40, 40),
        (40, None, 40, 40),  # all there are: what lies beyond was never asked
        (10, None, 10, 9),  # five queries, and four new ones between them
        (9, None, 9, 9),
        (20, 10, 20, 9),  # a ceiling trains on more
        (1000, 10, 40, 9),
        (10, 20, 10, 9),
    ],
)
def test_queries_beyond_those_of_training_are_not_asked(
    inputs: tuple[Snapshot, ...], max_pairs: int, max_known: int | None, num_trained: int, num_asked: int
) -> None:
    found = read_pairs(*inputs, max_pairs, max_known)
    assert len(found.train) == num_trained
    assert asked(found, "validation") == asked(found) == QUERIES[:num_asked]
    assert found.num_beyond == dict.fromkeys(("validation", "test"), 40 - num_asked)
    new = [query for query in asked(found) if query not in found.train.queries]
    assert new == QUERIES[1:num_asked:2], "half are new, however few are trained on"


def test_titles_are_of_what_was_there_before_the_cut(inputs: tuple[Snapshot, ...]) -> None:
    found = read_pairs(*inputs, 1000)
    assert (found.titles, found.texts) == (["A"], ["A   "])
