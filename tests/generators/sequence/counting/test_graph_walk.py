"""The graph by hand, and walks on it."""

import numpy as np
import pytest

from clicksmith.errors import ContractError
from clicksmith.generators.sequence.counting.graph import Graph
from clicksmith.generators.sequence.counting.graph_walk import ALPHA, RESTART, Walker, graph_walk
from clicksmith.generators.sequence.given import Given
from generators.sequence.chains import names, shop

A, B, C, D = range(4)
# Owners: A B C, A B B, C A, none.
ITEMS = np.array([A, B, C, A, B, B, C, A])
OFFSETS = np.array([0, 3, 6, 8, 8])


def weights(graph: Graph) -> dict[tuple[int, int], float]:
    """Each edge's weight."""
    edges = zip(graph.sources.tolist(), graph.targets.tolist(), strict=True)
    return dict(zip(edges, graph.weights.tolist(), strict=True))


def test_edges_by_hand() -> None:
    graph = Graph.of_sequences(ITEMS, OFFSETS, 4, window=2, discount=0.5, min_users=1)
    # Before normalisation: A-B twice at distance 1 and once at 2, A-C once at 2, B-C and C-A once.
    raw = {(A, B): 2.5, (A, C): 0.5, (B, C): 1.0, (C, A): 1.0}
    out, into = {A: 3.0, B: 1.0, C: 1.0}, {A: 1.0, B: 2.5, C: 1.5}
    expected = {(s, t): weight / np.sqrt(out[s] * into[t]) for (s, t), weight in raw.items()}
    assert weights(graph) == pytest.approx(expected)
    assert graph.starts.tolist() == [0, 2, 3, 4, 4]


def test_edges_of_few_owners_are_cut() -> None:
    # Three times by the first owner, once by the second: two owners of A-B; B-A is the first one's alone.
    items, offsets = np.array([A, B, A, B, A, B, A, B]), np.array([0, 6, 8])
    graph = Graph.of_sequences(items, offsets, 2, window=1, min_users=2)
    assert weights(graph) == {(A, B): pytest.approx(1.0)}
    assert not weights(Graph.of_sequences(items, offsets, 2, window=1, min_users=3))


def test_counted_pairs_make_the_same_graph() -> None:
    whole = Graph.of_sequences(ITEMS, OFFSETS, 4, window=1, min_users=1)
    source, target = np.array([A, B, C, A]), np.array([B, C, A, B])
    assert weights(Graph.of_pairs(source, target, np.ones(4), 4)) == pytest.approx(weights(whole))


def test_reversed_and_strongest() -> None:
    graph = Graph(np.array([0, 3, 3, 4]), np.array([0, 1, 2, 0]), np.array([1.0, 3.0, 3.0, 2.0]))
    assert weights(graph.reversed()) == {(0, 0): 1.0, (1, 0): 3.0, (2, 0): 3.0, (0, 2): 2.0}
    assert weights(graph.reversed().reversed()) == weights(graph)
    best = graph.strongest(2)
    assert (best.starts.tolist(), best.targets.tolist()) == ([0, 2, 2, 3], [1, 2, 0])


def test_steps_by_hand() -> None:
    walker = Walker()
    graph = Graph(np.array([0, 2, 3, 3]), np.array([1, 2, 2]), np.array([1.0, 3.0, 5.0]))
    walker.fit(graph, np.array([16.0, 1.0, 0.0]))
    uniform = (np.arange(20_000) + 0.5) / 20_000

    def shares(at: int, origin: int) -> list[float]:
        drawn = walker.step(np.full(20_000, at), np.full(20_000, origin), uniform)
        return (np.bincount(drawn, minlength=3) / 20_000).tolist()

    assert shares(0, 0) == pytest.approx([0, 0.25, 0.75], abs=1e-3)
    assert shares(1, 0) == pytest.approx([0, RESTART * 0.25, 1 - RESTART * 0.25], abs=1e-3)
    first = 16**ALPHA / (16**ALPHA + 1)
    assert shares(2, 2) == pytest.approx([first, 1 - first, 0], abs=1e-3)
    assert shares(-1, -1) == pytest.approx([first, 1 - first, 0], abs=1e-3)
    back = walker.step(np.full(20_000, 2), np.full(20_000, 2), uniform, backwards=True)
    assert (np.bincount(back, minlength=3) / 20_000).tolist() == pytest.approx([3 / 8, 5 / 8, 0], abs=1e-3)


def test_walks_keep_to_the_edges() -> None:
    ring = [[f"x{(start + n) % 9}" for n in range(4)] for start in range(9)] * 3
    rows, codec = shop(ring)
    sampler = graph_walk(rows, codec, "item").sampler
    steps = np.concatenate(
        [
            np.diff([int(item[1]) for item in one]) % 9
            for one in names(codec, sampler.sample(0, np.arange(300)))
        ]
    )
    # One, two or three ahead along an edge; a restart may lead elsewhere.
    assert np.isin(steps, [1, 2, 3]).mean() > 1 - RESTART
    # What came before a suffix leads to it.
    suffix = rows.take(np.zeros(300, dtype=np.int64))
    given = Given(suffix=suffix, lengths=np.full(300, 5))
    before = [int(one[0][1]) for one in names(codec, sampler.sample(0, np.arange(300), given))]
    assert set(before) == {8, 7, 6}


def test_a_required_item_is_where_walks_lead_to_and_from() -> None:
    two_rings = [[f"x{(start + n) % 5}" for n in range(4)] for start in range(5)] * 2
    two_rings += [[f"y{(start + n) % 5}" for n in range(4)] for start in range(5)] * 2
    rows, codec = shop(two_rings)
    slot = codec.events.slots[0]
    wanted = rows.events[rows.offsets[10], slot.start]  # y0
    given = Given(required={slot.start: np.full(200, wanted, dtype=np.int64)})
    found = names(codec, graph_walk(rows, codec, "item").sampler.sample(0, np.arange(200), given))
    assert all("y0" in one and {item[0] for item in one} == {"y"} for one in found)
    assert {one.index("y0") for one in found} == {0, 1, 2, 3}


def test_a_graph_of_other_items_is_refused() -> None:
    rows, codec = shop([["x1", "x2"]])
    with pytest.raises(ContractError, match="of 3 items, the sequences have 2"):
        graph_walk(rows, codec, "item", Graph.of_pairs(np.array([0]), np.array([1]), np.ones(1), 3))


def test_a_million_items_make_a_graph_in_seconds() -> None:
    rng = np.random.default_rng(0)
    num_items, num_events = 1_000_000, 1_000_000
    items = rng.integers(0, num_items, num_events)
    items[::2] = items[::2] // 10_000  # some edges are of several owners
    graph = Graph.of_sequences(items, np.arange(0, num_events + 1, 8), num_items)
    assert 0 < len(graph.targets) < 5 * num_events
    walker = Walker()
    walker.fit(graph, np.bincount(items, minlength=num_items).astype(float))
    walker.step(items[:1000], items[:1000], rng.random(1000))
