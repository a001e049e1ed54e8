"""BM25 by its formula."""

import math

import numpy as np
import pytest

from clicksmith.errors import TrainingError
from clicksmith.recommenders.search.lexical import BM25

TEXTS = ["red shoes for men", "Blue shoes", "a red red dress", "hat"]


def test_scores_by_hand() -> None:
    """idf = ln(1 + (N - n + 1/2) / (n + 1/2)); words of one letter are no words."""
    lengths = [4, 2, 3, 1]
    mean = sum(lengths) / 4

    def word(count: int, in_texts: int, length: int) -> float:
        idf = math.log(1 + (4 - in_texts + 0.5) / (in_texts + 0.5))
        return idf * count / (count + 1.5 * (1 - 0.75 + 0.75 * length / mean))

    expected = [word(1, 2, 4) + word(1, 2, 4), word(1, 2, 2), word(2, 2, 3), 0.0]
    np.testing.assert_allclose(BM25.fit(TEXTS).score("red SHOES"), expected, rtol=1e-5)


@pytest.mark.parametrize("query", ["", "unknown", "?"])
def test_a_query_without_a_known_word_scores_nothing(query: str) -> None:
    assert BM25.fit(TEXTS).score(query).tolist() == [0.0] * 4


def test_texts_without_words_are_an_error_that_says_so() -> None:
    with pytest.raises(TrainingError, match="None of 2 texts has a word"):
        BM25.fit(["", "?"])
