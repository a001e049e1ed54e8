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
from clicksmith.lift.kinds.search import SearchTask, search_task, training_pairs
from clicksmith.lift.measure import measure
from clicksmith.lift.task import Training
from clicksmith.lift.tuning import tuned
from clicksmith.reading.pairs import Pairs, SearchRows
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
ROWS = SearchRows(REAL, {}, ["a b c d e f", "One"], ["a b c d e f text", "One text"])


def pairs_of(arm: dict[str, object], num_real: int = 2) -> list[tuple[str, str, int]]:
    found = training_pairs(ArmConfig.model_validate(arm), ROWS, num_real, seed=1)
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
        "vocabulary": write_rows(lake, VOCABULARY, vocabulary_of(["a"]), "f" * 32),
    }


def prepare(
    config: Config, lake: Lake, splits: Sequence[tuple[str, int]], are_foreign: bool = False
) -> SearchTask:
    assert config.search is not None
    return search_task(config, config.search, write(lake, splits, are_foreign))


def test_queries_are_the_units(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(ARMS, *SMALL)
    task = prepare(config, lake, [("train", 64), ("validation", 30), ("test", 40)])
    assert (
        task.num_real == 60 and task.units["test"].num_rows == 40 and task.units["validation"].num_rows == 30
    )
    found = measure(task, config, storage.join(models_root(config), "runs", "lift"))
    assert found.verdict.arm == "titles"
    arm = task.arms["shuffled"]
    assert (arm.role, arm.ratio, arm.asked) == ("cheap", 3.0, 3.0)
    shuffled = found.gain("ndcg@10", "all", "shuffled", "none")
    assert shuffled.num_units == shuffled.num_rows == 40
    low, high = found.gain("ndcg@10", "all", "again", "none").interval()
    assert low <= 0 <= high


def test_a_query_is_new_to_the_control(make_config: Callable[..., Config], lake: Lake) -> None:
    """What the ceilings train on beside it does not make it known."""
    config = make_config(ARMS, *SMALL, "lift.min_users=2", "lift.search.max_pairs=10")
    task = prepare(config, lake, [("train", 64), ("validation", 30), ("test", 40)])
    trained = set(task.rows.train.queries[:10])
    asked = task.rows.asked["test"]
    is_new = [asked.queries[row] not in trained for row in np.unique(asked.query, return_index=True)[1]]
    assert task.num_real == 10 and task.units["test"].segments["new_query=yes"].tolist() == is_new
    assert 30 < sum(is_new) < 40


def test_products_without_titles_have_no_such_arm(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(ARMS, *SMALL)
    inputs = write(lake, [("train", 20), ("test", 20)])
    untitled = rows_of(BRONZE_ITEMS, [{"item_id": "x", "title": None}])
    inputs["items"] = write_rows(lake, BRONZE_ITEMS, untitled, "e" * 32, mode="overwrite")
    assert config.search is not None
    task = search_task(config, config.search, inputs)
    assert task.skipped["titles"] == "no product has a title" and "titles" not in task.arms


def test_pairs_of_the_test_that_the_control_was_trained_on_are_told(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """All 64 queries were asked before, the 40 of the test among them; a control of ten pairs knows few."""
    inputs, facts = write(lake, [("train", 64), ("test", 40)]), []
    for max_pairs in (1000, 10):
        config = make_config(ARMS, *SMALL, f"lift.search.max_pairs={max_pairs}")
        assert config.search is not None
        task = search_task(config, config.search, inputs)
        facts.append((task.facts["num_test_pairs"], task.facts["num_trained_pairs"]))
    real, asked = task.rows.train.take(np.arange(10)), task.rows.asked["test"]
    known = {*zip(real.queries, real.texts, strict=True)} & {*zip(asked.queries, asked.texts, strict=True)}
    assert facts == [(80, 80), (80, len(known))] and 0 < len(known) <= 10


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
    with pytest.raises(TrainingError, match="has no test query with a product that was taken"):
        prepare(make_config(ARMS, *SMALL), lake, [("train", 20), ("validation", 5)])


def test_arms_that_pairs_do_not_have(make_config: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError, match="'tail' of kind 'oversample_tail', which pairs of queries"):
        make_config("lift.search.arms={none: {kind: none}, tail: {kind: oversample_tail, ratio: 1.0}}")
