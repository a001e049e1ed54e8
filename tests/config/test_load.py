"""A wrong configuration ends in words that a person can act on."""

from datetime import date
from pathlib import Path

import pytest

from clicksmith.config import (
    CompleteJourneyConfig,
    Config,
    FilesConfig,
    MovieLensConfig,
    load_config,
    parse_arguments,
)
from clicksmith.config.generators import CountRangeConfig
from clicksmith.errors import ConfigError, LakeError
from clicksmith.lakehouse.job import run_job

CONF = Path(__file__).resolve().parents[2] / "conf"


def explain(*overrides: str, path: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    text = str(caught.value)
    assert "Traceback" not in text
    assert "pydantic" not in text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return text


@pytest.mark.parametrize(
    ("name", "source"), [("local", "complete_journey"), ("smoke", "complete_journey"), ("cluster", "files")]
)
def test_shipped_files_load(name: str, source: str) -> None:
    config = load_config(CONF / f"{name}.yaml")
    assert config.source.name == source
    kinds = {arm.kind for arm in config.lift.arms.values()}
    assert kinds - {"teacher"} == {"none", "same", "real_more", "duplicate", "oversample_tail", "synthetic"}
    assert {arm.kind for arm in config.lift.next_item.arms.values()} >= {"none", "augmentation"}


def test_the_demo_measures_the_arms_that_it_promises() -> None:
    config = load_config(CONF / "local.yaml")
    synthetic = [(arm.generator, arm.ratio) for arm in config.lift.arms.values() if arm.kind == "synthetic"]
    presets = [config.generators[name or ""].preset for name, _ in synthetic]
    assert presets.count("tabular_ar") >= 1
    assert presets.count("tabular_gan") >= 1
    assert presets.count("ctgan") >= 2
    assert config.lift.num_seeds == 3
    assert {generator.preset for generator in config.generators.values()} == {
        "ctgan",
        "dense_gan",
        "seqgan",
        "sequence_ar",
        "tabular_ar",
        "tabular_gan",
    }
    (users,) = [arm for arm in config.lift.next_item.arms.values() if arm.kind == "synthetic"]
    assert users.generator == "histories" and config.generators["histories"].preset == "sequence_ar"
    # An arm can only add rows that synthesis makes: a share of those that its generator saw, which are all
    # but those of the held-out users: some tenth, and on any data of many users less than 15 %.
    for name, ratio in synthetic:
        made = config.synthesis.ratio * 0.85 * config.generators[name or ""].max_rows
        assert made >= ratio * config.lift.max_rows


@pytest.mark.parametrize(
    ("override", "where", "nearest"),
    [
        ("laek.root=x", "laek", "lake"),
        ("lake.rot=x", "lake.rot", "root"),
        ("features.cutdate=2017-01-01", "features.cutdate", "cut_date"),
        ("source.houshold_fraction=0.5", "source.houshold_fraction", "household_fraction"),
    ],
)
def test_wrong_key_names_the_nearest_right_one(override: str, where: str, nearest: str) -> None:
    overrides = [override, "source.name=complete_journey"] if "source" in override else [override]
    text = explain(*overrides)
    assert where in text
    assert f"did you mean {nearest!r}?" in text


@pytest.mark.parametrize("hours", ["1.0e+8", "1e8", ".inf", ".nan", "-1"])
def test_hours_that_are_no_span_of_time(hours: str) -> None:
    assert "contract.max_future_hours" in explain(f"contract.max_future_hours={hours}")


def test_wrong_key_inside_a_named_section() -> None:
    text = explain("generators.mine={preset: ctgan, num_step: 3}")
    assert "generators.mine.num_step" in text
    assert "did you mean 'num_steps'?" in text


def test_wrong_key_of_a_preset_is_told_as_it_was_written() -> None:
    text = explain("generators.ctgan={preset: tabular_ar, lerning_rate: 3}")
    assert "generators.ctgan.lerning_rate: unknown key; did you mean 'learning_rate'?" in text


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("generators.x={preset: ctgn}", "generators.x.preset: there is no 'ctgn'; did you mean 'ctgan'?"),
        ("generators.x={num_steps: 3}", "generators.x.preset: missing"),
        ("generators.x={preset: independent, packing: 3}", "generators.x.packing: unknown key"),
        (
            "generators.x={preset: tvae, max_rows: 5000000}",
            "tvae holds its rows in memory, at most 4,000,000",
        ),
    ],
)
def test_presets_own_their_options(override: str, told: str) -> None:
    assert told in explain(override)


