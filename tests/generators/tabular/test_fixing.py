"""Exact codes without writing over rows: fair draws of the generator's own rows, or an error that says so."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from numpy.typing import NDArray

from clicksmith.config import MixConfig
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.errors import ConfigError
from clicksmith.generators.recipe import Sampler
from clicksmith.generators.tabular.fixing import QUIET_ROUNDS, TooRareError, redraw, require
from clicksmith.generators.tabular.mix import MAX_TRIES, Mix, encode_columns, mix_columns
from clicksmith.seeds import counter_uniform, derive_seed
from generators.toy_joint import toy_data, toy_recipe, toy_rows, train

RARE = 0.02


def sampled(mix: Mix, sampler: Any, row_ids: NDArray[np.int64]) -> Encoded:
    """A block, as `artefact.Generator` asks for it."""
    return mix.sample(sampler, derive_seed(5, "sample"), 5, row_ids)


class Source:
    """A label that is 1 with probability `RARE`, and a number: 10 times the label, and 0 to 4."""

    def __init__(self, num_rows: int) -> None:
        self.ids, self.blocks = np.arange(num_rows), 0

    def __call__(self, seed: int, purpose: NDArray[np.int64]) -> Encoded:
        self.blocks += 1
        uniform = counter_uniform(seed, self.ids, 2)
        label = (uniform[:, 0] < RARE).astype(np.int64)
        codes = np.stack([label, 10 * label + (5 * uniform[:, 1]).astype(np.int64)], axis=1)
        return Encoded(codes, np.full(codes.shape, 0.5, np.float32))


def test_every_row_is_a_row_that_was_drawn_with_its_code() -> None:
    wanted = {0: np.ones(2000, np.int64)}
    source = Source(2000)
    rows = require(redraw(source, 3, 2000, wanted), wanted)
    shares = np.bincount(rows.codes[:, 1], minlength=15) / 2000
    assert shares[:10].sum() == 0, "no label over another label's number"
    np.testing.assert_allclose(shares[10:], 0.2, atol=0.04)
    assert source.blocks < 2 / RARE, "about as many draws as rarity asks for"
    again = redraw(Source(2000), 3, 2000, wanted)
    np.testing.assert_array_equal(again.codes, rows.codes)


def test_a_block_serves_different_wishes_at_once() -> None:
    """Each of 1,000 rows wants one of 1,000 codes: a draw is wanted by somebody, not by one row alone."""
    blocks = []

    def draw(seed: int, purpose: NDArray[np.int64]) -> Encoded:
        blocks.append(seed)
        codes = (1000 * counter_uniform(seed, np.arange(1000), 1)).astype(np.int64)
        return Encoded(codes, np.zeros(codes.shape, np.float32))

    wanted = {0: np.arange(1000)[::-1].copy()}
    rows = require(redraw(draw, 1, 1000, wanted), wanted)
    np.testing.assert_array_equal(rows.codes[:, 0], wanted[0])
    assert len(blocks) < 30


def test_what_hardly_ever_comes_up_is_refused_by_row() -> None:
    wanted = {0: np.array([0, 1, 0, 7] * 50), 1: np.array([1, 12, 2, 3] * 50)}
    source = Source(200)
    rows = redraw(source, 3, 200, wanted)
    with pytest.raises(
        TooRareError, match=r"Of 200 rows .* 50 are missing: .* code 7 in column 0 and"
    ) as error:
        require(rows, wanted)
    np.testing.assert_array_equal(error.value.missing, wanted[0] == 7)
    assert "tabular_ar" in error.value.remedy
    assert source.blocks > QUIET_ROUNDS


def test_a_common_wish_for_a_rare_code_takes_as_many_rounds_as_it_needs() -> None:
    """A block makes the code once: of 600 rows that want it each costs a round, and none is quiet."""
    blocks = []

    def draw(seed: int, purpose: NDArray[np.int64]) -> Encoded:
        blocks.append(seed)
        codes = (np.arange(600) == seed % 600).astype(np.int64)[:, None]
        return Encoded(codes, np.zeros(codes.shape, np.float32))

    wanted = {0: np.ones(600, np.int64)}
    assert (require(redraw(draw, 1, 600, wanted), wanted).codes == 1).all()
    assert len(blocks) == 600


def test_rows_that_get_nothing_are_those_that_nobody_took() -> None:
    """The first block, told by its numbers, is dealt out whole; of each condition to rows of the same one."""
    condition = np.arange(300) % 3
    first = Source(300)(7, condition)
    first.codes[:, 1] = np.arange(300)

    def draw(seed: int, purpose: NDArray[np.int64]) -> Encoded:
        return first if seed == 7 else Encoded(np.full((300, 2), 5), np.zeros((300, 2), np.float32))

    ones = int(first.codes[:, 0].sum())
    assert 0 < ones < 50
    rows = redraw(draw, 7, 300, {0: np.repeat([1, 9], [50, 250])}, condition)
    np.testing.assert_array_equal(np.sort(rows.codes[:, 1]), np.arange(300))
    np.testing.assert_array_equal(condition[rows.codes[:, 1]], condition)
    assert rows.codes[:50, 0].sum() == ones


def test_a_row_takes_only_what_was_drawn_under_its_own_condition() -> None:
    """The draw copies the condition into column 1; column 0 says nothing of it."""
    given = np.arange(300) % 3

    def draw(seed: int, purpose: NDArray[np.int64]) -> Encoded:
        coin = (2 * counter_uniform(seed, np.arange(300), 1)).astype(np.int64)
        codes = np.concatenate([coin, given[purpose, None]], axis=1)
        return Encoded(codes, np.zeros(codes.shape, np.float32))

    wanted = {0: np.arange(300) // 150}
    rows = require(redraw(draw, 1, 300, wanted, given), wanted)
    np.testing.assert_array_equal(rows.codes[:, 1], given)


def test_a_rare_condition_gets_its_own_rows_of_a_network_that_cannot_be_given_it() -> None:
    """Plums, in one row of fifty, cost about 30; all else costs 20 at most."""
    codec, _ = toy_data(3000)
    rows = toy_rows(20_000)
    other = pc.not_equal(rows["kind"], "plum")
    data = codec.encode(rows.filter(pc.or_(other, pa.array(np.arange(20_000) % 12 == 0))))
    plum = 1 + codec.columns[1].values.index("plum")
    assert 0.015 < (data.codes[:, 1] == plum).mean() < 0.03
    sampler = train(toy_recipe(codec, data, preset="tvae", num_steps=1500, batch_size=200), 1500).sampler
    free = codec.decode(sampler.sample(1, np.arange(60_000)))
    expected = free.filter(pc.equal(free["kind"], "plum"))
    asked = codec.decode(sampler.sample(2, np.arange(2048), {1: np.full(2048, plum)}))
    assert set(asked["kind"].to_pylist()) == {"plum"}
    dear = [np.mean(table["price"].to_numpy() > 25) for table in (free, expected, asked)]
    assert dear[1] > 8 * dear[0]  # it has learnt half of what there is to know, and that is what is asked for
    assert dear[2] == pytest.approx(dear[1], abs=0.05)


class Bootstrap(Sampler):
    """Makes rows of a table, and no others."""

    def __init__(self, data: Encoded) -> None:
        super().__init__()
        self.data = data

    def sample(
        self, seed: int, row_ids: NDArray[np.int64], fixed: dict[int, NDArray[np.int64]] | None = None
    ) -> Encoded:
        def draw(attempt: int, purpose: NDArray[np.int64]) -> Encoded:
            place = (counter_uniform(attempt, row_ids, 1)[:, 0] * len(self.data)).astype(np.int64)
            return Encoded(self.data.codes[place], self.data.positions[place])

        return require(redraw(draw, seed, len(row_ids), fixed or {}), fixed or {})


def mix_of(codec: TableCodec, *values: dict[str, Any]) -> Mix:
    groups = [MixConfig.model_validate(value) for value in values]
    encoded = encode_columns(codec, toy_rows(5000), mix_columns(codec, groups))
    return Mix.of(codec, groups, *np.unique(encoded.codes, axis=0, return_counts=True))


def without(codec: TableCodec, data: Encoded, kind: str, label: bool | None = None) -> Encoded:
    gone = data.codes[:, 1] == 1 + codec.columns[1].values.index(kind)
    if label is not None:
        gone &= data.codes[:, 0] == 1 + codec.columns[0].values.index(label)
    return Encoded(data.codes[~gone], data.positions[~gone])


def test_codes_that_a_generator_never_makes_give_way_to_others_of_their_group() -> None:
    codec, data = toy_data(5000)
    mix = mix_of(codec, {"share": 0.5, "where": {"label": True, "kind": ["plum", "pear"]}})
    sampler = Bootstrap(without(codec, data, "plum", label=True))
    rows = codec.decode(sampled(mix, sampler, np.arange(2000))).to_pandas()
    inside = rows[rows.label & rows.kind.isin(["plum", "pear"])]
    assert len(inside) == pytest.approx(1000, abs=10)
    assert set(inside.kind) == {"pear"}
    assert inside.price.mean() == pytest.approx(20, abs=0.5), "a pear's price: nothing was written over"
    assert set(rows[~rows.label].kind) == {"apple", "pear", "plum"}


def test_a_small_group_of_rare_codes_gets_its_common_ones() -> None:
    """Of a group's four rows in a block none may have a code that the generator makes; the table has one."""
    codec, data = toy_data(5000)
    mix = mix_of(codec, {"share": 0.002, "where": {"label": True, "kind": ["plum", "pear"]}})
    plum = 1 + codec.columns[1].values.index("plum")
    rare = np.flatnonzero((mix.groups == 0) & (mix.codes[:, 1] == plum))
    group = np.flatnonzero(mix.groups == 0)
    common = np.setdiff1d(group, rare)
    assert len(rare) and len(common)
    sampler = Bootstrap(without(codec, data, "plum", label=True))
    unlucky = []
    for start in range(0, 20_000, 500):
        row_ids = np.arange(start, start + 500)
        first = mix.choose(5, row_ids, np.empty(0, np.int64))
        mine = mix.groups[first] == 0
        if mine.any() and np.isin(first[mine], rare).all():
            unlucky.append(row_ids)
        chosen = mix.choose(5, row_ids, rare)
        assert np.isin(chosen[mine], common).all()
        np.testing.assert_array_equal(chosen, mix.choose(5, row_ids, rare))
    rows = codec.decode(sampled(mix, sampler, unlucky[0])).to_pandas()
    assert set(rows[rows.label & rows.kind.isin(["plum", "pear"])].kind) == {"pear"}
    with pytest.raises(ConfigError, match=r"hardly ever makes rows of synthesis\.mix\[0\]"):
        mix.choose(5, row_ids, group)


