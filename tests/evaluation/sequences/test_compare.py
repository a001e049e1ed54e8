"""All figures of sequences in one call: known truths, and input that cannot be judged."""

import numpy as np
import pyarrow as pa
import pytest

from clicksmith.encoding.sequences import Sequences
from clicksmith.errors import ContractError
from clicksmith.evaluation.quality.two_sample import c2st_auc
from clicksmith.evaluation.sequences.compare import compare_sequences
from clicksmith.tables import Column
from evaluation.sequences.shop import coded, of_items, shop, shuffled


def overall(metrics):
    return {m.metric: m for m in metrics if m.slice == "all"}


def with_events(side: Sequences, **columns) -> Sequences:
    events = side.events
    for name, values in columns.items():
        events = events.set_column(events.column_names.index(name), name, values)
    return Sequences(side.owners, events, side.offsets)


@pytest.fixture(scope="module")
def fresh():
    return compare_sequences(shop(1), shop(2), shop(3), item="item")


def test_every_figure_stands_beside_its_ceiling(fresh) -> None:
    found = overall(fresh)
    named = ("shapes", "step_shapes", "pairs", "triples", "lengths", "owner_shapes", "c2st_agg")
    assert set(found) == {
        *(f"fidelity.{name}" for name in named),
        *(f"coherence.{name}" for name in ("neighbours", "distinct", "categories", "counts")),
        *(f"diversity.{name}" for name in ("entropy_ratio", "item_coverage", "top_items_share")),
        "diversity.distinct_sequences",
        *(f"privacy.{name}" for name in ("run_share", "run_excess", "copied_sequences", "identical_share")),
        *(f"privacy.{name}" for name in ("dcr_share", "nndr_ratio", "membership_auc", "domias_auc")),
        "privacy.domias_tpr",
        *(f"utility.{name}" for name in ("next_hit_rate", "next_ndcg", "next_ndcg_loss")),
    }
    lacking = {m.metric for m in fresh if m.ceiling is None}
    # The second is one that so few owners cannot tell from chance.
    assert {"utility.next_ndcg_loss"} <= lacking <= {"utility.next_ndcg_loss", "privacy.domias_tpr"}
    assert {m.num_rows for m in fresh} == {400} and {m.arm for m in fresh} == {"synthetic"}
    assert ("fidelity.shapes", "gap") in {(m.metric, m.slice) for m in fresh}


def test_real_against_real_reaches_its_ceilings(fresh) -> None:
    found = overall(fresh)
    for name, figure in found.items():
        if name.startswith(
            ("fidelity.", "coherence.", "diversity.", "utility.next_hit", "utility.next_ndcg")
        ):
            assert figure.value == pytest.approx(figure.ceiling or 0.0, abs=0.09), name
    for name in ("fidelity.shapes", "fidelity.lengths", "coherence.distinct", "coherence.counts"):
        assert found[name].ceiling > 0.9, name
    for name in ("fidelity.c2st_agg", "privacy.membership_auc", "privacy.domias_auc"):
        assert found[name].ci_low < 0.5 < found[name].ci_high, name
    assert found["privacy.run_share"].value == pytest.approx(0.5, abs=0.08)


def test_training_owners_sold_as_synthetic_look_perfect_and_are_seen() -> None:
    train = shop(1)
    found = overall(compare_sequences(train, shop(2), train, item="item"))
    for name in ("shapes", "step_shapes", "pairs", "triples", "lengths", "owner_shapes"):
        assert found[f"fidelity.{name}"].value == 1.0
    # Held against owners that nobody saw: as good as fresh ones, not better than any can be.
    assert found["fidelity.c2st_agg"].ci_low < 0.5 < found["fidelity.c2st_agg"].ci_high
    assert found["privacy.copied_sequences"].ci_low > found["privacy.copied_sequences"].ceiling + 0.3
    assert found["privacy.identical_share"].value == found["privacy.dcr_share"].value == 1.0
    assert found["privacy.run_share"].ci_low > 0.6 and found["privacy.run_excess"].ci_low > 0.5


def test_trees_see_shuffled_events_in_owners_as_rows() -> None:
    codings, (real, other) = coded(shop(1), shuffled(shop(2), 5))
    area, pull = c2st_auc(*(codings.rows.grouped(side.rows) for side in (real, other)), 1)
    assert pull.reach(area, (None, None))[0] > 0.8


def with_rare_items(side: Sequences, seed: int) -> Sequences:
    """Every third event is of an item that no other event has, whose name tells nothing."""
    names = np.random.default_rng(seed).integers(2**60, size=side.events.num_rows)
    items = [str(names[n]) if n % 3 == 0 else item for n, item in enumerate(side.events["item"].to_pylist())]
    return with_events(side, item=pa.array(items))


def test_items_that_one_real_side_alone_has_do_not_tell_it_from_the_other() -> None:
    train, holdout = (with_rare_items(shop(seed, 300), seed) for seed in (1, 2))
    found = overall(compare_sequences(train, holdout, shop(3, 300), item="item"))
    assert found["fidelity.c2st_agg"].ceiling == pytest.approx(0.5, abs=0.08)
    assert found["privacy.dcr_share"].ceiling == pytest.approx(0.5, abs=0.1)
    assert found["fidelity.shapes"].ceiling > 0.9


def test_neither_the_order_of_owners_nor_further_ones_matter_to_the_size() -> None:
    train, holdout = shop(1, 120), shop(2, 90)
    found = compare_sequences(train, holdout, shop(3, 60), item="item", max_owners=55)
    assert {m.num_rows for m in found} == {55}
    again = compare_sequences(train, holdout, shop(3, 60), item="item", max_owners=55)
    assert [repr(m) for m in found] == [repr(m) for m in again], "a function of its arguments"


