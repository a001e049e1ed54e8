"""Building a conversion ranker by its name, the same on every worker."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from clicksmith.recommenders.layers import Ranker
from clicksmith.recommenders.ranking.dcnv2 import DCNv2
from clicksmith.recommenders.ranking.deepfm import DeepFM
from clicksmith.recommenders.ranking.din import DIN
from clicksmith.recommenders.ranking.logistic import LogisticRegression

Kind = Literal["logistic", "deepfm", "dcnv2", "din"]


def build_ranker(
    model: Kind, cardinalities: Sequence[int], dim: int, base_rate: float, seed: int, num_auxiliary: int = 0
) -> Ranker:
    """A ranker with weights drawn from a seed.

    Args:
        model: which.
        cardinalities: codes of each input column.
        dim: embedding width.
        base_rate: share of positive training labels; the last bias starts at its log-odds, which
            spares the first steps.
        seed: of the initial weights.
        num_auxiliary: other labels that share its layers in training.
    """
    torch.manual_seed(seed)
    network: Ranker
    if model == "logistic":
        network = LogisticRegression(cardinalities)
    else:
        network = {"deepfm": DeepFM, "dcnv2": DCNv2, "din": DIN}[model](cardinalities, dim)
    rate = min(max(base_rate, 1e-4), 1 - 1e-4)
    nn.init.constant_(network.head.bias, math.log(rate / (1 - rate)))
    if num_auxiliary:
        network.auxiliary = nn.Linear(network.head.in_features, num_auxiliary)
    return network


@torch.inference_mode()
def score(network: nn.Module, codes: Tensor, batch_rows: int = 16_384) -> Tensor:
    """Probabilities of the label, in evaluation mode. Shape: codes (N, C) of any integer type -> (N,)."""
    network.eval()
    parts = [torch.sigmoid(network(part.long())) for part in torch.split(codes, batch_rows)]
    return torch.cat(parts) if parts else torch.zeros(0)