def test_hopeless_key_lists_the_known_ones() -> None:
    text = explain("lake.zzzzzz=1")
    assert "known keys: root" in text


def test_set_reads_values_as_yaml() -> None:
    config = load_config(
        None,
        [
            "seed=7",
            "features.cut_date=2017-10-15",
            "sequential.augmentations=[none, crop]",
            "spark.extra={spark.executor.memory: 8g}",
            "lake.root=/tmp/a=b",
            "ray.address=null",
        ],
    )
    assert config.seed == 7
    assert config.features.cut_date == date(2017, 10, 15)
    assert config.sequential.augmentations == ("none", "crop")
    assert config.spark.extra == {"spark.executor.memory": "8g"}
    assert config.lake.root == "/tmp/a=b"
    assert config.ray.address is None


def test_set_wins_over_the_file_and_keeps_the_rest_of_its_section(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("spark: {driver_memory: 3g, shuffle_partitions: 4}\n")
    config = load_config(path, ["spark.shuffle_partitions=2"])
    assert (config.spark.driver_memory, config.spark.shuffle_partitions) == ("3g", 2)


@pytest.mark.parametrize("override", ["lake.root", "=x", ""])
def test_set_of_the_wrong_form(override: str) -> None:
    assert "is not of the form a.b=value" in explain(override)


def test_set_below_a_value() -> None:
    assert "'root' is a value, not a section" in explain("lake.root=x", "lake.root.deeper=y")


def test_a_wrong_secret_is_not_repeated() -> None:
    text = explain("spark.extra={fs.azure.account.key.lake: [hunter2hunter2]}")
    assert "spark.extra.fs.azure.account.key.lake" in text
    assert "hunter2" not in text and "***" in text


def test_wrong_value_names_the_key_and_what_was_found() -> None:
    text = explain("source={name: complete_journey, household_fraction: 3}")
    assert "household_fraction" in text
    assert "found 3" in text


def test_next_item_models_may_know_of_users_only_what_precedes_every_event() -> None:
    known = "[age_band, gender, income_band, household]"
    features = load_config(None, [f"sequential.user_features={known}"]).sequential.user_features
    assert f"[{', '.join(features)}]" == known
    for counted in ("num_purchases", "price_band", "favourite_category"):
        text = explain(f"sequential.user_features=[{counted}]")
        assert "sequential.user_features" in text and "'household'" in text
    assert "named once" in explain("sequential.user_features=[gender, gender]")


def test_source_is_chosen_by_name() -> None:
    assert isinstance(load_config(None).source, CompleteJourneyConfig)
    assert isinstance(load_config(None, ["source.name=movielens_100k"]).source, MovieLensConfig)
    files = load_config(
        None, ["source={name: files, events: {path: e.csv, format: csv, columns: {user_id: u}}}"]
    )
    assert isinstance(files.source, FilesConfig)
    assert files.source.events.columns == {"user_id": "u"}


def test_unknown_source_lists_the_known_ones() -> None:
    text = explain("source.name=nowhere")
    assert "nowhere" in text
    for name in ("complete_journey", "open_bandit", "movielens_100k", "files"):
        assert name in text


def test_source_without_its_name() -> None:
    assert "source.name: missing" in explain("source.household_fraction=0.5")


def test_key_of_another_source() -> None:
    text = explain("source={name: movielens_100k, household_fraction: 1}")
    assert "household_fraction: unknown key" in text


def test_arm_with_an_unknown_generator() -> None:
    text = explain("lift.arms={none: {kind: none}, a: {kind: synthetic, generator: gone, ratio: 1}}")
    assert "lift.arms.a.generator is 'gone'" in text
    assert "autoregressive, gan, dense_gan" in text


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (
            "lift.arms={a: {kind: duplicate, ratio: 1}}",
            "lift: 'arms' must hold exactly one arm of kind 'none', the control; it holds none; "
            "add none: {kind: none}",
        ),
        (
            "lift.next_item.arms={a: {kind: duplicate, ratio: 1}}",
            "lift.next_item: 'arms' must hold exactly one arm of kind 'none', the control; it holds none; "
            "add none: {kind: none}",
        ),
        (
            "lift.arms={none: {kind: none}, again: {kind: none}}",
            "lift: 'arms' must hold exactly one arm of kind 'none', the control; it holds none, again",
        ),
        (
            "lift.arms.none={kind: duplicate}",
            "lift.arms.none: 'ratio' must be above 0, and be left out for the kinds none, same, real_all, "
            "reweight, tuned, augmentation",
        ),
        (
            "lift.arms.g={kind: synthetic, generator: gan, ratio: 25}",
            "lift.arms.g: 'ratio' is 25 generated rows a real row, of which at most 10 make sense: 25 % are "
            "0.25",
        ),
        ("lift.arms.none={kind: reweight}", "lift.arms.none: kind 'reweight' needs a 'weight' above 1"),
        (
            "synthesis.mix=[{share: 0.7, where: {a: 1}}, {share: 0.7, where: {a: 2}}]",
            "synthesis: the shares of 'mix' must not exceed 1 in all",
        ),
        (
            "synthesis.sequence_mix=[{share: 0.7, where: {num_events: 3}}, {share: 1, where: {item_ids: a}}]",
            "synthesis: the shares of 'sequence_mix' must not exceed 1 in all",
        ),
        (
            "synthesis.sequence_mix=[{share: 0.5, where: {rare_items: 0.1, item_ids: a}}]",
            "synthesis.sequence_mix.0.where: 'item_ids' and 'rare_items' each ask for one item; give one of "
            "them",
        ),
        (
            "synthesis.sequence_mix=[{share: 0.5, where: {}}]",
            "synthesis.sequence_mix.0.where: give at least one of 'num_events', 'item_ids' and 'rare_items'",
        ),
        (
            "synthesis.sequence_mix=[{share: 0.5, where: {num_events: {min: 5, max: 3}}}]",
            "synthesis.sequence_mix.0.where.num_events: 'max' is 3, below 'min', which is 5",
        ),
        (
            "synthesis.sequence_mix=[{share: 0.5, where: {num_event: 3}}]",
            "synthesis.sequence_mix.0.where.num_event: unknown key; did you mean 'num_events'?",
        ),
        (
            "synthesis.sequence_mix=[{share: 0.5, where: {rare_items: 1.5}}]",
            "synthesis.sequence_mix.0.where.rare_items: Input should be less than or equal to 1 (found 1.5)",
        ),
        (
            "synthesis.sequence_mix=[{share: 0.5, where: {num_events: {min: 0}}}]",
            "synthesis.sequence_mix.0.where.num_events.min: Input should be greater than or equal to 1 "
            "(found 0)",
        ),
        ("source={name: files}", "source.events: Field required"),
        (
            "generators={'../x': {preset: ctgan}}",
            "generators.../x: a name may hold letters, digits and _ only",
        ),
        (
            "sequential.user_features=[gender, gender]",
            "sequential.user_features: each of them may be named once (found ['gender', 'gender'])",
        ),
    ],
)
def test_a_rule_of_a_section_is_told_without_the_whole_section(override: str, told: str) -> None:
    """The key and the message; the one value, where it is of one."""
    assert explain(override) == f"The configuration from the defaults is wrong:\n  {told}"


