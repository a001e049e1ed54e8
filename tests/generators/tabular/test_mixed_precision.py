"""Products of bfloat16, which not every processor has units for: asked for here on any."""

import pytest
import torch

from clicksmith.generators.tabular import autoregressive_network
from generators.toy_joint import toy_data, toy_recipe, toy_rows, train

STEPS = 200


def test_mixed_precision_costs_a_hundredth_of_a_nat_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient of bfloat16 has three digits; the weights drift, the likelihood does not."""
    monkeypatch.setattr(autoregressive_network, "multiplies_bfloat16", lambda device: True)
    codec, data = toy_data(2000)
    held_out = codec.encode(toy_rows(1000, seed=9))
    nats, weights = {}, {}
    for mixed in (False, True):
        recipe = toy_recipe(
            codec, data, preset="tabular_ar", num_steps=STEPS, batch_size=200, mixed_precision=mixed
        )
        train(recipe, STEPS)
        nats[mixed] = float(recipe.row_nats(held_out).mean())
        weights[mixed] = recipe.sampler.state_dict()["head_bias"].clone()
    assert nats[True] == pytest.approx(nats[False], abs=0.01)
    assert not torch.equal(weights[True], weights[False])
