"""A generator that gives away whom it has seen, in rows whose other columns are drawn anew."""

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from clicksmith.config import GateConfig
from clicksmith.errors import ContractError
from clicksmith.evaluation import gate
from clicksmith.evaluation.attacks import attack_figures, judged_slices
from clicksmith.evaluation.compare import compare_tables
from clicksmith.evaluation.figures import Figure
from clicksmith.evaluation.samples.sample import Coding
from clicksmith.evaluation.samples.space import Space
from clicksmith.seeds import hash_buckets
from clicksmith.tables.gold import JUDGED_COLUMNS, USER_COLUMNS
from training.toy_lake import toy_examples

PROFILE = tuple(column.name for column in USER_COLUMNS)
NAMES = [column.name for column in JUDGED_COLUMNS]
ATTACKS = {"privacy.membership_auc", "privacy.domias_auc", "privacy.domias_tpr", "privacy.user_auc"}


def wearing(rows, profiles, who):
    """Rows with the profiles of others."""
    for name in PROFILE:
        rows = rows.set_column(
            rows.column_names.index(name), rows.schema.field(name), profiles[name].take(pa.array(who))
        )
    return rows


def world(num_users, rows_each, leaking):
    """Training and holdout rows of users who each have a profile, and as many rows of a generator.

    Returns:
        Three tables, the first two with a column ``u``.
    """
    rng = np.random.default_rng(0)
    profiles, user = toy_examples(num_users, 5), np.repeat(np.arange(num_users), rows_each)
    user = rng.permutation(user)
    real = wearing(toy_examples(len(user), 6), profiles, user).select(NAMES)
    real = real.append_column("u", pa.array([f"u{number}" for number in user]))
    held_out = user % 10 == 0
    train, holdout = (real.filter(pa.array(side)) for side in (~held_out, held_out))
    trained = np.arange(num_users)[np.arange(num_users) % 10 != 0]
    who = rng.choice(trained, train.num_rows)
    worn = profiles if leaking else toy_examples(num_users, 82)
    return train, holdout, wearing(toy_examples(train.num_rows, 7), worn, who).select(NAMES)


def measured(tables, **options):
    labels = {"labels": ["label_purchase"], "left_out": ["label_click", "label_cart"]}
    return compare_tables(*tables, columns=JUDGED_COLUMNS, user_column="u", max_rows=500, **labels, **options)


def broken_attacks(metrics):
    decision = gate.decide("synthetic", metrics, GateConfig())
    return {b.name for b in decision.bounds if not b.passed and gate.RULES[b.name].metric in ATTACKS}


def by_slice(metrics):
    return {(m.metric, m.slice): m for m in metrics if m.metric in ATTACKS}


def test_rows_that_wear_the_profiles_of_users_learnt_from_are_refused():
    """900 users learnt from: all rows' profiles are theirs, and nothing else is."""
    tables = world(1000, 10, leaking=True)
    found = measured(tables, profile=PROFILE)
    assert broken_attacks(found) == {"max_membership_auc", "max_domias_auc", "max_domias_tpr"}
    figures = by_slice(found)
    for metric in ("privacy.membership_auc", "privacy.domias_auc"):
        assert figures[metric, "profile"].value > 0.98
        assert figures[metric, "rows"].value == pytest.approx(0.5, abs=0.06), "the item's columns drown it"
    # What is judged is the profile's, with its ceiling: 50 real users in the place of generated ones.
    for metric in ATTACKS - {"privacy.user_auc"}:
        assert figures[metric, "all"] == replace(figures[metric, "profile"], slice="all")
    assert figures["privacy.domias_auc", "all"].ceiling == pytest.approx(0.5, abs=0.15)
    assert math.isnan(figures["privacy.user_auc", "all"].value), "50 users are too few to attack"
    failures = gate.decide("synthetic", found, GateConfig()).failures
    assert any("were trained on: the profile gives users away)" in failure for failure in failures)
    assert broken_attacks(measured(tables)) == set(), "by all columns alone nothing is seen"


def test_rows_of_other_users_profiles_are_not():
    found = measured(world(1000, 10, leaking=False), profile=PROFILE)
    assert broken_attacks(found) == set()
    figures = by_slice(found)
    assert figures["privacy.domias_auc", "profile"].value == pytest.approx(0.5, abs=0.1)
    # By its upper end it is the worse one, since 50 users tell little; that it is worse is not shown.
    assert figures["privacy.domias_auc", "profile"].ci_high > figures["privacy.domias_auc", "rows"].ci_high
    for metric in ATTACKS - {"privacy.user_auc"}:
        assert figures[metric, "all"] == replace(figures[metric, "rows"], slice="all")


