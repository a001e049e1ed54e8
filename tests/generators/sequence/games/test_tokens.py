"""Tokens, the network's likelihood by hand, drawing by inverse probabilities, and conditions on samples."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.errors import ConfigError, NotFittedError
from clicksmith.generators.sequence.games.sampling import TokenSampler
from clicksmith.generators.sequence.games.seqgan_network import TokenLstm, inverse
from clicksmith.generators.sequence.games.tokens import Vocabulary
from clicksmith.generators.sequence.given import Given
from generators.sequence.toy_sequences import all_events, coded, sharp

VOCABULARY = Vocabulary((3, 4), (5, 7))
LENGTHS = np.array([0, 1, 3, 3, 2, 70])
DATA, CODEC = coded(
    np.stack([np.arange(79) % 4, np.arange(79) % 6], 1),
    LENGTHS,
    np.array([[1, 1], [1, 2], [1, 3], [1, 3], [2, 2], [2, 3]]),
)
OWNERS = DATA.owners[:, :2].astype(np.int64)


def sampler() -> TokenSampler:
    found = TokenSampler(CODEC, 4, 6)
    found.fit(DATA)
    weights = {k: v for k, v in sharp(found.network.vocabulary).state_dict().items() if k != "seen"}
    found.network.load_state_dict(weights, strict=False)
    return found


SAMPLER = sampler()


def rows(encoded: EncodedSequences) -> list[tuple[list[int], list[list[int]]]]:
    ends = zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True)
    return [
        (o.tolist(), encoded.events[a:b].tolist()) for o, (a, b) in zip(encoded.owners, ends, strict=True)
    ]


def test_tokens_by_hand_and_back() -> None:
    events = torch.tensor([[[0, 0], [4, 6]]])
    assert VOCABULARY.tokens(events).tolist() == [[0, 5, 4, 11]]
    assert VOCABULARY.start == 12
    assert torch.equal(VOCABULARY.codes(VOCABULARY.tokens(events)), events)


def test_likelihood_of_a_tiny_network_by_hand() -> None:
    """One hidden unit, embeddings that are zero: the state is the same function of the step for all."""
    network = TokenLstm(Vocabulary((), (2,)), 1, 1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
        network.lstm.bias_ih_l0.copy_(torch.tensor([0.0, 0.0, 1.0, 0.0]))  # input, forget, cell, output
        network.head.weight.copy_(torch.tensor([[0.0], [2.0]]))
    nats = network.nats(torch.tensor([[0, 1]]), torch.zeros(1, 0, dtype=torch.int64))
    cells = [0.5 * np.tanh(1.0), 0.75 * np.tanh(1.0)]  # c = .5 c + .5 tanh(1)
    hidden = [0.5 * np.tanh(cell) for cell in cells]
    expected = [np.log(1 + np.exp(2 * hidden[0])), np.log(1 + np.exp(2 * hidden[1])) - 2 * hidden[1]]
    np.testing.assert_allclose(nats[0].tolist(), expected, rtol=1e-6)


def test_probabilities_of_all_sequences_sum_to_one_for_every_owner() -> None:
    vocabulary = Vocabulary((3,), (2, 3))
    network, every = sharp(vocabulary), all_events(vocabulary, 3)
    totals = []
    for owner in range(3):
        with torch.no_grad():
            nats = network.nats(vocabulary.tokens(every), torch.full((len(every), 1), owner))
        totals.append((-nats.sum(1)).exp())
        assert float(totals[-1].sum()) == pytest.approx(1.0, abs=1e-5)
    assert not torch.allclose(totals[0], totals[1], atol=0.01)


def test_what_is_drawn_is_as_frequent_as_the_network_says() -> None:
    data, codec = coded(all_events(Vocabulary((), (1, 2)), 2).reshape(-1, 2).numpy(), np.full(4, 2))
    found = TokenSampler(codec, 4, 6)
    found.fit(data)
    vocabulary = found.network.vocabulary
    found.network.load_state_dict(sharp(vocabulary).state_dict())  # as if code 0 had been seen as well
    drawn = found.sample(4, np.arange(20_000))
    every = vocabulary.tokens(all_events(vocabulary, 2))
    with torch.no_grad():
        nats = found.network.nats(every, torch.from_numpy(drawn.owners[:1]).expand(len(every), -1)).sum(1)
    mine = vocabulary.tokens(torch.from_numpy(drawn.events.reshape(-1, 2, 2)).long())
    shares = (mine[:, None] == every).all(2).double().mean(0)
    assert float((shares - (-nats).exp()).abs().sum()) < 0.05  # 36 cells, 20,000 draws: some .03 by chance


def test_inverse_by_hand_and_over_several_blocks() -> None:
    weights = torch.tensor([[0.25, 0.0, 0.5, 0.25, 0.0]])
    drawn = [int(inverse(weights, torch.tensor([u]))[0]) for u in (0.0, 0.24, 0.26, 0.74, 0.76, 1.0)]
    assert drawn == [0, 0, 2, 2, 3, 3]
    many = torch.rand(320, generator=torch.Generator().manual_seed(0)).double()
    many[100:180] = 0.0
    uniform = torch.linspace(0, 1, 1001, dtype=torch.float64)
    found = inverse(many.expand(1001, -1), uniform)
    expected = torch.searchsorted(many.cumsum(0), uniform.clamp(max=1 - 1e-6) * many.sum(), right=True)
    assert torch.equal(found, expected)


def test_a_row_does_not_depend_on_its_batch() -> None:
    whole = rows(SAMPLER.sample(3, np.arange(300)))
    chosen = np.array([250, 7, 8, 7])
    assert rows(SAMPLER.sample(3, chosen)) == [whole[i] for i in chosen]
    assert rows(SAMPLER.sample(3, np.arange(0))) == []
    assert rows(SAMPLER.sample(4, np.arange(300))) != whole


def test_owners_come_whole_as_often_as_in_training_and_codes_never_seen_do_not() -> None:
    drawn = SAMPLER.sample(1, np.arange(6000))
    wholes = np.column_stack([DATA.owners, LENGTHS])
    mine = np.column_stack([drawn.owners, drawn.lengths])
    for row in wholes:
        share = (mine == row).all(1).mean()
        assert share == pytest.approx((wholes == row).all(1).mean(), abs=0.025)
    assert (mine[:, None] == wholes).all(2).any(1).all()
    assert drawn.events.min() == 1
    assert drawn.events.max(0).tolist() == [4, 6]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_conditions_hold_on_every_sample(data: st.DataObject) -> None:
    num = data.draw(st.integers(1, 5))
    row = [data.draw(st.integers(0, 5)) for _ in range(num)]
    owners = {column: OWNERS[row, column] for column in data.draw(st.sets(st.integers(0, 1)))}
    sizes = np.array(data.draw(st.lists(st.integers(0, 6), min_size=num, max_size=num)))
    events = np.stack([np.arange(sizes.sum()) % 5, np.arange(sizes.sum()) % 7], 1).astype(np.int32)
    begun = EncodedSequences(DATA.owners[row], events, np.concatenate([[0], np.cumsum(sizes)]))
    prefix = begun if data.draw(st.booleans()) else None
    shortest = sizes if prefix is not None else np.zeros(num, dtype=np.int64)
    extra = np.array(data.draw(st.lists(st.integers(0, 80), min_size=num, max_size=num)))
    lengths = shortest + extra if data.draw(st.booleans()) else None
    drawn = SAMPLER.sample(data.draw(st.integers(0, 9)), np.arange(num), Given(owners, lengths, prefix))
    for column, codes in owners.items():
        assert (drawn.owners[:, column] == codes).all()
    if lengths is not None:
        assert (drawn.lengths == lengths).all()
    if prefix is not None:
        for mine, theirs in zip(rows(drawn), rows(prefix), strict=True):
            assert mine[1][: len(theirs[1])] == theirs[1]


def test_a_given_length_draws_owners_whose_code_says_it() -> None:
    lengths = np.array(
        [3] * 50 + [70] * 50 + [0] * 50 + [4] * 50
    )  # no owner has four: the code is that of three
    drawn = SAMPLER.sample(2, np.arange(200), Given(lengths=lengths))
    assert (drawn.owners == np.repeat(DATA.owners[[2, 5, 0, 2]], 50, axis=0)).all()


def test_what_cannot_be_had_is_refused() -> None:
    two = np.arange(2)
    prefix = DATA.take(np.array([2, 2]))
    wish = {0: OWNERS[[1, 4], 0], 1: OWNERS[[1, 0], 1]}
    with pytest.raises(NotFittedError, match=f"code {wish[0][1]} in column 0, code {wish[1][1]} in column 1"):
        SAMPLER.sample(0, two, Given(owners=wish))
    with pytest.raises(ConfigError, match="is to have 2 events, but 3 were asked for"):
        SAMPLER.sample(0, two, Given(lengths=np.array([3, 2]), prefix=prefix))
    for refused in (Given(suffix=prefix), Given(required={0: two})):
        with pytest.raises(ConfigError, match="sequence_ar"):
            SAMPLER.sample(0, two, refused)


@pytest.mark.parametrize("size", [(4, 6), (3, 9)])
def test_weights_load_into_a_sampler_that_was_not_fitted(size: tuple[int, int]) -> None:
    other = TokenSampler(CODEC, *size)
    other.load_state_dict(SAMPLER.state_dict())
    assert rows(other.sample(3, np.arange(50))) == rows(SAMPLER.sample(3, np.arange(50)))


def test_a_long_sequence_is_drawn_whole() -> None:
    drawn = SAMPLER.sample(0, np.arange(3), Given(lengths=np.array([2, 1000, 0])))
    assert drawn.offsets.tolist() == [0, 2, 1002, 1002]
    first = SAMPLER.sample(0, np.array([1]), Given(lengths=np.array([40])))
    assert (drawn.events[2:42] == first.events).all()
