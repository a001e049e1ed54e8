"""The shipped models follow the newest verdict: weights differ when it does; a stale one is refused."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake

import train_recommender
from builders import rows_of
from clicksmith.config import Config
from clicksmith.errors import ConfigError, TrainingError
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.lakehouse.lineage import schema_hash
from clicksmith.lakehouse.steps import expected_of, sequential_inputs, trace_training_set
from clicksmith.lift.decided import decided
from clicksmith.lift.inputs import JOB, inputs_of, lineage_of
from clicksmith.tables import (
    BRONZE_ITEMS,
    SEARCH_PAIRS,
    SEQUENCES,
    SYNTHETIC_EXAMPLES,
    TRAINING_EXAMPLES,
    VERDICTS,
    VOCABULARY,
)
from training.toy_lake import write_examples, write_rows
from training.toy_lift import cycle_sequences, examples_with, synthetic_from, vocabulary_of

QUICK = (
    "ray.num_workers=0", "lift.max_rows=300", "generators={gan: {preset: ctgan, max_rows: 200}}",
    "ranker.num_steps=4", "ranker.num_validations=1", "ranker.batch_size=64", "ranker.max_rows=500",
    "sequential.num_steps=4", "sequential.num_validations=1", "sequential.batch_size=8",
    "lift.arms={none: {kind: none}, again: {kind: same}, copies: {kind: duplicate, ratio: 0.5}, "
    "gan: {kind: synthetic, generator: gan, ratio: 1.0, weight: 0.5}}",
    "lift.next_item.arms={none: {kind: none}, crop: {kind: augmentation, operations: [crop]}}",
)  # fmt: skip


@pytest.fixture
def config(make_config: Callable[..., Config]) -> Config:
    return make_config(*QUICK)


@pytest.fixture
def gold(lake: Lake, config: Config) -> Lake:
    rows = examples_with(2000, 100, "interaction")
    examples = write_examples(lake, rows)
    sequences = cycle_sequences(20, 10, 8)
    items = rows["item_id"].to_pylist() + [i for part in sequences["item_ids"].to_pylist() for i in part]
    write_rows(lake, VOCABULARY, vocabulary_of(items), "f" * 32)
    write_rows(lake, SEQUENCES, sequences, "f" * 32)
    drawn = synthetic_from(examples_with(800, 100, "interaction", seed=9), "gan", config, examples)
    write_rows(lake, SYNTHETIC_EXAMPLES, drawn, "s" * 32, "generator=gan")
    return lake


def decide(
    lake: Lake,
    config: Config,
    models: Mapping[str, str] | None = None,
    ratios: Mapping[str, float] | None = None,
    **arms: str | None,
) -> None:
    """Write a verdict a task, as measure_lift would on what is there now.

    `models`: of other families; `ratios`: of arms for which fewer rows were published than they ask for.
    """
    settings, measured = {"ranking": config.lift.arms, "next_item": config.lift.next_item.arms}, ratios or {}
    lineage = lineage_of(config, inputs_of(config, lake, sequential_inputs(config, lake)))
    shipped = {"ranking": config.ranker.model, "next_item": config.sequential.model}
    models = {**shipped, **(models or {})}
    rows = [
        {
            "run_id": lineage.run_id, "task": task, "model": models[task], "arm": arm,
            "ratio": None if arm is None else measured.get(arm, settings[task][arm].ratio),
            "segments": [], "decision": "no_gain" if arm is None else "augment", "evidence": "{}",
        }
        for task, arm in arms.items()
    ]  # fmt: skip
    metadata = json.dumps({**lineage.metadata(), "schema": schema_hash(VERDICTS)})
    write_deltalake(
        lake.uri(VERDICTS),
        pa.Table.from_pylist(rows, schema=VERDICTS.arrow_schema),
        mode="overwrite",
        commit_properties=CommitProperties(custom_metadata={"userMetadata": metadata}),
    )


def trained(config: Config) -> dict[str, tuple[Mapping[str, Any], bytes]]:
    """Train the shipped models; the card and weights of each that is newest."""
    folder = Path(models_root(config), "recommenders")
    before = set(folder.glob("*"))
    train_recommender.run(config)
    new = set(folder.glob("*")) - before
    return {
        path.name.split("-")[0]: (
            json.loads((path / "card.json").read_text()),
            (path / "weights.safetensors").read_bytes(),
        )
        for path in new
    }


def test_weights_follow_the_verdict_and_the_card_names_it(gold: Lake, config: Config) -> None:
    alone = trained(config)
    assert set(alone) == {"ranker", "sequential"}
    assert all("augmented" not in card["settings"] for card, _ in alone.values())
    decide(gold, config, ranking="gan", next_item="crop")
    lineage = lineage_of(config, inputs_of(config, gold, sequential_inputs(config, gold)))
    augmented = trained(config)
    assert set(augmented) == {"ranker", "sequential"}
    for name, (card, weights) in augmented.items():
        told = card["settings"]["augmented"]
        assert told["verdict"] == lineage.run_id and weights != alone[name][1]
    told = augmented["ranker"][0]["settings"]["augmented"]
    assert (told["arm"], told["ratio"], told["weight"]) == ("gan", 1.0, 0.5)
    real = alone["ranker"][0]["num_rows"]
    assert augmented["ranker"][0]["num_rows"] == 2 * real == 1000, "a generated row to each real one"
    assert augmented["sequential"][0]["settings"]["augmented"]["operations"] == ["crop"]
    assert trained(config) == {}, "both are there"
    decide(gold, config, ranking=None, next_item=None)
    assert trained(config) == {}, "no gain: the models of real rows alone, which are there too"
    nothing = {"asked": "verdict", "decision": "not measured", "verdict": None, "arm": None}
    for name, arm in (("ranker", "gan"), ("sequential", "crop")):
        followed = {**nothing, "decision": "augment", "verdict": lineage.run_id, "arm": arm}
        (first, _), (then, _) = alone[name], augmented[name]
        assert (first["follows"], then["follows"]) == (nothing, followed)
        place = Path(models_root(config), "recommenders", f"{name}-{first['run_id']}", "card.json")
        newest = json.loads(place.read_text())
        assert newest.pop("follows") == {**nothing, "decision": "no_gain", "verdict": lineage.run_id}
        assert newest == {key: value for key, value in first.items() if key != "follows"}


def test_the_measured_ratio_is_kept_where_rows_fall_short(
    gold: Lake, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    """A shipped model has more real rows than the control had: a batch must be mixed as it was measured."""
    rows, examples = examples_with(100, 100, "interaction", seed=9), gold.get(TRAINING_EXAMPLES)
    few = synthetic_from(rows, "gan", config, examples)
    write_rows(gold, SYNTHETIC_EXAMPLES, few, "s" * 32, "generator=gan", mode="overwrite")
    decide(gold, config, ratios={"gan": 100 / 300}, ranking="gan", next_item=None)
    card, _ = trained(config)["ranker"]
    assert card["settings"]["augmented"]["ratio"] == pytest.approx(1 / 3), "not what the arm asks for"
    assert card["num_rows"] == 500 + 167
    told = [line for line in caplog.messages if "generated rows" in line]
    assert told == [
        "ranker: 500 real rows and a ratio of 0.33 ask for 167 generated rows; 100 are published, and each "
        "is taken some 1.7 times: a higher synthesis.ratio gives more"
    ]


def test_without_searches_no_search_model_is_trained(
    gold: Lake, make_config: Callable[..., Config], caplog: pytest.LogCaptureFixture
) -> None:
    """What a log has nothing to learn from stops none of the others."""
    for table in (SEARCH_PAIRS, BRONZE_ITEMS):
        write_rows(gold, table, rows_of(table, []), "f" * 32)
    config = make_config(*QUICK, "search={num_steps: 2}", "lift.search.arms={none: {kind: none}}")
    assert set(trained(config)) == {"ranker", "sequential"}
    told = [line for line in caplog.messages if line.startswith("no search model ")]
    assert told == [
        "no search model is trained: gold.search_pairs version 0 has no query with a product that was taken "
        "in split train. Ingest searches (query) with impressions and clicks that share their request_id, or "
        "leave search out."
    ]


def test_generated_rows_of_what_is_not_among_them(gold: Lake, make_config: Callable[..., Config]) -> None:
    rare = "{kind: synthetic, generator: gan, ratio: 1.0, only: short_histories}"
    arms = f"lift.arms={{none: {{kind: none}}, rare: {rare}}}"
    config = make_config(*QUICK, arms, "ranker.augment=rare", "sequential.augment=none")
    rows, examples = examples_with(100, 100, "interaction", seed=9), gold.get(TRAINING_EXAMPLES)
    place = rows.column_names.index("user_num_events")
    rows = rows.set_column(place, rows.schema.field("user_num_events"), [[10_000] * 100])
    drawn = synthetic_from(rows, "gan", config, examples)
    write_rows(gold, SYNTHETIC_EXAMPLES, drawn, "s" * 32, "generator=gan", mode="overwrite")
    with pytest.raises(
        TrainingError, match="takes generated rows of short_histories, and none are published"
    ):
        train_recommender.run(config)


@pytest.mark.parametrize("kind", ["{kind: synthetic, generator: gan, ratio: 1}", "{kind: teacher, ratio: 1}"])
def test_a_ranker_of_histories_takes_no_rows_without_them(
    gold: Lake, make_config: Callable[..., Config], kind: str
) -> None:
    arms = f"lift.arms={{none: {{kind: none}}, a: {kind}, copies: {{kind: duplicate, ratio: 1}}}}"
    config = make_config(*QUICK, arms, "ranker.model=din", "ranker.augment=a")
    inputs = inputs_of(config, gold, sequential_inputs(config, gold))
    with pytest.raises(ConfigError, match=r"'a', whose rows have no histories of users, which ranker\.model"):
        decided(config, gold, "ranking", inputs)
    copies = make_config(*QUICK, arms, "ranker.model=din", "ranker.augment=copies")
    assert decided(copies, gold, "ranking", inputs).arm is not None


def test_an_arm_by_name_and_none_ask_no_verdict(gold: Lake, make_config: Callable[..., Config]) -> None:
    decide(gold, make_config(*QUICK), ranking="gan", next_item="crop")
    none = make_config(*QUICK, "ranker.augment=none", "sequential.augment=none")
    assert all("augmented" not in card["settings"] for card, _ in trained(none).values())
    named = make_config(*QUICK, "ranker.augment=copies", "sequential.augment=none")
    card, _ = trained(named)["ranker"]
    assert card["settings"]["augmented"]["verdict"] is None and card["num_rows"] == 750


@pytest.mark.parametrize("augment", ["again", "none_such"])
def test_what_no_model_can_be_trained_with(
    gold: Lake, make_config: Callable[..., Config], augment: str
) -> None:
    config = make_config(*QUICK, f"ranker.augment={augment}")
    inputs = inputs_of(config, gold, sequential_inputs(config, gold))
    with pytest.raises(ConfigError, match=r"Set it to verdict, none or one of: copies, gan\."):
        decided(config, gold, "ranking", inputs)


def test_an_arm_whose_generator_has_published_nothing(gold: Lake, make_config: Callable[..., Config]) -> None:
    """Named by the configuration, or by a verdict on rows that are not published any more."""
    two = "generators={gan: {preset: ctgan, max_rows: 200}, ar: {preset: tabular_ar, max_rows: 200}}"
    arms = "lift.arms={none: {kind: none}, ar_25: {kind: synthetic, generator: ar, ratio: 0.25}}"
    named = make_config(*QUICK, two, arms, "ranker.augment=ar_25")
    followed = make_config(*QUICK, two, arms)
    decide(gold, followed, ranking="ar_25")
    for config in (named, followed):
        with pytest.raises(
            TrainingError, match=r"Arm ar_25 needs rows of generator 'ar', of which none are "
        ):
            decided(config, gold, "ranking", inputs_of(config, gold, sequential_inputs(config, gold)))


def test_another_family_s_verdict_is_not_followed(gold: Lake, make_config: Callable[..., Config]) -> None:
    """What helps a logistic model may harm the one that is shipped."""
    config = make_config(*QUICK, "lift.ranking.models=[logistic]")
    decide(gold, config, models={"ranking": "logistic"}, ranking="gan")
    inputs = inputs_of(config, gold, sequential_inputs(config, gold))
    assert decided(config, gold, "ranking", inputs).arm is None
    decide(gold, config, ranking="gan")
    found = decided(config, gold, "ranking", inputs).arm
    assert found is not None and found.name == "gan"


def test_a_stale_verdict_is_refused(gold: Lake, make_config: Callable[..., Config]) -> None:
    config = make_config(*QUICK)
    decide(gold, config, ranking="gan", next_item="crop")
    other_settings = make_config(*QUICK, "lift.num_seeds=7")
    with pytest.raises(TrainingError, match=r"run measure_lift again.*Do so, or set ranker\.augment to none"):
        train_recommender.run(other_settings)
    write_rows(gold, SEQUENCES, cycle_sequences(20, 10, 9), "e" * 32, mode="overwrite")
    with pytest.raises(TrainingError, match="on other rows, or with other settings, than are there now"):
        train_recommender.run(config)


def test_a_verdict_downstream_of_other_settings_is_refused(
    gold: Lake, make_config: Callable[..., Config]
) -> None:
    """Its tables are the newest ones, and yet not what the configuration asks for."""
    config = make_config(*QUICK)
    lineage = replace(trace_training_set(config, {}), asked_hash=expected_of(config, (SEQUENCES, None)))
    metadata = json.dumps({**lineage.metadata(), "schema": schema_hash(SEQUENCES)})
    rows = gold.open(SEQUENCES).to_pyarrow_table()  # type: ignore[union-attr]
    write_deltalake(
        gold.uri(SEQUENCES),
        rows,
        mode="overwrite",
        commit_properties=CommitProperties(custom_metadata={"userMetadata": metadata}),
    )
    decide(gold, config, ranking="gan")
    inputs = inputs_of(config, gold, sequential_inputs(config, gold))
    assert decided(config, gold, "ranking", inputs).arm is not None
    changed = make_config(*QUICK, "features.num_negatives=7")
    with pytest.raises(
        TrainingError, match=r"sequences was made with other settings .* run build_training_set again.*Do so"
    ):
        decided(changed, gold, "ranking", inputs)


def test_what_is_made_of_a_verdict_is_no_part_of_the_measurement(
    gold: Lake, make_config: Callable[..., Config]
) -> None:
    inputs = inputs_of(make_config(*QUICK), gold, sequential_inputs(make_config(*QUICK), gold))
    of = [lineage_of(make_config(*QUICK, f"ranker.augment={how}"), inputs) for how in ("none", "verdict")]
    assert of[0].fingerprint == of[1].fingerprint and of[0].job == JOB
    assert np.unique([one.run_id for one in of]).size == 1
