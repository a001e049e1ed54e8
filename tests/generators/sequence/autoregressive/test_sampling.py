"""Likelihoods and samples against the whole space of tiny sequences; conditions hold on every sample."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.errors import ConfigError, NotFittedError
from clicksmith.generators.sequence.autoregressive import repeats
from clicksmith.generators.sequence.autoregressive.sampling import SequenceNetwork, whole
from clicksmith.generators.sequence.given import Given
from clicksmith.generators.sequence.rows import Windows
from generators.sequence.tiny import NUM_ITEMS, NUM_PRICES, all_sequences, keys, tiny_network

NUM_SAMPLES = 40_000
LENGTH_COLUMN = 1


@pytest.fixture(scope="module")
def network() -> SequenceNetwork:
    return tiny_network()


@pytest.fixture(params=[repeats.HALF, 1], ids=["all looked at", "one looked at"])
def half(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How far back events are looked at."""
    monkeypatch.setattr(repeats, "HALF", request.param)


@pytest.mark.usefixtures("half")
@pytest.mark.parametrize("backward", [False, True])
def test_probabilities_of_all_sequences_sum_to_one(network: SequenceNetwork, backward: bool) -> None:
    nats = network.row_nats(all_sequences(network), backward)
    assert float((-nats.double()).exp().sum()) == pytest.approx(1.0, abs=1e-5)
    assert float(nats.std()) > 0.5  # they are not all alike


@pytest.mark.usefixtures("half")
def test_samples_are_as_frequent_as_the_network_says(network: SequenceNetwork) -> None:
    space = all_sequences(network)
    assert_agree(network.sample(3, np.arange(NUM_SAMPLES)), space, network.row_nats(space))


@pytest.mark.usefixtures("half")
def test_what_came_before_is_as_frequent_as_read_backwards(network: SequenceNetwork) -> None:
    """The first of two events given the second."""
    space = all_sequences(network)
    two = space.take(np.flatnonzero((space.lengths == 2) & (space.owners == space.owners[-1]).all(1)))
    last = two.events[1::2]
    same = two.take(np.flatnonzero((last == [1, 2]).all(1)))
    nats = network.row_nats(same, backward=True)
    suffix = EncodedSequences(np.empty((1, 0)), np.array([[1, 2]]), np.array([0, 1]))
    asked = Given(
        owners={k: np.full(NUM_SAMPLES, code) for k, code in enumerate(same.owners[0])},
        lengths=np.full(NUM_SAMPLES, 2),
        suffix=suffix.take(np.zeros(NUM_SAMPLES, dtype=np.int64)),
    )
    assert_agree(network.sample(5, np.arange(NUM_SAMPLES), asked), same, nats + torch.logsumexp(-nats, 0))


def test_an_event_is_drawn_given_what_is_required_of_it(network: SequenceNetwork) -> None:
    """The item given the price, which comes after it in the codec's order."""
    space = all_sequences(network)
    one = space.take(np.flatnonzero(space.lengths == 1))
    one = one.take(np.flatnonzero((one.owners == one.owners[-1]).all(1)))
    same = one.take(np.flatnonzero(one.events[:, 1] == 2))
    assert len(same) == NUM_ITEMS
    nats = price_first(network, same)
    asked = Given(
        owners={k: np.full(NUM_SAMPLES, code) for k, code in enumerate(same.owners[0])},
        required={1: np.full(NUM_SAMPLES, 2)},
    )
    assert_agree(network.sample(6, np.arange(NUM_SAMPLES), asked), same, nats + torch.logsumexp(-nats, 0))


def price_first(network: SequenceNetwork, rows: EncodedSequences) -> torch.Tensor:
    """Nats of single events, read backwards, in the order of price and item."""
    windows = Windows.of(rows, np.arange(len(rows)), 1, np.zeros((len(rows), 2)))
    return network.events.nats(whole(windows, backward=True), torch.tensor([1, 0]))


def assert_agree(sample: EncodedSequences, space: EncodedSequences, nats: torch.Tensor) -> None:
    """Every frequency is within five standard errors of its probability."""
    expected = (-nats.double()).exp().numpy() * len(sample)
    found = Counter(keys(sample))
    counts = np.array([found[key] for key in keys(space)])
    assert counts.sum() == len(sample)
    assert (np.abs(counts - expected) / np.sqrt(expected + 1)).max() < 5


