"""Events with more than an item: their numbers by hand, and a network that needs to know it."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from clicksmith.config import SequentialConfig
from clicksmith.errors import ContractError
from clicksmith.reading.next_items import NextItems
from clicksmith.recommenders.artefact import TrainedSequence, build_network
from clicksmith.recommenders.losses import SequentialObjective
from clicksmith.recommenders.next_item.baselines import Popularity
from clicksmith.recommenders.next_item.context import SIZES, EventContext
from clicksmith.recommenders.next_item.recommend import recommend
from clicksmith.recommenders.next_item.sequence import Kind, SequenceNetwork
from clicksmith.training.engine.supervised import Schedule, fit

SECOND = 1_000_000


def test_numbers_of_events_by_hand() -> None:
    items = np.array([3, 0, 2, 1, 4])
    types = pa.array(["click", "click", "purchase", "rating", "cart"])
    times = np.array([5, 5, 5 + 90, 7, 7 + 100 * 86_400]) * SECOND
    starts = np.array([0, 3, 3, 5])  # the second user has no event
    assert (SIZES["type"], SIZES["gap"]) == (4, 9)
    alone = EventContext().events(items, 10, starts)
    assert alone.tolist() == items.tolist()
    by_type = EventContext(("type",)).events(items, 10, starts, types, times)
    # 1 is another type, then click, cart, purchase; an unknown item stays 0
    assert by_type.tolist() == [3 + 20, 0, 2 + 40, 1 + 10, 4 + 30]
    both = EventContext(("type", "gap")).events(items, 10, starts, types, times)
    # gaps: first 0, a minute or more 2, a hundred days 8
    assert both.tolist() == [3 + 10 * (1 + 9), 0, 2 + 10 * (1 + 27 + 2), 1 + 10, 4 + 10 * (1 + 18 + 8)]


def test_features_of_users_are_digits_of_each_of_their_events() -> None:
    context = EventContext(("type",), {"gender": ["f", "m"], "age_band": ["19-24"]})
    assert context.sizes == (4, 3, 2)
    users = {"gender": pa.array(["m", "x", None]), "age_band": pa.array([None, "19-24", "19-24"])}
    items, starts = np.array([3, 2, 0, 1]), np.array([0, 2, 2, 4])
    types, times = pa.array(["click", "cart", "cart", "click"]), np.arange(4)
    events = context.events(items, 10, starts, types, times, users)
    # (type, gender, age): the first user (1 or 2, 2, 0), the last one (1, 0, 1)
    assert events.tolist() == [3 + 10 * (1 + 6 + 4), 2 + 10 * (1 + 12 + 4), 0, 1 + 10 * (1 + 6 + 1)]
    network = SequenceNetwork("sasrec", torch.zeros(10), 6, 8, 1, 1, 0.0, 1, context_sizes=context.sizes)
    assert network.num_events == 10 * 25
    assert network.contexts is not None
    with torch.no_grad():
        network.contexts.table.weight.normal_()
        kind, gender, age = network.contexts.table.weight.split(list(context.sizes))
        vectors = network.embed(torch.from_numpy(events)) - network.items(torch.from_numpy(items))
    expected = torch.stack([kind[1] + gender[2] + age[0], kind[2] + gender[2] + age[0], 0 * age[0]])
    torch.testing.assert_close(vectors[:3], expected)
    torch.testing.assert_close(vectors[3], kind[1] + gender[0] + age[1])


def test_what_the_model_knows_of_events_must_be_given() -> None:
    items, starts = np.array([1, 2]), np.array([0, 2])
    with pytest.raises(ContractError, match=r"trained on the gap of events, .* Pass the types and times"):
        EventContext(("gap",)).events(items, 10, starts)
    with pytest.raises(ContractError, match=r"trained on the gender of users, .* Pass the profiles of users"):
        EventContext((), {"gender": ["f"]}).events(items, 10, starts, users={"age_band": pa.array(["19-24"])})


@pytest.mark.parametrize("knows", [False, True])
def test_two_towers_learn_a_taste_that_only_the_user_shows(knows: bool) -> None:
    """Men take the next item, women the one before; what was taken tells nothing of it."""
    random = np.random.default_rng(0)
    items = random.integers(1, 12, (4000, 1))
    gender = random.choice(["f", "m"], 4000)
    targets = (items - 1 + np.where(gender == "m", 1, -1)[:, None]) % 11 + 1
    context = EventContext((), {"gender": ["f", "m"]} if knows else {})
    users = {"gender": pa.array(gender)}
    events = context.events(items[:, 0], 12, np.arange(4001), users=users)[:, None]
    config = SequentialConfig(
        model="two_tower", embedding_dim=16, num_blocks=2, max_length=2, dropout=0.0, loss="cross_entropy"
    )
    network = build_network(config, torch.zeros(12), seed=2, context=context)
    objective = SequentialObjective(network, torch.zeros(12), "cross_entropy")
    schedule = Schedule(num_steps=200, batch_size=100, learning_rate=0.02, seed=1)
    rows = torch.from_numpy(random.integers(0, 3900, (200, 100)))
    parts, no_negatives = (torch.from_numpy(events), torch.from_numpy(targets)), torch.zeros(0).long()
    fit(objective, schedule, lambda step: (*(part[rows[step]] for part in parts), no_negatives))
    found = network.score(list(events[3900:]))[:, 1:].argmax(1) + 1
    right = float((found == targets[3900:, 0]).mean())
    assert right > 0.95 if knows else right < 0.7, right


@pytest.mark.parametrize("kind", ["sasrec", "bert4rec"])
def test_an_item_alone_is_an_event_of_which_no_more_is_known(kind: Kind) -> None:
    plain = SequenceNetwork(kind, torch.zeros(12), 6, 8, 1, 1, 0.0, seed=1).eval()
    rich = SequenceNetwork(kind, torch.zeros(12), 6, 8, 1, 1, 0.0, seed=1, context_sizes=(4,)).eval()
    rich.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        rich.contexts.table.weight.normal_()
    items = np.array([3, 5, 1])
    np.testing.assert_allclose(rich.score([items]), plain.score([items]), atol=1e-6)
    events = items + 12 * np.array([1, 0, 4])
    assert np.abs(rich.score([events]) - plain.score([items])).max() > 1e-3
    assert recommend(rich, [events], 8, filter_viewed=True).tolist()[0][:8] != [0] * 8
    assert not set(recommend(rich, [events], 8, filter_viewed=True)[0]) & {3, 5, 1}
    for model, history in ((plain, events), (rich, np.array([60])), (rich, np.array([24]))):
        with pytest.raises(ContractError, match="holds the item"):
            recommend(model, [history], 3, filter_viewed=False)


def test_a_network_learns_what_a_type_means() -> None:
    """After a purchase comes the next item, after a click the one before: the last event's type decides."""
    random = np.random.default_rng(0)
    num_items, length = 12, 4
    items = random.integers(1, num_items, (4000, length))
    is_purchase = random.random((4000, length)) < 0.5
    events = items + num_items * np.where(is_purchase, 4, 2)
    targets = (items - 1 + np.where(is_purchase, 1, -1)) % (num_items - 1) + 1
    config = SequentialConfig(
        embedding_dim=16, max_length=length, dropout=0.0, loss="cross_entropy", event_features=("type",)
    )
    network = build_network(config, torch.zeros(num_items), seed=2)
    assert network.num_events == 5 * num_items
    objective = SequentialObjective(network, torch.zeros(num_items), "cross_entropy")
    schedule = Schedule(num_steps=150, batch_size=100, learning_rate=0.02, seed=1)
    rows = torch.from_numpy(random.integers(0, 3900, (150, 100)))
    parts = torch.from_numpy(events), torch.from_numpy(targets)
    no_negatives = torch.zeros(0, dtype=torch.long)
    fit(objective, schedule, lambda step: (*(part[rows[step]] for part in parts), no_negatives))
    found = network.score(list(events[3900:]))[:, 1:].argmax(1) + 1
    assert (found == targets[3900:, -1]).mean() > 0.95
    model = TrainedSequence(
        network.eval(),
        np.array([f"i{n}" for n in range(1, num_items)], object),
        np.ones(num_items - 1, np.int64),
        False,
        EventContext(("type",)),
    )
    ids, _ = model.recommend(
        [["i5", "new"], ["i5"]],
        1,
        types=pa.array([["purchase", "click"], ["click"]]),
        times=pa.array([[1, 2], [1]], pa.list_(pa.timestamp("us", tz="UTC"))),
    )
    assert ids.tolist() == [["i6"], ["i4"]]


def test_baselines_are_asked_about_items() -> None:
    rows = NextItems.of({"u": np.array([3 + 24, 5])}, {"u": np.array([4])})
    plain = rows.without_context(12)
    assert [prefix.tolist() for prefix in plain.prefixes] == [[3, 5]]
    assert plain.recommend(Popularity(np.arange(12.0)), 3).items.tolist() == [[11, 10, 9]]
