"""Next-item networks: causality, padding, the losses, a cycle learnt by each."""

import numpy as np
import pytest
import torch

from clicksmith.reading.windows import masked
from clicksmith.recommenders.losses import Loss, SequentialObjective, drawn, gbce
from clicksmith.recommenders.next_item.recommend import recommend
from clicksmith.recommenders.next_item.sequence import Attributes, Kind, SequenceNetwork
from clicksmith.recommenders.next_item.softmax import softmax_loss
from clicksmith.training.engine.supervised import Schedule, fit


def _model(dropout: float = 0.0, kind: Kind = "sasrec") -> SequenceNetwork:
    return SequenceNetwork(
        kind, torch.zeros(12), max_length=8, dim=16, num_blocks=2, num_heads=2, dropout=dropout, seed=3
    )


@pytest.mark.parametrize("kind", ["sasrec", "gru4rec", "two_tower"])
def test_a_state_depends_on_no_later_item_and_on_no_padding(kind: Kind) -> None:
    model = _model(kind=kind).eval()
    items = torch.tensor([[1, 2, 3, 4, 5, 6]])
    changed = items.clone()
    changed[0, 4:] = 7
    padded = torch.cat([items[:, :3], torch.zeros(1, 5, dtype=torch.long)], dim=1)
    torch.testing.assert_close(model(items)[:, :4], model(changed)[:, :4])
    torch.testing.assert_close(model(items)[:, :3], model(padded)[:, :3])
    assert not torch.allclose(model(items)[:, 4], model(changed)[:, 4])


def sampled_loss(target: int, scores: np.ndarray, negatives: list[int], rates: np.ndarray) -> float:
    """The loss of one row from scores of all items, the first of which stands for none."""
    distinct, weights = drawn(torch.tensor(negatives), torch.from_numpy(np.log(np.maximum(rates, 1e-12))))
    bias = torch.cat([torch.zeros(1), torch.from_numpy(scores)[distinct] + weights])
    own = torch.tensor([1 + distinct.tolist().index(target) if target in distinct else 0])
    nothing, no_places = torch.zeros(1, 1).double(), torch.zeros(1, 0).long()
    return softmax_loss(
        torch.tensor([scores[target]]), nothing, nothing.expand(len(bias), 1), bias, no_places,
        nothing[:, :0], own,
    ).item()  # fmt: skip


def test_sampled_softmax_by_hand() -> None:
    """The second negative is the target itself, the first is drawn twice."""
    rates = np.array([0.0, 0.5, 0.25, 0.25])
    loss = sampled_loss(2, np.array([0.0, 1.5, 2.0, 2.0]), [1, 2, 3, 1], rates)
    partition = np.exp(2) + 2 * np.exp(1.5) / (4 * 0.5) + np.exp(2) / (4 * 0.25)
    np.testing.assert_allclose(loss, np.log(partition) - 2, rtol=1e-5)


def test_sampled_partition_is_unbiased_under_popularity_sampling() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=50)
    rates = random.pareto(1.0, 50) + 0.1
    rates[0] = 0.0
    rates /= rates.sum()
    partitions = []
    for _ in range(4000):
        loss = sampled_loss(7, scores, random.choice(50, 20, p=rates).tolist(), rates)
        partitions.append(np.exp(loss + scores[7]))
    error = np.std(partitions) / np.sqrt(len(partitions))
    assert abs(np.mean(partitions) - np.exp(scores[1:]).sum()) < 4 * error


def test_the_objective_is_the_full_softmax_where_all_items_are_negatives() -> None:
    """Every item once as a negative, at rate 1/K: the estimate is exact. Counts of repeats included."""
    model = _model().eval()
    with torch.no_grad():
        model.repeat.fill_(0.07)
        model.bias.normal_()
    items, targets = torch.tensor([[3, 4, 3, 5]]), torch.tensor([[0, 3, 0, 3]])
    negatives = torch.arange(1, 12)
    objective = SequentialObjective(model, torch.full((12,), -np.log(11.0)).float())
    losses = []
    for position in (1, 3):
        prefix = items[:, : position + 1]
        logits = model.scores(model(prefix)[:, -1], prefix)
        losses.append(torch.nn.functional.cross_entropy(logits[:, 1:], torch.tensor([2])))
    torch.testing.assert_close(objective(items, targets, negatives), torch.stack(losses).mean())