def test_a_row_does_not_depend_on_its_batch() -> None:
    network = tiny_network(max_length=9)
    ids = np.arange(10**9, 10**9 + 300)
    whole = network.sample(4, ids)
    for part in (np.arange(17, 18), np.arange(299, -1, -3)):
        alone, among = network.sample(4, ids[part]), whole.take(part)
        for mine, theirs in zip(vars(alone).values(), vars(among).values(), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def parts(sizes: NDArray[np.int64], rng: np.random.Generator) -> EncodedSequences:
    events = np.stack(
        [rng.integers(0, NUM_ITEMS, sizes.sum()), rng.integers(0, NUM_PRICES, sizes.sum())], axis=1
    )
    return EncodedSequences(np.empty((len(sizes), 0)), events, np.concatenate([[0], np.cumsum(sizes)]))


LONGER = tiny_network(max_length=6)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    has=st.sets(st.sampled_from(["segment", "length code", "lengths", "prefix", "suffix", "item", "price"])),
)
def test_whatever_is_given_holds_on_every_sample(seed: int, has: set[str]) -> None:
    rng, num_owners = np.random.default_rng(seed), 8
    prefix, suffix = (
        parts(rng.integers(0, 3, num_owners), rng) if name in has else None for name in ("prefix", "suffix")
    )
    required = {
        k: rng.integers(0, size, num_owners)
        for k, (name, size) in enumerate({"item": NUM_ITEMS, "price": NUM_PRICES}.items())
        if name in has
    }
    owners = {0: rng.integers(1, 3, num_owners)} if "segment" in has else {}
    if "length code" in has:
        owners[LENGTH_COLUMN] = np.full(num_owners, 7)  # six events
    lengths = rng.integers(5, 12, num_owners) if "lengths" in has else None
    asked = Given(owners, lengths, prefix, suffix, required)
    found = LONGER.sample(seed, np.arange(num_owners), asked)
    for k, codes in owners.items():
        assert found.owners[:, k].tolist() == codes.tolist()
    if lengths is not None:
        assert found.lengths.tolist() == lengths.tolist()
    elif "length code" in has:
        assert found.lengths.tolist() == [6] * num_owners
    else:
        assert found.lengths.max() <= 6
    assert (found.events >= 0).all() and (found.events < [NUM_ITEMS, NUM_PRICES]).all()
    for i in range(num_owners):
        events = found.take(np.array([i])).events.tolist()
        if prefix is not None:
            first = prefix.take(np.array([i])).events.tolist()
            assert events[: len(first)] == first
        if suffix is not None:
            last = suffix.take(np.array([i])).events.tolist()
            assert events[len(events) - len(last) :] == last
        if required:
            assert any(all(event[k] == codes[i] for k, codes in required.items()) for event in events)


def test_the_required_event_may_be_anywhere() -> None:
    """Its places are uniform; so of sequences of four events each place has it in a quarter at least."""
    num = 8_000
    asked = Given(lengths=np.full(num, 4), required={0: np.full(num, 1), 1: np.full(num, 2)})
    found = LONGER.sample(2, np.arange(num), asked)
    hit = (found.events == [1, 2]).all(1).reshape(num, 4)
    assert hit.any(1).all()
    assert hit.mean(0).min() > 0.25 - 0.02


def test_samples_with_too_short_lengths_are_longer_ones() -> None:
    """Lengths come first where they must hold a prefix: in the network's own shares of those that do."""
    prefix = parts(np.full(4_000, 4), np.random.default_rng(0))
    found = LONGER.sample(1, np.arange(4_000), Given(prefix=prefix))
    anything = np.ones((20_000, LONGER.owners.cardinalities[LENGTH_COLUMN]), dtype=bool)
    codes = LONGER.owners.sample(2, np.arange(20_000), None, {LENGTH_COLUMN: anything}).codes[
        :, LENGTH_COLUMN
    ]
    expected = np.bincount(codes[codes > 4]) / (codes > 4).sum()  # code 5 is a length of 4
    np.testing.assert_allclose(np.bincount(found.lengths)[4:], 4_000 * expected[5:], atol=120)


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        (
            Given(
                lengths=np.array([1]),
                prefix=EncodedSequences(np.empty((1, 0)), np.ones((2, 2)), np.array([0, 2])),
            ),
            ConfigError,
            "shall have 1 events, but 2 are given",
        ),
        (
            Given(owners={1: np.array([1])}, required={0: np.array([1])}),
            ConfigError,
            "fewer events than the 1",
        ),
        (Given(required={0: np.array([1, 1])}), ConfigError, "given for 2 owners, but 1 are sampled"),
        (Given(required={0: np.array([9])}), NotFittedError, "code 9 in column 0"),
        (
            Given(suffix=EncodedSequences(np.empty((1, 0)), np.array([[0, 3]]), np.array([0, 1]))),
            NotFittedError,
            "code 3 in column 1",
        ),
    ],
)
def test_what_cannot_be_is_refused(asked: Given, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        LONGER.sample(0, np.arange(1), asked)


@pytest.mark.parametrize("length", [0, 1, 5_000])
def test_lengths_never_seen(length: int) -> None:
    found = LONGER.sample(0, np.arange(3), Given(lengths=np.array([length, 1, 0])))
    assert found.lengths.tolist() == [length, 1, 0]
    assert bool(torch.isfinite(LONGER.row_nats(found)).all())
