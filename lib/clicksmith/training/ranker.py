"""The conversion ranker's run: coded training examples to a probability of the label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load as load_weights
from torch import nn

from clicksmith.config import Config, RankerConfig
from clicksmith.evaluation.metrics import ranking
from clicksmith.evaluation.metrics.calibration import calibration_error
from clicksmith.evaluation.metrics.platt import Platt
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lakehouse.lineage import trace
from clicksmith.reading.examples import Examples, Splits, read_splits
from clicksmith.reading.inputs import RankerCodec
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


@dataclass(frozen=True)
class Added:
    """Rows that are trained on beside the real ones.

    Attributes:
        rows: the rows.
        weight: of each in the loss, where a real one has 1.
        share_of_steps: a curriculum: they are there in so many of the first steps, then real rows alone.
        alone: in these steps real rows are left out: training goes on from what the added ones taught.
    """

    rows: Examples
    weight: float = 1.0
    share_of_steps: float = 1.0
    alone: bool = False


class Augment(Protocol):
    """What a ranker trains on beside its real rows, and by whose word; see `lift.shipping`."""

    @property
    def told(self) -> Mapping[str, Any]:
        """For the lineage and the card."""

    @property
    def inputs(self) -> Mapping[str, Snapshot]:
        """Tables that it reads."""

    def __call__(self, splits: Splits) -> Added | None:
        """The rows, the same on every worker."""


class Pool:
    """Training rows of one phase, drawn evenly.

    Attributes:
        weights: of mean 1, shape (N,); None: all alike.
    """

    def __init__(self, parts: Sequence[tuple[Examples, float]], weighted: bool) -> None:
        """Of several sets of rows, each with the weight of its rows; `weighted`: by 1 / propensity too.

        The sets are not copied: the real rows of two phases are in memory once.
        """
        self._parts = [rows for rows, _ in parts]
        self._ends = np.cumsum([len(rows) for rows in self._parts])
        self.labels = torch.from_numpy(np.concatenate([rows.labels for rows in self._parts]))
        own = [(rows.weights if weighted else np.ones(len(rows))) * weight for rows, weight in parts]
        weights = np.concatenate(own)
        self.weights = None if np.ptp(weights) == 0 else _of_mean_one(weights)

    def batch(self, size: int, step: int, seed: int, rank: int, world_size: int) -> Batch:
        """Every world_size-th row of a step's global batch."""
        rows = rows_of_step(len(self.labels), size, step, seed)[rank::world_size]
        mine = torch.from_numpy(rows)
        codes, labels = self._gather(rows, "codes"), self.labels[mine]
        if self._parts[0].auxiliary.shape[1]:
            weights = torch.ones(len(mine)) if self.weights is None else self.weights[mine]
            return codes, labels, weights, self._gather(rows, "auxiliary")
        return (codes, labels) if self.weights is None else (codes, labels, self.weights[mine])

    def _gather(self, rows: NDArray[np.int64], name: Literal["codes", "auxiliary"]) -> torch.Tensor:
        """Rows of all sets by their number, shape (B, columns)."""
        values = [getattr(part, name) for part in self._parts]
        found = np.empty((len(rows), values[0].shape[1]), values[0].dtype)
        part, start = np.searchsorted(self._ends, rows, side="right"), 0
        for number, own in enumerate(values):
            mine = part == number
            found[mine] = own[rows[mine] - start]
            start += len(own)
        return torch.from_numpy(found)


@dataclass(frozen=True)
class RankerTask:
    """See `runs.Task`. All fitting is on the train split.

    Attributes:
        phases: training rows of the first steps, and of those after `added_steps`.
    """

    network: Ranker
    objective: nn.Module
    schedule: Schedule
    codec: Any
    phases: tuple[Pool, Pool]
    added_steps: int
    weighted: bool
    base_rate: float
    validation: Examples | None
    test_rows: Examples

    selection: ClassVar[str] = "validation_auc"
    sharded: ClassVar[tuple[str, ...]] = ()

    @property
    def num_rows(self) -> int:
        """Training rows, added ones included."""
        return len(self.phases[0].labels)

    def batch(self, step: int, rank: int, world_size: int) -> Batch:
        """Every world_size-th row of the global batch."""
        pool = self.phases[step >= self.added_steps]
        return pool.batch(self.schedule.batch_size, step, self.schedule.seed, rank, world_size)

    def validate(self) -> dict[str, float]:
        """Log loss and AUC of some validation rows."""
        if self.validation is None:
            return {}
        scores = self.score(self.validation)
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
        scores = self.score(rows)
        calibration = self.calibration()
        calibrated = calibration.apply(scores)
        base_rate, popularity = np.full(len(rows), self.base_rate), rows.facts[POPULARITY]
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
            "popularity_auc": ranking.auc(popularity, rows.labels),
            "popularity_grouped_auc": ranking.grouped_auc(popularity, rows.labels, rows.users),
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
            self.score(rows), rows.labels, np.ones(len(rows.labels)) if weights is None else weights
        )

    def _weights(self, rows: Examples) -> NDArray[np.float64] | None:
        """Of rows in what is said of probabilities: as in training."""
        return rows.weights if self.weighted else None

    def score(self, rows: Examples) -> NDArray[np.float32]:
        """Probabilities of rows, shape (N,)."""
        device = next(self.network.parameters()).device
        codes = torch.from_numpy(rows.codes).to(device)
        return np.asarray(score(self.network, codes).cpu().numpy())


