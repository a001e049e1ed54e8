"""The task of search: the configured model, ranking the products that a query was judged or clicked with."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import tune
from ray.tune.search.sample import Domain

from clicksmith.config import ArmConfig, Config, SearchConfig
from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lift.kinds.roles import CEILINGS, real_arms
from clicksmith.lift.kinds.segments import large_enough, segments_of
from clicksmith.lift.statistics import figures
from clicksmith.lift.statistics.figures import Figure
from clicksmith.lift.task import TUNED, Arm, Metric, Split, Training, Units
from clicksmith.reading.pairs import K, Pairs, SearchRows, read_pairs, why_no_search
from clicksmith.seeds import derive_seed
from clicksmith.training import runs
from clicksmith.training.engine.supervised import rows_of_step
from clicksmith.training.search import learnt_from, make_task

logger = logging.getLogger(__name__)

NAME = "search"
METRICS = (f"ndcg@{K}", f"recall@{K}", "mrr")
TITLE_WORDS = 4
NO_MORE = "there are no more real training pairs than the control has"
BEYOND = "by their hash they lie beyond the pairs that the control learns from (lift.search.max_pairs)"
UNTUNED = "there is no validation query with a product that was taken to tune by"


@dataclass(frozen=True)
class SearchTask:
    """See `task.Task`. The units are queries with a relevant product.

    Attributes:
        config: of the arms and the seeds.
        search: of the model.
        rows: pairs, those that the control lacks included, and products.
        num_real: of the training pairs, the first so many are the control's.
        kept: numbers of the queries that are units, by split.
        settings: see `tuning.Tunable`.
    """

    config: Config
    search: SearchConfig
    rows: SearchRows
    num_real: int
    kept: Mapping[Split, NDArray[np.int64]]
    arms: Mapping[str, Arm]
    skipped: Mapping[str, str]
    units: Mapping[Split, Units]
    name: str = NAME
    unit: str = "queries"
    facts: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def space(self) -> dict[str, Domain]:
        """See `tuning.Tunable`; the rates of an encoder from scratch would ruin one that is trained."""
        num_steps, is_trained = self.search.num_steps, self.search.start == "minilm"
        return {
            "learning_rate": tune.loguniform(*((1e-5, 2e-4) if is_trained else (3e-4, 1e-2))),
            "dropout": tune.choice([0.0, 0.1, 0.2]),
            "num_steps": tune.choice([num_steps // 2 or 1, num_steps, 2 * num_steps]),
        }

    def control(self, settings: Mapping[str, Any], seed: int) -> runs.Task:
        """See `tuning.Tunable`."""
        config = self.search.model_copy(update=dict(settings))
        return make_task(config, _real(self.rows, self.num_real), self.rows.asked, seed)

    @property
    def model(self) -> str:
        """The network's name."""
        return self.search.model

    @property
    def metrics(self) -> dict[str, Metric]:
        """NDCG decides; recall must not suffer from it. The reciprocal rank is told."""
        rules = self.config.lift.search
        margins = {METRICS[0]: rules.margin, METRICS[1]: rules.recall_margin}
        return {name: Metric(1, margins.get(name)) for name in METRICS}

    @property
    def worthwhile(self) -> float:
        """Of NDCG."""
        return self.config.lift.search.worthwhile

    def train(self, training: Training) -> dict[Split, NDArray[np.float32]]:
        """Each query's figures, in the order of `METRICS`, shape (3, Q)."""
        arm = self.config.lift.search.arms[training.arm]
        seed = derive_seed(self.config.seed, "lift", NAME, training.arm, training.fit, training.seed)
        first = derive_seed(self.config.seed, "lift", NAME, "weights", training.seed)
        train = training_pairs(arm, self.rows, self.num_real, derive_seed(seed, "rows"), self.search.model)
        settings = self.settings if arm.kind == TUNED else {}
        config = self.search.model_copy(update=dict(settings))
        task = make_task(config, train, self.rows.asked, seed, first)
        runs.fit_here(task)
        said: dict[Split, NDArray[np.float32]] = {}
        for split, queries in self.kept.items():
            pairs = self.rows.asked[split]
            scores = task.network.score(task.pieces, pairs.queries, pairs.texts, config)
            found = pairs.by_query(scores)
            said[split] = np.stack([found[name][queries] for name in METRICS]).astype(np.float32)
        return said

    def figure(self, metric: str, split: Split, said: NDArray[np.float32], segment: str) -> Figure:
        """A mean over queries."""
        return figures.mean(said[METRICS.index(metric)][self.units[split].segments[segment]])


