import math

import numpy as np
import pyarrow as pa
import pytest

from clicksmith.errors import ContractError
from clicksmith.evaluation import figures
from clicksmith.evaluation.quality import utility
from clicksmith.evaluation.samples.sample import Coding, columns_of


def shop(seed, num_rows=1500, learnable=True):
    """Purchases that fall with the price, and a click that gives every purchase away."""
    rng = np.random.default_rng(seed)
    price = rng.random(num_rows)
    bought = rng.random(num_rows) < np.where(price < 0.3, 0.8, 0.1)
    if not learnable:
        bought = rng.permutation(bought)
    return pa.table(
        {
            "price": price,
            "brand": rng.choice(list("abc"), num_rows),
            "label_click": bought,
            "label_purchase": bought,
        }
    )


def coded(real, *others):
    coding = Coding.fit(real, columns_of(real.schema))
    return coding, *(coding.encode(rows) for rows in (real, *others))


def area(coding, rows, test, label="label_purchase", left_out=("label_click",)):
    return utility.trained_auc(coding, rows, test, label, left_out, seed=1)


def test_labels_are_true_for_the_rarer_value():
    real = pa.table(
        {
            "income": ["<=50K", ">50K", "<=50K", None],
            "bought": [True, True, False, True],
            "n": [0, 2, 1, None],
        }
    )
    coding, sample = coded(real)
    assert utility.label_values(coding, sample, "income").tolist() == [False, True, False, False]
    assert utility.label_values(coding, sample, "bought").tolist() == [False, False, True, False]
    assert utility.label_values(coding, sample, "n").tolist() == [False, True, True, False]


def test_a_value_that_real_rows_never_had_is_not_true():
    coding, _, other = coded(pa.table({"x": ["a", "a", "b"]}), pa.table({"x": ["a", "b", "new"]}))
    assert utility.label_values(coding, other, "x").tolist() == [False, True, False]


def test_labels_that_cannot_be_are_named():
    coding, sample = coded(shop(1, 60))
    with pytest.raises(ContractError, match="'brand' has 3 values"):
        utility.label_values(coding, sample, "brand")
    with pytest.raises(ContractError, match="'colour' is no column"):
        utility.label_values(coding, sample, "colour")


def test_what_can_be_known_is_learnt_and_no_more():
    coding, train, test, shuffled = coded(shop(1), shop(2), shop(3, learnable=False))
    # The best ranking there is, by cheap or not: P(cheap | bought) = .24/.31, P(cheap | not) = .06/.69.
    cheap_bought, cheap_not = 0.24 / 0.31, 0.06 / 0.69
    best = 0.5 * (1 + cheap_bought - cheap_not)
    assert area(coding, train, test) == pytest.approx(best, abs=0.04)
    assert area(coding, shuffled, test) == pytest.approx(0.5, abs=0.06)


def test_a_column_that_gives_the_label_away_is_left_out():
    coding, train, test = coded(shop(1), shop(2))
    assert area(coding, train, test, left_out=()) > 0.999
    assert area(coding, train, test) < 0.9


def test_one_class_teaches_nothing_and_without_both_in_the_test_there_is_no_figure():
    train = shop(1, 200)
    never = train.set_column(3, "label_purchase", [pa.array([False] * 200)])
    coding, train, never = coded(train, never)
    assert area(coding, never, train) == 0.5
    assert math.isnan(area(coding, train, never))


def test_figures_come_by_label_with_their_mean():
    coding, train, test = coded(shop(1, 300), shop(2, 300))
    labels = ("label_click", "label_purchase")
    found = figures.utility_figures(coding, train, test, labels, labels, seed=1)
    assert set(found) == {("utility.trained_auc", name) for name in (*labels, "all")}
    values = [found["utility.trained_auc", name].value for name in labels]
    whole = found["utility.trained_auc", "all"]
    assert whole.value == pytest.approx(sum(values) / 2)
    ends = [
        (found["utility.trained_auc", name].ci_low, found["utility.trained_auc", name].ci_high)
        for name in labels
    ]
    assert (whole.ci_low, whole.ci_high) == pytest.approx(np.mean(ends, axis=0)), "the gate judges its end"
    assert figures.utility_figures(coding, train, test, (), (), seed=1) == {}


def test_the_mean_of_no_known_figure_is_unknown_and_has_no_interval():
    train = shop(1, 200)
    never = pa.array([False] * 200)
    test = train.set_column(2, "label_click", never).set_column(3, "label_purchase", never)
    coding, train, test = coded(train, test)
    labels = ("label_click", "label_purchase")
    whole = figures.utility_figures(coding, train, test, labels, labels, seed=1)["utility.trained_auc", "all"]
    assert math.isnan(whole.value) and whole.ci_low is None
