"""What arms add: from the right rows, as many, and with the right labels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clicksmith.config import ArmConfig, Config, load_config
from clicksmith.errors import ConfigError
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lift.kinds.arms import Stock, added_rows, is_rare
from clicksmith.lift.kinds.roles import role_of
from clicksmith.reading.examples import Examples, Splits, read_splits
from clicksmith.tables import VOCABULARY
from clicksmith.training.ranker import Added, Pool
from training.toy_lake import write_examples, write_rows
from training.toy_lift import examples_with, vocabulary_of


def rows(labels: list[int], weights: list[float] | None = None) -> Examples:
    """Rows numbered by their only code, each of a user and an item of its own."""
    num = len(labels)
    numbers = np.arange(num)
    return Examples(
        codes=numbers.astype(np.int32)[:, None],
        labels=np.array(labels, bool),
        auxiliary=np.zeros((num, 0), bool),
        weights=np.array(weights or [1.0] * num),
        users=numbers,
        items=numbers,
        facts={},
    )


STOCK = Stock(
    real=rows([1, 0, 0, 0]),
    unseen=rows([0, 1, 0]),
    rare={
        "rare_items": np.array([False, True, False, True]),
        "rare_outcome": np.array([True, False, False, False]),
    },
    generated={"gan": (rows([1] * 6), rows([0] * 2))},
)


def added(config: Config, splits: Splits | None = None, fit: int = 0, **settings: object) -> Added | None:
    arm = ArmConfig.model_validate(settings)
    return added_rows(arm, STOCK, fit, 7, config.ranker, splits)  # type: ignore[arg-type]  # a teacher's alone


def codes_of(found: Added | None) -> list[int]:
    return [] if found is None else sorted(found.rows.codes[:, 0].tolist())


@pytest.fixture
def config(make_config: Callable[..., Config]) -> Config:
    return make_config()


@pytest.mark.parametrize(("ratio", "expected"), [(0.5, 2), (1.0, 4), (2.5, 10)])
def test_copies_come_from_the_right_pool_and_spread_evenly(
    config: Config, ratio: float, expected: int
) -> None:
    copies = codes_of(added(config, kind="duplicate", ratio=ratio))
    counts = np.bincount(copies, minlength=4)
    assert len(copies) == expected and counts.max() - counts.min() <= 1
    tail = codes_of(added(config, kind="oversample_tail", ratio=ratio))
    assert len(tail) == expected and set(tail) <= {1, 3}
    assert codes_of(added(config, kind="oversample_label", ratio=ratio)) == [0] * expected


def test_what_is_real_generated_or_nothing(config: Config) -> None:
    assert added(config, kind="none") is None and added(config, kind="same") is None
    assert codes_of(added(config, kind="real_more", ratio=0.5)) == [0, 1]
    assert codes_of(added(config, kind="real_more", ratio=5.0)) == [0, 1, 2], "as many as there are"
    assert codes_of(added(config, kind="real_all")) == [0, 1, 2]
    first = added(config, kind="synthetic", generator="gan", ratio=1.0)
    second = added(config, fit=1, kind="synthetic", generator="gan", ratio=1.0)
    assert first is not None and first.rows.labels.tolist() == [True] * 4
    assert second is not None and second.rows.labels.tolist() == [False] * 2


def test_reweighted_rows_count_as_often_as_asked(config: Config) -> None:
    found = added(config, kind="reweight", weight=5.0)
    assert found is not None and codes_of(found) == [0]
    pool = Pool(((STOCK.real, 1.0), (found.rows, found.weight)), weighted=False)
    assert pool.weights is not None
    weight = np.bincount([0, 1, 2, 3, 0], pool.weights.numpy())
    assert weight / weight[1] == pytest.approx([5, 1, 1, 1]), "the positive row, in both of its places"


def test_generated_rows_of_what_real_rows_lack(config: Config) -> None:
    """Quarters of the real rows: at most 10 events before, items taken at most twice; one positive."""
    history, popularity = [10, 10, 20, 30, 40, 50, 60, 70], [2, 2, 4, 5, 6, 7, 8, 9]
    real = facts_of(rows([1, 0, 0, 0, 0, 0, 0, 0]), history, popularity)
    generated = facts_of(rows([1, 0, 0, 1]), [5, 10, 90, 90], [9, 0, 2, 9])
    stock = Stock(real, real.take(np.zeros(0, np.int64)), is_rare(real, real), {"gan": (generated,)})

    def chosen(only: str) -> list[int]:
        arm = ArmConfig.model_validate({"kind": "synthetic", "generator": "gan", "ratio": 1.0, "only": only})
        return codes_of(added_rows(arm, stock, 0, 7, config.ranker, None))  # type: ignore[arg-type]

    assert chosen("short_histories") == [0, 1]
    assert chosen("rare_items") == [1, 2]
    assert chosen("cold_items") == [1], "nobody took it"
    assert chosen("rare_outcome") == [0, 3]
    arm = ArmConfig(kind="synthetic", generator="gan", ratio=0.125, only="rare_outcome")
    assert codes_of(added_rows(arm, stock, 0, 7, config.ranker, None)) == [0]  # type: ignore[arg-type]


def facts_of(found: Examples, history: list[int], popularity: list[int]) -> Examples:
    facts = {"user_num_events": np.array(history), "popularity": np.array(popularity)}
    return replace(found, facts=facts)


def test_shuffled_labels_are_the_same_ones_on_other_rows(config: Config) -> None:
    found = added(config, kind="shuffled", ratio=100.0)
    assert found is not None and found.rows.labels.mean() == 0.25
    of_the_positive = found.rows.labels[found.rows.codes[:, 0] == 0]
    assert 0.1 < of_the_positive.mean() < 0.4, "the only positive row is as often positive as the others"


def test_a_teacher_s_labels_follow_its_model_not_the_rows(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """An interaction of two features, which a logistic model cannot learn: its labels know nothing of it."""
    config = make_config("ranker.num_steps=60", "ranker.batch_size=256", "ranker.learning_rate=0.01")
    table = examples_with(4000, 200, "interaction")
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(table["item_id"].to_pylist()), "f" * 32)
    splits = read_splits(config.ranker, write_examples(lake, table), vocabulary)
    stock = replace(STOCK, real=splits.train)
    arm = ArmConfig(kind="teacher", ratio=1.0)
    found = added_rows(arm, stock, 0, 7, config.ranker, splits)
    assert found is not None and len(found.rows) == len(splits.train)
    assert found.rows.labels.mean() == pytest.approx(splits.train.labels.mean(), abs=0.05)
    place = splits.coder.codec.names.index("placement")
    other = splits.coder.codec.names.index("user_household")

    def rate_gap(rows: Examples) -> float:
        """How much the label depends on whether both features have their most frequent codes."""
        alike = (rows.codes[:, place] == np.bincount(rows.codes[:, place]).argmax()) == (
            rows.codes[:, other] == np.bincount(rows.codes[:, other]).argmax()
        )
        return abs(float(rows.labels[alike].mean() - rows.labels[~alike].mean()))

    assert rate_gap(splits.train) > 0.4 > 0.2 > rate_gap(found.rows)


def test_roles() -> None:
    synthetic = ArmConfig(kind="synthetic", generator="g", ratio=1.0)
    assert role_of(synthetic, "ctgan") == "generator"
    assert role_of(synthetic, "smote") == role_of(synthetic, "independent") == "cheap"
    assert role_of(ArmConfig(kind="real_all"), None) == "ceiling"
    assert role_of(ArmConfig(kind="same"), None) == "same", "which alone can have no gain"
    assert role_of(ArmConfig(kind="shuffled", ratio=1.0), None) == "cheap"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            "{kind: real_all, ratio: 0.5}",
            "left out for the kinds none, same, real_all, reweight, tuned, augm",
        ),
        ("{kind: duplicate}", "must be above 0"),
        ("{kind: duplicate, ratio: 1.0, alone: true}", "the rest is for real rows"),
        ("{kind: duplicate, ratio: 1.0, generator: gan}", "for no other kind"),
        ("{kind: reweight}", "needs a 'weight' above 1"),
        ("{kind: duplicate, ratio: 1.0, only: rare_items}", "'kind' must be 'synthetic'"),
    ],
)
def test_arms_that_make_no_sense(make_config: Callable[..., Config], settings: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_config(f"lift.arms={{none: {{kind: none}}, odd: {settings}}}")


FOLDER = Path(__file__).resolve().parents[3] / "conf"
# What `make init` has drafted for a log of one's own is not the project's.
CONF = sorted(p for p in FOLDER.glob("*.yaml") if not p.read_text().startswith("# Drafted from "))


@pytest.mark.parametrize("path", CONF, ids=lambda path: path.stem)
def test_generated_rows_of_every_file_meet_copies_in_their_ratio(path: Path) -> None:
    """A file says all that it measures: no copies are added by themselves."""
    arms = load_config(path).lift.arms.values()
    copies = {arm.ratio for arm in arms if arm.kind == "duplicate"}
    assert {arm.ratio for arm in arms if arm.kind == "synthetic"} <= copies


def test_weights_are_of_mean_one() -> None:
    pool = Pool([(rows([1, 0, 0, 0]), 1.0), (rows([1, 1]), 0.25)], weighted=False)
    assert pool.weights is not None
    assert pool.weights.tolist() == pytest.approx([4 / 3] * 4 + [1 / 3] * 2)
    by_propensity = Pool([(rows([1, 0], [1.0, 3.0]), 1.0), (rows([1]), 2.0)], weighted=True)
    assert by_propensity.weights is not None
    assert by_propensity.weights.tolist() == pytest.approx([0.5, 1.5, 1.0])
    assert Pool([(rows([1, 0], [1.0, 3.0]), 1.0)], weighted=False).weights is None