def training_pairs(arm: ArmConfig, rows: SearchRows, num_real: int, seed: int, model: str) -> Pairs:
    """What an arm trains on: the control's pairs, and as many others as its ratio says of those learnt from.

    Args:
        arm: the arm.
        rows: all pairs, the control's first, and the products.
        num_real: of the control.
        seed: of the draw.
        model: the network's name, see `learnt_from`: were pairs counted that it leaves out, added ones, which
            it does not, would be more than the ratio says.
    """
    train, real = rows.train, _real(rows, num_real)
    if arm.kind == "real_all":
        return train
    learnt = learnt_from(model, train)
    own, more = learnt[learnt < num_real], learnt[learnt >= num_real]
    wanted = round(arm.ratio * len(own))
    if arm.kind == "real_more":
        return train.take(np.concatenate([np.arange(num_real), more[:wanted]]))
    random = np.random.default_rng(seed)
    if arm.kind == "titles":
        return _with(real, _titles(rows, wanted, random))
    if arm.kind not in ("duplicate", "shuffled") or not wanted:
        return real
    copies = train.take(own[rows_of_step(len(own), wanted, 0, seed)])
    if arm.kind == "shuffled":
        order = random.permutation(len(copies))
        texts = [copies.texts[row] for row in order]
        copies = Pairs.of(copies.queries, texts, copies.grades.tolist())
    return _with(real, copies)


def _real(rows: SearchRows, num_real: int) -> Pairs:
    """The control's."""
    return rows.train.take(np.arange(num_real))


def _titles(rows: SearchRows, wanted: int, random: np.random.Generator) -> Pairs:
    """Some words of products' titles as if they had been asked for: what texts say, where nobody clicked."""
    chosen = random.integers(0, len(rows.titles), wanted) if rows.titles else np.empty(0, np.int64)
    queries = []
    for row in chosen:
        words = rows.titles[row].lower().split()
        first = int(random.integers(0, max(1, len(words) - TITLE_WORDS + 1)))
        queries.append(" ".join(words[first : first + TITLE_WORDS]))
    return Pairs.of(queries, [rows.texts[row] for row in chosen], [1] * len(queries))


def _with(pairs: Pairs, more: Pairs) -> Pairs:
    grades = [*pairs.grades.tolist(), *more.grades.tolist()]
    return Pairs.of([*pairs.queries, *more.queries], [*pairs.texts, *more.texts], grades)


