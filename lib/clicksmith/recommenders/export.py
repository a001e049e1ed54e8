"""Models for serving without Python: ONNX, whose outputs are checked against the network's."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from clicksmith.errors import ContractError
from clicksmith.recommenders.next_item.sequence import SequenceNetwork
from clicksmith.recommenders.optional import require

MODEL = "model.onnx"
CHECKED_ROWS = 256
"""Random ones, on which an exported model is compared."""

TOLERANCE = 1e-4
"""Of logits: sums are taken in another order."""


class NextItemScores(nn.Module):
    """A next-item network from sequences to scores.

    Shape:
        events (B, L) int64, left-aligned, at least one a row, 0 where there is none -> (B, V).
    """

    def __init__(self, network: SequenceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, events_BL: Tensor) -> Tensor:
        """Scores of all items after each sequence."""
        network, asked = self.network, (events_BL > 0).sum(1, keepdim=True)
        inputs = events_BL
        if network.kind == "bert4rec":
            inputs = nn.functional.pad(events_BL, (0, 1)).scatter(1, asked, network.mask_index)
        else:
            asked = asked - 1
        states_BLD = network(inputs)
        last_BD = states_BLD.gather(1, asked[:, :, None].expand(-1, 1, states_BLD.shape[2])).squeeze(1)
        return network.scores(last_BD, network.items_of(events_BL))


def to_onnx(network: nn.Module, rows: Tensor, names: tuple[str, str] = ("codes", "logits")) -> bytes:
    """An ONNX model from one table of int64, of any number of rows, to one table of logits.

    Args:
        network: in evaluation mode.
        rows: to check the outputs with, shape (N, C), at least two.
        names: of the input and the output.

    Raises:
        TrainingError: the packages of the extra 'export' are not installed.
        ContractError: the model's logits differ from the network's.
    """
    require("onnxscript", "Export needs", "export")  # by torch
    onnxruntime = require("onnxruntime", "Export needs", "export")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    program = torch.onnx.export(
        network,
        (rows[:2],),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("rows")},),
        input_names=[names[0]],
        output_names=[names[1]],
        verbose=False,
    )
    assert program is not None
    with TemporaryDirectory() as folder:  # large models have no other way to bytes
        path = Path(folder) / "model.onnx"
        program.save(str(path), include_initializers=True, keep_initializers_as_inputs=False)
        content = path.read_bytes()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = session.run(None, {names[0]: rows.numpy()})[0]
    with torch.inference_mode():
        expected = network(rows).numpy()
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:
        raise ContractError(
            f"The exported model's logits differ from the network's by {difference:.2g} on {len(rows):,} "
            f"rows; at most {TOLERANCE} is allowed.",
            "This is a bug; please report it.",
        )
    return content
