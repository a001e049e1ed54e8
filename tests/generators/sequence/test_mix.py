"""Groups of sequences: exact shares and conditions, lengths and items as they are asked for, clear errors."""

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.config import SequenceMixConfig, generator_config
from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.errors import ConfigError
from clicksmith.generators.presets import PRESETS, build_recipe
from clicksmith.generators.recipe import Sampler, Shard
from clicksmith.generators.sequence.mix import Choice, SequenceMix, Taken
from clicksmith.generators.sequence.shop_codec import ITEM, ShopCodec
from training.toy_shop import toy_sequences

ABLE = [name for name, preset in PRESETS.items() if preset.options.kind == "sequences" and preset.any_event]
IDS = np.arange(1024, 2048)


def groups_of(*values: dict[str, Any]) -> list[SequenceMixConfig]:
    return [SequenceMixConfig.model_validate(value) for value in values]


def taken_of(rows: pa.Table) -> Taken:
    lists = rows["item_ids"].to_pylist()
    lengths = sorted(Counter(map(len, lists)).items())
    items = sorted(Counter(item for items in lists for item in items).items(), key=lambda one: one[::-1])
    return Taken(
        *(np.array(side) for side in zip(*lengths, strict=True)),
        pa.array([item for item, _ in items]),
        np.array([count for _, count in items]),
    )


@cache
def shop(num_items: int = 30) -> tuple[pa.Table, ShopCodec]:
    rows = toy_sequences(400)
    if num_items > 30:  # so many that an item has two codes
        rng = np.random.default_rng(1)
        lists = [
            [f"{item}-{rng.integers(num_items // 30)}" for item in one] for one in rows[ITEM].to_pylist()
        ]
        rows = rows.set_column(rows.column_names.index(ITEM), ITEM, pa.array(lists))
    return rows, ShopCodec.fit(rows)


@cache
def sampler_of(name: str, num_items: int = 30) -> Sampler[EncodedSequences]:
    rows, codec = shop(num_items)
    small = {"num_steps": 2, "batch_size": 16} if "num_steps" in PRESETS[name].options.model_fields else {}
    recipe = build_recipe(generator_config({"preset": name, **small}), 1, codec.core, codec.encode(rows))
    recipe.prepare(lambda module: module)
    recipe.step(0, Shard())
    return recipe.sampler


def mix_of(*values: dict[str, Any], num_items: int = 30, min_users: int = 1) -> SequenceMix:
    rows, codec = shop(num_items)
    return SequenceMix.of(codec.core.events, ITEM, groups_of(*values), taken_of(rows), min_users)


def items_of(batch: EncodedSequences, num_items: int = 30) -> list[list[str]]:
    found: list[list[str]] = shop(num_items)[1].decode(batch, 3, IDS)[ITEM].to_pylist()
    return found


def test_values_are_intervals_within_which_others_lie() -> None:
    values, rest = Choice.of(np.array([3, 4]), np.array([10, 30])).draw(np.array([0.0, 0.2, 0.25, 0.7]))
    assert values.tolist() == [3, 3, 4, 4]
    np.testing.assert_allclose(rest, [0.0, 0.8, 0.0, 0.6])


def test_a_small_mix_by_hand() -> None:
    """Six lengths and four items; of a block's first sequence every number is worked out."""
    codec = ShopCodec.fit(toy_sequences(200)).core.events
    taken = Taken(
        np.array([3, 4, 5, 9]), np.array([30, 60, 10, 2]), pa.array(["i7", "i2", "i1", "i9"]), np.arange(1, 5)
    )
    groups = groups_of(
        {"share": 0.5, "where": {"num_events": {"max": 4}, "rare_items": 0.5}},
        {"share": 0.25, "where": {"item_ids": ["i9", "i2"]}},
        {"share": 0.125, "where": {"num_events": {"min": 4}}},
    )
    mix = SequenceMix.of(codec, ITEM, groups, taken, min_users=5)
    codes = {item: int(codec.columns[0].encode(pa.array([item]))[0][0]) for item in ("i7", "i2", "i9")}
    column = mix.columns[0]

    # Length 3 has a third of the first group; within it, and within length 4, each item has a half.
    first = mix.given(0, np.array([0.0, 0.16, 0.17, 0.33, 0.34, 0.66, 0.67, 0.99]))
    assert first is not None and first.lengths is not None
    assert first.lengths.tolist() == [3, 3, 3, 3, 4, 4, 4, 4]
    wanted = [codes[item] for item in ("i7", "i7", "i2", "i2", "i7", "i7", "i2", "i2")]
    assert first.required[column].tolist() == wanted
    # i9 occurs four times, i2 twice.
    second = mix.given(1, np.array([0.0, 0.66, 0.67, 0.99]))
    assert second is not None and second.lengths is None
    assert second.required[column].tolist() == [codes[item] for item in ("i9", "i9", "i2", "i2")]
    # A length that two users have is nobody's.
    third = mix.given(2, np.array([0.0, 0.85, 0.86, 0.99]))
    assert third is not None and not third.required
    assert third.lengths is not None and third.lengths.tolist() == [4, 4, 5, 5]
    assert mix.given(3, np.array([0.5])) is None


