"""Chains by hand, their likelihood, and a planted second order."""

import itertools

import numpy as np
import pytest

from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.generators.sequence.counting.grams import Transitions, count_grams
from clicksmith.generators.sequence.counting.markov import UNSEEN, Chain, MarkovSampler, markov
from clicksmith.generators.sequence.given import Given
from generators.sequence.chains import names, shop

A, B, C, START = 0, 1, 2, 3
# Owners: A B A, none, B, A B C.
STATES = np.array([A, B, A, B, A, B, C])
OFFSETS = np.array([0, 3, 3, 4, 7])


def test_runs_by_hand() -> None:
    pairs, counts = count_grams(STATES, OFFSETS, START, 2)
    found = {tuple(pair): count for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True)}
    assert found == {(START, A): 2, (START, B): 1, (A, B): 2, (B, A): 1, (B, C): 1}
    triples, counts = count_grams(STATES, OFFSETS, START, 3)
    found = {tuple(run): count for run, count in zip(triples.tolist(), counts.tolist(), strict=True)}
    assert found == {(START, A, B): 2, (A, B, A): 1, (A, B, C): 1}


def test_probabilities_by_hand() -> None:
    chain = Chain()
    chain.fit(STATES, OFFSETS, 3, order=2)
    shares = {A: 3 / 7, B: 3 / 7, C: 1 / 7}
    first = {A: (2 + 2 * shares[A]) / 5, B: (1 + 2 * shares[B]) / 5}
    after_a = (2 + 1 * shares[B]) / 3
    after_start_a = (2 + 1 * after_a) / 3
    after_b = {A: (1 + 2 * shares[A]) / 4, C: (1 + 2 * shares[C]) / 4}
    after_a_b = {state: (1 + 2 * after_b[state]) / 4 for state in (A, C)}
    expected = [first[A], after_start_a, after_a_b[A], first[B], first[A], after_start_a, after_a_b[C]]
    np.testing.assert_allclose(np.exp(-chain.nats(STATES, OFFSETS, 3)), expected)
    # One never seen costs as much as a millionth; after it, only shares are known.
    nats = chain.nats(np.array([A, -1, C]), np.array([0, 3]), 3)
    # Contexts that were seen leave a third to the shorter one, and a third of that.
    assert nats[1] == pytest.approx(-np.log(UNSEEN / 9))
    assert nats[2] == pytest.approx(-np.log(shares[C]))


def test_probabilities_sum_to_one() -> None:
    chain = Chain()
    chain.fit(STATES, OFFSETS, 3, order=2)
    every = np.array(list(itertools.product(range(3), repeat=4))).reshape(-1)
    offsets = np.arange(0, len(every) + 1, 4)
    nats = chain.nats(every, offsets, 3).reshape(-1, 4).sum(axis=1)
    assert np.exp(-nats).sum() == pytest.approx(1)


def test_draws_agree_with_probabilities() -> None:
    chain = Chain()
    chain.fit(STATES, OFFSETS, 3, order=2)
    uniform = (np.arange(40_000) + 0.5) / 40_000
    for far, near in itertools.product([-1, START, A, B, C], [-1, START, A, B, C]):
        fars, nears = np.full(len(uniform), far), np.full(len(uniform), near)
        drawn = np.bincount(chain.next(nears, fars, uniform, 3), minlength=3) / len(uniform)
        triples, pairs = chain.transitions(3)
        expected = np.diff(chain.shares(3)) / len(STATES)
        every = np.arange(3)
        expected = pairs.probability(np.full((3, 1), near), every, expected)
        expected = triples.probability(np.tile([far, near], (3, 1)), every, expected)
        np.testing.assert_allclose(drawn, expected, atol=2e-4)


def test_backwards_the_same_runs_are_read_from_their_ends() -> None:
    pairs, counts = count_grams(STATES, OFFSETS, START, 2)
    before = Transitions.of(pairs[:, ::-1], counts, 3)
    # Before B: A twice, and a start, which is no state: 2 of 2, of one kind.
    found = before.probability(np.array([[B], [B], [C]]), np.array([A, B, B]), np.zeros(3))
    np.testing.assert_allclose(found, [2 / 3, 0, 1 / 2])


def second_order(num_owners: int, length: int, seed: int) -> list[list[str]]:
    """The next state is the sum of the last two, by 4, nine times of ten; otherwise any.

    Pairs of states are uniform: a chain of order 1 sees nothing.
    """
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 4, (num_owners, length))
    for step in range(2, length):
        follows = rng.random(num_owners) < 0.9
        states[follows, step] = (states[follows, step - 1] + states[follows, step - 2]) % 4
    return [[f"x{state}" for state in one] for one in states]


