"""Through fitting, JSON, encoding and decoding, with the checks that hold for every codec."""

import json

import pyarrow as pa

from clicksmith.encoding.columns import ColumnCodec, cardinalities_of
from clicksmith.encoding.options import Options
from clicksmith.encoding.table import TableCodec
from clicksmith.tables import Column


def fit_one(array: pa.Array, options: Options, nullable: bool = True) -> TableCodec:
    """The codec of a table with the one column x, after a journey through JSON and parts."""
    column = Column("x", array.type, nullable=nullable)
    codec = TableCodec.fit(pa.table({"x": array}), [column], options=options)
    assert TableCodec.from_json(json.loads(json.dumps(codec.to_json()))) == codec
    return TableCodec.from_parts(json.loads(json.dumps(codec.to_json(inline=False))), codec.to_parts())


def kind_of(codec: TableCodec) -> type[ColumnCodec]:
    return type(codec.columns[0])


def round_trip(codec: TableCodec, array: pa.Array) -> pa.Array:
    encoded = codec.encode(pa.table({"x": array}))
    assert encoded.codes.shape == (len(array), len(codec.cardinalities))
    assert codec.cardinalities == list(cardinalities_of(codec.columns[0]))
    assert (encoded.codes >= 0).all() and (encoded.codes < codec.cardinalities).all()
    assert ((encoded.positions >= 0) & (encoded.positions < 1)).all()
    return codec.decode(encoded).column("x").combine_chunks()