@settings(deadline=None, max_examples=40)
@given(
    shares=st.lists(st.floats(0.01, 0.3), min_size=1, max_size=3),
    seed=st.integers(0, 2**62),
    first=st.integers(0, 10**9),
    num_rows=st.integers(1, 3000),
)
def test_any_run_of_row_ids_has_the_shares(shares: list[float], seed: int, first: int, num_rows: int) -> None:
    mix = mix_of(*({"share": share, "where": {"num_events": 4}} for share in shares))
    ids = np.arange(first, first + num_rows)
    numbers, place = mix.choose(seed, ids)
    for number, share in enumerate(shares):
        assert abs((numbers == number).sum() - share * num_rows) <= 8
    assert place.min() >= 0 and place.max() < 1
    again, _ = mix.choose(seed, ids[::-1])
    assert (again[::-1] == numbers).all()


@pytest.mark.parametrize("name", ABLE)
def test_every_sequence_has_what_its_group_asks_for(name: str) -> None:
    mix = mix_of(
        {"share": 0.4, "where": {"rare_items": 0.2, "num_events": {"min": 3, "max": 5}}},
        {"share": 0.2, "where": {"item_ids": ["i4", "i17"]}},
        {"share": 0.2, "where": {"num_events": 8}},
    )
    sampler = sampler_of(name)
    batch = mix.sample(sampler, 5, 3, IDS)
    numbers, _ = mix.choose(3, IDS)
    items = items_of(batch)
    rare = set(taken_of(shop()[0]).items[:6].to_pylist())
    wanted = [items[row] for row in np.flatnonzero(numbers == 0)]
    assert len(wanted) == pytest.approx(0.4 * len(IDS), abs=4)
    assert all(len(one) in (3, 4, 5) and rare & set(one) for one in wanted)
    named = [items[row] for row in np.flatnonzero(numbers == 1)]
    assert len(named) == pytest.approx(0.2 * len(IDS), abs=4)
    assert all({"i4", "i17"} & set(one) for one in named)
    assert set(batch.lengths[numbers == 2]) == {8}
    # All others are what they are without a mix; and a sequence is its row id's, whatever stands beside it.
    plain = sampler.sample(5, IDS)
    rest = np.flatnonzero(numbers == 3)
    assert len(rest) == pytest.approx(0.2 * len(IDS), abs=4)
    same(batch.take(rest), plain.take(rest))
    few = np.array([700, 3, 41, 512])
    same(mix.sample(sampler, 5, 3, IDS[few]), batch.take(few))


def same(mine: EncodedSequences, theirs: EncodedSequences) -> None:
    for part in ("owners", "events", "offsets"):
        np.testing.assert_array_equal(getattr(mine, part), getattr(theirs, part))


def test_rare_items_are_asked_for_evenly_and_lengths_as_they_are() -> None:
    """Of 300 items each has a code on two levels."""
    mix = mix_of({"share": 1.0, "where": {"rare_items": 0.1, "num_events": {"max": 6}}}, num_items=300)
    assert len(mix.columns) == 2
    rows, _ = shop(300)
    taken = taken_of(rows)
    _, place = mix.choose(11, np.arange(6000))
    asked = mix.given(0, place)
    assert asked is not None and asked.lengths is not None
    codes = np.stack([asked.required[column] for column in mix.columns], axis=1)
    num_rare = round(0.1 * len(taken.items))
    _, counts = np.unique(codes, axis=0, return_counts=True)
    assert len(counts) == num_rare
    assert abs(counts - 6000 / num_rare).max() < 12
    inside = taken.lengths <= 6
    for length, count in zip(taken.lengths[inside], taken.length_counts[inside], strict=True):
        expected = 6000 * count / taken.length_counts[inside].sum()
        assert (asked.lengths == length).sum() == pytest.approx(expected, abs=4)
    items = items_of(mix.sample(sampler_of("markov", 300), 5, 3, IDS), 300)
    rare = set(taken.items[:num_rare].to_pylist())
    assert all(rare & set(one) for one in items)


def test_a_share_of_items_is_one_at_least() -> None:
    mix = mix_of({"share": 1.0, "where": {"rare_items": 1e-6}})
    asked = mix.given(0, np.array([0.1, 0.9]))
    assert asked is not None and len(set(asked.required[mix.columns[0]].tolist())) == 1


@pytest.mark.parametrize(
    ("where", "min_users", "message"),
    [
        (
            {"item_ids": ["i3", "kiwi"]},
            1,
            r"mix\[0\].where.item_ids asks for 'kiwi', which the generator has",
        ),
        ({"num_events": {"min": 10}}, 1, "asks for 10 or more events; training sequences have 3 to 9"),
        (
            {"num_events": 2},
            1,
            r"asks for 2 events; training sequences have 3 to 9.*Ask for lengths that occur",
        ),
        ({"num_events": {"max": 2}}, 1, "asks for 1 to 2 events"),
        ({"num_events": 5}, 10**6, "training sequences have none.*fewer than 1000000 users"),
    ],
)
def test_what_nobody_has_is_a_clear_error(where: dict[str, Any], min_users: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        mix_of({"share": 0.5, "where": where}, min_users=min_users)
