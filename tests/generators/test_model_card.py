"""The card for people: every figure in it is the card's or the codec's."""

from types import SimpleNamespace
from typing import Any

import pytest

from clicksmith.generators.model_card import model_card
from clicksmith.generators.presets import PRESETS
from clicksmith.generators.sequence.shop_codec import ShopCodec
from clicksmith.generators.tabular.kind import EXAMPLES
from generators.toy_joint import toy_config, toy_data
from training.toy_shop import toy_sequences

CODEC = SimpleNamespace(core=toy_data(3000)[0])  # all that a card asks of a codec of examples
HOLDING_ROWS = {
    "smote",
    "markov",
    "history_density",
    "most_popular",
    "graph_walk",
    "rsir",
    "relgan",
    "seqgan",
}
CODECS = {"examples": CODEC, "sequences": ShopCodec.fit(toy_sequences(50))}


def card_of(preset: str = "tabular_gan", **metrics: float) -> dict[str, Any]:
    settings = toy_config(preset=preset, num_steps=40, min_users=7)
    return {
        "name": "mine",
        "preset": preset,
        "run_id": "run1",
        "fingerprint": "f" * 64,
        "seed": 42,
        "settings": {"generator": settings.model_dump()},
        "training_table": {"name": "gold.training_examples", "version": 3, "fingerprint": "a" * 64},
        "num_rows": 12_345,
        "num_workers": 2,
        "holdout": ["user_id", "example_id"],
        "seconds": 18.4,
        "metrics": {"steps": 40, **metrics},
    }


def test_a_likelihood_model_tells_its_gap_and_columns():
    text = model_card(
        card_of(best_step=30, held_out_nats=20.5, train_nats=20.25, rollbacks=0, diversity=0.987), CODEC
    )
    assert text.startswith("# Generator mine\n\n`tabular_gan`: an autoregressive network")
    assert "| rows | 12,345, of the split" in text
    assert "fewer than 7 users was not shown" in text
    assert "40 steps, 2 workers, 18.4 s." in text
    assert "those of step 30: 20.500 nats a row on rows that it never saw, 0.250 more" in text
    assert "had 0.99 of the diversity" in text and "collapsed" not in text
    assert "| num_steps | 40 |" in text and "| learning_rate |" not in text, (
        "settings left alone are not shown"
    )
    assert "| label | bool | categories | 3 |" in text and "| kind | string | categories | 4 |" in text
    assert "| price | double | 38 quantile bins | 39 |" in text
    assert f".sample_block(seed=1, block=0)  # {EXAMPLES.block_rows:,} rows, an Arrow table" in text
    assert model_card(card_of(best_step=30, held_out_nats=20.5, train_nats=20.25), CODEC) == model_card(
        card_of(best_step=30, held_out_nats=20.5, train_nats=20.25), CODEC
    )


def test_collapses_and_models_without_likelihood_are_told():
    text = model_card(card_of("ctgan", rollbacks=2), CODEC)
    assert "no likelihood" in text and "collapsed 2 times" in text


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_says_what_it_is_and_whether_it_is_private(preset: str):
    text = model_card(card_of(preset), CODECS[PRESETS[preset].options.kind])
    assert f"`{preset}`: " in text
    assert ("not private" in text) == (preset in HOLDING_ROWS)
