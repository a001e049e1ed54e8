"""The examples' codec: parts beside the JSON, protected values, sub-columns through a network."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch

from clicksmith.encoding.options import MIN_USERS, Options
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.errors import ContractError
from clicksmith.generators.presets import PRESETS
from clicksmith.generators.tabular.example_codec import GENERATED_COLUMNS, ExampleCodec
from clicksmith.generators.tabular.layout import Layout
from clicksmith.tables import Column
from generators.toy_joint import toy_recipe, train

DAY_US = 86_400_000_000


def example_rows(num_rows: int = 2000, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    arrays = {
        "item_id": pa.array([f"i{k}" for k in rng.integers(0, 300, num_rows)]),
        "event_ts": pa.array(rng.integers(17_000 * DAY_US, 17_030 * DAY_US, num_rows)).cast(
            pa.timestamp("us", tz="UTC")
        ),
        "user_id": pa.array([f"u{k}" for k in rng.integers(0, 80, num_rows)]),
    }
    for column in GENERATED_COLUMNS:
        if pa.types.is_boolean(column.type):
            arrays[column.name] = pa.array(rng.random(num_rows) < 0.3)
        elif pa.types.is_string(column.type):
            arrays[column.name] = pa.array([f"v{k}" for k in rng.zipf(1.7, num_rows).clip(max=40)])
        elif pa.types.is_integer(column.type):
            low, high = int(column.minimum or 0), int(column.maximum or 400)
            arrays[column.name] = pa.array(rng.integers(low, high + 1, num_rows), column.type)
        else:
            arrays[column.name] = pa.array(np.round(rng.uniform(0, 1, num_rows), 3))
    return pa.table(arrays)


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return example_rows()


@pytest.mark.parametrize("settings", [{}, {"min_users": MIN_USERS}])
def test_json_and_parts_give_the_codec_back(rows, settings):
    codec = ExampleCodec.fit(rows, **settings)
    encoded = codec.table.encode(rows)
    row_ids = np.arange(rows.num_rows)
    expected = codec.decode(encoded, 7, row_ids)
    whole = ExampleCodec.from_json(json.loads(json.dumps(codec.to_json())))
    short = json.loads(json.dumps(codec.to_json(inline=False)))
    assert len(json.dumps(short)) < len(json.dumps(codec.to_json()))
    apart = ExampleCodec.from_parts(short, codec.to_parts())
    assert whole.decode(encoded, 7, row_ids).equals(expected)
    assert apart.decode(encoded, 7, row_ids).equals(expected)
    with pytest.raises(ContractError, match="item ids are stored beside the codec"):
        ExampleCodec.from_json(short)


def test_protected_values_are_drawn_anew_by_seed_and_row_id(rows):
    codec = ExampleCodec.fit(rows, min_users=MIN_USERS)
    (column, code), *_ = codec.table.rare_codes.items()
    encoded = codec.table.encode(rows)
    codes = encoded.codes.copy()
    codes[:, column] = code
    middle = np.full(codes.shape, 0.5, np.float32)  # as a GAN's rows have it
    name = codec.table.names[codec.table.slots.index(slice(column, column + 1))]
    row_ids = np.arange(rows.num_rows)
    found = codec.decode(Encoded(codes, middle), 7, row_ids).column(name)
    counts = np.array(codec.table.columns[codec.table.names.index(name)].counts)
    assert len(found.unique()) > 3
    assert found.to_pylist().count("v1") / len(found) == pytest.approx(counts[0] / counts.sum(), abs=0.04)
    half = codec.decode(Encoded(codes[1000:], middle[1000:]), 7, row_ids[1000:]).column(name)
    assert half.to_pylist() == found.to_pylist()[1000:], "whatever the batches"


COLUMNS = (
    Column("label", pa.bool_()),
    Column("visits", pa.int64()),
    Column("item", pa.string()),
    Column("seen", pa.timestamp("us", tz="UTC")),
    Column("tags", pa.list_(pa.string()), nullable=True),
    Column("price", pa.float64(), nullable=True),
)
OPTIONS = Options(kinds={"item": "identifier"}, max_bins=16)


def rich_rows(num_rows: int = 3000) -> pa.Table:
    """The label decides the hundreds of the visits, the group of the item and the tags."""
    rng = np.random.default_rng(1)
    label = rng.random(num_rows) < 0.4
    hours = rng.integers(0, 24 * 50, num_rows) * 3_600_000_000
    return pa.table(
        {
            "label": label,
            "visits": rng.integers(0, 100, num_rows) + 700 * label,
            "item": [
                f"{'hot' if hot else 'cold'}{k}"
                for hot, k in zip(label, rng.integers(0, 20, num_rows), strict=True)
            ],
            "seen": pa.array(hours).cast(pa.timestamp("us", tz="UTC")),
            "tags": [["new", "sale"] if hot else ["old"] for hot in label],
            "price": pa.array(np.round(rng.lognormal(size=num_rows), 2), mask=rng.random(num_rows) < 0.1),
        }
    )


def test_layouts_take_each_sub_column_for_a_column():
    table = rich_rows()
    codec = TableCodec.fit(table, COLUMNS, options=OPTIONS)
    data = codec.encode(table)
    layout = Layout(codec)
    assert layout.num_columns == len(codec.cardinalities) > len(COLUMNS)
    assert (layout.num_modes <= np.array(codec.cardinalities)).all()
    flat, scalars = layout.split(data)
    back = layout.join((flat - layout.offsets).numpy(), scalars.numpy())
    np.testing.assert_array_equal(back.codes, data.codes)
    assert codec.decode(back).drop_columns(["price"]).equals(codec.decode(data).drop_columns(["price"]))


@pytest.mark.parametrize("preset", ["tabular_ar", "dense_gan"])
def test_networks_learn_sub_columns_without_knowing_of_them(preset):
    torch.set_num_threads(1)
    table = rich_rows()
    codec = TableCodec.fit(table, COLUMNS, options=OPTIONS)
    steps = 150 if preset == "tabular_ar" else 3
    recipe = toy_recipe(codec, codec.encode(table), preset=preset, num_steps=steps, batch_size=256)
    sampler = train(recipe, steps).sampler
    again = PRESETS[preset].sampler(codec)
    again.load_state_dict(sampler.state_dict())
    encoded = again.sample(3, np.arange(1000))
    assert (encoded.codes < codec.cardinalities).all()
    drawn = codec.decode(encoded)
    assert set(drawn.column("item").to_pylist()) <= set(table.column("item").to_pylist())
    if preset == "tabular_ar":
        label = np.array(drawn.column("label"))
        assert np.mean(label) == pytest.approx(0.4, abs=0.06)
        high = drawn.column("visits").to_numpy() >= 700
        hot = np.array([item.startswith("hot") for item in drawn.column("item").to_pylist()])
        sale = np.array(["sale" in (tags or []) for tags in drawn.column("tags").to_pylist()])
        for signal in (high, hot, sale):
            assert np.mean(signal == label) > 0.9
