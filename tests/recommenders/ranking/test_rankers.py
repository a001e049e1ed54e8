"""Rankers: exact small cases, planted interactions, seeds."""

import numpy as np
import onnxruntime
import pytest
import torch

from clicksmith.errors import ContractError
from clicksmith.recommenders.export import to_onnx
from clicksmith.recommenders.layers import CodeEmbedding
from clicksmith.recommenders.losses import RankerObjective
from clicksmith.recommenders.ranking.dcnv2 import CrossLayer, DCNv2
from clicksmith.recommenders.ranking.deepfm import DeepFM
from clicksmith.recommenders.ranking.ranker import build_ranker, score
from clicksmith.training.engine.supervised import Schedule, fit, make_optimizer, run_steps

MODELS = ("dcnv2", "deepfm")


def test_columns_do_not_share_rows_of_the_embedding() -> None:
    embedding = CodeEmbedding([2, 3], 4).eval()
    out = embedding(torch.tensor([[1, 0], [0, 2]]))
    assert out.shape == (2, 2, 4)
    assert torch.equal(out[0, 1], embedding.table.weight[2])  # after the two codes of column 0
    assert torch.equal(out[1, 1], embedding.table.weight[4])


def test_cross_layer_by_hand() -> None:
    layer = CrossLayer(2, rank=None)
    with torch.no_grad():
        layer.weight.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
        layer.weight.bias.copy_(torch.tensor([0.5, 0.0]))
    x0, x = torch.tensor([[2.0, 3.0]]), torch.tensor([[1.0, -1.0]])
    # W x + b = (1 - 2 + 0.5, -1); times x0, plus x
    assert layer(x0, x).tolist() == [[2 * -0.5 + 1, 3 * -1.0 - 1]]


def test_deepfm_pairs_equal_the_sum_of_all_inner_products() -> None:
    torch.manual_seed(0)
    model = DeepFM([3, 4, 5], 6).eval()
    codes = torch.tensor([[1, 2, 3]])
    embedded = model.embedding(codes)[0]
    pairs = sum(embedded[i] @ embedded[j] for i in range(3) for j in range(i))
    rest = model.linear(codes).sum() + model.head(model.deep(embedded.flatten()[None])).squeeze()
    torch.testing.assert_close(model(codes)[0], pairs + rest)


@pytest.mark.parametrize("model", MODELS)
def test_a_seed_determines_the_weights_and_the_base_rate_the_bias(model: str) -> None:
    one, two, other = (build_ranker(model, [4, 5], 3, 0.2, seed) for seed in (1, 1, 2))  # type: ignore[arg-type]
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.embedding.table.weight, other.embedding.table.weight)
    assert one.head.bias.item() == pytest.approx(np.log(0.2 / 0.8))


@pytest.mark.parametrize("model", MODELS)
def test_learns_an_interaction_that_neither_feature_shows(model: str) -> None:
    random = np.random.default_rng(0)
    codes = torch.from_numpy(random.integers(0, 4, (4000, 6)).astype(np.int32))
    labels = (codes[:, 0] % 2) == (codes[:, 3] % 2)
    network = build_ranker(model, [4] * 6, 8, 0.5, seed=1)  # type: ignore[arg-type]
    objective = RankerObjective(network)
    schedule = Schedule(num_steps=150, batch_size=256, learning_rate=0.02, seed=1)
    rows = np.random.default_rng(1).integers(0, 3000, (150, 256))
    optimizer = make_optimizer(objective, schedule)
    steps = run_steps(objective, optimizer, schedule, lambda step: (codes[rows[step]], labels[rows[step]]))
    losses = [float(loss) for _, loss in steps]
    assert losses[0] == pytest.approx(np.log(2), abs=0.1)
    predicted = score(network, codes[3000:]) > 0.5
    assert (predicted == labels[3000:]).float().mean() > 0.97


def test_low_rank_is_smaller_than_full_rank() -> None:
    def size(rank: int | None) -> int:
        return sum(p.numel() for p in DCNv2([10] * 20, 16, rank=rank).crosses.parameters())

    assert size(64) == 2 * (320 * 64 + 64 * 320 + 320)
    assert size(None) == 2 * (320 * 320 + 320)


def _fit(model: str, codes: torch.Tensor, labels: torch.Tensor, *weights: torch.Tensor) -> torch.nn.Module:
    network = build_ranker(model, [2, 3], 4, float(labels.float().mean()), seed=1)  # type: ignore[arg-type]
    objective = RankerObjective(network)
    schedule = Schedule(num_steps=120, batch_size=len(labels), learning_rate=0.1, seed=1, weight_decay=0.0)
    batch = (codes, labels, *weights)
    fit(objective, schedule, lambda step: batch)
    return network


def _planted(num_rows: int) -> tuple[torch.Tensor, np.ndarray, np.random.Generator]:
    random = np.random.default_rng(3)
    codes = random.integers(0, [2, 3], (num_rows, 2))
    log_odds = -1.0 + np.array([0.0, 1.0])[codes[:, 0]] + np.array([0.0, -0.5, 0.8])[codes[:, 1]]
    return torch.from_numpy(codes), 1 / (1 + np.exp(-log_odds)), random


def test_logistic_regression_finds_the_planted_weights() -> None:
    codes, rates, random = _planted(40_000)
    network = _fit("logistic", codes, torch.from_numpy(random.random(len(rates)) < rates))
    weights = network.embedding.table.weight[:, 0].tolist()
    assert weights[1] - weights[0] == pytest.approx(1.0, abs=0.1)
    assert [w - weights[2] for w in weights[3:]] == [
        pytest.approx(-0.5, abs=0.1),
        pytest.approx(0.8, abs=0.1),
    ]
    np.testing.assert_allclose(score(network, codes[:50]), rates[:50], atol=0.02)