@pytest.mark.parametrize("kind", ["sasrec", "gru4rec"])
@pytest.mark.parametrize("loss", ["sampled_softmax", "cross_entropy", "gbce"])
def test_groups_of_like_length_give_the_loss_of_the_whole(kind: Kind, loss: Loss) -> None:
    """Rows alone, weighed by their targets, and all together."""
    model = _model(kind=kind).eval()
    with torch.no_grad():
        model.repeat.fill_(0.05)
    items = torch.tensor(
        [[1, 2, 1, 0, 0], [3, 4, 5, 6, 7], [8, 0, 0, 0, 0], [9, 9, 10, 11, 0], [2, 3, 0, 0, 0]]
    )
    targets = torch.tensor(
        [[2, 1, 4, 0, 0], [4, 5, 6, 7, 8], [9, 0, 0, 0, 0], [9, 10, 0, 5, 0], [3, 0, 0, 0, 0]]
    )
    negatives = torch.tensor([1, 5, 5, 9, 11])
    objective = SequentialObjective(model, torch.full((12,), -np.log(11.0)).float(), loss)
    alone = sum(
        objective(items[r : r + 1], targets[r : r + 1], negatives) * (targets[r] > 0).sum() for r in range(5)
    )
    torch.testing.assert_close(objective(items, targets, negatives), alone / (targets > 0).sum())


@pytest.mark.parametrize("loss", ["sampled_softmax", "cross_entropy", "gbce"])
def test_a_part_of_a_batch_without_targets_gives_gradients_of_nought(loss: Loss) -> None:
    """Other workers wait for the gradient of every parameter that they have one of themselves."""
    model = _model()
    objective = SequentialObjective(model, torch.full((12,), -np.log(11.0)).float(), loss)
    items, negatives = torch.tensor([[1, 2, 3], [4, 0, 0]]), torch.tensor([5, 6])
    learnt = {}
    for targets in (torch.tensor([[2, 3, 4], [5, 0, 0]]), torch.zeros(2, 3, dtype=torch.long)):
        model.zero_grad(set_to_none=True)
        value = objective(items, targets, negatives)
        value.backward()
        learnt[value.item()] = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    (some, with_targets), (none, without) = learnt.items()
    assert some > 0 and none == 0.0
    assert without.keys() == with_targets.keys()
    assert not any(gradient.any() for gradient in without.values())


def test_gbce_of_the_only_item_has_no_negative() -> None:
    """It is drawn and left out: of beta 1, half the loss of the target alone."""
    model = SequenceNetwork("sasrec", torch.zeros(2), 4, 8, 1, 1, 0.0, seed=3).eval()
    only = torch.tensor([[1]])
    target = model.scores(model(only)[:, -1], only)[0, 1]
    loss = SequentialObjective(model, torch.zeros(2), "gbce")(only, only, torch.tensor([1]))
    torch.testing.assert_close(loss, torch.nn.functional.softplus(-target) / 2)


def test_gbce_by_hand() -> None:
    """Two negatives of eight items: a = 1/4, beta = 1/4 (3/4 (1 - 4) + 4) = 7/16."""
    positive = -7 / 16 * np.log(1 / (1 + np.exp(-0.3)))
    negative = np.log(1 + np.exp(-1.0)) + np.log(1 + np.exp(2.0))
    loss = gbce(torch.tensor([0.3]), torch.tensor([[-1.0, 2.0, float("-inf")]]), 0.25)
    assert loss.item() == pytest.approx((positive + negative) / 4)


