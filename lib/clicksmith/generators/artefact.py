"""A trained generator's folder: weights.safetensors, codec.json, README.md and, written last, card.json.

What is too long for JSON text, such as item ids, lies beside the codec in Arrow files that it names.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_weights
from safetensors.torch import save as save_weights

from clicksmith.config import Config
from clicksmith.errors import ContractError, LakeError, NotFittedError
from clicksmith.generators.kind import Codec, Kind
from clicksmith.generators.kinds import KINDS
from clicksmith.generators.model_card import model_card
from clicksmith.generators.presets import PRESETS
from clicksmith.generators.recipe import Sampler
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import models_root
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.seeds import derive_seed


class Saved(Protocol):
    """What of a codec is written."""

    def to_json(self, inline: bool = True) -> dict[str, Any]:
        """See `Codec.to_json`."""
        ...

    def to_parts(self) -> dict[str, bytes]:
        """See `Codec.to_parts`."""
        ...


class Wish(Protocol):
    """Which rows to make more often, or what they must have, as the kind of data has it."""

    def sample(self, sampler: Any, stream: int, seed: int, row_ids: NDArray[np.int64], /) -> Any:
        """A block of rows that are wished for; `stream` is the sampler's seed, `seed` the sampling run's."""
        ...


AnyCodec = TypeVar("AnyCodec")

WEIGHTS, CODEC, CARD, README = "weights.safetensors", "codec.json", "card.json", "README.md"


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


def save_codec(folder: str, codec: Saved) -> None:
    """Write the codec, its parts first; workers read it from there."""
    parts = codec.to_parts()
    for name, content in parts.items():
        storage.write_bytes(storage.join(folder, name), content)
    storage.write_json(storage.join(folder, CODEC), {"parts": sorted(parts), **codec.to_json(inline=False)})


def save_generator(folder: str, sampler: Sampler[Any], codec: Codec, card: dict[str, Any]) -> None:
    """Write weights and the card for people, then card.json, which says that the folder is complete."""
    write_model(folder, sampler, model_card(card, codec), card)


def write_model(folder: str, sampler: Sampler[Any], readme: str, card: dict[str, Any]) -> None:
    """Write weights, the card for people in Markdown and, last, card.json."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in sampler.state_dict().items()}
    storage.write_bytes(storage.join(folder, WEIGHTS), save_weights(weights))
    storage.write_bytes(storage.join(folder, README), readme.encode())
    storage.write_json(storage.join(folder, CARD), card)


def load_codec(folder: str, kind: Kind) -> Codec:
    """The codec of a folder; see `read_codec`."""
    return read_codec(folder, kind.read_codec, _REMEDY)


def read_codec(folder: str, read: Callable[[Any, Mapping[str, bytes]], AnyCodec], remedy: str) -> AnyCodec:
    """The codec of a folder.

    Args:
        folder: where `save_codec` has written it.
        read: the inverse of its `to_json` and `to_parts`.
        remedy: what to do where it cannot be read.

    Raises:
        LakeError: it is missing or damaged.
    """
    uri = storage.join(folder, CODEC)
    try:
        value = storage.read_json(uri)
        parts = {name: storage.read_bytes(storage.join(folder, name)) for name in value["parts"]}
        return read(value, parts)
    except (ContractError, LookupError, TypeError, ValueError, OSError, pa.ArrowException) as error:
        problem = error.problem if isinstance(error, ContractError) else f"{error!r}."
        raise LakeError(f"{uri} is damaged, or a file that it names: {problem}", remedy) from None


def read_weights(folder: str, sampler: Sampler[Any], remedy: str) -> Sampler[Any]:
    """The sampler, with the weights of a folder.

    Raises:
        LakeError: they are missing, damaged, or not of this sampler; `remedy` is what to do then.
    """
    uri = storage.join(folder, WEIGHTS)
    try:
        sampler.load_state_dict(load_weights(storage.read_bytes(uri)))
    except (SafetensorError, RuntimeError) as error:
        raise LakeError(f"{uri} is damaged or not of this codec: {str(error)[:300]}.", remedy) from None
    return sampler.eval().requires_grad_(False)


@contextmanager
def one_thread() -> Iterator[None]:
    """The order of floating-point sums must not depend on the machine's load."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Generator:
    """A trained generator.

    Attributes:
        card: its card.
        kind: of its rows.
        codec: of these.
        sampler: its network.
    """

    card: dict[str, Any]
    kind: Kind
    codec: Codec
    sampler: Sampler[Any]

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
        preset = PRESETS[card["preset"]]
        kind = KINDS[preset.options.kind]
        codec = load_codec(folder, kind)
        return cls(card, kind, codec, read_weights(folder, preset.sampler(codec.core), _REMEDY))

    def sample_block(self, seed: int, block: int, wish: Wish | None = None) -> pa.Table:
        """The rows with ids from ``block * kind.block_rows`` on, as many: always the same.

        Args:
            seed: of the sampling run.
            block: number of the block.
            wish: which rows to make more often, or what they must have; None to sample as in the data.

        Returns:
            The columns of the twin that the kind makes.

        Raises:
            ConfigError: the generator hardly ever makes what is wished for.
        """
        size, stream = self.kind.block_rows, derive_seed(seed, "sample")
        row_ids = np.arange(block * size, (block + 1) * size, dtype=np.int64)
        with one_thread():
            if wish is None:
                batch = self.sampler.sample(stream, row_ids)
            else:
                batch = wish.sample(self.sampler, stream, seed, row_ids)
        return self.codec.decode(batch, seed, row_ids)


_REMEDY = "Delete the folder and run train_generator again."