def test_weights_by_propensity_undo_how_rows_were_kept() -> None:
    """Of the negatives of code 1 a tenth is kept: rates are wrong without weights, right with them."""
    codes, rates, random = _planted(40_000)
    labels = random.random(len(rates)) < rates
    propensity = np.where(~labels & (codes[:, 0].numpy() == 1), 0.1, 1.0)
    kept = random.random(len(rates)) < propensity
    weights = torch.from_numpy((1 / propensity[kept]).astype(np.float32))
    biased = _fit("logistic", codes[kept], torch.from_numpy(labels[kept]))
    right = _fit("logistic", codes[kept], torch.from_numpy(labels[kept]), weights / weights.mean())
    np.testing.assert_allclose(score(right, codes[:50]), rates[:50], atol=0.03)
    assert np.abs(score(biased, codes[:50]).numpy() - rates[:50]).max() > 0.2


@pytest.mark.parametrize("model", ["deepfm", "dcnv2"])
def test_a_frequent_label_helps_with_a_rare_one(model: str) -> None:
    """Purchases are 1 in 100 of clicks, which depend on an item in the same way: 400 items, 8,000 rows."""
    random = np.random.default_rng(7)
    appeal = random.normal(size=400)
    items = random.integers(0, 400, 8000)
    clicks = random.random(8000) < 1 / (1 + np.exp(-2 * appeal[items]))
    purchases = clicks & (random.random(8000) < 0.01)
    codes = torch.from_numpy(np.column_stack([np.zeros_like(items), items]))
    found = {}
    for num_auxiliary in (0, 1):
        network = build_ranker(model, [2, 400], 4, float(purchases.mean()), 1, num_auxiliary)  # type: ignore[arg-type]
        objective = RankerObjective(network)
        schedule = Schedule(num_steps=300, batch_size=500, learning_rate=0.01, seed=1)
        batch = (codes, torch.from_numpy(purchases), torch.ones(8000), torch.from_numpy(clicks)[:, None])
        rows = [torch.from_numpy(random.integers(0, 8000, 500)) for _ in range(300)]
        parts = batch if num_auxiliary else batch[:2]
        fit(
            objective,
            schedule,
            lambda step, parts=parts, rows=rows: tuple(part[rows[step]] for part in parts),
        )
        asked = torch.column_stack([torch.zeros(400, dtype=torch.long), torch.arange(400)])
        found[num_auxiliary] = np.corrcoef(torch.logit(score(network, asked)).numpy(), appeal)[0, 1]
    assert found[1] > found[0] + 0.1, found


def test_the_loss_of_auxiliary_labels_by_hand() -> None:
    network = build_ranker("deepfm", [2, 2], 2, 0.5, seed=0, num_auxiliary=2).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
    codes, labels = torch.zeros(3, 2, dtype=torch.long), torch.tensor([True, False, False])
    objective = RankerObjective(network)
    alone = objective(codes, labels)
    assert alone.item() == pytest.approx(np.log(2))
    both = objective(codes, labels, torch.ones(3), torch.ones(3, 2))
    assert both.item() == pytest.approx(2 * np.log(2))


def test_din_looks_at_the_history_from_the_item_in_question() -> None:
    """Positive where the item was taken before: no column alone shows it. Padding means nothing."""
    random = np.random.default_rng(5)
    items = random.integers(1, 9, (6000, 1))
    history = random.integers(0, 9, (6000, 4))
    labels = torch.from_numpy((history == items).any(1))
    codes = torch.from_numpy(np.concatenate([random.integers(0, 3, (6000, 1)), items, history], axis=1))
    network = build_ranker("din", [3, 9], 8, 0.4, seed=1)
    objective = RankerObjective(network)
    schedule = Schedule(num_steps=800, batch_size=256, learning_rate=0.01, seed=1)
    rows = random.integers(0, 5000, (800, 256))
    fit(objective, schedule, lambda step: (codes[rows[step]], labels[rows[step]]))
    probabilities = score(network, codes[5000:])
    assert ((probabilities > 0.5) == labels[5000:]).float().mean() > 0.95
    padded = torch.cat([codes[5000:], torch.zeros(1000, 3, dtype=torch.long)], dim=1)
    torch.testing.assert_close(score(network, padded), probabilities)


@pytest.mark.parametrize("model", ["logistic", "deepfm", "dcnv2", "din"])
def test_an_exported_model_gives_the_same_logits_for_any_number_of_rows(model: str) -> None:
    network = build_ranker(model, [4, 5], 3, 0.2, seed=1).eval()  # type: ignore[arg-type]
    random = np.random.default_rng(0)
    width = 2 + 3 * (model == "din")
    content = to_onnx(network, torch.from_numpy(random.integers(0, 4, (50, width))))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for num_rows in (1, 7):
        codes = random.integers(0, 4, (num_rows, width))
        (logits,) = session.run(None, {"codes": codes})
        expected = network(torch.from_numpy(codes)).detach().numpy()
        np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_an_export_that_differs_is_refused() -> None:
    class Drifting(torch.nn.Module):
        """Gives something else while it is exported."""

        def forward(self, codes: torch.Tensor) -> torch.Tensor:
            return codes.sum(1).float() + (0.5 if torch.compiler.is_exporting() else 0.0)

    with pytest.raises(ContractError, match=r"logits differ from the network's by 0\.5"):
        to_onnx(Drifting().eval(), torch.ones(5, 2, dtype=torch.long))
