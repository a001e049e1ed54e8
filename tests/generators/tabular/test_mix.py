"""Re-weighted samples: exact shares and conditions, true distributions inside the groups, clear errors."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clicksmith.config import MixConfig
from clicksmith.encoding.table import TableCodec
from clicksmith.errors import ConfigError
from clicksmith.generators.tabular.fixing import Fixed
from clicksmith.generators.tabular.mix import Mix, encode_columns, mix_columns
from generators.toy_joint import COLUMNS, joint_distance, toy_data, toy_recipe, toy_rows, train

ROWS = toy_rows(5000)
CODEC = TableCodec.fit(ROWS, COLUMNS, max_bins=32)


def groups_of(*values: dict[str, Any]) -> list[MixConfig]:
    return [MixConfig.model_validate(value) for value in values]


def mix_of(*values: dict[str, Any]) -> Mix:
    groups = groups_of(*values)
    encoded = encode_columns(CODEC, ROWS, mix_columns(CODEC, groups))
    return Mix.of(CODEC, groups, *np.unique(encoded.codes, axis=0, return_counts=True))


def fixed_of(mix: Mix, seed: int, row_ids: NDArray[np.int64]) -> Fixed:
    return mix.fixed(mix.choose(seed, row_ids, refused=np.empty(0, np.int64)))


def sampled(mix: Mix, num_rows: int, seed: int = 3) -> pa.Table:
    """Rows of the conditions' columns alone."""
    fixed = fixed_of(mix, seed, np.arange(num_rows))
    slots = dict(zip([slot.start for slot in CODEC.slots], range(len(CODEC.names)), strict=True))
    uniform = np.random.default_rng(0).random(num_rows).astype(np.float32)
    return pa.table(
        {
            CODEC.names[slots[column]]: CODEC.columns[slots[column]].decode(
                codes, uniform, CODEC.types[slots[column]]
            )
            for column, codes in fixed.items()
        }
    )


def test_groups_have_their_shares_and_the_true_distribution_inside():
    mix = mix_of(
        {"share": 0.6, "where": {"label": True, "kind": ["apple", "pear"]}},
        {"share": 0.3, "where": {"label": False, "price": {"max": 10}}},
    )
    rows = sampled(mix, 10_000)
    label, kind, price = (rows[name].to_numpy(zero_copy_only=False) for name in ("label", "kind", "price"))
    first = label & np.isin(kind, ["apple", "pear"])
    second = ~label & (price <= 10)
    assert not (first & second).any()
    assert first.sum() == pytest.approx(6000, abs=10)
    assert second.sum() == pytest.approx(3000, abs=10)
    real = ROWS.to_pandas()
    inside = real[real.label & real.kind.isin(["apple", "pear"])]
    assert (kind[first] == "apple").mean() == pytest.approx((inside.kind == "apple").mean(), abs=0.01)
    expected = inside[inside.kind == "pear"].price.quantile([0.1, 0.5, 0.9])
    np.testing.assert_allclose(
        np.quantile(price[first & (kind == "pear")], [0.1, 0.5, 0.9]), expected, rtol=0.02
    )
    # The rest is as in the data, without the two groups.
    rest = real[~(real.label & real.kind.isin(["apple", "pear"])) & ~(~real.label & (real.price <= 10))]
    others = kind[~first & ~second]
    assert len(others) == pytest.approx(1000, abs=10)
    assert (others == "plum").mean() == pytest.approx((rest.kind == "plum").mean(), abs=0.03)


def test_nulls_and_single_values_and_the_order_of_groups():
    mix = mix_of(
        {"share": 0.5, "where": {"shade": None}},
        {"share": 0.5, "where": {"shade": [None, "s0"]}},
    )
    shades = sampled(mix, 1000)["shade"].to_pylist()
    assert shades.count(None) == pytest.approx(500, abs=5), "rows belong to the first group they fulfil"
    assert shades.count("s0") == pytest.approx(500, abs=5)


@settings(deadline=None)
@given(
    share=st.floats(0.01, 1.0),
    seed=st.integers(0, 2**62),
    first=st.integers(0, 10**9),
    num_rows=st.integers(1, 3000),
)
def test_any_run_of_row_ids_has_the_share(share, seed, first, num_rows):
    mix = mix_of({"share": share, "where": {"label": True}})
    codes = fixed_of(mix, seed, np.arange(first, first + num_rows))[0]
    label_true = np.unique(codes)[-1] if share < 1 else codes[0]
    true_code = int(CODEC.columns[0].encode(pa.array([True]))[0][0])
    assert label_true in (true_code, *CODEC.columns[0].encode(pa.array([False]))[0])
    assert abs((codes == true_code).sum() - share * num_rows) <= 8


def true_plums(rows: pa.Table) -> list[bool]:
    return [
        k == "plum" and y for k, y in zip(rows["kind"].to_pylist(), rows["label"].to_pylist(), strict=True)
    ]


@pytest.mark.parametrize("preset", ["tabular_ar", "ctgan", "smote"])
def test_generated_rows_fulfil_the_conditions(preset):
    codec, data = toy_data(4000)
    recipe = train(toy_recipe(codec, data, preset=preset, num_steps=60, batch_size=200), 60)
    groups = groups_of({"share": 0.7, "where": {"kind": "plum", "label": True}})
    encoded = encode_columns(codec, toy_rows(4000), mix_columns(codec, groups))
    mix = Mix.of(codec, groups, *np.unique(encoded.codes, axis=0, return_counts=True))
    row_ids = np.arange(2000)
    rows = codec.decode(recipe.sampler.sample(5, row_ids, fixed_of(mix, 5, row_ids)))
    plums = true_plums(rows)
    assert sum(plums) == pytest.approx(1400, abs=10)
    if preset != "ctgan":  # trained for a moment only
        wanted, real = (table.filter(pa.array(true_plums(table))) for table in (rows, toy_rows(4000)))
        assert joint_distance(real, wanted, ("shade",)) < 0.1
        assert np.mean(wanted["price"].to_numpy()) == pytest.approx(30, abs=1.0)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"colour": "red"}, "a condition on 'colour', which generators do not make"),
        ({"kind": "kiwi"}, r"mix\[0\].where.kind asks for 'kiwi', which the generator has not learnt"),
        ({"kind": 3}, "asks for 3"),
        ({"label": None}, "asks for None"),
        ({"price": 10.123456}, "ask for a range"),
        ({"kind": {"min": 1}}, "is a range, but the column holds no numbers"),
        ({"price": {"min": 1000}}, "lies within 1000 to inf entirely"),
        ({"kind": "apple", "shade": "s2"}, r"No training row fulfils the conditions of synthesis.mix\[0\]"),
    ],
)
def test_conditions_that_nothing_fulfils_are_clear_errors(where, message):
    with pytest.raises(ConfigError, match=message):
        mix_of({"share": 0.5, "where": where})


def test_shares_that_leave_something_to_nobody_are_a_clear_error():
    with pytest.raises(ConfigError, match="Every training row is in a group"):
        mix_of({"share": 0.5, "where": {"label": [True, False]}})