def test_copies_are_sought_among_all_training_owners() -> None:
    train, holdout = shop(1, 300), shop(2, 60)
    found = overall(compare_sequences(train, holdout, train.take(np.arange(240, 300)), item="item"))
    assert found["privacy.copied_sequences"].value == 1.0 and found["privacy.copied_sequences"].num_rows == 60


def test_without_an_item_its_figures_are_left_out_and_owners_may_have_a_key_alone() -> None:
    sides = [
        Sequences(s.owners.select(["user"]), s.events, s.offsets) for s in map(shop, (1, 2, 3), [60] * 3)
    ]
    sides[2] = Sequences(sides[2].owners.rename_columns(["other"]), sides[2].events, sides[2].offsets)
    found = overall(compare_sequences(*sides))
    assert "privacy.dcr_share" in found and "fidelity.owner_shapes" not in found
    assert not any(name.startswith(("utility.", "privacy.run", "privacy.copied")) for name in found)


def test_columns_of_nothing_and_of_one_value_are_judged() -> None:
    sides = [shop(seed, 60) for seed in (1, 2, 3)]
    sizes = [side.events.num_rows for side in sides]
    same = [
        with_events(side, price=pa.nulls(size, pa.float64()), gap=pa.array(np.zeros(size)))
        for side, size in zip(sides, sizes, strict=True)
    ]
    same[2] = with_events(same[2], price=pa.nulls(sizes[2]))  # without a type
    found = {(m.metric, m.slice): m.value for m in compare_sequences(*same, item="item")}
    assert found["fidelity.shapes", "price"] == found["coherence.neighbours", "gap"] == 1.0
    lost = with_events(sides[2], **{name: pa.nulls(sizes[2]) for name in ("price", "kind", "item")})
    found = {(m.metric, m.slice): m.value for m in compare_sequences(*sides[:2], lost, item="item")}
    assert found["fidelity.shapes", "price"] < 0.1 and found["fidelity.shapes", "kind"] == 0.0
    assert found["utility.next_hit_rate", "all"] < 0.3


def test_short_and_empty_sequences_are_judged() -> None:
    words = [["ab", "a", "", "ba"] * 20, ["a", "", "b"] * 20, ["", "", "", "a"] * 20]
    sides = [of_items(*side) for side in words]
    sides[0] = Sequences(pa.table({"user": [f"t{n}" for n in range(80)]}), sides[0].events, sides[0].offsets)
    found = overall(compare_sequences(*sides, item="item"))
    assert found["coherence.neighbours"].value == 0.0 and np.isnan(found["utility.next_ndcg"].value)
    assert found["fidelity.lengths"].value == pytest.approx(0.5, abs=0.05)
    with pytest.raises(ContractError, match="No synthetic owner has an event"):
        compare_sequences(sides[0], sides[1], of_items(*[""] * 60), item="item")


def test_items_may_be_numbers_and_columns_may_be_chosen() -> None:
    sides = []
    for side in (shop(seed, 60) for seed in (1, 2, 3)):
        numbers = pa.array([int(item[1:]) for item in side.events["item"].to_pylist()])
        sides.append(with_events(side, item=numbers))
    named = compare_sequences(*(shop(seed, 60) for seed in (1, 2, 3)), item="item")
    chosen = [Column("item", pa.int64()), Column("kind", pa.string())]
    numbered = compare_sequences(*sides, item="item", columns=chosen, owner_columns=[])
    texts, numbers = ({(m.metric, m.slice): m.value for m in side} for side in (named, numbered))
    for key in (
        ("diversity.distinct_sequences", "all"),
        ("utility.next_ndcg", "all"),
        ("fidelity.shapes", "kind"),
    ):
        assert texts[key] == numbers[key]
    assert ("fidelity.shapes", "gap") not in numbers and ("fidelity.owner_shapes", "age") not in numbers


def test_what_cannot_be_judged_is_told() -> None:
    train, holdout, rows = (shop(seed, 60) for seed in (1, 2, 3))

    def refused(match, *sides, **options) -> None:
        with pytest.raises(ContractError, match=match):
            compare_sequences(*sides, **{"item": "item", **options})

    refused("60 holdout owners, by column 'user', are among the training owners", train, train, rows)
    refused("60 train, 60 holdout, 3 synthetic owners: at least 4", train, holdout, rows.head(3))
    refused("3 of each may be taken", train, holdout, rows, max_owners=3)
    fewer = Sequences(rows.owners, rows.events.drop_columns(["gap"]), rows.offsets)
    refused("synthetic events lack the columns .'gap'.", train, holdout, fewer)
    text = with_events(holdout, price=pa.array(["x"] * holdout.events.num_rows))
    refused("'price' of the holdout events holds text, that of the train events numbers", train, text, rows)
    refused("'sku' is no column of events", train, holdout, rows, item="sku")
    refused("have no column 'id'", train, holdout, rows, key="id")
    nobody = Sequences(
        train.owners.set_column(0, "user", pa.array([None, *train.owners["user"].to_pylist()[1:]])),
        train.events,
        train.offsets,
    )
    refused("1 training owners have no key", nobody, holdout, rows)
    twice = Sequences(
        train.owners.append_column("kind", train.owners["segment"]), train.events, train.offsets
    )
    refused(r"\['kind'\] are of events and of owners", twice, holdout, rows)
    odd = with_events(train, gap=pa.nulls(train.events.num_rows))
    refused("hold neither categories nor numbers", odd, holdout, rows)
