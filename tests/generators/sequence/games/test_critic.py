"""SeqGAN's critic by hand, and on sequences of unlike lengths."""

import pytest
import torch

from clicksmith.generators.sequence.games import critic as critic_file
from clicksmith.generators.sequence.games.critic import HighwayCritic
from clicksmith.generators.sequence.games.tokens import Vocabulary
from clicksmith.generators.sequence.rows import Windows

VOCABULARY = Vocabulary((2,), (4, 3))


def windows(lengths: list[int], longest: int, seed: int = 0) -> Windows:
    stream = torch.Generator().manual_seed(seed)
    events = torch.stack(
        [torch.randint(size, (len(lengths), longest), generator=stream) for size in (4, 3)], 2
    )
    sizes = torch.tensor(lengths)
    events = events * (torch.arange(longest) < sizes[:, None])[:, :, None]
    return Windows(sizes[:, None] % 2, events, sizes, torch.zeros_like(sizes), sizes)


def critic(longest: int = 12) -> HighwayCritic:
    torch.manual_seed(1)
    found = HighwayCritic(VOCABULARY, longest)
    torch.nn.init.normal_(found.owners.weight)
    return found


def test_filters_wider_than_the_longest_sequence_are_left_out() -> None:
    """Widths and numbers of Yu et al.: 1 to 10, 15, 20; 100, four times 200, five times 100, twice 160."""
    assert HighwayCritic(VOCABULARY, 20).num_features == 100 + 4 * 200 + 5 * 100 + 2 * 160
    assert HighwayCritic(VOCABULARY, 16).num_features == 100 + 4 * 200 + 5 * 100 + 160
    assert HighwayCritic(VOCABULARY, 2).num_features == 300


def test_a_sequences_logit_does_not_depend_on_what_it_is_padded_with() -> None:
    network, long = critic(), windows([6, 2, 0, 4], 6)
    logits = network(long)
    for row, size in enumerate([6, 2, 0, 4]):
        own = Windows(*(part[row : row + 1] for part in vars(long).values()))
        alone = Windows(own.owners, own.events[:, : max(size, 1)], own.sizes, own.starts, own.lengths)
        torch.testing.assert_close(network(alone), logits[row : row + 1])
    assert logits.std() > 0.01


def test_the_logit_of_a_sequence_by_the_formula() -> None:
    network, one = critic(4), windows([2], 2)  # four tokens: filters of widths 1 to 4
    tokens = VOCABULARY.tokens(one.events)[0]
    x = network.embedding.weight[tokens] + network.owners.weight[one.owners[0, 0]]
    found = []
    for layer in network.filters:
        width = layer.weight.shape[2]
        answers = [
            (layer.weight * x[place : place + width].T).sum((1, 2)) + layer.bias
            for place in range(4 - width + 1)
        ]
        found.append(torch.stack(answers).amax(0).clamp(min=0))
    features = torch.cat(found)
    gate = torch.sigmoid(network.highway.gate(features))
    high = gate * network.highway.transform(features).clamp(min=0)
    fake, real = network.last(high + (1 - gate) * features)
    torch.testing.assert_close(network(one)[0], real - fake)
    torch.testing.assert_close(network.probability(one)[0], torch.softmax(torch.stack([fake, real]), 0)[1])
    keep = torch.zeros(1, network.num_features)
    torch.testing.assert_close(network(one, keep)[0], network.last.bias[1] - network.last.bias[0])


def test_an_event_more_changes_the_logit() -> None:
    network = critic()
    both = windows([3, 3], 3)
    both.events[1, :2] = both.events[0, :2]
    both.events[1, 2] = (both.events[0, 2] + 1) % 3
    logits = network(both).detach()
    assert abs(float(logits[0] - logits[1])) > 1e-3


@pytest.mark.parametrize("lengths", [[6, 2, 0, 4, 6, 1], [6] * 5, [0, 0]])
def test_answers_from_a_table_are_those_of_convolutions_with_their_gradients(
    lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, some = critic(), windows(lengths, 6, seed=3)
    logits, gradients = [], []
    for repeats in (0, 10**9):  # always from a table, never
        monkeypatch.setattr(critic_file, "REPEATS", repeats)
        network.zero_grad()
        logits.append(network(some))
        logits[-1].square().sum().backward()
        gradients.append({name: weight.grad for name, weight in network.named_parameters()})
    torch.testing.assert_close(*logits)
    for name, mine in gradients[0].items():
        theirs = gradients[1][name]
        if mine is None or theirs is None:  # no token, no table
            assert max(lengths) == 0
        else:
            torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3, msg=name)
