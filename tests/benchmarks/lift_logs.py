"""What every arm gives on public logs, by each task that a log allows: the verdicts, and learning curves.

Logs: retailrocket, yoochoose and amazon (files of ../shared/data), movielens and journey (fetched from PyPI).
Each is run by the jobs, in a lake of its own, up to measure_lift; then one JSON line a figure: an arm's gain
over real rows alone with both ends of its interval (by segment too: of the chosen arm and of all real rows),
and the control's own figure on 1 to 100 % of all rows that the log has.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.lift_curves import print_curves
from benchmarks.lines import print_line
from clicksmith.config import Config, load_config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lift.inputs import JOB
from clicksmith.lift.task import ALL
from clicksmith.reading.snapshot import load_table
from clicksmith.tables import EVALUATION_METRICS, VERDICTS

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
JOBS = (
    "ingest_events", "clean_events", "build_profiles", "build_training_set", "train_generator",
    "synthesize_samples", "evaluate_synthetic", "measure_lift",
)  # fmt: skip
CLICKS = "ranker.label=label_click"
AMAZON_CUT = datetime(1999, 12, 30, 12, tzinfo=UTC)
"""When every user's last item but one was taken, as `write_amazon` has it."""
AMAZON = (
    "source={name: files, events: {path: '%s/events.csv', format: csv, constants: {event_type: click}, "
    "columns: {user_id: user, item_id: item, event_ts: time}, timestamp_unit: iso}, "
    "items: {path: '%s/items.csv', format: csv, columns: {item_id: item, category: category}}}"
)
LOGS = {
    "retailrocket": ("retailrocket", f"source.events.path={DATA / 'retailrocket_multi_behavior'}", CLICKS),
    "yoochoose": ("yoochoose", f"source.events.path={DATA / 'yoochoose_clicks_100k'}/*.tsv", CLICKS),
    "amazon": (None, AMAZON, "features={num_negatives: 4, cut_date: 1999-12-30}", CLICKS),
    "movielens": (None, "source={name: movielens_100k}", "ranker.label=label_purchase"),  # rated 4 or more
    "journey": ("local", "ranker.label=label_purchase", "ranker.batch_size=256", "sequential.batch_size=48"),
}
"""By name: the configuration to start from, and what is set in it."""
GENERATORS = (
    "generators={ar: {preset: tabular_ar, num_steps: 300, max_rows: 30000}, "
    "gan: {preset: tabular_gan, num_steps: 300, max_rows: 30000}, "
    "independent: {preset: independent, max_rows: 30000}, smote: {preset: smote, max_rows: 30000}}"
)
ARMS = {
    "none": "{kind: none}",
    "again": "{kind: same}",
    "shuffled_25": "{kind: shuffled, ratio: 0.25}",
    "real_more_25": "{kind: real_more, ratio: 0.25}",
    "real_all": "{kind: real_all}",
    "duplicate_25": "{kind: duplicate, ratio: 0.25}",
    "duplicate_100": "{kind: duplicate, ratio: 1.0}",
    "oversample_tail_25": "{kind: oversample_tail, ratio: 0.25}",
    "oversample_label_25": "{kind: oversample_label, ratio: 0.25}",
    "reweight_3": "{kind: reweight, weight: 3}",
    "tuned": "{kind: tuned}",
    "teacher_25": "{kind: teacher, ratio: 0.25}",
    "independent_25": "{kind: synthetic, generator: independent, ratio: 0.25}",
    "smote_25": "{kind: synthetic, generator: smote, ratio: 0.25}",
    "ar_25": "{kind: synthetic, generator: ar, ratio: 0.25}",
    "ar_100": "{kind: synthetic, generator: ar, ratio: 1.0}",
    "ar_100_light": "{kind: synthetic, generator: ar, ratio: 1.0, weight: 0.3}",
    "ar_first": "{kind: synthetic, generator: ar, ratio: 1.0, share_of_steps: 0.6}",
    "ar_then_real": "{kind: synthetic, generator: ar, ratio: 1.0, share_of_steps: 0.5, alone: true}",
    "ar_cold_items": "{kind: synthetic, generator: ar, ratio: 0.25, only: cold_items}",
    "ar_rare_items": "{kind: synthetic, generator: ar, ratio: 0.25, only: rare_items}",
    "ar_short_histories": "{kind: synthetic, generator: ar, ratio: 0.25, only: short_histories}",
    "ar_rare_outcome": "{kind: synthetic, generator: ar, ratio: 0.25, only: rare_outcome}",
    "gan_25": "{kind: synthetic, generator: gan, ratio: 0.25}",
    "gan_100": "{kind: synthetic, generator: gan, ratio: 1.0}",
}
NEXT_ITEM_ARMS = {
    "none": "{kind: none}",
    "again": "{kind: same}",
    "shuffled_25": "{kind: shuffled, ratio: 0.25}",
    "real_more_25": "{kind: real_more, ratio: 0.25}",
    "real_all": "{kind: real_all}",
    "duplicate_25": "{kind: duplicate, ratio: 0.25}",
    "oversample_tail_25": "{kind: oversample_tail, ratio: 0.25}",
    "tuned": "{kind: tuned}",
    **{
        name: f"{{kind: augmentation, operations: [none, {name}]}}"
        for name in (
            "sliding",
            "prefix",
            "subset",
            "crop",
            "mask",
            "reorder",
            "insert",
            "substitute",
            "reppad",
        )
    },
}
SETTINGS = (
    GENERATORS,
    "synthesis.ratio=1.1",
    "gate.max_c2st_auc=1.0",  # rows that trees tell apart are measured as well: their gain is what is asked
    "gate.max_utility_loss=1.0",
    # Smote lies between training rows by its nature, and is a control that has to be beaten: the bounds on
    # privacy are open too. All logs are public, and no row of theirs goes anywhere.
    "gate.min_nndr_ratio=0.0",
    *(f"gate.max_{name}=1.0" for name in ("dcr_share", "identical_excess")),
    *(f"gate.max_{name}=1.0" for name in ("membership_auc", "domias_auc", "user_auc", "domias_tpr")),
    "gate.max_heldout_gap_nats=null",
    "gate.max_rows=5000",
    "ranker.num_steps=300",
    "ranker.batch_size=512",  # the rows of a control five times: ten times overfit on amazon
    "ranker.num_validations=2",
    "sequential.num_steps=300",
    "sequential.batch_size=64",
    "sequential.num_validations=2",
    "lift.max_rows=30000",
    "lift.num_fits=3",
    "lift.next_item.max_users=1500",
    "lift.next_item.max_asked=3000",  # every item is ranked for each, after every training
    "lift.ranking.models=[logistic]",
    "lift.next_item.models=[gru4rec]",
    f"lift.arms={{{', '.join(f'{name}: {arm}' for name, arm in ARMS.items())}}}",
    f"lift.next_item.arms={{{', '.join(f'{name}: {arm}' for name, arm in NEXT_ITEM_ARMS.items())}}}",
)


