"""A ranker for serving without Python: ONNX, whose outputs are checked against the network's."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn

from clicksmith.errors import ContractError
from clicksmith.recommenders.optional import require

TOLERANCE = 1e-4
"""Of logits: sums are taken in another order."""


def to_onnx(network: nn.Module, codes: Tensor) -> bytes:
    """A ranker as an ONNX model from "codes" (rows, C) int64 to "logits" (rows,).

    Args:
        network: in evaluation mode.
        codes: rows to check the outputs with, shape (N, C), at least two.

    Raises:
        TrainingError: the packages of the extra 'export' are not installed.
        ContractError: the model's logits differ from the network's.
    """
    require("onnxscript", "Export needs", "export")  # by torch
    onnxruntime = require("onnxruntime", "Export needs", "export")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    rows = torch.export.Dim("rows")
    program = torch.onnx.export(
        network,
        (codes[:2],),
        dynamo=True,
        dynamic_shapes=({0: rows},),
        input_names=["codes"],
        output_names=["logits"],
        verbose=False,
    )
    assert program is not None
    with TemporaryDirectory() as folder:  # large models have no other way to bytes
        path = Path(folder) / "model.onnx"
        program.save(str(path), include_initializers=True, keep_initializers_as_inputs=False)
        content = path.read_bytes()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found = session.run(None, {"codes": codes.numpy()})[0]
    with torch.inference_mode():
        expected = network(codes).numpy()
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:
        raise ContractError(
            f"The exported model's logits differ from the network's by {difference:.2g} on {len(codes):,} "
            f"rows; at most {TOLERANCE} is allowed.",
            "This is a bug; please report it.",
        )
    return content