@pytest.mark.parametrize("preset", ["seqgan", "relgan", "rsir"])
def test_presets_that_cannot_be_given_an_item_say_so_before_anything_is_done(preset: str) -> None:
    settings = [
        f"generators={{game: {{preset: {preset}}}, chain: {{preset: markov}}}}",
        "lift.arms={none: {kind: none}}",
    ]
    asked = (
        "synthesis.sequence_mix=[{share: 0.1, where: {num_events: 3}}, {share: 0.2, where: {item_ids: a}}]"
    )
    text = explain(*settings, asked)
    assert (
        f"synthesis.sequence_mix.1 asks for an item, which {preset} (generators.game) cannot be given: it "
        "draws events from first to last. Ask for num_events alone, or use one of graph_walk, "
        "history_density, markov, most_popular, sequence_ar"
    ) in text
    lengths = load_config(None, [*settings, "synthesis.sequence_mix=[{share: 0.1, where: {num_events: 3}}]"])
    assert lengths.synthesis.sequence_mix[0].where.num_events == CountRangeConfig(min=3, max=3)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("lift.arms={}", "exactly one arm of kind 'none'"),
        (
            "lift.arms={none: {kind: none}, a: {kind: titles, ratio: 1}}",
            "'a' of kind 'titles', which rankers",
        ),
        ("lift.arms={none: {kind: none, weight: 2}}", "'weight' is of added rows, of which kind 'none' has"),
        (
            "lift.arms={none: {kind: none}, a: {kind: reweight, weight: 2, share_of_steps: 0.5}}",
            "'share_of_steps' is of added rows, of which kind 'reweight' has none",
        ),
        (
            "lift.next_item.arms={none: {kind: none}, a: {kind: duplicate, ratio: 1, weight: 0.5}}",
            "'a' with a weight or a curriculum, which sequences do not have",
        ),
        (
            "lift.search.arms={none: {kind: none}, a: {kind: titles, ratio: 1, share_of_steps: 0.5}}",
            "'a' with a weight or a curriculum, which pairs of queries and products do not have",
        ),
    ],
)
def test_what_an_arm_would_ignore_is_refused(settings: str, told: str) -> None:
    assert told in explain(settings)


