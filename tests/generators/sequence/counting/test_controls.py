"""What all generators that count have in common: conditions, rows by id alone, saved and loaded."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from clicksmith.encoding.sequence_codec import LENGTH, EncodedSequences, SequenceCodec
from clicksmith.errors import ConfigError, NotFittedError, TrainingError
from clicksmith.generators.recipe import Recipe, Sampler, Shard
from clicksmith.generators.sequence.counting.graph_walk import GraphWalkSampler, graph_walk
from clicksmith.generators.sequence.counting.history_density import HistoryDensitySampler, history_density
from clicksmith.generators.sequence.counting.markov import MarkovSampler, markov
from clicksmith.generators.sequence.counting.most_popular import MostPopularSampler, most_popular
from clicksmith.generators.sequence.counting.rsir import RsirSampler, rsir
from clicksmith.generators.sequence.given import Given
from clicksmith.generators.sequence.owners import OwnerTable
from generators.sequence.chains import check, events, names, shop, shops, wishes

Make = Callable[[EncodedSequences, SequenceCodec], Recipe[EncodedSequences]]
CONTROLS: dict[str, tuple[Make, Callable[[SequenceCodec], Sampler[EncodedSequences]]]] = {
    "markov1": (lambda rows, codec: markov(rows, codec, "item", order=1), MarkovSampler),
    "markov2": (lambda rows, codec: markov(rows, codec, "item"), MarkovSampler),
    "markov_any": (lambda rows, codec: markov(rows, codec), MarkovSampler),
    "history_density": (history_density, HistoryDensitySampler),
    "most_popular": (most_popular, MostPopularSampler),
    "graph_walk": (lambda rows, codec: graph_walk(rows, codec, "item"), GraphWalkSampler),
    "rsir": (lambda rows, codec: rsir(rows, codec, "item"), RsirSampler),
}
ITEMS = [
    ["x1", "x2", "y1"],
    [],
    ["x2"],
    ["y1", "y2", "x1", "x2", "y1", "z1"],
    ["x1", "x2", "y2", "x1"],
    ["z1", "x1"],
]
IDS = np.array([5, 0, 77, 3, 12, 900, 41])


@pytest.mark.parametrize("name", CONTROLS)
def test_a_row_depends_on_its_id_alone(name: str) -> None:
    sampler = CONTROLS[name][0](*shop(ITEMS)).sampler
    whole = sampler.sample(7, IDS)
    assert len(np.unique(whole.lengths)) > 1
    for place, row_id in enumerate(IDS):
        alone, mine = sampler.sample(7, np.array([row_id])), whole.take(np.array([place]))
        np.testing.assert_array_equal(alone.owners, mine.owners)
        np.testing.assert_array_equal(alone.events, mine.events)
    assert not np.array_equal(
        sampler.sample(8, np.arange(50)).events, sampler.sample(7, np.arange(50)).events
    )


@pytest.mark.parametrize("name", CONTROLS)
def test_a_row_with_conditions_depends_on_its_own_alone(name: str) -> None:
    rows, codec = shop(ITEMS)
    sampler = CONTROLS[name][0](rows, codec).sampler
    segment, item = codec.owners.slots[0].start, events(codec, "item").start
    prefix, codes = rows.take(np.array([0, 1, 2, 5])), np.array([1, 2, 1, 2])
    required = {} if name == "rsir" else {item: rows.events[[0, 1, 2, 6], item].astype(np.int64)}

    def wanted(some: list[int]) -> Given:
        mine = {column: values[some] for column, values in required.items()}
        return Given(
            {segment: codes[some]}, np.array([9, 4, 7, 6])[some], prefix.take(np.array(some)), None, mine
        )

    whole = sampler.sample(7, IDS[:4], wanted([0, 1, 2, 3]))
    for some in ([2], [3, 0], [1, 2, 0]):
        part, mine = sampler.sample(7, IDS[some], wanted(some)), whole.take(np.array(some))
        np.testing.assert_array_equal(part.owners, mine.owners)
        np.testing.assert_array_equal(part.events, mine.events)


@pytest.mark.parametrize("name", CONTROLS)
def test_a_row_without_a_prefix_is_the_same_beside_one_that_has_one(name: str) -> None:
    rows, codec = shop(ITEMS)
    sampler = CONTROLS[name][0](rows, codec).sampler
    prefixes = rows.take(np.array([0, 1]))  # of three events, and of none
    both = sampler.sample(7, IDS[:2], Given(prefix=prefixes)).take(np.array([1]))
    alone = sampler.sample(7, IDS[1:2], Given(prefix=prefixes.take(np.array([1]))))
    np.testing.assert_array_equal(both.owners, alone.owners)
    np.testing.assert_array_equal(both.events, alone.events)


@pytest.mark.parametrize("make", [markov, graph_walk, rsir])
def test_an_item_that_is_no_column_is_refused_by_name(make: Callable[..., object]) -> None:
    with pytest.raises(TrainingError, match=r"'colour', which is no column of the events.*item"):
        make(*shop(ITEMS), "colour")


@pytest.mark.parametrize("name", CONTROLS)
def test_a_sampler_is_saved_and_loaded(name: str) -> None:
    rows, codec = shop(ITEMS)
    make, build = CONTROLS[name]
    recipe = make(rows, codec)
    recipe.prepare(lambda module: module)
    assert all(torch.isfinite(value) for value in recipe.step(0, Shard()).values())
    loaded = build(codec)
    loaded.load_state_dict(load(save(dict(recipe.sampler.state_dict()))))
    again = make(rows.take(np.array([2, 5])), codec)
    again.load_state_dict(recipe.state_dict())
    wanted = recipe.sampler.sample(1, np.arange(40))
    for sampler in (loaded, again.sampler):
        found = sampler.sample(1, np.arange(40))
        np.testing.assert_array_equal(found.owners, wanted.owners)
        np.testing.assert_array_equal(found.events, wanted.events)


@pytest.mark.parametrize("name", CONTROLS)
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_conditions_hold_on_every_sample(name: str, data: st.DataObject) -> None:
    rows, codec = shop(data.draw(shops()))
    sampler = CONTROLS[name][0](rows, codec).sampler
    wanted = data.draw(wishes(rows, codec, both=name != "rsir"))
    found = sampler.sample(data.draw(st.integers(0, 9)), np.arange(5), wanted)
    check(wanted, found)
    assert (found.owners < codec.owners.cardinalities).all()
    assert (found.events < codec.events.cardinalities).all()
    for column, codes in OwnerTable(codec).length_codes(found.lengths).items():
        np.testing.assert_array_equal(found.owners[:, column], codes)
    decoded = codec.decode(found, 0, np.arange(5))
    np.testing.assert_array_equal(decoded.lengths, found.lengths)


@pytest.mark.parametrize("name", CONTROLS)
def test_events_are_training_events_and_only_the_first_has_no_gap(name: str) -> None:
    rows, codec = shop(ITEMS)
    found = CONTROLS[name][0](rows, codec).sampler.sample(0, np.arange(200))
    kinds = [{item[0] for item in one} for one in ITEMS if one]
    assert {kind for one in names(codec, found, "kind") for kind in one} == set().union(*kinds)
    for items, letters in zip(names(codec, found), names(codec, found, "kind"), strict=True):
        assert [item[0] for item in items] == letters
    first = np.zeros(len(found.events), dtype=bool)
    first[found.offsets[:-1][found.lengths > 0]] = True
    gap = found.events[:, events(codec, "__gap")]
    np.testing.assert_array_equal((gap == 0).all(axis=1), first)


@pytest.mark.parametrize("name", CONTROLS)
def test_lengths_and_owners_come_as_often_as_in_training(name: str) -> None:
    rows, codec = shop([["x1"] * 2, ["x1", "x2", "x1"], ["x1"] * 2, [], ["x1"] * 2, ["x2"]])
    found = CONTROLS[name][0](rows, codec).sampler.sample(0, np.arange(6000))
    shares = np.bincount(found.lengths, minlength=4) / 6000
    np.testing.assert_allclose(shares, [1 / 6, 1 / 6, 3 / 6, 1 / 6], atol=0.02)
    # All owners with two events are of segment a.
    segment = found.owners[:, codec.owners.slots[0]]
    assert len(np.unique(segment[found.lengths == 2])) == 1


@pytest.mark.parametrize("name", CONTROLS)
def test_owners_without_events(name: str) -> None:
    recipe = CONTROLS[name][0](*shop([[], [], []]))
    assert recipe.sampler.sample(0, np.arange(10)).lengths.tolist() == [0] * 10
    with pytest.raises(NotFittedError, match="no owner that was trained on has any"):
        recipe.sampler.sample(0, np.arange(2), Given(lengths=np.array([0, 1])))


@pytest.mark.parametrize("name", CONTROLS)
def test_one_owner_with_one_event(name: str) -> None:
    rows, codec = shop([["x1"]])
    sampler = CONTROLS[name][0](rows, codec).sampler
    assert names(codec, sampler.sample(0, np.arange(3))) == [["x1"]] * 3
    assert names(codec, sampler.sample(0, np.arange(1), Given(lengths=np.array([3])))) == [["x1"] * 3]


@pytest.mark.parametrize("name", CONTROLS)
def test_no_sequence_at_all_is_refused(name: str) -> None:
    rows, codec = shop([["x1"]])
    with pytest.raises(TrainingError, match="no sequence"):
        CONTROLS[name][0](rows.head(0), codec)


def test_a_sample_may_be_longer_than_all_training_sequences() -> None:
    rows, codec = shop(ITEMS)
    lengths = np.array([300, 0, 7])
    found = markov(rows, codec, "item").sampler.sample(0, np.arange(3), Given(lengths=lengths))
    assert found.lengths.tolist() == [300, 0, 7]
    assert codec.lengths(found.owners, np.full(3, 0.999)).tolist() == [
        6,
        0,
        6,
    ]  # as long as the codec can say


def test_impossible_conditions_are_refused() -> None:
    rows, codec = shop(ITEMS)
    sampler = most_popular(rows, codec).sampler
    one = np.arange(1)
    with pytest.raises(NotFittedError, match="Owners with code 99 in column 0"):
        sampler.sample(0, one, Given(owners={0: np.array([99])}))
    item = events(codec, "item").start
    with pytest.raises(NotFittedError, match=f"An event with code 98 in column {item}"):
        sampler.sample(0, one, Given(required={item: np.array([98])}))
    prefix = rows.take(np.array([3]))
    with pytest.raises(ConfigError, match="is to have 5 events, but 6 were asked for"):
        sampler.sample(0, one, Given(lengths=np.array([5]), prefix=prefix))
    slot = codec.owners.slots[codec.owners.names.index(LENGTH)]
    short = {slot.start: rows.owners[2:3, slot.start].astype(np.int64)}
    with pytest.raises(ConfigError, match="cannot have the 6 events"):
        sampler.sample(0, one, Given(owners=short, prefix=prefix))
    with pytest.raises(ConfigError, match="given twice"):
        sampler.sample(0, one, Given(owners=short, lengths=np.array([4])))
    with pytest.raises(ConfigError, match="cannot be required"):
        sampler.sample(0, one, Given(required={events(codec, "__gap").start: np.array([1])}))
    with pytest.raises(ConfigError, match="sequence_ar"):
        rsir(rows, codec, "item").sampler.sample(0, one, Given(suffix=prefix))
    with pytest.raises(ConfigError, match="order 3"):
        markov(rows, codec, "item", order=3)


def test_given_owners_keep_the_lengths_that_go_with_them() -> None:
    rows, codec = shop([["x1"], ["x1"] * 4] * 5)  # a has one event, b has four
    sampler = most_popular(rows, codec).sampler
    segment = codec.owners.slots[0].start
    wanted = rows.owners[[0, 1, 1, 0], segment].astype(np.int64)
    assert sampler.sample(3, np.arange(4), Given({segment: wanted})).lengths.tolist() == [1, 4, 4, 1]
    # Those who may have so many events come first; where none may, the length is what was asked for.
    prefix = rows.take(np.array([1, 1, 1, 1])).head(4)
    found = sampler.sample(3, np.arange(4), Given({segment: wanted}, prefix=prefix))
    assert found.lengths.tolist() == [4, 4, 4, 4]
    assert len(np.unique(found.owners[:, codec.owners.slots[1]])) == 1
