"""Search as a task of a measurement: what arms learn from, and what is told of each query."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from builders import rows_of
from clicksmith.config import ArmConfig, Config
from clicksmith.errors import ConfigError, TrainingError
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, Snapshot, models_root
from clicksmith.lift.kinds.search import SearchTask, items_asked_for, search_task, training_pairs
from clicksmith.lift.measure import measure
from clicksmith.lift.task import Training, few_units
from clicksmith.lift.tuning import tuned
from clicksmith.reading.pairs import Pairs, SearchRows, read_pairs
from clicksmith.reading.snapshot import load_table
from clicksmith.tables import BRONZE_ITEMS, SEARCH_PAIRS, VOCABULARY
from training.toy_lake import write_rows
from training.toy_lift import vocabulary_of

ARMS = (
    "lift.search.arms={none: {kind: none}, again: {kind: same}, real_all: {kind: real_all}, "
    "shuffled: {kind: shuffled, ratio: 3.0}, titles: {kind: titles, ratio: 1.0}}"
)
SMALL = (
    "ray.num_workers=0", "lift.num_seeds=3", "lift.min_users=10", "lift.search.max_pairs=60",
    "search={model: two_tower, num_steps: 40, batch_size: 16, dim: 16, num_blocks: 1, num_pieces: 200, "
    "num_validations: 1, learning_rate: 0.003, max_query_tokens: 6, max_text_tokens: 8}",
)  # fmt: skip

FOREIGN = str.maketrans("colurkind01234567", "fwpqyzvxmstbgheaj")
REAL = Pairs.of(["red shoe", "blue hat", "red hat"], ["shoe red", "hat blue", "hat red"], [1, 2, 1])
ROWS = SearchRows(REAL, {}, {}, ["a b c d e f", "One"], ["a b c d e f text", "One text"])


def pairs_of(
    arm: dict[str, object], num_real: int = 2, rows: SearchRows = ROWS, model: str = "cross_encoder"
) -> list[tuple[str, str, int]]:
    found = training_pairs(ArmConfig.model_validate(arm), rows, num_real, 1, model)
    return list(zip(found.queries, found.texts, found.grades.tolist(), strict=True))


def test_which_pairs_an_arm_learns_from() -> None:
    control = [("red shoe", "shoe red", 1), ("blue hat", "hat blue", 2)]
    assert pairs_of({"kind": "none"}) == pairs_of({"kind": "same"}) == control
    unseen = ("red hat", "hat red", 1)
    assert (
        pairs_of({"kind": "real_all"}) == pairs_of({"kind": "real_more", "ratio": 0.5}) == [*control, unseen]
    )
    copies = pairs_of({"kind": "duplicate", "ratio": 1.0})
    assert copies[:2] == control and sorted(copies[2:]) == sorted(control)
    shuffled = pairs_of({"kind": "shuffled", "ratio": 8.0})[2:]
    assert sorted(query for query, _, _ in shuffled) == ["blue hat"] * 8 + ["red shoe"] * 8
    assert sorted(text for _, text, _ in shuffled) == ["hat blue"] * 8 + ["shoe red"] * 8
    assert {("red shoe", "hat blue"), ("blue hat", "shoe red")} & {one[:2] for one in shuffled}


def test_ratios_are_of_the_pairs_that_are_learnt_from() -> None:
    """Of the control's four pairs two towers learn from one, of the further four from two."""
    grades = [0, 1, 0, 0, 0, 2, 0, 3]
    texts = [f"text {number}" for number in range(8)]
    pairs = Pairs.of([f"query {number}" for number in range(8)], texts, grades)
    rows = SearchRows(pairs, {}, {}, ["A title"], ["A title text"])

    def added(kind: str, ratio: float, model: str) -> list[int]:
        """Grades of what is added."""
        found = pairs_of({"kind": kind, "ratio": ratio}, 4, rows, model)
        assert [grade for _, _, grade in found[:4]] == grades[:4], "the control's come first, and all of them"
        return [grade for _, _, grade in found[4:]]

    assert added("titles", 2.0, "two_tower") == added("duplicate", 2.0, "two_tower") == [1, 1]
    assert added("shuffled", 2.0, "two_tower") == [1, 1]
    assert added("real_more", 1.0, "two_tower") == [2] and added("real_more", 9.0, "two_tower") == [2, 3]
    assert len(added("titles", 2.0, "cross_encoder")) == len(added("duplicate", 2.0, "cross_encoder")) == 8
    assert added("real_more", 0.5, "cross_encoder") == [0, 2]
    assert added("duplicate", 0.4, "two_tower") == [], "not one pair"


