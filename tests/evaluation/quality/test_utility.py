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
    return utility.trained_auc(coding, rows, test, label, left_out, seed=1)[0]


def taught(coding, rows, test, labels):
    return {label: utility.trained_auc(coding, rows, test, label, labels, seed=1) for label in labels}


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
    known = taught(coding, train, test, labels)
    found = figures.utility_figures(known, test, 300)
    assert set(found) == {("utility.trained_auc", name) for name in (*labels, "all")}
    values = [found["utility.trained_auc", name].value for name in labels]
    whole = found["utility.trained_auc", "all"]
    assert whole.value == pytest.approx(sum(values) / 2)
    # Both labels are one: so are their areas, and the mean strays as far as either.
    alone = found["utility.trained_auc", "label_click"]
    assert (whole.ci_low, whole.ci_high) == pytest.approx((alone.ci_low, alone.ci_high))
    assert figures.utility_figures({}, test, 1) == figures.loss_figures({}, {}, test, 1) == {}


def test_what_is_lost_is_judged_on_the_same_rows():
    """Trees of other real rows rank the test rows nearly alike: their difference strays less than either."""
    coding, train, again, shuffled, test = coded(shop(1), shop(4), shop(3, learnable=False), shop(2, 500))
    name = "label_purchase"
    by_real, by_again, by_shuffled = (
        {name: utility.trained_auc(coding, rows, test, name, ("label_click",), seed=1)}
        for rows in (train, again, shuffled)
    )
    own = figures.utility_figures(by_again, test, 1500)["utility.trained_auc", "all"]
    lost = figures.loss_figures(by_real, by_again, test, 1500)["utility.auc_loss", "all"]
    assert lost.value == pytest.approx(by_real[name][0] - by_again[name][0])
    assert lost.ci_low < 0 < lost.ci_high and lost.ci_high - lost.ci_low < 0.8 * (own.ci_high - own.ci_low)
    nothing = figures.loss_figures(by_real, by_real, test, 1500)["utility.auc_loss", "all"]
    assert (nothing.value, nothing.ci_low, nothing.ci_high) == (0.0, 0.0, 0.0)
    much = figures.loss_figures(by_real, by_shuffled, test, 1500)["utility.auc_loss", "all"]
    assert much.ci_low > 0.2 and much.value == pytest.approx(by_real[name][0] - 0.5, abs=0.06)


def test_the_mean_of_no_known_figure_is_unknown_and_has_no_interval():
    train = shop(1, 200)
    never = pa.array([False] * 200)
    test = train.set_column(2, "label_click", never).set_column(3, "label_purchase", never)
    coding, train, test = coded(train, test)
    known = taught(coding, train, test, ("label_click", "label_purchase"))
    for found in (figures.utility_figures(known, test, 300), figures.loss_figures(known, known, test, 300)):
        whole = next(figure for (_, name), figure in found.items() if name == "all")
        assert math.isnan(whole.value) and whole.ci_low is None


def test_the_interval_of_a_loss_knows_that_other_rows_teach_other_trees():
    """Both sides are honest: nothing is lost, whichever rows are drawn."""
    name, covered, narrow = "label_purchase", [], []
    for seed in range(25):
        coding, train, again, test = coded(*(shop(100 + 3 * seed + part, 400) for part in range(3)))
        by_real, by_again = (
            {name: utility.trained_auc(coding, rows, test, name, ("label_click",), seed)}
            for rows in (train, again)
        )
        lost = figures.loss_figures(by_real, by_again, test, 400)["utility.auc_loss", "all"]
        alone = figures.loss_figures(by_real, by_again, test, 10**9)["utility.auc_loss", "all"]
        covered.append(lost.ci_low <= 0 <= lost.ci_high)
        narrow.append(alone.ci_low <= 0 <= alone.ci_high)
    assert np.mean(covered) >= 0.88 and np.mean(covered) >= np.mean(narrow)


def test_no_more_can_be_lost_than_real_rows_teach():
    """Where nothing foretells the label, real rows teach next to nothing, of however few test rows."""
    coding, train, again, test = coded(
        shop(1, learnable=False), shop(2, learnable=False), shop(3, 200, learnable=False)
    )
    known, others = (
        {
            "label_purchase": utility.trained_auc(
                coding, rows, test, "label_purchase", ("label_click",), seed=1
            )
        }
        for rows in (train, again)
    )
    (lost, *_) = figures.loss_figures(known, others, test, 1500).values()
    area = known["label_purchase"][0]
    assert lost.ci_high == pytest.approx(max(lost.value, area - 0.5)) and lost.ci_high < 0.1
    assert lost.value - lost.ci_low > lost.ci_high - lost.value
