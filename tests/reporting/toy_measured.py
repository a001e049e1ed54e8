"""A lift measurement whose figures are made up, judged by the library's own rules. Nothing is trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from clicksmith.lift.measure import Measured
from clicksmith.lift.statistics.clusters import Covariance
from clicksmith.lift.statistics.comparison import Comparison
from clicksmith.lift.statistics.figures import Figure
from clicksmith.lift.task import Arm, Metric, Split, Training, Units
from clicksmith.lift.verdict import Verdict, decide

NUM_ROWS, NUM_USERS, NUM_SEEDS = 20_000, 812, 3
CHOSEN, BAD = "autoregressive_25", "gan_100"
SEGMENTS = (
    "all", "history=0-49", "history=50-199", "history=200+", "popularity=0-0", "popularity=1-4",
    "popularity=5+", "cold_user=yes", "cold_item=yes", "category=DRUG GM", "category=FRZN VEGETABLE/VEG DSH",
)  # fmt: skip
ARMS = {
    "none": Arm("none", "control", 0.0),
    "same": Arm("same", "same", 0.0),
    "shuffled_25": Arm("shuffled", "cheap", 0.25),
    "real_more_25": Arm("real_more", "ceiling", 0.25),
    "real_all": Arm("real_all", "ceiling", 1.5),
    "duplicate_25": Arm("duplicate", "cheap", 0.25),
    "oversample_tail_25": Arm("oversample_tail", "cheap", 0.25),
    "teacher_25": Arm("teacher", "cheap", 0.25),
    "smote_25": Arm("synthetic", "cheap", 0.25),
    CHOSEN: Arm("synthetic", "generator", 0.25, num_fits=2),
    "gan_25": Arm("synthetic", "generator", 0.25),
    BAD: Arm("synthetic", "generator", 1.0),
}
SEQUENCE_ARMS = {
    "none": Arm("none", "control", 0.0),
    "same": Arm("same", "same", 0.0),
    "real_all": Arm("real_all", "ceiling", 1.5),
    "duplicate_25": Arm("duplicate", "cheap", 0.25),
    "crop": Arm("augmentation", "free", 0.0),
    "mask": Arm("augmentation", "free", 0.0),
}
GAINS = {
    "none": 0.0, "same": 0.0002, "shuffled_25": -0.0006, "real_more_25": 0.0046, "real_all": 0.0078,
    "duplicate_25": 0.0003, "oversample_tail_25": -0.0011, "teacher_25": 0.0005, "smote_25": -0.002,
    CHOSEN: 0.0043, "gan_25": 0.0014, BAD: -0.31, "crop": 0.0014, "mask": -0.0008,
}  # fmt: skip
FEW = {
    "cold_user=yes": "5 users with 3 rows of the rarer outcome were tested, where an interval needs 100 and "
    "50"
}
FACTS = {"num_steps": 400, "num_real_rows": 40_000}


@dataclass(frozen=True)
class Planned:
    """What a made-up measurement finds.

    Attributes:
        gain: of the chosen arm.
        error: of each arm's gain by the users that were tested; three times as large on a segment.
        seeds: of each arm's gain by the seeds.
        harmed: a segment that the chosen arm harms.
        few: segments of too few users.
    """

    gain: float
    error: float
    seeds: float = 0.0002
    harmed: str = ""
    few: Mapping[str, str] = field(default_factory=dict)


PLANS = {
    "augment": Planned(0.0043, 0.0009),
    "no_gain": Planned(0.0001, 0.0002, harmed="history=0-49"),
    "inconclusive": Planned(0.0014, 0.0017, seeds=0.00002, few=FEW),
}
NOISY = Planned(0.0014, 0.0004, seeds=0.004)
"""No number of users would tell."""


@dataclass(frozen=True)
class ToyTask:
    """See `task.Task`."""

    name: str
    model: str
    metrics: Mapping[str, Metric]
    facts: Mapping[str, object]
    chosen: str | None = CHOSEN
    unit: str = "users"
    worthwhile: float = 0.001
    arms: Mapping[str, Arm] = field(default_factory=lambda: ARMS)
    skipped: Mapping[str, str] = field(
        default_factory=lambda: {"dense_25": "the gate published no rows of generator 'dense_gan'"}
    )

    @property
    def units(self) -> dict[Split, Units]:
        masks = {name: np.ones(NUM_ROWS, bool) for name in SEGMENTS}
        return {"test": Units((np.arange(NUM_ROWS) % NUM_USERS,), masks, {})}

    def train(self, training: Training) -> dict[Split, NDArray[np.float32]]:
        raise NotImplementedError

    def figure(self, metric: str, split: Split, said: NDArray[np.float32], segment: str) -> Figure:
        raise NotImplementedError


RANKING = ToyTask(
    "ranking",
    "dcnv2",
    {"auc": Metric(1, 0.01), "logloss": Metric(-1, 0.01)},
    {"label": "label_purchase", **FACTS},
)
LOGISTIC = replace(RANKING, name="ranking/logistic", model="logistic")
NEXT_ITEM = ToyTask(
    "next_item", "sasrec", {"ndcg@10": Metric(1, 0.01)}, FACTS, "crop", arms=SEQUENCE_ARMS, skipped={}
)


def measured(task: ToyTask, plan: Planned) -> Measured:
    """The task as it would come out."""
    rng = np.random.default_rng(1)
    comparisons = {
        ("test", metric, segment): _comparison(rng, task, metric, plan, segment)
        for metric in task.metrics
        for segment in SEGMENTS
    }
    nothing = Measured(task, NUM_SEEDS, comparisons, plan.few, Verdict("inconclusive", None))
    verdict = decide(task.chosen, task.arms, nothing.gain, task.metrics, task.worthwhile, SEGMENTS, plan.few)
    return Measured(task, NUM_SEEDS, comparisons, plan.few, verdict)


def _comparison(
    rng: np.random.Generator, task: ToyTask, metric: str, plan: Planned, segment: str
) -> Comparison:
    sign, gains = task.metrics[metric].sign, {**GAINS, task.chosen: plan.gain}
    if segment == plan.harmed:
        gains[task.chosen] = -0.02
    error = plan.error if segment == "all" else 2 * plan.error
    values, spread = {}, np.array([-1.0, 0.0, 1.0]) * plan.seeds * np.sqrt(NUM_SEEDS)
    for name, arm in task.arms.items():
        drift = 0.0 if segment == "all" or name == "none" else rng.normal(0, 0.4 * error)
        per_seed = 0.781 + sign * (gains[name] + drift) + spread * (name != "none")
        values[name] = np.tile(per_seed, (arm.num_fits, 1))
    covariance = Covariance(np.eye(len(task.arms)) * error**2 / 2, None, None, NUM_USERS)
    num_rows = NUM_ROWS if segment == "all" else NUM_ROWS // 4
    return Comparison(sign, tuple(task.arms), values, covariance, NUM_USERS, num_rows, {})