def test_the_product_asked_for_is_the_one_that_most_queries_ask_for() -> None:
    """By text: a is 0, b is 1, c is 2; three queries ask for b, two for a, and one for c."""
    queries = ["q", "q", "q", "r", "r", "s", "t", "t", "u", "v"]
    pairs = Pairs.of(
        queries, ["a", "b", "c", "b", "b", "b", "c", "a", "c", "a"], [1, 1, 0, 2, 1, 3, 1, 0, 0, 1]
    )
    # q asks for a or b, r for b under two names, s for b, t for c, u for nothing, v for a.
    assert items_asked_for(pairs).tolist() == [1, 1, 1, 2, 0]


def test_words_of_titles_ask_for_their_product() -> None:
    added = pairs_of({"kind": "titles", "ratio": 20.0})[2:]
    assert len(added) == 40 and {grade for _, _, grade in added} == {1}
    windows = {"a b c d", "b c d e", "c d e f"}
    assert {query for query, text, _ in added if text == "a b c d e f text"} == windows
    assert {query for query, text, _ in added if text == "One text"} == {"one"}


def write(lake: Lake, splits: Sequence[tuple[str, int]], are_foreign: bool = False) -> dict[str, Snapshot]:
    """Products of a colour and a kind; who asks for both takes that product and is shown another one.

    `are_foreign`: of queries in words that no product's text has, whose meaning has to be learnt.
    """
    colours, kinds = [f"colour{i}" for i in range(8)], [f"kind{i}" for i in range(8)]
    items = [{"item_id": f"{c}-{k}", "title": f"{k} {c}"} for c in colours for k in kinds]
    random, rows = np.random.default_rng(0), []
    for split, num in splits:
        for number in random.permutation(64)[:num]:
            item, other = items[int(number)]["item_id"], items[int(number) - 1]["item_id"]
            query = " ".join(item.split("-")).translate(FOREIGN if are_foreign else {})
            for name, grade in ((item, 1), (other, 0)):
                rows.append({
                    "query": query, "item_id": name, "grade": grade, "num_impressions": 1,
                    "num_clicks": grade, "num_carts": 0, "num_purchases": 0, "source": "log", "split": split,
                })  # fmt: skip
    return {
        "search_pairs": write_rows(lake, SEARCH_PAIRS, rows_of(SEARCH_PAIRS, rows), "f" * 32),
        "items": write_rows(lake, BRONZE_ITEMS, rows_of(BRONZE_ITEMS, items), "f" * 32),
        "vocabulary": write_rows(
            lake, VOCABULARY, vocabulary_of([str(item["item_id"]) for item in items]), "f" * 32
        ),
    }


def prepare(
    config: Config, lake: Lake, splits: Sequence[tuple[str, int]], are_foreign: bool = False
) -> SearchTask:
    assert config.search is not None
    return search_task(config, config.search, write(lake, splits, are_foreign))


