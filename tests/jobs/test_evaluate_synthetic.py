"""The gate on a real lake: what passes is published, once; what leaks or is broken is not."""

import json
import logging
import zlib

import pyarrow.compute as pc
import pytest

import evaluate_synthetic
from clicksmith.errors import TrainingError
from clicksmith.evaluation.rows import read_metrics
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.tables import EVALUATION_METRICS, SYNTHETIC_CANDIDATES, SYNTHETIC_EXAMPLES, TRAINING_EXAMPLES
from synthetic_lake import (
    candidate_rows,
    current_id,
    independent_rows,
    real_rows,
    rows_of_users,
    shown_rows,
    with_profiles,
    write,
)

pytestmark = pytest.mark.spark

GENERATORS = {name: {"preset": "tabular_ar"} for name in ("good", "leaking", "broken")}
SETTINGS = (
    f"generators={json.dumps(GENERATORS)}",
    "gate.max_rows=400",
    "gate.max_c2st_auc=0.9",
    "gate.max_dcr_share=0.65",
)


@pytest.fixture
def prepared(spark, make_config):
    """A lake with three generators: fresh real rows, near copies of training rows, independent columns."""
    config = make_config(*SETTINGS)
    rows = real_rows(1, 6000)
    write(spark, config, rows, TRAINING_EXAMPLES)
    candidates = {
        "good": real_rows(2, 700),
        "leaking": nearly(shown_rows(rows)),
        "broken": independent_rows(real_rows(3, 700), 4),
    }
    write_candidates(spark, config, candidates)
    return config


def write_candidates(spark, config, candidates):
    for name, own in candidates.items():
        rows = candidate_rows(own, name, current_id(config, name))
        write(spark, config, rows, SYNTHETIC_CANDIDATES, f"generator={name}")


def write_card(config, generator, **metrics):
    """What training leaves of a generator's likelihood."""
    folder = storage.join(models_root(config), "generators", current_id(config, generator))
    storage.write_json(storage.join(folder, "card.json"), {"metrics": metrics})


def nearly(rows):
    """Copies that no search for identical rows finds."""
    index = rows.column_names.index("item_price")
    return rows.set_column(index, rows.schema.field(index), pc.multiply(rows["item_price"], 1.0001))


def published(lake):
    table = lake.open(SYNTHETIC_EXAMPLES).to_pyarrow_table()
    return {str(g) for g in table["generator"].to_pylist()}, table


def figures(lake):
    metrics = read_metrics(lake.get(EVALUATION_METRICS, "job=evaluate_synthetic"), "evaluate_synthetic")
    return {(m.metric, m.slice, m.arm): m for m in metrics}


def test_the_gate_publishes_only_what_passes(spark, prepared, caplog, make_config):
    lake = Lake.of(prepared)
    write_card(prepared, "good", held_out_nats=40.5, train_nats=40.0)
    write_card(prepared, "leaking", held_out_nats=40.5)
    caplog.set_level(logging.INFO, "clicksmith")
    evaluate_synthetic.run(prepared)
    names, table = published(lake)
    assert names == {"good"}
    assert table.num_rows == 700
    found = figures(lake)
    # A ninth of the training rows is searched for the nearest one: 1/2 + 1/2 x 1/9. The attack sees all.
    assert found["privacy.dcr_share", "all", "leaking"].value == pytest.approx(0.556, abs=0.03)
    assert found["privacy.membership_auc", "all", "leaking"].value > 0.95
    assert found["privacy.membership_auc", "all", "good"].value == pytest.approx(0.5, abs=0.06)
    assert found["privacy.dcr_share", "all", "good"].value == pytest.approx(0.5, abs=0.1)
    assert found["privacy.domias_auc", "all", "leaking"].value > 0.95
    assert found["privacy.domias_tpr", "all", "leaking"].value > 0.5
    assert found["privacy.domias_auc", "all", "good"].value == pytest.approx(0.5, abs=0.08)
    assert found["privacy.domias_tpr", "all", "good"].value < 0.05
    assert found["privacy.identical_share", "all", "leaking"].value == 0.0
    assert found["privacy.heldout_gap_nats", "all", "good"].value == pytest.approx(0.5)
    assert ("privacy.heldout_gap_nats", "all", "leaking") not in found
    alone, held_out = (found[f"holdout.{what}", "all", "good"] for what in ("rows_without_user", "users"))
    assert alone.value == alone.num_rows == held_out.num_rows, "these rows have no users"
    assert found["fidelity.c2st_auc", "all", "broken"].value > 0.9
    assert found["fidelity.shapes", "all", "broken"].value > 0.9
    shapes = found["fidelity.shapes", "all", "good"]
    assert shapes.value == pytest.approx(shapes.ceiling, abs=0.03)
    assert shapes.num_rows == 400
    triples = {arm: found["fidelity.triples", "all", arm] for arm in GENERATORS}
    assert triples["good"].value == pytest.approx(triples["good"].ceiling, abs=0.03)
    assert triples["broken"].value < triples["good"].value - 0.05
    # Trees learn the label from the item's category, unless its relation to it is broken.
    utility = {arm: found["utility.trained_auc", "label_purchase", arm] for arm in GENERATORS}
    assert utility["good"].value == pytest.approx(utility["good"].ceiling, abs=0.08)
    assert utility["broken"].value == pytest.approx(0.5, abs=0.1)
    categories = [
        m for (metric, _, arm), m in found.items() if (metric, arm) == ("distribution.item_category", "real")
    ]
    assert sum(m.value for m in categories) == pytest.approx(1.0)
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 2
    assert "max_membership_auc" in " ".join(w for w in warnings if "leaking" in w)

    # Again: nothing is written, and nothing is measured.
    before = lake.open(EVALUATION_METRICS).version(), lake.open(SYNTHETIC_EXAMPLES).version()
    evaluate_synthetic.run(prepared)
    assert (lake.open(EVALUATION_METRICS).version(), lake.open(SYNTHETIC_EXAMPLES).version()) == before

    # A stricter gate withdraws what was published.
    strict = make_config(*SETTINGS, "gate.max_heldout_gap_nats=0.4")
    evaluate_synthetic.run(strict)
    assert published(lake)[0] == set()
    assert "no generator passed the gate" in caplog.text
    assert (
        "in nats a row (gate.max_heldout_gap_nats) 0.5000, where at most 0.4 is allowed (the network has "
        "memorised" in caplog.text
    )
    assert lake.get(SYNTHETIC_EXAMPLES, "generator=good").fingerprint != ""


