"""Every preset of sequences, also those to come: trained, saved, loaded, sampled by id, with conditions."""

from functools import cache

import numpy as np
import pytest
from safetensors.torch import load, save

from clicksmith.config import generator_config
from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.generators.presets import PRESETS, build_recipe
from clicksmith.generators.recipe import Recipe, Shard
from clicksmith.generators.sequence.given import Given
from clicksmith.generators.sequence.shop_codec import ShopCodec
from generators.sequence.chains import check
from training.toy_shop import toy_sequences

NAMES = [name for name, preset in PRESETS.items() if preset.options.kind == "sequences"]
SMALL = {
    "num_steps": 2,
    "batch_size": 16,
    "likelihood_share": 0.5,
    "critic_steps": 1,
    "num_rollouts": 2,
    "embedding": 8,
    "hidden": 12,
}
"""Of these each preset is given the options that it has."""
IDS = np.array([5, 0, 77, 3, 12, 900, 41])


@cache
def shop() -> tuple[EncodedSequences, ShopCodec]:
    rows = toy_sequences(80)
    codec = ShopCodec.fit(rows)
    return codec.encode(rows), codec


@cache
def trained(name: str) -> tuple[Recipe[EncodedSequences], list[dict[str, float]], SequenceCodec]:
    data, codec = shop()
    known = PRESETS[name].options.model_fields
    options = {"preset": name, **{key: value for key, value in SMALL.items() if key in known}}
    recipe = build_recipe(generator_config(options), 1, codec.core, data)
    recipe.prepare(lambda module: module)
    figures = [recipe.step(step, Shard()) for step in range(2)]
    return recipe, [{key: float(value) for key, value in one.items()} for one in figures], codec.core


def same(mine: EncodedSequences, theirs: EncodedSequences) -> None:
    for part in ("owners", "events", "offsets"):
        np.testing.assert_array_equal(getattr(mine, part), getattr(theirs, part))


def test_there_are_presets_of_sequences() -> None:
    assert {"markov", "rsir", "seqgan", "relgan"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_two_steps_have_finite_figures(name: str) -> None:
    _, figures, _ = trained(name)
    assert all(figures) and all(np.isfinite(value) for one in figures for value in one.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_sequence_depends_on_seed_and_id_alone(name: str) -> None:
    sampler = trained(name)[0].sampler
    whole = sampler.sample(7, IDS)
    assert len(np.unique(whole.lengths)) > 1
    for place, row_id in enumerate(IDS):
        same(sampler.sample(7, np.array([row_id])), whole.take(np.array([place])))
    same(sampler.sample(7, IDS[::-1]), whole.take(np.arange(len(IDS))[::-1]))
    other = sampler.sample(8, IDS)
    assert other.events.shape != whole.events.shape or (other.events != whole.events).any()


@pytest.mark.parametrize("name", NAMES)
def test_weights_load_into_a_sampler_that_knows_the_codec_alone(name: str) -> None:
    recipe, _, codec = trained(name)
    fresh = PRESETS[name].sampler(codec)
    fresh.load_state_dict(load(save({k: v.contiguous() for k, v in recipe.sampler.state_dict().items()})))
    same(fresh.sample(3, np.arange(40)), recipe.sampler.sample(3, np.arange(40)))


@pytest.mark.parametrize("name", NAMES)
def test_lengths_and_beginnings_are_as_given(name: str) -> None:
    sampler, (data, codec) = trained(name)[0].sampler, shop()
    begun = data.take(np.array([1, 4, 4, 9, 11, 2, 30]))
    lengths = begun.lengths + np.array([0, 1, 5, 40, 0, 2, 3])
    for given in (
        Given(lengths=np.array([0, 1, 2, 9, 3, 150, 4])),
        Given(prefix=begun),
        Given(lengths=lengths, prefix=begun),
    ):
        found = sampler.sample(2, IDS, given)
        check(given, found)
        assert (found.owners < codec.core.owners.cardinalities).all()
        assert (found.events < codec.core.events.cardinalities).all()
        rows = codec.decode(found, 1, IDS)
        assert [len(items) for items in rows["item_ids"].to_pylist()] == found.lengths.tolist()