def ranker_task(
    config: RankerConfig,
    splits: Splits,
    seed: int,
    added: Added | None = None,
    weights_seed: int | None = None,
) -> RankerTask:
    """The task of a ranker on real rows, and on added ones where there are any.

    Args:
        config: of the ranker.
        splits: real rows.
        seed: of rows and dropout.
        added: rows beside them.
        weights_seed: of the first weights, else derived from `seed`.
    """
    real = Pool(((splits.train, 1.0),), config.weighted)
    base_rate = base_rate_of(real.labels, real.weights)
    first, added_steps = real, 0
    if added is not None and len(added.rows):
        parts = ((added.rows, added.weight),)
        first = Pool(parts if added.alone else ((splits.train, 1.0), *parts), config.weighted)
        added_steps = round(added.share_of_steps * config.num_steps)
    codec = splits.coder.codec
    network = build_ranker(
        config.model,
        codec.cardinalities,
        config.embedding_dim,
        base_rate,
        derive_seed(seed, "weights") if weights_seed is None else weights_seed,
        len(config.auxiliary_labels),
    )
    return RankerTask(
        network=network,
        objective=RankerObjective(network),
        schedule=Schedule(
            config.num_steps,
            config.batch_size,
            config.learning_rate,
            seed,
            num_validations=config.num_validations,
        ),
        codec=codec.to_json(),
        phases=(first, real),
        added_steps=added_steps,
        weighted=config.weighted,
        base_rate=base_rate,
        validation=splits.validation,
        test_rows=splits.test,
    )


@dataclass(frozen=True)
class BuildRanker:
    """Reads the pinned snapshots in a worker and makes its task."""

    config: RankerConfig
    seed: int
    examples: Snapshot
    vocabulary: Snapshot
    sequences: Snapshot | None = None
    augment: Augment | None = None

    def __call__(self) -> RankerTask:
        """The task, the same on every worker."""
        splits = read_splits(self.config, self.examples, self.vocabulary, self.sequences)
        added = None if self.augment is None else self.augment(splits)
        return ranker_task(self.config, splits, self.seed, added)


def base_rate_of(labels: torch.Tensor, weights: torch.Tensor | None) -> float:
    """The share of positive rows; shape (N,) both, weights of mean 1, None for rows that count alike."""
    return float((labels.double() if weights is None else labels * weights.double()).mean())


def _of_mean_one(weights: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy((weights / weights.mean()).astype(np.float32))


def ranker_run(
    config: Config,
    examples: Snapshot,
    vocabulary: Snapshot,
    sequences: Snapshot | None = None,
    augment: Augment | None = None,
) -> Run:
    """The run that `config.ranker` describes, on pinned snapshots.

    Args:
        config: its section ranker.
        examples: gold.training_examples.
        vocabulary: gold.vocabulary.
        sequences: gold.sequences, which "din" alone reads.
        augment: what is trained on beside real rows.
    """
    inputs = {"training_examples": examples, "vocabulary": vocabulary}
    read = sequences if config.ranker.model == "din" else None
    if read is not None:
        inputs["sequences"] = read
    sections: dict[str, Any] = {"ranker": config.ranker}
    if augment is not None:
        sections["augmented"] = dict(augment.told)
        inputs |= augment.inputs
    lineage = trace(f"train_recommender/{NAME}", config, sections, inputs)
    seed = derive_seed(config.seed, "train_recommender", NAME)
    build = BuildRanker(config.ranker, seed, examples, vocabulary, read, augment)
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
