"""Conditions on columns as codes: which combinations of codes fulfil them.

Shapes: K distinct combinations of codes, S sub-columns of the columns in conditions.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.config import MixConfig, RangeConfig
from clicksmith.config.generators import Scalar
from clicksmith.encoding.columns import SingleCodec
from clicksmith.encoding.number_statistics import to_numbers
from clicksmith.encoding.numeric import NumericCodec
from clicksmith.encoding.table import TableCodec
from clicksmith.errors import ConfigError

_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


def fulfils(
    codec: TableCodec, columns: list[int], codes: NDArray[np.int64], group: MixConfig, called: str
) -> NDArray[np.bool_]:
    """Which combinations fulfil all conditions of a group, shape (K,).

    Args:
        codec: of the rows.
        columns: the sub-columns of the columns in conditions.
        codes: the combinations, shape (K, S).
        group: whose conditions.
        called: what errors call them.

    Raises:
        ConfigError: the generator has not learnt a value, or no bin lies within a range.
    """
    fulfilled = np.ones(len(codes), dtype=bool)
    for name, condition in group.where.items():
        index = codec.names.index(name)
        slot = codec.slots[index]
        first = columns.index(slot.start)
        mine = codes[:, first : first + slot.stop - slot.start]
        where = f"{called}.{name}"
        if isinstance(condition, RangeConfig):
            fulfilled &= _in_range(codec, index, mine[:, 0], condition, where)
        else:
            values = condition if isinstance(condition, tuple) else (condition,)
            wanted = [_codes_of(codec, index, value, where) for value in values]
            fulfilled &= np.any([(mine == one).all(axis=1) for one in wanted], axis=0)
    return fulfilled


def _codes_of(codec: TableCodec, index: int, value: Scalar | None, where: str) -> NDArray[np.int64]:
    """The codes of a value, if they stand for it alone."""
    column, type_ = codec.columns[index], codec.types[index]
    unknown = ConfigError(
        f"{where} asks for {value!r}, which the generator has not learnt as a value of its own.",
        "It may be misspelt, not occur in the training rows, belong to fewer users than min_users, or lie "
        "in a bin with other numbers: then ask for a range, {min: ..., max: ...}.",
    )
    try:
        array = pa.array([value], type_)
    except (pa.ArrowException, TypeError, ValueError):
        raise unknown from None
    codes, _ = column.encode(array)
    codes = codes.reshape(1, -1)
    for position in (0.0, 0.5, _BELOW_ONE):
        positions = np.full(codes.shape, position, dtype=np.float32)
        if isinstance(column, SingleCodec):
            back = column.decode(codes[:, 0], positions[:, 0], type_)
        else:
            back = column.decode(codes, positions, type_)
        if not back.equals(array):
            raise unknown
    found: NDArray[np.int64] = codes[0]
    return found


def _in_range(
    codec: TableCodec, index: int, codes: NDArray[np.int64], condition: RangeConfig, where: str
) -> NDArray[np.bool_]:
    """Whether all values of the codes lie in a range, shape (K,)."""
    column, type_ = codec.columns[index], codec.types[index]
    if not isinstance(column, NumericCodec):
        raise ConfigError(f"{where} is a range, but the column holds no numbers.", "List the values.")
    every = np.arange(1, column.cardinality)
    inside = np.zeros(column.cardinality, dtype=bool)
    inside[1:] = True
    for position in (np.float32(0), _BELOW_ONE):
        values = to_numbers(column.decode(every, np.full(len(every), position), type_))
        inside[1:] &= (values >= condition.lowest) & (values <= condition.highest)
    if not inside.any():
        raise ConfigError(
            f"{where}: none of the column's {column.cardinality - 1} values and bins lies within "
            f"{condition.lowest:g} to {condition.highest:g} entirely.",
            "Ask for a wider range.",
        )
    found: NDArray[np.bool_] = inside[codes]
    return found


def exact_codes(codec: TableCodec, group: MixConfig, called: str) -> NDArray[np.int64] | None:
    """The one combination of codes that fulfils a group's conditions, shape (S,).

    None where a condition is a list of values or a range. `called`: by errors, as in `fulfils`.

    Raises:
        ConfigError: the generator has not learnt a value.
    """
    found = []
    for name, value in group.where.items():
        if isinstance(value, tuple | RangeConfig):
            return None
        found.append(_codes_of(codec, codec.names.index(name), value, f"{called}.{name}"))
    return np.concatenate(found)
