"""SASRec: causality, padding, the sampled softmax, a cycle learnt."""

import numpy as np
import torch

from clicksmith.recommenders.losses import SequentialObjective, sampled_softmax
from clicksmith.recommenders.sasrec import SASRec
from clicksmith.training.supervised import Schedule, make_optimizer, run_steps


def _model(dropout: float = 0.0) -> SASRec:
    return SASRec(torch.zeros(12), max_length=8, dim=16, num_blocks=2, num_heads=2, dropout=dropout, seed=3)


def test_a_state_depends_on_no_later_item_and_on_no_padding() -> None:
    model = _model().eval()
    items = torch.tensor([[1, 2, 3, 4, 5, 6]])
    changed = items.clone()
    changed[0, 4:] = 7
    padded = torch.cat([items[:, :3], torch.zeros(1, 5, dtype=torch.long)], dim=1)
    torch.testing.assert_close(model(items)[:, :4], model(changed)[:, :4])
    torch.testing.assert_close(model(items)[:, :3], model(padded)[:, :3])
    assert not torch.allclose(model(items)[:, 4], model(changed)[:, 4])


def test_sampled_softmax_by_hand() -> None:
    items = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    states, targets, negatives = torch.tensor([[1.0]]), torch.tensor([2]), torch.tensor([1, 2, 3])
    log_rate = torch.log(torch.tensor([1.0, 0.5, 0.25, 0.25]))
    bias = torch.tensor([0.0, 0.5, 0.0, -1.0])
    # the negative 2 is the target and masked; the others count exp(s) / (3 q)
    partition = np.exp(2) + np.exp(1.5) / (3 * 0.5) + np.exp(2) / (3 * 0.25)
    loss = sampled_softmax(states, targets, negatives, items, bias, log_rate)
    np.testing.assert_allclose(loss.item(), np.log(partition) - 2, rtol=1e-5)


def test_sampled_partition_is_unbiased_under_popularity_sampling() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=50)
    rates = random.pareto(1.0, 50) + 0.1
    rates /= rates.sum()
    items, state = torch.tensor(scores[:, None], dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    log_rate = torch.log(torch.tensor(rates))
    target = torch.tensor([7])
    partitions = []
    for _ in range(4000):
        negatives = torch.from_numpy(random.choice(50, 20, p=rates))
        loss = sampled_softmax(state, target, negatives, items, torch.zeros(50), log_rate)
        partitions.append(np.exp(loss.item() + scores[7]))
    error = np.std(partitions) / np.sqrt(len(partitions))
    assert abs(np.mean(partitions) - np.exp(scores).sum()) < 4 * error


def test_learns_a_deterministic_cycle() -> None:
    model = _model(dropout=0.1)
    rates = np.array([0.0] + [1 / 11] * 11)
    objective = SequentialObjective(model, torch.from_numpy(np.log(np.maximum(rates, 1e-12))).float())
    schedule = Schedule(num_steps=120, batch_size=32, learning_rate=0.01, seed=0)
    random = np.random.default_rng(0)

    def batch_of(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        starts = random.integers(0, 11, (32, 1))
        items = (starts + np.arange(9)) % 11 + 1
        return torch.from_numpy(items), torch.from_numpy(random.choice(12, 8, p=rates))

    for _ in run_steps(objective, make_optimizer(objective, schedule), schedule, batch_of):
        pass
    model.eval()
    items = torch.tensor([[4, 5, 6, 7, 8, 9, 10, 11]])
    with torch.inference_mode():
        ranked = model.scores(model(items))[0].argmax(1)
    assert ranked.tolist()[2:] == [7, 8, 9, 10, 11, 1]
