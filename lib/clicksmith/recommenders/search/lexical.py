"""BM25 over product texts, by bm25s: what any search model has to beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clicksmith.errors import TrainingError
from clicksmith.recommenders.optional import require


@dataclass(frozen=True)
class BM25:
    """Okapi BM25 in the form of Lucene (Robertson et al. 1994; Lù 2024, arXiv 2407.03618).

    Attributes:
        index: of bm25s.
        num_texts: D.
    """

    index: Any
    num_texts: int

    @classmethod
    def fit(cls, texts: Sequence[str], k1: float = 1.5, b: float = 0.75) -> "BM25":
        """Index texts.

        Args:
            texts: one a product.
            k1: how soon a word's repetitions stop counting.
            b: how much long texts are held against it, in 0..1.

        Raises:
            TrainingError: bm25s is not installed, or no text has a word.
        """
        bm25s = require("bm25s", "BM25 needs", "search")
        tokens = bm25s.tokenize(list(texts), stopwords=None, show_progress=False)
        if not tokens.vocab:
            raise TrainingError(f"None of {len(texts):,} texts has a word.", "Give products titles.")
        index = bm25s.BM25(k1=k1, b=b)
        index.index(tokens, show_progress=False)
        return cls(index, len(texts))

    def score(self, query: str) -> NDArray[np.float32]:
        """The texts' scores, shape (D,); 0 where no word is shared."""
        import bm25s

        words = bm25s.tokenize([query], stopwords=None, show_progress=False, return_ids=False)[0]
        known = [word for word in words if word in self.index.vocab_dict]
        if not known:
            return np.zeros(self.num_texts, np.float32)
        return np.asarray(self.index.get_scores(known), np.float32)
