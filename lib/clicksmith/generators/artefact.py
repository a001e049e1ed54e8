"""A trained generator's folder: weights.safetensors, codec.json and, written last, card.json."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights

from clicksmith.config import Config
from clicksmith.errors import LakeError, NotFittedError
from clicksmith.generators.example_codec import ExampleCodec
from clicksmith.generators.presets import build_sampler
from clicksmith.generators.recipe import Sampler
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Snapshot, models_root
from clicksmith.lakehouse.lineage import Lineage, trace
from clicksmith.seeds import counter_uniform, derive_seed

BLOCK_ROWS = 1024
"""Rows are generated in whole blocks of so many consecutive row ids."""

WEIGHTS, CODEC, CARD = "weights.safetensors", "codec.json", "card.json"


def trace_generator(config: Config, name: str, examples: Snapshot) -> Lineage:
    """The lineage of training a generator; known before it is trained, whatever the number of workers."""
    sections = {"generator": config.generators[name]}
    return trace(f"train_generator/{name}", config, sections, {"training_examples": examples})


def generator_id(name: str, lineage: Lineage) -> str:
    """The generator's id in the tables, and its folder's name."""
    return f"{name}-{lineage.run_id}"


def generator_folder(config: Config, name: str, lineage: Lineage) -> str:
    """URI of the generator's folder."""
    return storage.join(models_root(config), "generators", generator_id(name, lineage))


def read_card(folder: str) -> dict[str, Any] | None:
    """The card of a complete generator, or None where training has not ended."""
    card_uri = storage.join(folder, CARD)
    return storage.read_json(card_uri) if storage.exists(card_uri) else None


def save_codec(folder: str, codec: ExampleCodec) -> None:
    """Write the codec; workers read it from there."""
    storage.write_json(storage.join(folder, CODEC), codec.to_json())


def save_generator(folder: str, sampler: Sampler, card: dict[str, Any]) -> None:
    """Write weights, then the card, whose existence says that the folder is complete."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in sampler.state_dict().items()}
    storage.write_bytes(storage.join(folder, WEIGHTS), save_weights(weights))
    storage.write_json(storage.join(folder, CARD), card)


def load_codec(folder: str) -> ExampleCodec:
    """The codec of a folder.

    Raises:
        LakeError: it is missing or damaged.
    """
    try:
        return ExampleCodec.from_json(storage.read_json(storage.join(folder, CODEC)))
    except (KeyError, TypeError, ValueError, json.JSONDecodeError) as error:
        raise LakeError(f"{storage.join(folder, CODEC)} is damaged: {error!r}.", _REMEDY) from None


@dataclass(frozen=True)
class Generator:
    """A trained generator.

    Attributes:
        card: its card.
        codec: of its rows.
        sampler: its network.
    """

    card: dict[str, Any]
    codec: ExampleCodec
    sampler: Sampler

    @classmethod
    def load(cls, folder: str) -> "Generator":
        """Load a complete folder.

        Raises:
            NotFittedError: training has not ended.
            LakeError: a file is damaged, or they do not belong together.
        """
        card = read_card(folder)
        if card is None:
            raise NotFittedError(f"There is no complete generator in {folder}.", "Run train_generator first.")
        codec = load_codec(folder)
        sampler = build_sampler(card["preset"], codec.table)
        weights_uri = storage.join(folder, WEIGHTS)
        try:
            sampler.load_state_dict(load_weights(storage.read_bytes(weights_uri)))
        except (SafetensorError, RuntimeError) as error:
            raise LakeError(
                f"{weights_uri} is damaged or not of this codec: {str(error)[:300]}.", _REMEDY
            ) from None
        return cls(card, codec, sampler.eval().requires_grad_(False))

    def sample_block(
        self, seed: int, block: int, label: str | None = None, positives: float = 0.5
    ) -> pa.Table:
        """The rows with ids from ``block * BLOCK_ROWS`` on, BLOCK_ROWS of them: always the same.

        Args:
            seed: of the sampling run.
            block: number of the block.
            label: a boolean column to balance, or None to sample as in the data.
            positives: the share of rows with a true label.

        Returns:
            Generated columns, item_id and event_ts.
        """
        row_ids = np.arange(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS, dtype=np.int64)
        stream = derive_seed(seed, "sample")
        fixed = None
        if label is not None:
            wanted = counter_uniform(derive_seed(seed, "label"), row_ids, 1)[:, 0] < positives
            fixed = {self.codec.table.names.index(label): self._label_codes(label, wanted)}
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # the order of floating-point sums must not depend on the machine's load
        try:
            encoded = self.sampler.sample(stream, row_ids, fixed)
        finally:
            torch.set_num_threads(threads)
        return self.codec.decode(encoded, seed, row_ids)

    def _label_codes(self, label: str, wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
        index = self.codec.table.names.index(label)
        column = self.codec.table.columns[index]
        codes, _ = column.encode(pa.array(wanted))
        if (codes == 0).any():
            raise NotFittedError(
                f"synthesis.positive_fraction is set, but {label} never varies in the training rows.",
                "Leave positive_fraction out, or train on rows with both outcomes.",
            )
        return codes


_REMEDY = "Delete the folder and run train_generator again."
