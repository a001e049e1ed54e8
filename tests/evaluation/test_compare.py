"""All figures of plain tables: no lake, no Spark, no configuration."""

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pytest

from clicksmith.config import GateConfig
from clicksmith.errors import ContractError
from clicksmith.evaluation import gate
from clicksmith.evaluation.bounds import as_found, judged
from clicksmith.evaluation.compare import compare_tables
from clicksmith.evaluation.samples.sample import Coding, columns_of


def shop(seed, num_rows=1200):
    rng = np.random.default_rng(seed)
    kind = rng.integers(4, size=num_rows)
    return pa.table(
        {
            "kind": pa.array([f"k{k}" for k in kind]).dictionary_encode(),
            "brand": [f"b{b}" for b in kind * 3 + rng.integers(3, size=num_rows)],
            "count": rng.poisson(5 + 5 * kind),
            "price": pa.array(np.exp(kind + rng.normal(0, 0.3, num_rows)), mask=rng.random(num_rows) < 0.05),
            "bought": rng.random(num_rows) < 0.1 + 0.2 * kind,
        }
    )


def overall(metrics):
    return {m.metric: m for m in metrics if m.slice == "all"}


@pytest.fixture(scope="module")
def fresh():
    return compare_tables(shop(1), shop(2), shop(3), labels=["bought"])


def test_every_figure_stands_beside_its_ceiling(fresh):
    found = overall(fresh)
    assert set(found) == {
        *(f"fidelity.{name}" for name in ("shapes", "pairs", "triples", "label_ratio", "c2st_auc")),
        *(f"diversity.{name}" for name in ("coverage", "entropy_ratio", "mode_share", "duplicate_share")),
        *(f"privacy.{name}" for name in ("dcr_share", "nndr_ratio", "membership_auc", "identical_share")),
        *(f"privacy.{name}" for name in ("domias_auc", "domias_tpr")),
        "utility.trained_auc",
        "utility.auc_loss",
    }
    assert all((m.ceiling is None) == (m.metric == "utility.auc_loss") for m in fresh)
    assert {m.num_rows for m in fresh} == {1200} and {m.arm for m in fresh} == {"synthetic"}


def test_rows_of_the_same_distribution_reach_their_ceilings_and_pass(fresh):
    found = overall(fresh)
    for name in ("fidelity.shapes", "fidelity.pairs", "fidelity.triples", "diversity.entropy_ratio"):
        assert found[name].value == pytest.approx(found[name].ceiling, abs=0.03)
    assert found["utility.trained_auc"].value == pytest.approx(found["utility.trained_auc"].ceiling, abs=0.05)
    many = compare_tables(shop(1, 4000), shop(2, 4000), shop(3, 4000), labels=["bought"])
    assert gate.decide("synthetic", many, GateConfig()).failures == []
    (few,) = gate.decide("synthetic", fresh, GateConfig()).failures
    assert "gate.max_identical_excess" in few, "so few rows cannot show that they repeat no training rows"


def test_training_rows_sold_as_synthetic_look_perfect_and_are_refused():
    train = shop(1)
    metrics = compare_tables(train, shop(2), train, labels=["bought"])
    found = overall(metrics)
    assert found["fidelity.triples"].value == found["fidelity.shapes"].value == 1.0
    # Held against rows that nobody saw: as good as fresh ones, not better than any can be.
    assert found["fidelity.c2st_auc"].ci_low < 0.5 < found["fidelity.c2st_auc"].ci_high
    broken = {
        bound.name for bound in gate.decide("synthetic", metrics, GateConfig()).bounds if not bound.passed
    }
    assert broken >= {"max_dcr_share", "max_membership_auc", "max_domias_auc", "max_domias_tpr"}


def rarer(rows, kind):
    """Every sixth row of a kind and all others."""
    is_kind = np.array([value == kind for value in rows["kind"].to_pylist()])
    return rows.filter(pa.array(~is_kind | (np.cumsum(is_kind) % 6 == 0)))


@pytest.fixture(scope="module")
def collapsing():
    return compare_tables(shop(1), shop(2), rarer(shop(3), "k3"))


def broken_by(metrics, **limits):
    decision = gate.decide("synthetic", metrics, GateConfig(**limits))
    return {bound.name for bound in decision.bounds if not bound.passed}