def search_task(config: Config, search: SearchConfig, inputs: Mapping[str, Snapshot]) -> SearchTask:
    """Read the pairs of all arms.

    Args:
        config: its section lift.
        search: of the model.
        inputs: search_pairs, items and vocabulary of `inputs.inputs_of`.

    Raises:
        TrainingError: nothing is asked on test rows that has a relevant product, or the control's pairs have
            none; or rows are stale: see `read_pairs`.
    """
    rules, pairs = config.lift.search, inputs["search_pairs"]
    wants_more = any(arm.kind in CEILINGS for arm in rules.arms.values())
    max_pairs = max(search.max_pairs if wants_more else 0, rules.max_pairs)
    rows = read_pairs(pairs, inputs["items"], inputs["vocabulary"], max_pairs, rules.max_pairs)
    num_real = min(rules.max_pairs, len(rows.train))
    splits: tuple[Split, Split] = ("test", "validation")
    kept = {split: _answerable(rows.asked[split]) for split in splits}
    kept = {split: queries for split, queries in kept.items() if len(queries)}
    if "test" not in kept:
        raise _nothing_asked(pairs, rows)
    real, min_units = _real(rows, num_real), config.lift.min_users
    if not (real.grades > 0).any():
        raise _nothing_learnt(pairs, num_real)
    learnt = learnt_from(search.model, rows.train)
    num_learnt = int((learnt < num_real).sum())
    num_more = len(learnt) - num_learnt
    lacking = {
        **dict.fromkeys(CEILINGS, "" if num_more else NO_MORE),
        "titles": "" if rows.titles else "no product that was there before the cut has a title",
        TUNED: "" if "validation" in kept else UNTUNED,
    }
    arms, skipped = real_arms(rules.arms, num_learnt, num_more, lacking)
    units = {
        split: _units(rows.asked[split], real.queries, queries, min_units) for split, queries in kept.items()
    }
    asked = rows.asked["test"]
    facts = {
        "num_steps": search.num_steps,
        "num_real_rows": num_learnt,
        "num_queries_beyond": rows.num_beyond["test"],
        "num_test_pairs": len(asked),
        "num_trained_pairs": asked.num_in(rows.train.take(learnt[:num_learnt])),
    }
    told = f"{facts['num_trained_pairs']:,} of {len(asked):,}"
    logger.info("search: the control is trained on %s test pairs: they are asked again", told)
    if num_beyond := rows.num_beyond["test"]:
        logger.info("search: %s test queries are not asked: %s", f"{num_beyond:,}", BEYOND)
    return SearchTask(config, search, rows, num_real, kept, arms, skipped, units, facts=facts)


def _nothing_asked(pairs: Snapshot, rows: SearchRows) -> TrainingError:
    """Why nothing can be asked: of the table, or of what is read of it."""
    if why := why_no_search(pairs, ["test"]):
        return TrainingError(why)
    return TrainingError(
        f"{rows.num_beyond['test']:,} test queries of {pairs.table.name} version {pairs.version} are not "
        f"asked: {BEYOND}; of those that are asked none has a product that was taken.",
        "Raise lift.search.max_pairs.",
    )


def _nothing_learnt(pairs: Snapshot, num_real: int) -> TrainingError:
    """Why there is nothing to learn from: of the table, or of what the control has of it."""
    if why := why_no_search(pairs, ["train"]):
        return TrainingError(why)
    return TrainingError(
        f"None of the first {num_real:,} training pairs of {pairs.table.name} version {pairs.version}, which "
        "are the control's, has a product that was taken.",
        "Raise lift.search.max_pairs.",
    )


def _answerable(pairs: Pairs) -> NDArray[np.int64]:
    """Numbers of the queries with a relevant product."""
    return np.unique(pairs.query[pairs.grades > 0])


def _units(pairs: Pairs, trained: Sequence[str], queries: NDArray[np.int64], min_units: int) -> Units:
    """Segments by how many products the control saw beside a query: search lacks the rare and the new."""
    known = Counter(trained)
    first = {int(number): row for row, number in reversed(list(enumerate(pairs.query)))}
    shown = np.array([known[pairs.queries[first[int(number)]]] for number in queries])
    clusters = (np.arange(len(queries)), items_asked_for(pairs))
    facts = {"frequency": shown, "new_query": shown == 0}
    segments, small = large_enough(segments_of(facts), clusters, min_units, "queries")
    return Units(clusters, segments, {}, small)


def items_asked_for(pairs: Pairs) -> NDArray[np.int64]:
    """A number of the product that each answerable query asks for, shape (Q,), for what queries of one share.

    Of several relevant products the one that is relevant to the most queries: an interval that is too wide
    says less, one that is too narrow what is not so. Products of the same text are the same to a model.
    """
    relevant = pairs.grades > 0
    query, item = np.unique(np.stack([pairs.query[relevant], pairs.item[relevant]]), axis=1)
    order = np.lexsort((item, -np.bincount(item)[item], query))
    return np.asarray(item[order][np.unique(query[order], return_index=True)[1]])