def test_a_planted_second_order_is_recovered_by_order_two_alone() -> None:
    every, codec = shop(second_order(2000, 12, 0))
    rows, held_out = (every.take(part) for part in np.split(np.arange(2000), [1500]))
    one, two = (markov(rows, codec, "item", order=order) for order in (1, 2))
    truth = 2 * np.log(4) - 10 * (0.925 * np.log(0.925) + 0.075 * np.log(0.025))
    nats = {recipe: float(recipe.row_nats(held_out).mean()) for recipe in (one, two)}
    assert nats[two] == pytest.approx(truth, abs=0.15)
    assert nats[one] == pytest.approx(12 * np.log(4), abs=0.05)
    for recipe, share in ((one, 0.25), (two, 0.925)):
        drawn = names(codec, recipe.sampler.sample(0, np.arange(1000)))
        states = np.array([[int(item[1]) for item in one] for one in drawn])
        follows = (states[:, 2:] == (states[:, 1:-1] + states[:, :-2]) % 4).mean()
        assert follows == pytest.approx(share, abs=0.015)


def test_backwards_a_second_order_is_recovered_too() -> None:
    rows, codec = shop(second_order(1500, 12, 0))
    ends = rows.head(1000)
    last = np.concatenate([np.arange(end - 2, end) for end in ends.offsets[1:]])
    suffix = EncodedSequences(ends.owners, ends.events[last], np.arange(0, 2001, 2))
    drawn = names(codec, markov(rows, codec, "item").sampler.sample(0, np.arange(1000), Given(suffix=suffix)))
    states = np.array([[int(item[1]) for item in one] for one in drawn])
    follows = (states[:, 2:] == (states[:, 1:-1] + states[:, :-2]) % 4).mean()
    assert follows == pytest.approx(0.925, abs=0.015)


def test_first_events_are_as_the_owners_begin() -> None:
    rows, codec = shop([["x1", "x2", "x2", "x2"]] * 3 + [["y1", "x2"]])
    drawn = names(codec, markov(rows, codec, "item", order=1).sampler.sample(0, np.arange(4000)))
    first = np.array([one[0] for one in drawn])
    # Witten and Bell: 3 of 4 owners, two kinds; of all 14 events x1 has 3, x2 has 10, y1 has 1.
    assert (first == "x1").mean() == pytest.approx((3 + 2 * 3 / 14) / 6, abs=0.02)
    assert (first == "y1").mean() == pytest.approx((1 + 2 * 1 / 14) / 6, abs=0.02)


def test_a_prefix_never_seen_is_continued_by_shares() -> None:
    rows, codec = shop([["x1", "y1"]] * 9 + [["y1", "z1"]])
    prefix = rows.take(np.zeros(2000, dtype=np.int64))
    strange = EncodedSequences(prefix.owners, np.zeros_like(prefix.events), prefix.offsets)
    given = Given(prefix=strange, lengths=np.full(2000, 3))
    drawn = names(codec, markov(rows, codec, "item").sampler.sample(0, np.arange(2000), given))
    shares = {item: np.mean([one[2] == item for one in drawn]) for item in ("x1", "y1", "z1")}
    assert shares == pytest.approx({"x1": 9 / 20, "y1": 10 / 20, "z1": 1 / 20}, abs=0.03)


def test_a_million_items_are_counted_in_seconds() -> None:
    rng = np.random.default_rng(0)
    num_items, num_events = 1_000_000, 1_200_000
    items = np.concatenate([np.arange(num_items), rng.integers(0, num_items, num_events - num_items)])
    rng.shuffle(items)
    chain = Chain()
    chain.fit(items, np.arange(0, num_events + 1, 8), num_items, order=2)
    found = chain.next(items[:1000], np.full(1000, -1), rng.random(1000), num_items)
    assert ((found >= 0) & (found < num_items)).all()
    # Runs, not items by items: no more of either than events.
    assert len(chain.pairs) <= num_events and len(chain.triples) <= num_events


def test_items_of_two_sub_columns_are_one_state() -> None:
    items = [[f"x{n}", f"x{(n + 1) % 40}"] for n in range(40)] * 5
    rows, codec = shop(items, kinds={"item": "identifier"})
    slot = codec.events.slots[0]
    assert slot.stop - slot.start == 2
    sampler = markov(rows, codec, "item", order=1).sampler
    assert isinstance(sampler, MarkovSampler) and sampler.events.num_groups == 40
    drawn = names(codec, sampler.sample(0, np.arange(2000)))
    follows = np.mean([int(b[1:]) == (int(a[1:]) + 1) % 40 for a, b in drawn])
    assert follows == pytest.approx((5 + 1 / 40) / 6, abs=0.03)