@pytest.mark.parametrize(
    ("bound", "metric"),
    [
        ("min_shapes", "fidelity.shapes"),
        ("min_pairs", "fidelity.pairs"),
        ("min_triples", "fidelity.triples"),
        ("min_entropy_ratio", "diversity.entropy_ratio"),
        ("min_mode_share", "diversity.mode_share"),
        ("min_nndr_ratio", "privacy.nndr_ratio"),
    ],
)
def test_a_bound_that_the_figure_keeps_and_its_interval_s_end_does_not_is_broken(collapsing, bound, metric):
    figure = overall(collapsing)[metric]
    assert figure.ci_low < figure.value < figure.ci_high
    between = as_found(bound, figure) / 2 + judged(bound, figure) / 2
    assert bound in broken_by(collapsing, **{bound: between})
    assert bound not in broken_by(collapsing, **{bound: judged(bound, figure)})
    assert bound not in broken_by(
        [replace(m, ci_low=None, ci_high=None) for m in collapsing], **{bound: between}
    )


def wide(seed, rate, num_rows=3000):
    """Twelve columns that a label's rate leaves as they are."""
    rng = np.random.default_rng(seed)
    numbers = {f"x{i}": rng.normal(size=num_rows) for i in range(8)}
    kinds = {f"c{i}": rng.choice(list("abcd"), num_rows) for i in range(4)}
    return pa.table({**numbers, **kinds, "bought": rng.random(num_rows) < rate})


def test_a_full_copier_fails_by_name_though_the_holdout_is_a_ninth_of_the_rows():
    """Its distances see a ninth of what it copies, and trees cannot tell it from rows that nobody saw."""
    train, holdout = wide(1, 0.15, 5400), wide(2, 0.15, 600)
    copies = train.take(np.random.default_rng(0).permutation(5400))
    copied = compare_tables(train, holdout, copies, labels=["bought"])
    found = overall(copied)
    # 1/2 and a half of the ninth that is searched, which the gate allows.
    assert found["privacy.dcr_share"].value == pytest.approx(0.5 + 0.5 / 9, abs=0.02)
    assert broken_by(copied) == {
        "min_nndr_ratio", "max_membership_auc", "max_domias_auc", "max_domias_tpr", "max_identical_excess",
    }  # fmt: skip
    assert found["fidelity.c2st_auc"].ci_low < 0.5 < found["fidelity.c2st_auc"].ci_high


def test_a_label_that_is_four_times_as_frequent_is_refused_by_that_bound_alone():
    """.15 becomes .60: the columns' mean hides it, and no ranking sees it."""
    found = compare_tables(wide(1, 0.15), wide(2, 0.15), wide(3, 0.6), labels=["bought"])
    figures = overall(found)
    assert figures["fidelity.shapes"].value > 0.93 and figures["fidelity.pairs"].value > 0.88
    assert figures["fidelity.label_ratio"].value == pytest.approx(0.25, abs=0.02)
    assert figures["fidelity.label_ratio"].ceiling > 0.9
    assert broken_by(found) == {"min_label_ratio"}
    (failure,) = gate.decide("synthetic", found, GateConfig()).failures
    assert "(label ratio, gate.min_label_ratio)" in failure
    assert broken_by(compare_tables(wide(1, 0.15), wide(2, 0.15), wide(3, 0.15), labels=["bought"])) == set()


def test_a_label_of_thirty_rows_is_not_judged_unless_it_is_lacking(caplog):
    """30 of 3,000 rows, and as many of 3,000 others by chance: an interval that ends near .6.

    Where nobody has it, the column is constant: its entropy is refused as well.
    """
    caplog.set_level("INFO", logger="clicksmith")
    rare = compare_tables(wide(1, 0.01), wide(2, 0.01), wide(3, 0.01), labels=["bought"])
    assert broken_by(rare, max_utility_loss=1.0) == set()
    assert math.isnan(overall(rare)["fidelity.label_ratio"].value)
    assert any("min_label_ratio of bought is not judged" in said for said in caplog.messages)
    none = compare_tables(wide(1, 0.01), wide(2, 0.01), wide(3, 0.0), labels=["bought"])
    assert broken_by(none, max_utility_loss=1.0) == {"min_label_ratio", "min_entropy_ratio"}


def test_the_slices_are_columns_pairs_triples_and_labels(fresh):
    slices = {(m.metric, m.slice) for m in fresh}
    assert ("fidelity.triples", "kind|brand|count") in slices
    assert ("diversity.entropy_ratio", "brand") in slices
    assert ("utility.trained_auc", "bought") in slices
    # Ten triples of five columns, and their mean.
    assert sum(m.metric == "fidelity.triples" for m in fresh) == 11


def test_without_labels_there_is_no_utility_and_numbers_alone_have_no_categories():
    numbers = [shop(seed, 200).select(["count", "price"]) for seed in (1, 2, 3)]
    found = overall(compare_tables(*numbers))
    assert "utility.trained_auc" not in found and "utility.auc_loss" not in found
    assert math.isnan(found["diversity.entropy_ratio"].value)
    assert found["diversity.entropy_ratio"].ceiling is None
    assert math.isnan(found["fidelity.triples"].value)  # two columns have none
    assert found["fidelity.shapes"].value > 0.8