def test_queries_are_the_units(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(ARMS, *SMALL)
    task = prepare(config, lake, [("train", 64), ("validation", 30), ("test", 40)])
    control = set(task.rows.train.queries[:60])
    assert task.num_real == 60 and len(control) == 30
    asked = {split: set(pairs.queries) for split, pairs in task.rows.asked.items()}
    assert asked["test"] | asked["validation"] <= control, "all were asked before, the others are not asked"
    assert task.units["test"].num_rows == 21 and task.units["validation"].num_rows == 13
    found = measure(task, config, storage.join(models_root(config), "runs", "lift"))
    assert found.verdict.arm == "titles"
    arm = task.arms["shuffled"]
    assert (arm.role, arm.ratio) == ("cheap", 3.0)
    shuffled = found.gain("ndcg@10", "all", "shuffled", "none")
    assert shuffled.num_units == shuffled.num_rows == 21
    assert task.facts["num_real_rows"] == 30, "of sixty, two towers learn from those that were taken"
    low, high = found.gain("ndcg@10", "all", "again", "none").interval()
    assert low <= 0 <= high


def test_a_query_is_new_to_the_control(make_config: Callable[..., Config], lake: Lake) -> None:
    """And to the log: a control of twenty pairs is asked no query that lies beyond them by its hash."""
    inputs = write(lake, [("train", 40), ("validation", 30), ("test", 60)])
    told = {}
    for max_pairs in (1000, 20):
        config = make_config(ARMS, *SMALL, "lift.min_users=2", f"lift.search.max_pairs={max_pairs}")
        assert config.search is not None
        task = search_task(config, config.search, inputs)
        before, asked = set(task.rows.train.queries), task.rows.asked["test"]
        assert len(before) == 40, "the ceilings train on all of them"
        first = np.unique(asked.query, return_index=True)[1]
        is_new = [asked.queries[row] not in before for row in first]
        assert task.units["test"].segments["new_query=yes"].tolist() == is_new
        told[task.num_real] = (len(is_new), sum(is_new))
    num_asked, num_new = told[80]
    assert num_asked == 60 and 20 <= num_new <= 24, "of 64 queries 24 were not asked before"
    num_asked, num_new = told[20]
    assert 0 < num_new < num_asked < 30


def test_queries_of_one_product_share_it(make_config: Callable[..., Config], lake: Lake) -> None:
    """Six queries for two products by turns; over a single product there is no interval."""
    config, inputs = make_config(ARMS, *SMALL), write(lake, [("train", 4)])
    assert config.search is not None
    few = {}
    for products in (("colour0-kind0", "colour1-kind1"), ("colour0-kind0",)):
        pairs = [
            {
                "query": f"query {number}", "item_id": products[number % len(products)], "grade": 1,
                "num_impressions": 1, "num_clicks": 1, "num_carts": 0, "num_purchases": 0, "source": "log",
                "split": split,
            }
            for split in ("train", "test")
            for number in range(6)
        ]  # fmt: skip
        rows = rows_of(SEARCH_PAIRS, pairs)
        inputs["search_pairs"] = write_rows(lake, SEARCH_PAIRS, rows, "f" * 32, mode="overwrite")
        units = search_task(config, config.search, inputs).units["test"]
        first, second = units.clusters[1][::2], units.clusters[1][1::2]
        assert len(np.unique(first)) == len(np.unique(second)) == 1
        assert len({first[0], second[0]}) == len(products)
        few[products] = few_units(units, 6, 1, "queries")
    one = "all of its 6 queries ask for one item, where an interval needs several"
    assert list(few.values()) == [{}, {"all": one}]


def test_products_without_titles_have_no_such_arm(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(ARMS, *SMALL)
    inputs = write(lake, [("train", 20), ("test", 20)])
    untitled = rows_of(BRONZE_ITEMS, [{"item_id": "x", "title": None}])
    inputs["items"] = write_rows(lake, BRONZE_ITEMS, untitled, "e" * 32, mode="overwrite")
    assert config.search is not None
    task = search_task(config, config.search, inputs)
    assert task.skipped["titles"] == "no product that was there before the cut has a title"
    assert "titles" not in task.arms


def test_pairs_of_the_test_that_the_control_was_trained_on_are_told(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """All 64 queries were asked before, the 40 of the test among them; of each one pair is learnt from.

    A control of ten pairs is asked what it knows of the 40, which is no more than its five queries.
    """
    inputs, facts, asked = write(lake, [("train", 64), ("test", 40)]), [], []
    for max_pairs in (1000, 10):
        config = make_config(ARMS, *SMALL, f"lift.search.max_pairs={max_pairs}")
        assert config.search is not None
        task = search_task(config, config.search, inputs)
        facts.append((task.facts["num_test_pairs"], task.facts["num_trained_pairs"]))
        asked.append(set(task.rows.asked["test"].queries))
    known = asked[0] & set(task.rows.train.queries[:10])
    assert asked[1] == known and 0 < len(known) <= 5
    assert facts == [(80, 40), (2 * len(known), len(known))]


def test_a_tuned_control_has_other_settings_and_the_control_s_pairs(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """A control that learns nothing; with the settings that a search found it knows what was asked before."""
    tuned = "lift.search.arms={none: {kind: none}, tuned: {kind: tuned}}"
    config = make_config(*SMALL, tuned, "search.learning_rate=1e-6")
    task = prepare(config, lake, [("train", 64), ("validation", 30), ("test", 40)], are_foreign=True)
    assert task.arms["tuned"].role == "cheap" and set(task.space) == {"learning_rate", "dropout", "num_steps"}
    settings = {"learning_rate": 0.005, "dropout": 0.0, "num_steps": 80}
    control = task.control(settings, seed=1)
    assert (control.schedule.num_steps, control.schedule.learning_rate) == (80, 0.005)
    assert control.num_rows == int((task.rows.train.grades[:60] > 0).sum()), "of the control's pairs"
    found = replace(task, settings=settings)
    figures = {}
    for arm in ("none", "tuned"):
        said = found.train(Training(arm, 0, 0))["test"]
        figures[arm] = found.figure("ndcg@10", "test", said, "all").value
    assert figures["tuned"] > figures["none"] + 0.05


def test_a_control_that_learns_from_nothing_names_its_own_limit(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """Of the first ten pairs by hash, which are all of a control of ten, nothing was taken."""
    inputs = write(lake, [("train", 64), ("test", 64)])
    known = read_pairs(inputs["search_pairs"], inputs["items"], inputs["vocabulary"], 10).train.queries
    rows = [
        {**row, "grade": 0} if row["split"] == "train" and row["query"] in known else row
        for row in load_table(inputs["search_pairs"], SEARCH_PAIRS.column_names).to_pylist()
    ]
    pairs = rows_of(SEARCH_PAIRS, rows)
    inputs["search_pairs"] = write_rows(lake, SEARCH_PAIRS, pairs, "f" * 32, mode="overwrite")
    config = make_config(ARMS, *SMALL, "lift.search.max_pairs=10")
    assert config.search is not None
    with pytest.raises(
        TrainingError, match=r"^None of the first 10 training pairs.*Raise lift\.search\.max_pairs"
    ):
        search_task(config, config.search, inputs)


def test_the_control_has_its_own_pairs_whatever_the_shipped_model_has(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    task = prepare(make_config(ARMS, *SMALL, "search.max_pairs=10"), lake, [("train", 64), ("test", 40)])
    assert task.num_real == len(task.rows.train) == 60 and "real_all" in task.skipped


@pytest.mark.soak
def test_settings_of_search_are_searched_for(
    make_config: Callable[..., Config], lake: Lake, ray_cluster: None
) -> None:
    tuned_arm = "lift.search.arms={none: {kind: none}, tuned: {kind: tuned}}"
    config = make_config(
        *SMALL, tuned_arm, "search.learning_rate=1e-6", "ray.num_workers=2", "ray.num_cpus=2"
    )
    task = prepare(config, lake, [("train", 64), ("validation", 30), ("test", 40)], are_foreign=True)
    found = tuned(task, config, storage.join(models_root(config), "runs", "lift"))
    assert set(found.settings) == set(task.space) and found.settings["learning_rate"] >= 3e-4
    assert found.facts["tuned"]["num_trials"] == 3  # type: ignore[index]
    assert found.facts["tuned"]["figure"] > 0.9  # type: ignore[index]


@pytest.mark.parametrize(("start", "highest"), [("scratch", 1e-2), ("minilm", 2e-4)])
def test_rates_that_ruin_a_trained_encoder_are_not_tried(
    make_config: Callable[..., Config], lake: Lake, start: str, highest: float
) -> None:
    task = prepare(make_config(ARMS, *SMALL, f"search.start={start}"), lake, [("train", 20), ("test", 20)])
    assert max(task.space["learning_rate"].sample() for _ in range(1000)) <= highest


def test_without_validation_queries_nothing_is_tuned(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(*SMALL, "lift.search.arms={none: {kind: none}, tuned: {kind: tuned}}")
    task = prepare(config, lake, [("train", 20), ("test", 20)])
    assert list(task.skipped) == ["tuned"] and "tuned" not in task.arms


def test_nothing_to_ask_is_an_error_that_says_so(make_config: Callable[..., Config], lake: Lake) -> None:
    with pytest.raises(TrainingError, match="no query with a product that was taken in split test"):
        prepare(make_config(ARMS, *SMALL), lake, [("train", 20), ("validation", 5)])


def test_a_control_that_is_asked_nothing_names_its_own_limit(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """Ten pairs are learnt from, of the first five queries by hash, which are not asked again."""
    inputs = write(lake, [("train", 64), ("test", 40)])
    known = read_pairs(inputs["search_pairs"], inputs["items"], inputs["vocabulary"], 10).train.queries
    written = load_table(inputs["search_pairs"], SEARCH_PAIRS.column_names).to_pylist()
    rows = [row for row in written if row["split"] == "train" or row["query"] not in known]
    pairs = rows_of(SEARCH_PAIRS, rows)
    inputs["search_pairs"] = write_rows(lake, SEARCH_PAIRS, pairs, "f" * 32, mode="overwrite")
    config = make_config(ARMS, *SMALL, "lift.search.max_pairs=10")
    num_asked = len({row["query"] for row in rows if row["split"] == "test"})
    assert config.search is not None
    with pytest.raises(TrainingError, match=f"^{num_asked} test queries of gold.search_pairs") as raised:
        search_task(config, config.search, inputs)
    assert "lift.search.max_pairs" in str(raised.value)


def test_arms_that_pairs_do_not_have(make_config: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError, match="'tail' of kind 'oversample_tail', which pairs of queries"):
        make_config("lift.search.arms={none: {kind: none}, tail: {kind: oversample_tail, ratio: 1.0}}")
