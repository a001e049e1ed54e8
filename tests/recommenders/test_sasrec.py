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
    logits = torch.tensor([[1.5, float("-inf"), 2.0]])  # the second negative is the target itself
    log_rate = torch.log(torch.tensor([0.5, 0.25, 0.25]))
    partition = np.exp(2) + np.exp(1.5) / (3 * 0.5) + np.exp(2) / (3 * 0.25)
    loss = sampled_softmax(torch.tensor([2.0]), logits, log_rate)
    np.testing.assert_allclose(loss.item(), np.log(partition) - 2, rtol=1e-5)


def test_sampled_partition_is_unbiased_under_popularity_sampling() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=50)
    rates = random.pareto(1.0, 50) + 0.1
    rates /= rates.sum()
    partitions = []
    for _ in range(4000):
        negatives = random.choice(50, 20, p=rates)
        logits = torch.tensor(np.where(negatives == 7, -np.inf, scores[negatives]))
        loss = sampled_softmax(
            torch.tensor([scores[7]]), logits[None], torch.tensor(np.log(rates[negatives]))
        )
        partitions.append(np.exp(loss.item() + scores[7]))
    error = np.std(partitions) / np.sqrt(len(partitions))
    assert abs(np.mean(partitions) - np.exp(scores).sum()) < 4 * error


def test_the_objective_is_the_full_softmax_where_all_items_are_negatives() -> None:
    """Every item once as a negative, at rate 1/K: the estimate is exact. Counts of repeats included."""
    model = _model().eval()
    with torch.no_grad():
        model.repeat.fill_(0.07)
        model.bias.normal_()
    items, targets = torch.tensor([[3, 4, 3, 5]]), torch.tensor([[0, 3, 0, 3]])
    negatives = torch.arange(12)
    objective = SequentialObjective(model, torch.full((12,), -np.log(12.0)).float())
    losses = []
    for position in (1, 3):
        prefix = items[:, : position + 1]
        logits = model.scores(model(prefix)[:, -1], prefix)
        losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor([3])))
    torch.testing.assert_close(objective(items, targets, negatives), torch.stack(losses).mean())


def test_learns_a_deterministic_cycle() -> None:
    model = _model(dropout=0.1)
    rates = np.array([0.0] + [1 / 11] * 11)
    objective = SequentialObjective(model, torch.from_numpy(np.log(np.maximum(rates, 1e-12))).float())
    schedule = Schedule(num_steps=120, batch_size=32, learning_rate=0.01, seed=0)
    random = np.random.default_rng(0)

    def batch_of(step: int) -> tuple[torch.Tensor, ...]:
        starts = random.integers(0, 11, (32, 1))
        items = torch.from_numpy((starts + np.arange(9)) % 11 + 1)
        return items[:, :-1], items[:, 1:], torch.from_numpy(random.choice(12, 8, p=rates))

    for _ in run_steps(objective, make_optimizer(objective, schedule), schedule, batch_of):
        pass
    model.eval()
    items = torch.tensor([[4, 5, 6, 7, 8, 9, 10, 11]])
    with torch.inference_mode():
        ranked = [model.scores(model(items)[:, i], items[:, : i + 1]).argmax().item() for i in range(8)]
    assert ranked[2:] == [7, 8, 9, 10, 11, 1]
