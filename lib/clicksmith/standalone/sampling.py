"""Rows and groups from a trained generator, by the block."""

from typing import Any

import numpy as np
import pyarrow as pa

from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.errors import ConfigError, ContractError
from clicksmith.generators.artefact import one_thread
from clicksmith.generators.sequence.given import Given
from clicksmith.generators.tabular.mix import Mix
from clicksmith.seeds import derive_seed
from clicksmith.standalone.fitting import Fitted
from clicksmith.standalone.groups import GroupsCodec
from clicksmith.standalone.wishes import OwnersMix, Wanted

JOINT_BLOCKS = 4
"""Drawn to see how often the values of conditions come together."""


def sample_rows(fitted: Fitted, n: int, wanted: Wanted | None, seed: int) -> pa.Table:
    """So many rows, or groups: whole blocks are generated, each a function of (weights, seed, block).

    Raises:
        ConfigError: there are hardly any rows as wished for.
    """
    wish = None if wanted is None else _wish(fitted, wanted)
    size = fitted.codec.block_rows
    blocks = [_block(fitted, seed, block, wish) for block in range(max(-(-n // size), 1))]
    last = n - size * (len(blocks) - 1)
    parts = [*(_decoded(fitted, batch, seed, block) for block, batch in enumerate(blocks[:-1]))]
    parts.append(_decoded(fitted, blocks[-1].part(0, last), seed, len(blocks) - 1))
    return pa.concat_tables(parts)


def continue_groups(fitted: Fitted, prefix: pa.Table, n: int | None, seed: int) -> pa.Table:
    """The groups of a table, each continued.

    Raises:
        ConfigError: the generator is not one of groups, or `n` is not their number.
        ContractError: the table is not like the one that was fitted.
    """
    codec = fitted.codec
    if not isinstance(codec, GroupsCodec):
        raise ConfigError("prefix is of groups, and this generator makes single rows.", "Leave it out.")
    groups = codec.grouping.sequences(codec.form.encode(prefix))
    if not len(groups):
        raise ContractError("prefix has no rows.", "Give it some, or leave it out.")
    if n is not None and n != len(groups):
        raise ConfigError(f"n is {n}, and prefix has {len(groups)} groups.", "Leave n out.")
    coded, parts = codec.encode(groups), []
    own = [slot for name, slot in _slots(codec) if name in codec.grouping.owner_columns]
    columns = [column for slot in own for column in range(slot.start, slot.stop)]
    for start in range(0, len(groups), codec.block_rows):
        some = np.arange(start, min(start + codec.block_rows, len(groups)))
        part = coded.take(some)
        given = Given(
            owners={column: part.owners[:, column].astype(np.int64) for column in columns}, prefix=part
        )
        with one_thread():
            batch = fitted.sampler.sample(derive_seed(seed, "sample"), some, given)
        parts.append(codec.decode(batch, seed, some, groups.take(some)))
    return pa.concat_tables(parts)


def _slots(codec: GroupsCodec) -> list[tuple[str, slice]]:
    return list(zip(codec.core.owners.names, codec.core.owners.slots, strict=True))


def _block(fitted: Fitted, seed: int, block: int, wish: Mix | OwnersMix | None) -> Any:
    """The coded rows of a block."""
    size, stream = fitted.codec.block_rows, derive_seed(seed, "sample")
    row_ids = np.arange(block * size, (block + 1) * size, dtype=np.int64)
    with one_thread():
        if wish is None:
            return fitted.sampler.sample(stream, row_ids)
        return wish.sample(fitted.sampler, stream, seed, row_ids)


def _decoded(fitted: Fitted, batch: Any, seed: int, block: int) -> pa.Table:
    start = block * fitted.codec.block_rows
    return fitted.codec.decode(batch, seed, np.arange(start, start + len(batch), dtype=np.int64))


def _wish(fitted: Fitted, wanted: Wanted) -> Mix | OwnersMix:
    """What samplers understand; the rows drawn for it are always the same."""
    core, names = fitted.codec.conditions
    wanted.check(names)
    seed = derive_seed(0, "joint")
    blocks = [_block(fitted, seed, block, None) for block in range(JOINT_BLOCKS)]
    drawn = [batch.owners if isinstance(batch, EncodedSequences) else batch.codes for batch in blocks]
    mix = wanted.mix_of(core, np.concatenate(drawn).astype(np.int64))
    return OwnersMix(mix) if isinstance(fitted.codec, GroupsCodec) else mix
