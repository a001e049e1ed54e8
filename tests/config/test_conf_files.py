"""Every file in conf/ can be run: its settings fit their presets and, shrunk, its road is gone to the end."""

import json
from pathlib import Path

import pytest
import yaml

import build_profiles
import build_training_set
import clean_events
import evaluate_synthetic
import ingest_events
import measure_lift
import score_candidates
import simulate_events
import synthesize_samples
import train_generator
import train_recommender
import write_report
from clicksmith.config import Config, GateConfig, SimulationConfig, load_config
from clicksmith.config.generators import SequenceGateConfig
from clicksmith.generators.presets import check_config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.reading.snapshot import load_table
from clicksmith.sources.draft import draft
from clicksmith.sources.proposal import propose
from clicksmith.sources.sample import read_sample
from clicksmith.tables import EVALUATION_METRICS, SYNTHETIC_EXAMPLES, TRAINING_EXAMPLES, VERDICTS

ROOT = Path(__file__).resolve().parents[2]
# What `make init` has drafted for a log of one's own is not the project's.
CONF = sorted(p for p in (ROOT / "conf").glob("*.yaml") if not p.read_text().startswith("# Drafted from "))
RUN_ELSEWHERE = {
    "local": ".ci/run",
    "smoke": "tests/pipeline.py",
    "simulated": "tests/simulation/test_writer.py",
    "retailrocket": "tests/jobs/test_real_logs.py",
    "yoochoose": "tests/jobs/test_real_logs.py",
    "diginetica": "tests/jobs/test_real_logs.py",
}
SHOWN = 0.88
"""At least this part of a generator's rows, for a tenth of the users, heavy ones perhaps, is held out."""

RANKER_BYTES = 700
"""Of a row that a ranker's worker holds, at the peak of its loading."""


@pytest.mark.parametrize("path", CONF, ids=lambda path: path.stem)
def test_settings_fit_their_presets(path: Path) -> None:
    config = load_config(path)
    for name, generator in config.generators.items():
        check_config(name, generator, config.ray.num_workers)


@pytest.mark.parametrize("path", CONF, ids=lambda path: path.stem)
def test_every_arm_gets_the_rows_that_it_asks_for(path: Path) -> None:
    """Synthetic rows are counted by those that a generator is shown: less the held-out users', some tenth."""
    config = load_config(path)
    for name, arm in config.lift.arms.items():
        if arm.generator is not None:
            shown = SHOWN * config.generators[arm.generator].max_rows
            assert shown * config.synthesis.ratio >= arm.ratio * config.lift.max_rows, name


@pytest.mark.parametrize("path", CONF, ids=lambda path: path.stem)
def test_what_is_generated_can_be_called_a_gain(path: Path) -> None:
    """Something of it is measured, and beside it copies in each ratio: a verdict may be to augment.

    But for a file that has no generator of its own: its road ends before one is trained.
    """
    config, has_own = load_config(path), "generators" in yaml.safe_load(path.read_text())
    ratios = {arm.ratio for arm in config.lift.arms.values() if arm.kind == "synthetic"}
    assert bool(ratios) == has_own
    assert ratios <= {arm.ratio for arm in config.lift.arms.values() if arm.kind == "duplicate"}


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("retailrocket", "retailrocket_multi_behavior"),
        ("yoochoose", "yoochoose_clicks_100k"),
        ("diginetica", "diginetica_raw"),
    ],
)
def test_public_logs_are_measured_as_is_drafted_for_them(shared_data: Path, name: str, folder: str) -> None:
    """A label that such a log has, and arms that may end in a verdict."""
    sample = read_sample(str(shared_data / folder))
    drafted = Config.model_validate(yaml.safe_load(draft(sample, propose(sample), folder, name)))
    config = load_config(ROOT / "conf" / f"{name}.yaml")
    assert config.ranker == drafted.ranker
    assert config.generators == drafted.generators
    assert config.lift == drafted.lift


def test_every_file_is_run_somewhere() -> None:
    assert {path.stem for path in CONF} == {"cluster", *RUN_ELSEWHERE}
    for name, place in RUN_ELSEWHERE.items():
        text = (ROOT / place).read_text()
        assert name in text or "make demo" in text, f"{place} does not run conf/{name}.yaml"