def settings_of(log: str, folder: Path, seeds: int) -> tuple[list[str], list[str]]:
    """The configuration of a log: a file where it has one, and what is set."""
    conf, *own = LOGS[log]
    own = [setting.replace("%s", str(folder / f"{log}_files")) for setting in own]
    overrides = [*SETTINGS, *own, f"lake.root={folder / log}", f"lift.num_seeds={seeds}"]
    return ([] if conf is None else ["--conf", str(ROOT / "conf" / f"{conf}.yaml")]), overrides


def write_amazon(folder: Path) -> None:
    """Amazon Beauty as a log: it has an order and no times, and is asked for the last item (leave one out).

    The last item of each user is taken two days after the cut, the one before at the cut, the others one a
    day before it. An item's category is the first of its attributes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "events.csv").open("w", newline="") as file:
        events = csv.writer(file)
        events.writerow(("user", "item", "time"))
        for line in (DATA / "amazon_beauty" / "sequences.txt").read_text().splitlines():
            user, *items = line.split()
            for back, item in enumerate(reversed(items), start=-1):
                days = 2 if back < 0 else -back
                events.writerow((user, item, (AMAZON_CUT + timedelta(days)).isoformat()))
    attributes = json.loads((DATA / "amazon_beauty" / "item2attributes.json").read_text())
    with (folder / "items.csv").open("w", newline="") as file:
        rows = ((item, f"category {found[0]}") for item, found in attributes.items() if found)
        csv.writer(file).writerows([("item", "category"), *rows])


def run_jobs(log: str, folder: Path, seeds: int) -> Config:
    """Everything up to the measurement; what is there already is not done again."""
    if log == "amazon" and not (folder / f"{log}_files" / "items.csv").exists():
        write_amazon(folder / f"{log}_files")
    conf, overrides = settings_of(log, folder, seeds)
    flags = [part for setting in overrides for part in ("--set", setting)]
    for job in JOBS:
        command = [sys.executable, str(ROOT / "jobs" / f"{job}.py"), *conf, *flags]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return load_config(conf[1] if conf else None, overrides)


def print_verdicts(log: str, config: Config) -> None:
    """Every arm's gain in the metric that decides, by task and model; of two arms by segment."""
    lake = Lake.of(config)
    columns = ["metric", "slice", "arm", "value", "ci_low", "ci_high"]
    figures = load_table(lake.get(EVALUATION_METRICS, f"job={JOB}"), columns, {"job": JOB}).to_pylist()
    verdicts = load_table(lake.get(VERDICTS), ["task", "model", "decision", "evidence"]).to_pylist()
    for row in sorted(verdicts, key=lambda row: (row["task"], row["model"])):
        evidence = json.loads(row["evidence"])
        prefix, unit = f"{log}.{row['task']}.{row['model']}", evidence["metric"]
        sys.stderr.write(f"{prefix}: {row['decision']} {evidence['chosen']}: {evidence['reasons']}\n")
        for verdict in ("augment", "no_gain", "inconclusive"):
            print_line("lift", f"{prefix}.verdict.{verdict}", float(row["decision"] == verdict), "1")
        if evidence["detectable"] is not None:
            print_line("lift", f"{prefix}.detectable", evidence["detectable"], unit)
        for name, arm in evidence["arms"].items():
            if name != evidence["control"]:
                print_gain(f"{prefix}.{name}", arm, unit)
        for name, reason in evidence["skipped_arms"].items():
            sys.stderr.write(f"{prefix}: no {name}: {reason}\n")
        gains = [one for one in figures if one["metric"] == f"lift.{evidence['name']}.{unit}"]
        for one in gains:
            if one["slice"] != ALL and one["arm"] in (evidence["chosen"], "real_all"):
                print_gain(f"{prefix}.{one['arm']}.{one['slice']}", one, unit)


def print_gain(what: str, found: dict[str, Any], unit: str) -> None:
    """A gain over the control with both ends of its interval; nothing of one that has none."""
    if found["ci_low"] is not None:
        for part, value in (("gain", "value"), ("low", "ci_low"), ("high", "ci_high")):
            print_line("lift", f"{what}.{part}", found[value], unit)


def main() -> None:
    """Print one JSON line a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--logs", nargs="*", choices=list(LOGS), default=list(LOGS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where lakes are kept; else they are made anew")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as temporary:
        for log in arguments.logs:
            config = run_jobs(log, (arguments.folder or Path(temporary)).absolute(), arguments.seeds)
            print_verdicts(log, config)
            print_curves(log, config)


if __name__ == "__main__":
    main()
