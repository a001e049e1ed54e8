"""On a simulated click stream, whose truth is known: the share of an oracle's NDCG@10 that models reach.

Two questions of test users, two oracles. Of a request's list: which of its items are clicked? The oracle
sorts by the true probability of a click where looked at; the chance of being looked at, which depends on
the position, is known to nobody. And of all items: which are taken after the cut? Its oracle sorts by true
exposure times that probability. Neither is perfect: clicks are drawn.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from benchmarks.lines import print_line
from clicksmith.config import Config, RankerConfig, RayConfig, SequentialConfig, load_config
from clicksmith.evaluation.metrics import ranking
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.steps import sequential_inputs
from clicksmith.reading.inputs import ID, ITEM, USER
from clicksmith.reading.snapshot import load_examples
from clicksmith.recommenders.next_item.recommend import NextItemModel, top
from clicksmith.recommenders.ranking.ranker import score
from clicksmith.simulation.truth import affinity, relevance
from clicksmith.tables import TRAINING_EXAMPLES
from clicksmith.training.ranker import ranker_run
from clicksmith.training.runs import Run, train
from clicksmith.training.sequential import SequentialTask, sequential_run

ROOT = Path(__file__).resolve().parents[2]
JOBS = ("simulate_events", "ingest_events", "clean_events", "build_profiles", "build_training_set")
K = 10
RANKERS = tuple(
    RankerConfig(model=model, label="label_click", num_steps=1500)
    for model in ("logistic", "deepfm", "dcnv2", "din")
)
NETWORKS = tuple(
    SequentialConfig(model=model, num_steps=1500, num_validations=10)
    for model in ("sasrec", "bert4rec", "gru4rec", "two_tower")
)
Floats = NDArray[np.float64]


class Truth:
    """What users want, read from what the simulation wrote for no model to see."""

    def __init__(self, folder: Path, config: Config) -> None:
        assert config.simulate is not None
        self.settings = config.simulate
        users, items = (ds.dataset(folder / "truth" / name).to_table() for name in ("users", "items"))
        self.users = {user: row for row, user in enumerate(users["user_id"].to_pylist())}
        self.items = {item: row for row, item in enumerate(items["item_id"].to_pylist())}
        self.taste, self.vector = (_matrix(rows["vector"]) for rows in (users, items))
        self.user_price, self.item_price = (rows["price_level"].to_numpy() for rows in (users, items))
        self.exposure = items["exposure"].to_numpy()

    def relevance(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> Floats:
        """Of pairs of rows."""
        prices = self.user_price[users], self.item_price[items]
        return relevance(affinity(self.taste[users], prices[0], self.vector[items], prices[1]), self.settings)


def _matrix(lists: pa.ChunkedArray) -> Floats:
    return np.array(lists.to_pylist())


def trained(run: Run) -> Any:
    """The run's task with the weights that the job would keep, trained in this process."""
    with tempfile.TemporaryDirectory() as folder:
        state = train(run.build, run.name, f"{folder}/run", RayConfig(num_workers=0))
    task = run.build()
    task.network.load_state_dict(state["network"])
    return task


def ndcg_of_requests(scores: Floats, clicked: NDArray[np.bool_], request: NDArray[np.int64]) -> float:
    """Mean over requests with a click of the NDCG@10 of their lists in the order of the scores."""
    order = np.lexsort((-scores, request))
    starts = np.flatnonzero(np.diff(request[order], prepend=-1))
    place = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    hits = np.zeros((len(starts), int(place.max()) + 1), bool)
    hits[np.cumsum(place == 0) - 1, place] = clicked[order]
    asked = hits.any(1)
    return float(ranking.ndcg_at(hits[asked, :K], hits[asked].sum(1)).mean())


