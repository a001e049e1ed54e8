"""Training of `sequence_ar`: a planted chain recovered, exact resume, the same gradient on any ranks."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from clicksmith.encoding.options import Options
from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import Sequences
from clicksmith.generators.recipe import Shard, StepSettings
from clicksmith.generators.sequence.autoregressive.sampling import whole
from clicksmith.generators.sequence.autoregressive.sequence_ar import (
    LEARNING_RATE,
    SequenceAutoregressive,
    draw_reading,
)
from clicksmith.generators.sequence.given import Given
from clicksmith.generators.sequence.rows import MemorySequences, Windows
from clicksmith.tables import Column
from generators.sequence.tiny import tiny_codec, tiny_sequences

NUM_SYMBOLS = 4
SETTINGS = StepSettings(seed=1, num_steps=8, batch_size=64, learning_rate=LEARNING_RATE)


def planted() -> np.ndarray:
    """Shares of the next symbol given the one before the last and the last, shape (4, 4, 4)."""
    return np.random.default_rng(7).dirichlet(np.full(NUM_SYMBOLS, 0.4), (NUM_SYMBOLS, NUM_SYMBOLS))


def planted_sequences(num_owners: int, seed: int) -> Sequences:
    """Of lengths from 2 to 12; the first two symbols are uniform."""
    rng = np.random.default_rng(seed)
    shares, lengths = planted(), rng.integers(2, 13, num_owners)
    symbols = rng.integers(0, NUM_SYMBOLS, (num_owners, 12))
    for t in range(2, 12):
        cumulated = shares[symbols[:, t - 2], symbols[:, t - 1]].cumsum(1)
        symbols[:, t] = (rng.random((num_owners, 1)) > cumulated[:, :-1]).sum(1)
    kept = symbols[np.arange(12) < lengths[:, None]]
    names = pa.array(list("abcd")).take(pa.array(kept))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Sequences(pa.table({"key": np.arange(num_owners)}), pa.table({"symbol": names}), offsets)


def trained(
    data: EncodedSequences, codec: SequenceCodec, settings: StepSettings = SETTINGS
) -> SequenceAutoregressive:
    recipe = prepared(data, codec, settings)
    for step in range(settings.num_steps):
        recipe.step(step, Shard())
    return recipe


def prepared(
    data: EncodedSequences, codec: SequenceCodec, settings: StepSettings = SETTINGS
) -> SequenceAutoregressive:
    recipe = SequenceAutoregressive(MemorySequences(data, settings.seed), codec, settings)
    recipe.prepare(lambda network: network)
    return recipe


def transitions(rows: EncodedSequences) -> np.ndarray:
    """Counts of three symbols in succession, shape (4, 4, 4)."""
    counts = np.zeros((NUM_SYMBOLS,) * 3)
    code = rows.events[:, 0] - 1
    third = np.flatnonzero(np.concatenate([np.arange(size) >= 2 for size in rows.lengths]))
    np.add.at(counts, (code[third - 2], code[third - 1], code[third]), 1)
    return counts


def test_a_planted_chain_of_second_order_is_recovered() -> None:
    """Shares of the next symbol, as the network gives them and as samples have them."""
    sequences = planted_sequences(2_000, seed=0)
    codec = SequenceCodec.fit(sequences, [], [Column("symbol", pa.string())], Options())
    settings = replace(SETTINGS, num_steps=400)
    recipe = trained(codec.encode(sequences), codec, settings)
    recipe.finish(Shard())
    held_out = codec.encode(planted_sequences(2_000, seed=1))
    counts = transitions(held_out)
    windows = Windows.of(held_out, np.arange(2_000), 12, np.zeros((2_000, 2)))
    network = recipe.sampler.events.eval()
    inputs = network.inputs(whole(windows))
    shares_N4 = network.logits(inputs)[0].softmax(1)[:, 1:].detach().numpy()
    third = np.concatenate([np.arange(size) >= 2 for size in held_out.lengths])
    code, index = held_out.events[:, 0] - 1, np.flatnonzero(third)
    truth = planted()[code[index - 2], code[index - 1]]
    error = np.abs(shares_N4[third] - truth).sum(1).mean() / 2
    assert error < 0.05
    drawn = transitions(recipe.sampler.sample(3, np.arange(20_000)))
    weights = counts.sum(2) / counts.sum()
    of_samples = np.abs(drawn / drawn.sum(2, keepdims=True) - planted()).sum(2) / 2
    assert (weights * of_samples).sum() < 0.05


def test_a_resumed_run_goes_on_bit_for_bit() -> None:
    sequences = tiny_sequences(200, 5)
    codec = tiny_codec(sequences)
    data = codec.encode(sequences)
    undisturbed = trained(data, codec)
    before, after = prepared(data, codec), prepared(data, codec)
    for step in range(4):
        before.step(step, Shard())
    after.load_state_dict(before.state_dict())
    for step in range(4, SETTINGS.num_steps):
        after.step(step, Shard())
    for recipe in (undisturbed, after):
        recipe.finish(Shard())
    for name, value in undisturbed.sampler.state_dict().items():
        assert torch.equal(value, after.sampler.state_dict()[name]), name


def test_the_gradient_is_the_mean_of_the_ranks() -> None:
    sequences = tiny_sequences(200, 5)
    codec = tiny_codec(sequences)
    data = codec.encode(sequences)
    gradients = []
    for shard in (Shard(), Shard(0, 2), Shard(1, 2)):
        recipe = prepared(data, codec)
        figures = recipe.step(0, shard)
        scale = max(1.0, float(figures["gradient_norm"]))  # of the clipping
        gradients.append([weight.grad * scale for weight in recipe.network.parameters()])
    for one, first, second in zip(*gradients, strict=True):
        torch.testing.assert_close((first + second) / 2, one, rtol=1e-3, atol=1e-5)


def test_readings_are_drawn_for_the_global_batch() -> None:
    data = tiny_codec(tiny_sequences()).encode(tiny_sequences())
    windows = MemorySequences(data, 0).batch(0, 64, slice(0, 64))
    part = MemorySequences(data, 0).batch(0, 64, slice(32, 64))
    all_of_them = draw_reading(windows, 64, torch.Generator().manual_seed(0), slice(0, 64))
    mine = draw_reading(part, 64, torch.Generator().manual_seed(0), slice(32, 64))
    assert mine.backward.tolist() == all_of_them.backward[32:].tolist()
    assert mine.done.tolist() == all_of_them.done[32:].tolist()


def test_heads_are_calibrated() -> None:
    """After the last touch, what the network says on average of its training rows is what they have."""
    sequences = tiny_sequences(400, 5)
    codec = tiny_codec(sequences)
    data = codec.encode(sequences)
    recipe = trained(data, codec, replace(SETTINGS, num_steps=30))
    recipe.sampler.events.head_bias.data += torch.linspace(-0.5, 0.5, len(recipe.sampler.events.head_bias))
    recipe.finish(Shard())
    network = recipe.sampler.events
    inputs = network.inputs(whole(Windows.of(data, np.arange(400), 5, np.zeros((400, 2)))))
    for k, logits in enumerate(network.logits(inputs)):
        shares = np.bincount(data.events[:, k], minlength=logits.shape[1]) / len(data.events)
        np.testing.assert_allclose(logits.softmax(1).mean(0), shares, atol=0.02)


@pytest.mark.parametrize("lengths", [[0] * 32, [1] * 32, [0] * 31 + [5_000]])
def test_sequences_of_any_length_are_learnt_from(lengths: list[int]) -> None:
    rng = np.random.default_rng(0)
    events = pa.table(
        {"item": [f"i{k}" for k in rng.integers(0, 5, sum(lengths))], "price": [1] * sum(lengths)}
    )
    events = events.cast(pa.schema([("item", pa.string()), ("price", pa.int64())]))
    owners = pa.table({"segment": ["s"] * len(lengths)})
    sequences = Sequences(owners, events, np.concatenate([[0], np.cumsum(lengths)]))
    codec = tiny_codec(sequences)
    data = codec.encode(sequences)
    recipe = trained(data, codec, replace(SETTINGS, num_steps=3, batch_size=32))
    recipe.finish(Shard())
    assert bool(torch.isfinite(recipe.row_nats(data)).all())
    asked = Given(lengths=np.full(4, 2))
    assert recipe.sampler.sample(0, np.arange(4), asked).lengths.tolist() == [2] * 4
    if max(lengths) < 2:
        assert recipe.sampler.sample(0, np.arange(50)).lengths.tolist() == [max(lengths)] * 50
