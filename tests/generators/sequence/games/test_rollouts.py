"""What events are worth, against the enumeration of every completion."""

import numpy as np
import pytest
import torch
from torch import Tensor

from clicksmith.generators.sequence.games.rollouts import Beginnings, complete, event_values
from clicksmith.generators.sequence.games.tokens import Vocabulary
from clicksmith.generators.sequence.rows import Windows
from generators.sequence.toy_sequences import all_events, sharp

VOCABULARY = Vocabulary((3,), (2, 3))
NUM_ROLLOUTS = 4000


def windows(events: Tensor, sizes: list[int], owners: list[int]) -> Windows:
    size = torch.tensor(sizes)
    return Windows(torch.tensor(owners)[:, None], events, size, torch.zeros_like(size), size)


SAMPLES = windows(
    torch.tensor(
        [
            [[1, 2], [0, 1], [1, 0]],
            [[0, 0], [1, 1], [0, 0]],  # of two events
            [[0, 2], [0, 0], [0, 0]],  # of one
            [[0, 0], [0, 0], [0, 0]],  # of none
        ]
    ),
    [3, 2, 1, 0],
    [2, 0, 1, 1],
)


def reward(found: Windows) -> Tensor:
    """A number for each sequence, in [0, 1): of every event, its place, the length and the owner."""
    places = torch.arange(1, 1 + found.events[0].numel()).view(found.events.shape[1:])
    value = ((found.events * found.mask[:, :, None] + 1) * places).sum((1, 2))
    return ((value + 5 * found.sizes + 7 * found.owners[:, 0]) * 0.137) % 1.0


def enumerated(row: int, num_events: int) -> float:
    """The mean reward of all completions of a sample's first events, by the policy's probabilities."""
    size, network = int(SAMPLES.sizes[row]), sharp(VOCABULARY)
    every = all_events(VOCABULARY, size)
    mine = every[(every[:, :num_events] == SAMPLES.events[row, :num_events]).flatten(1).all(1)]
    owners = [int(SAMPLES.owners[row, 0])] * len(mine)
    with torch.no_grad():
        nats = network.nats(VOCABULARY.tokens(mine), torch.tensor(owners)[:, None])
    weight = (-nats[:, num_events * 2 :].sum(1)).exp()
    assert abs(float(weight.sum()) - 1) < 1e-5
    padded = torch.zeros(len(mine), 3, 2, dtype=torch.int64)
    padded[:, :size] = mine
    return float((reward(windows(padded, [size] * len(mine), owners)) * weight).sum())


def test_every_events_value_is_the_mean_over_all_completions_of_its_own_sequence() -> None:
    values = event_values(sharp(VOCABULARY), reward, SAMPLES, NUM_ROLLOUTS, 5, np.arange(4))
    expected = torch.zeros(4, 3)
    for row, size in enumerate(SAMPLES.sizes.tolist()):
        for num_events in range(1, size + 1):
            expected[row, num_events - 1] = enumerated(row, num_events)
    apart = (values - expected).abs()
    assert float(apart.max()) < 4 * 0.5 / NUM_ROLLOUTS**0.5  # the deviation of a reward is at most .5
    for row, size in enumerate(SAMPLES.sizes.tolist()):
        if size:
            assert apart[row, size - 1] < 1e-6, "the whole sequence's own reward"
    # The values differ by more than the error, so that mixed up ones would be seen.
    assert float((values[0] - values[0].roll(1)).abs().min()) > 0.05
    assert (values[3] == 0).all()


def test_completions_keep_what_they_complete_and_come_in_order() -> None:
    beginnings = Beginnings.of(SAMPLES)
    assert beginnings.rows.tolist() == [0, 0, 1]
    assert beginnings.events.tolist() == [1, 2, 1]
    made = complete(sharp(VOCABULARY), SAMPLES, beginnings, 3, 1, np.arange(4))
    assert made.sizes.tolist() == [3] * 6 + [2] * 3
    for number, (row, num_events) in enumerate([(0, 1), (0, 2), (1, 1)]):
        mine = made.events[3 * number : 3 * number + 3]
        assert (mine[:, :num_events] == SAMPLES.events[row, :num_events]).all()
        assert (made.owners[3 * number : 3 * number + 3, 0] == SAMPLES.owners[row, 0]).all()
    # The same of the second sample alone, which has no third place to pad.
    second = windows(SAMPLES.events[1:2, :2], [2], [0])
    alone = complete(sharp(VOCABULARY), second, Beginnings.of(second), 3, 1, np.array([1]))
    assert torch.equal(alone.events, made.events[6:, :2])
    assert int(made.events[:, :, 0].max()) <= 1
    assert int(made.events[:, :, 1].max()) <= 2


def test_values_of_rows_do_not_depend_on_the_others_in_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = sharp(VOCABULARY)
    whole = event_values(policy, reward, SAMPLES, 8, 5, np.arange(4))
    monkeypatch.setattr("clicksmith.generators.sequence.games.rollouts.MAX_COMPLETIONS", 1)  # a row at a time
    torch.testing.assert_close(event_values(policy, reward, SAMPLES, 8, 5, np.arange(4)), whole)
    other = event_values(policy, reward, SAMPLES, 8, 6, np.arange(4))
    assert not torch.equal(other, whole)
