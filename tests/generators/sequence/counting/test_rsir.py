"""Proposals that lead back are kept, others are not."""

import numpy as np
import pytest

from clicksmith.generators.sequence.counting import rsir as module
from clicksmith.generators.sequence.counting.graph import DISCOUNT, Graph
from clicksmith.generators.sequence.counting.rsir import EXPLORE, NEIGHBOURS, Proposer, rsir
from clicksmith.generators.sequence.given import Given
from generators.sequence.chains import names, shop


def test_ranks_by_hand() -> None:
    proposer = Proposer()
    proposer.fit(Graph(np.array([0, 3, 3, 4]), np.array([0, 1, 2, 0]), np.array([1.0, 3.0, 2.0, 2.0])))
    items, wanted = np.array([0, 0, 0, 1, 2, -1, 0]), np.array([1, 2, 0, 0, 0, 0, -1])
    none = NEIGHBOURS
    assert proposer.rank(items, wanted).tolist() == [0, 1, 2, none, 0, none, none]
    assert proposer.propose(np.array([0, 1, -1]), np.array([0.0, 0.5, 0.5])).tolist() == [1, -1, -1]


def detours() -> list[list[str]]:
    """Half of the owners go from x1 to x3 directly, half by way of x2; from x1 some go to y1 for good."""
    return [["x1", "x3", "x4"]] * 8 + [["x1", "x2", "x3"]] * 8 + [["x1", "y1", "y2"]] * 8


def test_detours_lead_back() -> None:
    rows, codec = shop(detours())
    found = names(codec, rsir(rows, codec, "item").sampler.sample(0, np.arange(3000)))
    kinds = {tuple(one) for one in found}
    # x2 is a way from x1 to x3. Nothing leads from y1 to x3 or x2, nor from x2 to y1.
    assert ("x1", "x2", "x3") in kinds and ("x1", "x3", "x4") in kinds and ("x1", "y1", "y2") in kinds
    assert not any("y1" in one and {"x2", "x3", "x4"} & set(one) for one in kinds)
    assert all(one[0] == "x1" and len(one) == 3 for one in kinds)


def test_nothing_is_kept_that_does_not_lead_back(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, codec = shop(detours())
    monkeypatch.setattr(module, "RANK", 0)
    found = names(codec, rsir(rows, codec, "item").sampler.sample(0, np.arange(500)))
    assert {tuple(one) for one in found} == {tuple(one) for one in detours()}


def test_proposals_are_made_and_kept_as_often_as_told() -> None:
    # Items go round. Of those proposed, up to five steps ahead, four and five ahead lead back within five.
    ring = [[f"x{(start + n) % 8}" for n in range(6)] for start in range(8)] * 4
    rows, codec = shop(ring)
    found = names(codec, rsir(rows, codec, "item").sampler.sample(0, np.arange(10_000)))
    ahead = np.array([(int(one[1][1]) - int(one[0][1])) % 8 for one in found])
    weights = np.array([(6 - distance) * DISCOUNT ** (distance - 1) for distance in range(1, 6)])
    shares = EXPLORE * weights / weights.sum()
    expected = [1 - shares[3] - shares[4], 0, 0, shares[3], shares[4]]
    np.testing.assert_allclose(np.bincount(ahead, minlength=6)[1:] / 10_000, expected, atol=0.007)


def test_a_prefix_is_continued_from_its_own_history() -> None:
    rows, codec = shop([*detours(), ["z1", "z2"], ["z1", "z2"]])
    prefix = rows.take(np.full(400, 24))
    given = Given(prefix=prefix, lengths=np.full(400, 6))
    found = names(codec, rsir(rows, codec, "item").sampler.sample(0, np.arange(400), given))
    assert all(one[:2] == ["z1", "z2"] and set(one) == {"z1", "z2"} for one in found)
    gaps = codec.events.slots[codec.events.names.index("__gap")]
    encoded = rsir(rows, codec, "item").sampler.sample(0, np.arange(400), given)
    later = np.ones(len(encoded.events), dtype=bool)
    later[encoded.offsets[:-1]] = False
    assert (encoded.events[later, gaps] > 0).all()