def test_the_smoke_s_gate_is_open() -> None:
    """A bound that came later, and was not opened, withheld what two steps had learnt."""
    opened = yaml.safe_load((ROOT / "conf" / "smoke.yaml").read_text())["gate"]
    sizes = {"max_rows", "max_reference_rows"}
    assert set(opened) - sizes == set(GateConfig.model_fields) - sizes
    for section, bounds in ((GateConfig, opened), (SequenceGateConfig, opened["sequences"])):
        assert section is GateConfig or set(bounds) == set(section.model_fields)
        assert not [name for name, value in bounds.items() if value == section.model_fields[name].default]


def test_rankers_of_the_cluster_fit_their_workers() -> None:
    manifest = yaml.safe_load((ROOT / "deploy" / "ray" / "job.yaml").read_text())
    (group,) = manifest["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    memory = int(container["resources"]["limits"]["memory"].removesuffix("Gi")) * 2**30
    config = load_config(ROOT / "conf" / "cluster.yaml")
    assert config.ranker.max_rows * RANKER_BYTES <= memory / 2
    assert config.ray.num_workers == group["replicas"]


def test_a_file_with_a_search_model_measures_it() -> None:
    """Its arms are those that search has; nothing else shows how they are set."""
    shown = {path.stem: load_config(path) for path in CONF}
    with_search = {name: config for name, config in shown.items() if config.search is not None}
    assert set(with_search) == {"cluster"}
    kinds = {arm.kind for arm in with_search["cluster"].lift.search.arms.values()}
    assert kinds == {"none", "same", "duplicate", "titles"}
    assert not [name for name, config in shown.items() if config.search is None and config.lift.search.arms]


def shrunk(folder: Path) -> Config:
    """conf/cluster.yaml here: what names the cluster is taken out, and what is large made small."""
    here = (
        f"lake.root={folder / 'lake'}",
        "spark={shuffle_partitions: 2}",
        "ray={num_workers: 0}",
        f"source.events.path={folder / 'source' / 'log' / 'table=events'}",
        f"source.items.path={folder / 'source' / 'items'}",
        "source.settle_seconds=0",
    )
    small = (
        *(f"generators.{name}.num_steps=2" for name in ("autoregressive", "gan")),
        *(f"generators.{name}.checkpoint_every=1" for name in ("autoregressive", "gan")),
        "synthesis.ratio=1.0",
        "ranker.num_steps=2",
        "sequential.num_steps=2",
        "search={num_steps: 2, dim: 16, num_blocks: 1, num_pieces: 200, num_validations: 1}",
        "lift.num_seeds=3",
        "lift.num_fits=1",
    )
    gate = yaml.safe_load((ROOT / "conf" / "smoke.yaml").read_text())[
        "gate"
    ]  # open: nothing learnt would pass
    return load_config(ROOT / "conf" / "cluster.yaml", [*here, *small, f"gate={json.dumps(gate)}"])


@pytest.mark.soak
@pytest.mark.spark
def test_the_cluster_shrunk(spark, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The road of the cluster on simulated events, which have the columns that it expects."""
    config = shrunk(tmp_path)
    log = SimulationConfig(path=str(tmp_path / "source"), num_events=5_000, num_items=300)
    simulate_events.run(config.model_copy(update={"simulate": log}))
    road = (ingest_events, clean_events, build_profiles, build_training_set, train_generator)
    samples = (synthesize_samples, evaluate_synthetic, measure_lift)
    for job in (*road, *samples, train_recommender, score_candidates, write_report):
        job.run(config)
    lake = Lake.of(config)
    assert (lake.get(TRAINING_EXAMPLES).num_rows or 0) > 1_000
    for name in config.generators:
        assert (lake.get(SYNTHETIC_EXAMPLES, part=f"generator={name}").num_rows or 0) > 0
    tasks = load_table(lake.get(VERDICTS), ["task"])["task"].to_pylist()
    assert sorted(tasks) == ["next_item", "ranking", "search"]
    assert len(list(Path(lake.root, "_models", "recommenders").glob("search-*/card.json"))) == 1
    assert (lake.get(EVALUATION_METRICS, part="job=measure_lift").num_rows or 0) > 0
    assert Path(lake.root, "_reports", "report.html").is_file()
