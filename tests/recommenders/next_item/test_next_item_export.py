"""Next-item models as ONNX: the scores of the network after histories of any length."""

from typing import get_args

import numpy as np
import onnxruntime
import pytest
import torch

from clicksmith.recommenders.artefact import TrainedSequence
from clicksmith.recommenders.next_item.sequence import Kind, SequenceNetwork


@pytest.mark.parametrize("sizes", [(), (4, 3, 2)])
@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_exported_model_gives_the_network_s_scores(kind: Kind, sizes: tuple[int, ...]) -> None:
    network = SequenceNetwork(kind, torch.linspace(0, -3, 30), 6, 8, 1, 2, 0.1, seed=3, context_sizes=sizes)
    with torch.no_grad():
        network.repeat.fill_(0.3)
        if network.contexts is not None:
            network.contexts.table.weight.normal_()
    ids = np.array([f"i{n}" for n in range(1, 30)], object)
    model = TrainedSequence(network.eval(), ids, np.arange(29, 0, -1), False)
    session = onnxruntime.InferenceSession(model.export(), providers=["CPUExecutionProvider"])
    histories = [np.array([4]), np.array([1, 2, 1]), np.arange(1, 20)]
    if sizes:
        histories = [history + 30 * (7 * history % 25) for history in histories]  # any of the 25 contexts
    rows = np.zeros((3, network.room), np.int64)
    for row, history in zip(rows, histories, strict=True):
        newest = history[-network.room :]
        row[: len(newest)] = newest
    (scores,) = session.run(None, {"events": rows})
    np.testing.assert_allclose(scores, network.score(histories), atol=1e-4)