def test_a_network_that_looks_both_ways_is_asked_at_the_mask() -> None:
    model = _model(kind="bert4rec").eval()
    items = torch.tensor([[1, 2, model.mask_index, 4, 0]])
    changed = torch.tensor([[1, 2, model.mask_index, 5, 0]])
    longer = torch.tensor([[1, 2, model.mask_index, 4, 0, 0, 0]])
    assert not torch.allclose(model(items)[:, 2], model(changed)[:, 2])
    torch.testing.assert_close(model(items)[:, 2], model(longer)[:, 2])
    alone = model.score([np.array([1, 2, 3])])
    among = model.score([np.array([4, 5, 6, 7, 8, 9, 10]), np.array([1, 2, 3])])
    np.testing.assert_allclose(alone[0], among[1], rtol=1e-5)
    assert model.score([np.arange(1, 12)]).shape == (1, 12), "the mask is no item"


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("sasrec", "sampled_softmax"),
        ("sasrec", "cross_entropy"),
        ("sasrec", "gbce"),
        ("gru4rec", "sampled_softmax"),
        ("bert4rec", "sampled_softmax"),
    ],
)
def test_learns_a_deterministic_cycle(kind: Kind, loss: Loss) -> None:
    model = _model(dropout=0.1, kind=kind)
    rates = np.array([0.0] + [1 / 11] * 11)
    objective = SequentialObjective(model, torch.from_numpy(np.log(np.maximum(rates, 1e-12))).float(), loss)
    schedule = Schedule(
        num_steps=300 if kind == "bert4rec" else 150, batch_size=32, learning_rate=0.01, seed=0
    )
    random = np.random.default_rng(0)

    def batch_of(step: int) -> tuple[torch.Tensor, ...]:
        items = (random.integers(0, 11, (32, 1)) + np.arange(9)) % 11 + 1
        inputs, targets = items[:, :-1], items[:, 1:]
        if kind == "bert4rec":
            inputs, targets = masked(inputs, model.mask_index, 0.3, random)
        negatives = random.choice(12, 8, p=rates)
        return torch.from_numpy(inputs), torch.from_numpy(targets), torch.from_numpy(negatives)

    fit(objective, schedule, batch_of)
    histories = [np.array([4, 5, 6, 7, 8, 9, 10, 11])[: end + 1] for end in range(2, 8)]
    assert recommend(model, histories, 1, filter_viewed=False)[:, 0].tolist() == [7, 8, 9, 10, 11, 1]


def _learn_groups(objective: SequentialObjective, groups: list[list[int]], num_steps: int) -> None:
    """Train on users who take all items of one of the groups, in any order."""
    schedule = Schedule(num_steps=num_steps, batch_size=32, learning_rate=0.01, seed=0)
    random = np.random.default_rng(0)

    def batch_of(step: int) -> tuple[torch.Tensor, ...]:
        items = random.permuted(np.array(groups)[random.integers(0, len(groups), 32)], axis=1)
        inputs, targets = torch.from_numpy(items[:, :-1]), torch.from_numpy(items[:, 1:])
        return inputs, targets, torch.zeros(0, dtype=torch.long)

    fit(objective, schedule, batch_of)


def test_two_towers_learn_what_goes_together_in_any_order() -> None:
    """Users take items of one of two groups, 1-5 or 6-11."""
    model = _model(dropout=0.1, kind="two_tower")
    objective = SequentialObjective(model, torch.full((12,), -np.log(11.0)), "cross_entropy")
    _learn_groups(objective, [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]], 100)
    histories = [np.array([3, 1]), np.array([1, 3]), np.array([10, 6, 7])]
    lists = recommend(model, histories, 2, filter_viewed=True)
    assert {*lists[0], *lists[1]} <= {2, 4, 5} and {*lists[2]} == {8, 9}
    scores = model.score(histories[:2])
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5, err_msg="order means nothing")


def test_items_without_events_are_close_to_their_like() -> None:
    """Items 4 and 8 are never seen: their attribute tells where they belong."""
    codes = np.zeros((9, 1), np.int64)
    codes[1:5], codes[5:9] = 1, 2
    model = SequenceNetwork(
        "two_tower", torch.zeros(9), 8, 16, 1, 1, 0.0, seed=3, attributes=Attributes(codes, (3,))
    )
    objective = SequentialObjective(model, torch.full((9,), -np.log(8.0)), "cross_entropy")
    _learn_groups(objective, [[1, 2, 3], [5, 6, 7]], 60)
    scores = model.score([np.array([1, 2]), np.array([6, 5])])
    assert scores[0, 4] > scores[0, 8] and scores[1, 8] > scores[1, 4]
    assert not model.outputs[0].any()