def test_generator_names_become_paths() -> None:
    assert "letters, digits and _ only" in explain("generators={'../x': {preset: ctgan}}")


def test_missing_file_names_the_remedy(tmp_path: Path) -> None:
    text = explain(path=tmp_path / "none.yaml")
    assert "none.yaml" in text
    assert "--conf" in text


@pytest.mark.parametrize(
    ("content", "message"), [("a: [", "not valid YAML"), ("- 1\n", "a mapping of sections")]
)
def test_malformed_file(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    assert message in explain(path=path)


def test_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(bytes(range(128, 256)))
    assert "Cannot read the configuration" in explain(path=path)


def test_empty_file_is_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("")
    assert load_config(path) == Config()


def test_values_never_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().lake.root = "elsewhere"  # type: ignore[misc]


def test_arguments() -> None:
    config = parse_arguments(
        ["--conf", str(CONF / "smoke.yaml"), "--set", "seed=1", "--set", "lake.root=x"], "A job."
    )
    assert (config.seed, config.lake.root) == (1, "x")


def test_job_turns_our_errors_into_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def run(config: Config) -> None:
        raise LakeError("gold.x was not found.", "Run the jobs before it.")

    assert run_job(run, "A job.", []) == 2
    assert run_job(lambda _: None, "A job.", ["--set", "laek.root=1"]) == 2
    errors = capsys.readouterr().err
    assert "gold.x was not found. Run the jobs before it." in errors
    assert "did you mean 'lake'?" in errors
    assert "Traceback" not in errors


def test_a_control_that_lacks_rows_of_a_generator_is_refused() -> None:
    arms = "lift.arms={none: {kind: none}, gan: {kind: synthetic, generator: gan, ratio: 0.5}}"
    with pytest.raises(ConfigError, match=r"at most 1,000, or raise lift\.max_rows"):
        load_config(None, [arms, "lift.max_rows=1000", "generators={gan: {preset: ctgan, max_rows: 1001}}"])
    load_config(
        None,
        [arms, "lift.max_rows=1000", "generators={gan: {preset: ctgan, max_rows: 1000}}"],
    )


@pytest.mark.parametrize(
    ("overrides", "key", "impressions"),
    [
        ([], ("user_id", "example_id"), "imputed"),
        (["source.name=movielens_100k"], ("user_id", "example_id"), "imputed"),
        (["source.name=open_bandit"], ("example_id",), "logged"),
        (["source.name=open_bandit", "features.num_negatives=4"], ("example_id",), "drawn"),
    ],
)
def test_what_a_source_knows(overrides: list[str], key: tuple[str, ...], impressions: str) -> None:
    config = load_config(None, overrides)
    assert (config.holdout.key, config.impressions) == (key, impressions)