def test_a_card_with_both_losses_gives_the_gap_and_any_other_gives_none():
    tables = [shop(seed, 100) for seed in (1, 2, 3)]
    found = overall(compare_tables(*tables, card_metrics={"held_out_nats": 20.8, "train_nats": 20.13}))
    gap = found["privacy.heldout_gap_nats"]
    assert gap.value == pytest.approx(0.67) and gap.ci_low is gap.ci_high is None, "of an earlier release"
    card = {"held_out_nats": 20.8, "train_nats": 20.13, "gap_error": 0.1}
    gap = overall(compare_tables(*tables, card_metrics=card))["privacy.heldout_gap_nats"]
    assert (gap.value, gap.ci_low, gap.ci_high) == pytest.approx((0.67, 0.474, 0.866))
    for card in ({}, {"held_out_nats": 20.8}, {"train_nats": 20.1}):
        assert "privacy.heldout_gap_nats" not in overall(compare_tables(*tables, card_metrics=card))


def test_the_same_seed_gives_the_same_figures(fresh):
    assert compare_tables(shop(1), shop(2), shop(3), labels=["bought"]) == fresh


def test_too_few_rows_are_an_error():
    with pytest.raises(ContractError, match="at least 50"):
        compare_tables(shop(1), shop(2, 40), shop(3))


def test_columns_come_from_the_schema():
    schema = pa.schema(
        [
            ("text", pa.large_string()),
            ("coded", pa.dictionary(pa.int8(), pa.string())),
            ("flag", pa.bool_()),
            ("small", pa.int8()),
            ("when", pa.timestamp("us")),
            ("day", pa.date32()),
        ]
    )
    columns = columns_of(schema)
    rows = pa.table(
        [["a", "b"], pa.array(["x", None]).dictionary_encode(), [True, None], [1, 2], [0, 5], [3, None]],
        schema=schema,
    )
    sample = Coding.fit(rows, columns).encode(rows)
    assert sample.is_categorical.tolist() == [True, True, True, False, False, False]
    assert sample.values[0].tolist() == [1, 1, 1, 1, 0, 3]
    assert sample.values[1, :5].tolist() == [2, 0, 0, 2, 5] and math.isnan(sample.values[1, 5])


def test_columns_without_an_order_or_equality_are_named():
    with pytest.raises(ContractError, match=r"tags \(list"):
        columns_of(pa.schema([("tags", pa.list_(pa.string()))]))


def test_adult_rows_reach_their_ceilings(shared_data):
    rows = csv.read_csv(shared_data / "adult" / "adult.csv")
    order = np.random.default_rng(0).permutation(rows.num_rows)
    train, holdout, other = (rows.take(order[i : i + 3000]) for i in (0, 3000, 6000))
    found = overall(compare_tables(train, holdout, other, labels=["income"], max_rows=1500))
    assert found["utility.trained_auc"].value > 0.87
    assert found["fidelity.triples"].value == pytest.approx(found["fidelity.triples"].ceiling, abs=0.01)
    assert found["privacy.domias_auc"].value == pytest.approx(0.5, abs=0.04)
    assert found["privacy.domias_tpr"].value < 0.03


def test_a_rare_label_s_rate_is_that_of_all_rows():
    """2 % of 15,000 rows are positive, whatever the other figures' 100 rows a side hold."""
    label = np.arange(15_000) % 50 == 0
    rows = pa.table({"x": np.random.default_rng(0).normal(size=15_000), "label": label})
    found = compare_tables(rows, rows, rows, labels=["label"], max_rows=100)
    ratio = next(m for m in found if (m.metric, m.slice) == ("fidelity.label_ratio", "label"))
    assert ratio.value == 1.0 and ratio.ci_low == pytest.approx(
        np.exp(-1.96 * np.sqrt(2 * 0.98 / 0.02 / 14_999))
    )


def with_users(rows, first, none=False):
    users = [f"u{first + row // 4}" for row in range(rows.num_rows)]
    return rows.append_column("who", pa.array([None, *users[1:]] if none else users))


def test_users_have_to_be_known_and_on_one_side():
    train, holdout = with_users(shop(1), 0), with_users(shop(2), 1000)
    found = compare_tables(train, holdout, shop(3), user_column="who")
    assert overall(found)["holdout.users"].value == 300
    with pytest.raises(ContractError, match="1 rows have no user in column 'who'"):
        compare_tables(with_users(shop(1), 0, none=True), holdout, shop(3), user_column="who")
    with pytest.raises(ContractError, match="100 users of the holdout, by column 'who', are in the training"):
        compare_tables(train, with_users(shop(2), 200), shop(3), user_column="who")