def test_a_group_of_many_codes_that_are_never_made_is_given_up() -> None:
    """Four rows a block would ask for 10,000 combinations, one after the other."""
    codes = np.arange(10_000)
    mix = Mix((0,), codes[:, None], (codes + 1) / 10_000, np.zeros(10_000, np.int64), 1)
    asked: list[int] = []

    class Never(Sampler):
        def sample(
            self, seed: int, row_ids: NDArray[np.int64], fixed: dict[int, NDArray[np.int64]] | None = None
        ) -> Encoded:
            assert fixed is not None
            asked.extend(fixed[0])
            return require(Encoded(np.full((4, 1), -1), np.zeros((4, 1), np.float32)), fixed)

    with pytest.raises(TooRareError, match="4 are missing"):
        sampled(mix, Never(), np.arange(4))
    assert 200 < len(set(asked)) <= len(asked) == 4 * MAX_TRIES


@pytest.mark.parametrize(
    ("conditions", "group"),
    [([{"kind": "plum"}], r"rows of synthesis\.mix\[0\]"),
     ([{"kind": ["apple", "pear"]}], r"rows of no group of synthesis\.mix")],
)  # fmt: skip
def test_a_group_that_a_generator_never_makes_is_one_clear_error(
    conditions: list[dict[str, Any]], group: str
) -> None:
    codec, data = toy_data(5000)
    mix = mix_of(codec, *({"share": 0.5, "where": where} for where in conditions))
    sampler = Bootstrap(without(codec, data, "plum"))
    with pytest.raises(ConfigError, match=f"hardly ever makes {group}") as error:
        sampled(mix, sampler, np.arange(500))
    assert "tabular_ar" in error.value.remedy


def test_a_fixed_bin_is_filled_evenly() -> None:
    codec, data = toy_data(3000)
    price = codec.cardinalities[3] // 2
    rows = toy_recipe(codec, data, preset="independent").sampler.sample(
        5, np.arange(2000), {3: np.full(2000, price)}
    )
    np.testing.assert_allclose(np.quantile(rows.positions[:, 3], [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.05)


def test_neighbours_keep_the_columns_of_one_row_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows between plums and pears have a price between; rows that are asked to be plums must not."""
    monkeypatch.setattr("clicksmith.generators.tabular.smote.MAX_ROWS", 300)
    codec, data = toy_data(3000)
    sampler = toy_recipe(codec, data, preset="smote").sampler
    fixed = {1: np.full(1000, 1 + codec.columns[1].values.index("plum")), 3: np.full(1000, 3)}
    with pytest.raises(TooRareError):  # the third lowest price is an apple's
        sampler.sample(5, np.arange(1000), fixed)
