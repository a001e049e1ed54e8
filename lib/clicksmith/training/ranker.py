"""The conversion ranker's run: coded training examples to a probability of the label."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_weights
from torch import nn

from clicksmith.config import Config, RankerConfig
from clicksmith.evaluation import ranking
from clicksmith.evaluation.calibration import calibration_error
from clicksmith.evaluation.platt import Platt
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lakehouse.lineage import trace
from clicksmith.reading.guards import (
    require_both_classes,
    require_no_oracle,
    require_real,
    require_same_run,
)
from clicksmith.reading.histories import Histories
from clicksmith.reading.inputs import (
    FEATURES,
    ID,
    ITEM,
    USER,
    Items,
    RankerCodec,
    require_rows,
    user_numbers,
)
from clicksmith.reading.snapshot import load_examples
from clicksmith.recommenders.artefact import CODEC, WEIGHTS, recommender_folder, trained_folder
from clicksmith.recommenders.export import CHECKED_ROWS, MODEL, to_onnx
from clicksmith.recommenders.layers import Ranker
from clicksmith.recommenders.losses import RankerObjective
from clicksmith.recommenders.ranking.ranker import build_ranker, score
from clicksmith.seeds import derive_seed
from clicksmith.training.engine.supervised import Batch, Schedule, rows_of_step
from clicksmith.training.runs import Run

NAME = "ranker"
POPULARITY = "item_num_purchases"
MAX_VALIDATION_ROWS = 20_000


@dataclass(frozen=True)
class Examples:
    """Coded rows of a split with what metrics need.

    Attributes:
        codes: shape (N, C).
        labels: shape (N,).
        auxiliary: other labels, shape (N, A).
        users: a number for each row's user, shape (N,).
        popularity: the item's purchases before the impression, shape (N,).
        weights: 1 / propensity, shape (N,).
    """

    codes: torch.Tensor
    labels: NDArray[np.bool_]
    auxiliary: NDArray[np.bool_]
    users: NDArray[np.int64]
    popularity: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class RankerTask:
    """See `runs.Task`. All fitting is on the train split."""

    network: Ranker
    objective: nn.Module
    schedule: Schedule
    codec: Any
    codes: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor | None
    auxiliary: torch.Tensor | None
    validation: Examples | None
    test_rows: Examples

    selection: ClassVar[None] = None
    sharded: ClassVar[tuple[str, ...]] = ()

    @property
    def num_rows(self) -> int:
        """Training rows."""
        return len(self.labels)

    def batch(self, step: int, rank: int, world_size: int) -> Batch:
        """Every world_size-th row of the global batch."""
        rows = rows_of_step(self.num_rows, self.schedule.batch_size, step, self.schedule.seed)
        mine = torch.from_numpy(rows[rank::world_size])
        codes, labels = self.codes[mine], self.labels[mine]
        if self.auxiliary is not None:
            weights = torch.ones(len(mine)) if self.weights is None else self.weights[mine]
            return codes, labels, weights, self.auxiliary[mine]
        return (codes, labels) if self.weights is None else (codes, labels, self.weights[mine])

    def validate(self) -> dict[str, float]:
        """Log loss and AUC of some validation rows."""
        if self.validation is None:
            return {}
        scores = self._score(self.validation)
        return {
            "validation_loss": ranking.log_loss(
                scores, self.validation.labels, self._weights(self.validation)
            ),
            "validation_auc": ranking.auc(scores, self.validation.labels),
        }

    def test(self) -> dict[str, float]:
        """The model's figures on test rows, beside those of popularity as it was at each impression.

        ``weighted_auc`` weighs rows by 1 / propensity: the AUC over all impressions, not over the kept ones.
        A model trained on weighted rows gives probabilities of all impressions: so are they judged.
        """
        rows = self.test_rows
        weights = self._weights(rows)
        scores = self._score(rows)
        calibration = self.calibration()
        calibrated = calibration.apply(scores)
        base_rate = np.full(len(rows.labels), base_rate_of(self.labels, self.weights))
        figures = {
            "test_auc": ranking.auc(scores, rows.labels),
            "test_weighted_auc": ranking.auc(scores, rows.labels, rows.weights),
            "test_logloss": ranking.log_loss(scores, rows.labels, weights),
            "test_calibration_error": calibration_error(scores, rows.labels, weights),
            "calibration_slope": calibration.slope,
            "calibration_intercept": calibration.intercept,
            "calibrated_logloss": ranking.log_loss(calibrated, rows.labels, weights),
            "calibrated_calibration_error": calibration_error(calibrated, rows.labels, weights),
            "test_grouped_auc": ranking.grouped_auc(scores, rows.labels, rows.users),
            "popularity_auc": ranking.auc(rows.popularity, rows.labels),
            "popularity_grouped_auc": ranking.grouped_auc(rows.popularity, rows.labels, rows.users),
            "base_rate_logloss": ranking.log_loss(base_rate, rows.labels, weights),
            "num_test_rows": len(rows.labels),
        }
        return {name: value for name, value in figures.items() if not np.isnan(value)}

    def calibration(self) -> Platt:
        """What makes probabilities of scores, from validation rows; the identity without any."""
        rows = self.validation
        if rows is None:
            return Platt()
        weights = self._weights(rows)
        return Platt.fit(
            self._score(rows), rows.labels, np.ones(len(rows.labels)) if weights is None else weights
        )

    def _weights(self, rows: Examples) -> NDArray[np.float64] | None:
        """Of rows in what is said of probabilities: as in training."""
        return None if self.weights is None else rows.weights

    def _score(self, rows: Examples) -> NDArray[np.float32]:
        device = next(self.network.parameters()).device
        return np.asarray(score(self.network, rows.codes.to(device)).cpu().numpy())


@dataclass(frozen=True)
class BuildRanker:
    """Reads the pinned snapshots in a worker and makes its task."""

    config: RankerConfig
    seed: int
    examples: Snapshot
    vocabulary: Snapshot
    sequences: Snapshot | None = None

    def __call__(self) -> RankerTask:
        """The task, the same on every worker."""
        require_same_run(self.vocabulary, self.examples)
        columns = [*FEATURES, ITEM, USER, ID, "event_ts", "sample_weight", *self._labels]
        train = load_examples(self.examples, columns, "train", self.config.max_rows)
        require_rows(train, "train", self.examples, 2)
        items = Items.load(self.vocabulary)
        codec = RankerCodec.fit(train, items, self.config.oov_buckets)
        histories = None if self.sequences is None else Histories.load(self.sequences, items)
        coded = self._coded(codec, histories, train)
        require_both_classes(coded.labels, self.config.label, self.examples)
        validation = load_examples(self.examples, columns, "validation", MAX_VALIDATION_ROWS)
        test = load_examples(self.examples, columns, "test", self.config.max_test_rows)
        require_rows(test, "test", self.examples)
        for split, rows in (("validation", validation), ("test", test)):
            require_real(rows, USER, split)
        asked = self._coded(codec, histories, validation) if validation.num_rows else None
        if asked is not None:
            require_no_oracle(
                coded.codes.numpy(),
                coded.labels,
                asked.codes.numpy(),
                asked.labels,
                codec.names,
                self.config.max_feature_auc,
            )
        labels = torch.from_numpy(coded.labels)
        weights = _of_mean_one(coded.weights) if self.config.weighted else None
        network = build_ranker(
            self.config.model,
            codec.cardinalities,
            self.config.embedding_dim,
            base_rate_of(labels, weights),
            derive_seed(self.seed, "weights"),
            len(self.config.auxiliary_labels),
        )
        return RankerTask(
            network=network,
            objective=RankerObjective(network),
            schedule=Schedule(
                self.config.num_steps, self.config.batch_size, self.config.learning_rate, self.seed
            ),
            codec=codec.to_json(),
            codes=coded.codes,
            labels=labels,
            weights=weights,
            auxiliary=torch.from_numpy(coded.auxiliary) if self.config.auxiliary_labels else None,
            validation=asked,
            test_rows=self._coded(codec, histories, test),
        )

    @property
    def _labels(self) -> tuple[str, ...]:
        """The label, then the auxiliary ones."""
        return (self.config.label, *self.config.auxiliary_labels)

    def _coded(self, codec: RankerCodec, histories: Histories | None, rows: pa.Table) -> Examples:
        codes = codec.encode(rows)
        if histories is not None:
            length = self.config.history_length
            codes = np.column_stack(
                [codes, histories.before(rows.column(USER), rows.column("event_ts"), length)]
            )
        labels = np.column_stack([rows.column(name).to_numpy() for name in self._labels]).astype(bool)
        return Examples(
            codes=torch.from_numpy(codes),
            labels=labels[:, 0],
            auxiliary=labels[:, 1:],
            users=user_numbers(rows),
            popularity=rows.column(POPULARITY).to_numpy().astype(np.float64),
            weights=rows.column("sample_weight").to_numpy(),
        )


def base_rate_of(labels: torch.Tensor, weights: torch.Tensor | None) -> float:
    """The share of positive rows; shape (N,) both, weights of mean 1, None for rows that count alike."""
    return float((labels.double() if weights is None else labels * weights.double()).mean())


def _of_mean_one(weights: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy((weights / weights.mean()).astype(np.float32))


def ranker_run(
    config: Config, examples: Snapshot, vocabulary: Snapshot, sequences: Snapshot | None = None
) -> Run:
    """The run that `config.ranker` describes, on pinned snapshots; "din" alone reads the sequences."""
    inputs = {"training_examples": examples, "vocabulary": vocabulary}
    read = sequences if config.ranker.model == "din" else None
    if read is not None:
        inputs["sequences"] = read
    lineage = trace(f"train_recommender/{NAME}", config, {"ranker": config.ranker}, inputs)
    seed = derive_seed(config.seed, "train_recommender", NAME)
    build = BuildRanker(config.ranker, seed, examples, vocabulary, read)
    return Run(NAME, config.ranker.model, lineage, examples, build)


def export_ranker(run: Run, config: Config, root: str) -> str:
    """The trained ranker as model.onnx beside its weights.

    Args:
        run: as it was trained.
        config: its ranker section.
        root: of the models.

    Returns:
        The file's URI.

    Raises:
        NotFittedError: it is not trained.
        ContractError: the exported model's outputs differ from the network's.
    """
    folder = trained_folder(recommender_folder(root, run.name, run.lineage), "ranker")
    codec = RankerCodec.from_json(storage.read_json(storage.join(folder, CODEC)))
    ranker = config.ranker
    network = build_ranker(
        ranker.model,
        codec.cardinalities,
        ranker.embedding_dim,
        base_rate=0.5,
        seed=0,
        num_auxiliary=len(ranker.auxiliary_labels),
    )
    network.load_state_dict(load_weights(storage.read_bytes(storage.join(folder, WEIGHTS))))
    random = np.random.default_rng(0)
    sizes = list(codec.cardinalities)
    if config.ranker.model == "din":
        sizes += [len(codec.items)] * config.ranker.history_length
    codes = torch.from_numpy(random.integers(0, sizes, (CHECKED_ROWS, len(sizes))))
    uri = storage.join(folder, MODEL)
    storage.write_bytes(uri, to_onnx(network.eval(), codes))
    return uri