@pytest.mark.parametrize(("leaking", "slice_name"), [(True, "profile"), (False, "rows")])
def test_where_there_are_enough_whole_users_are_attacked_by_their_profile_as_well(leaking, slice_name):
    *real, generated = world(2400, 4, leaking)
    coding = Coding.fit(real[0], JUDGED_COLUMNS)
    train, holdout = (replace(coding.encode(rows), users=hash_buckets(rows["u"])) for rows in real)
    found = attack_figures(PROFILE, Space.fit(train), coding.encode(generated), train, holdout)
    assert judged_slices(found, train, holdout) == dict.fromkeys(ATTACKS, slice_name)
    assert (found["privacy.user_auc", "profile"].ci_low > 0.95) == leaking
    assert found["privacy.user_auc", "rows"].ci_low < 0.6


def holdout_of(num_users):
    rows = pa.table({"x": np.arange(float(num_users))})
    coding = Coding.fit(rows, [replace(JUDGED_COLUMNS[0], name="x", type=pa.float64())])
    return replace(coding.encode(rows), users=np.arange(num_users))


def which(metric, rows, profile, num_users=400):
    found = {(metric, "rows"): Figure(*rows), (metric, "profile"): Figure(*profile)}
    return judged_slices(found, holdout_of(20_000), holdout_of(num_users))[metric]


AUC, TPR, NONE = "privacy.user_auc", "privacy.domias_tpr", (math.nan,)


def test_the_worse_of_two_by_hand():
    assert which(AUC, (0.51, 0.48, 0.54), (0.9, 0.85, 0.95)) == "profile"
    assert which(AUC, (0.9, 0.85, 0.95), (0.51, 0.45, 0.57)) == "rows"
    # Its upper end is the higher one, but it is not shown to give more away: few users tell little.
    assert which(AUC, (0.52, 0.49, 0.55), (0.58, 0.51, 0.65)) == "rows"
    # Both are refused by a bound of .6: that of all columns is told.
    assert which(AUC, (0.95, 0.93, 0.97), (0.96, 0.92, 1.0)) == "rows"


def test_what_chance_finds_by_the_profile_is_not_the_worse_by_hand():
    """200 of 400 users are attacked: chance finds up to .041 of the training rows; of 1,000 up to .020."""
    rows, profile = (0.01, 0.005, 0.02), (0.035, 0.023, 0.054)
    assert which(TPR, rows, profile) == "rows"
    assert which(TPR, rows, profile, 4000) == "profile"
    # Of ever so many users no more than 1,000 are attacked.
    assert which(TPR, (0.005, 0.003, 0.009), (0.022, 0.018, 0.03), 20_000) == "rows"
    assert which(TPR, rows, (0.08, 0.05, 0.12)) == "profile"
    assert which(TPR, NONE, profile) == "rows", "neither is judged"


def test_a_figure_without_a_value_leaves_the_other_to_be_judged():
    known = (0.6, 0.55, 0.65)
    assert which(AUC, NONE, known) == "profile"
    assert which(AUC, known, NONE) == "rows"
    assert which(AUC, NONE, NONE) == "rows"
    assert judged_slices({("privacy.user_auc", "all"): Figure(math.nan)}, holdout_of(9), holdout_of(9)) == {}


def shop(num_rows, users, seed=0):
    rng = np.random.default_rng(seed)
    return pa.table({"x": rng.normal(size=num_rows), "age": rng.choice(list("abc"), num_rows), "u": users})


def test_rows_of_a_single_user_cannot_be_judged():
    holdout, generated = shop(200, [f"h{n % 20}" for n in range(200)], 1), shop(400, ["-"] * 400, 2)
    one, two = (shop(400, [f"t{n % users}" for n in range(400)]) for users in (1, 2))
    with pytest.raises(ContractError, match="by training rows of a single user: at least 2 are needed"):
        compare_tables(one, holdout, generated.drop(["u"]), user_column="u")
    assert compare_tables(two, holdout, generated.drop(["u"]), user_column="u", profile=["age"])


def test_a_profile_of_unknown_columns_is_an_error():
    rows = shop(100, range(100))
    with pytest.raises(ContractError, match=r"The profile's columns \['town', 'u'\] are none of those that"):
        compare_tables(rows, rows, rows, user_column="u", profile=["age", "town", "u"])