def of_requests(config: Config, truth: Truth) -> None:
    """Rankers and the oracle on the lists that were shown."""
    inputs = sequential_inputs(config, Lake.of(config))
    examples = Lake.of(config).get(TRAINING_EXAMPLES)
    columns = [USER, ITEM, ID, "request_id", "label_click"]
    rows = load_examples(examples, columns, "test", RANKERS[0].max_test_rows)
    of_users, of_items = (_places(rows, *pair) for pair in ((USER, truth.users), (ITEM, truth.items)))
    known = (of_users >= 0) & (of_items >= 0) & pc.is_valid(rows["request_id"]).to_numpy()
    request = np.unique(rows["request_id"].to_numpy()[known].astype(str), return_inverse=True)[1]
    clicked = rows["label_click"].to_numpy()[known].astype(bool)
    of_users, of_items = of_users[known], of_items[known]

    def line(name: str, scores: Floats, best: float | None = None) -> float:
        found = ndcg_of_requests(scores, clicked, request)
        print_line("recommenders", f"simulated.requests.{name}.ndcg@10", found, "1", best and "oracle", best)
        return found

    oracle = line("oracle", truth.relevance(of_users, of_items))
    line("random", np.random.default_rng(0).random(len(clicked)), oracle)
    line("popularity", truth.exposure[of_items], oracle)
    for ranker in RANKERS:
        conf = config.model_copy(update={"ranker": ranker})
        task = trained(ranker_run(conf, examples, inputs["vocabulary"], inputs["sequences"]))
        # The same rows in the same order: both are read by `load_examples`.
        scores = score(task.network, task.test_rows.codes).numpy()[known]
        line(ranker.model, scores.astype(np.float64), oracle)


def _places(rows: pa.Table, column: str, places: dict[str, int]) -> NDArray[np.int64]:
    """Each row's place among the truth's rows, -1 where it is of none."""
    return np.array([places.get(value, -1) for value in rows[column].to_pylist()], np.int64)


def of_all_items(config: Config, truth: Truth) -> None:
    """Next-item models, baselines and the oracle on all items."""
    inputs = sequential_inputs(config, Lake.of(config))
    oracle = None
    for network in NETWORKS:
        conf = config.model_copy(update={"sequential": network})
        task = trained(sequential_run(conf, inputs))
        assert isinstance(task, SequentialTask)
        models: dict[str, NextItemModel] = {network.model: task.network}
        if oracle is None:
            models = {**{name: fit() for name, fit in task.baselines.items()}, **models}
            oracle = _ndcg_of_oracle(truth, task)
            print_line("recommenders", "simulated.all_items.oracle.ndcg@10", oracle, "1")
        for name, model in models.items():
            found = float(task.evaluation["test"].recommend(model, K).ndcg.mean())
            print_line("recommenders", f"simulated.all_items.{name}.ndcg@10", found, "1", "oracle", oracle)


def _ndcg_of_oracle(truth: Truth, task: SequentialTask) -> float:
    """Of the vocabulary's items, which are what models choose from."""
    asked = task.evaluation["test"]
    ids = task.codec["items"]["ids"]
    known = np.array([place for place, item in enumerate(ids) if item in truth.items])
    items = np.array([truth.items[ids[place]] for place in known])
    scores = np.full((len(asked), len(ids) + 1), -np.inf)
    for row, user in enumerate(asked.users):
        if user in truth.users:
            users = np.full(len(items), truth.users[user])
            scores[row, known + 1] = truth.exposure[items] * truth.relevance(users, items)
    return float(asked.judge(top(scores, K)).ndcg.mean())


def oracle(num_events: int) -> None:
    """Simulate, run the data jobs, train every model, and hold it against the oracle."""
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"simulate.num_events={num_events}"]
        conf = str(ROOT / "conf" / "simulated.yaml")
        for job in JOBS:
            command = [sys.executable, str(ROOT / "jobs" / f"{job}.py"), "--conf", conf]
            command += [f"--set={setting}" for setting in settings]
            subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        config = load_config(conf, [*settings, f"lake.root={folder}/.lake/simulated"])
        truth = Truth(Path(folder) / ".lake" / "simulated" / "_source", config)
        of_requests(config, truth)
        of_all_items(config, truth)