def test_a_run_killed_between_its_commits_is_completed(spark, prepared, monkeypatch):
    lake = Lake.of(prepared)

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(evaluate_synthetic, "publish", killed)
        evaluate_synthetic.run(prepared)
    assert lake.open(SYNTHETIC_EXAMPLES) is None
    measured = lake.open(EVALUATION_METRICS).version()
    evaluate_synthetic.run(prepared)
    assert published(lake)[0] == {"good"}
    assert lake.open(EVALUATION_METRICS).version() == measured


def test_the_profile_of_each_user_learnt_from_is_not_given_away(spark, make_config):
    """New visits of users who were trained on: no row is a copy, and none of them visits like that again."""
    names = {"honest": {"preset": "tabular_ar"}, "leaking": {"preset": "tabular_ar"}}
    config = make_config(f"generators={json.dumps(names)}", "gate.max_rows=300")
    rows = rows_of_users(1, 400, 12)
    write(spark, config, rows, TRAINING_EXAMPLES)
    shown = shown_rows(rows)
    visits = rows_of_users(2, shown.num_rows, 1, "v")
    own = {"honest": rows_of_users(3, 400, 12, "h"), "leaking": with_profiles(visits, shown)}
    write_candidates(spark, config, own)
    evaluate_synthetic.run(config)
    lake = Lake.of(config)
    assert published(lake)[0] == {"honest"}
    found = figures(lake)
    held_out = found["holdout.users", "all", "leaking"]
    assert (held_out.value, held_out.num_rows) == (len(held_out_users(rows)), 12 * len(held_out_users(rows)))
    alone = found["holdout.rows_without_user", "all", "leaking"]
    assert (alone.value, alone.num_rows) == (0, held_out.num_rows)
    assert found["privacy.membership_auc", "all", "leaking"].value > 0.7
    assert found["privacy.domias_auc", "all", "leaking"].value > 0.7
    assert found["privacy.membership_auc", "all", "honest"].value == pytest.approx(0.5, abs=0.07)
    assert found["privacy.membership_auc", "profile", "leaking"].value > 0.95
    broken = {m for (m, s, arm), f in found.items() if (s, arm, f.value) == ("passed", "leaking", 0.0)}
    assert broken >= {"gate.max_membership_auc", "gate.max_domias_auc", "gate.max_domias_tpr"}


def held_out_users(rows):
    return {user for user in rows["user_id"].to_pylist() if zlib.crc32(user.encode()) % 10 == 0}


def test_candidates_of_another_training_table_are_not_judged(spark, prepared):
    """Its holdout may have been shown to the generator that made them."""
    write(spark, prepared, real_rows(5, 3000), TRAINING_EXAMPLES, tag="rebuilt")
    with pytest.raises(TrainingError, match=r"holds rows of the generator good-.* they may know") as caught:
        evaluate_synthetic.run(prepared)
    assert "train_generator, synthesize_samples and evaluate_synthetic again" in str(caught.value)
    assert Lake.of(prepared).open(SYNTHETIC_EXAMPLES) is None


def test_figures_do_not_depend_on_partitions(spark, prepared, make_config, tmp_path):
    alone = f"generators={json.dumps({'good': GENERATORS['good']})}"
    prepared = make_config(*SETTINGS, alone)
    lake = Lake.of(prepared)
    evaluate_synthetic.run(prepared)
    one = figures(lake)
    other = make_config(*SETTINGS, alone, f"lake.root={tmp_path / 'other'}")
    for table, part in [(TRAINING_EXAMPLES, None), (SYNTHETIC_CANDIDATES, "generator=good")]:
        rows = lake.open(table).to_pyarrow_table()
        if part:
            rows = rows.filter(pc.equal(rows["generator"].cast("string"), part.partition("=")[2]))
        rows = rows.select(table.column_names).cast(table.arrow_schema)
        write(spark, other, rows.take(list(range(rows.num_rows))[::-1]), table, part)
    evaluate_synthetic.run(other)
    assert figures(Lake.of(other)) == one
