"""A real network, trained with care and trained to memorise: the gate lets one pass and stops the other."""

import warnings

import numpy as np
import pyarrow as pa
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from clicksmith.config import GateConfig
from clicksmith.evaluation import gate
from clicksmith.evaluation.compare import compare_tables

NUM_ROWS, NUM_COLUMNS, NUM_VALUES = 1000, 7, 5


def draw(seed):
    """Rows of a Markov chain over columns: each repeats the value before it with probability .4."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(NUM_VALUES, size=(NUM_ROWS, NUM_COLUMNS))
    for column in range(1, NUM_COLUMNS):
        repeats = rng.random(NUM_ROWS) < 0.4
        rows[repeats, column] = rows[repeats, column - 1]
    return rows


class Autoregressive:
    """One network a column, from the columns before it to the distribution of its value."""

    def __init__(self, rows, **settings):
        self.first = np.bincount(rows[:, 0], minlength=NUM_VALUES) / len(rows)
        with warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.networks = [
                MLPClassifier(random_state=0, **settings).fit(one_hot(rows[:, :column]), rows[:, column])
                for column in range(1, NUM_COLUMNS)
            ]

    def shares(self, rows, column):
        if column == 0:
            return np.tile(self.first, (len(rows), 1))
        return self.networks[column - 1].predict_proba(one_hot(rows[:, :column]))

    def nats(self, rows):
        """Mean negative log-likelihood of a row."""
        columns = range(NUM_COLUMNS)
        found = [self.shares(rows, column)[np.arange(len(rows)), rows[:, column]] for column in columns]
        return float(-np.log(np.maximum(found, 1e-12)).sum(axis=0).mean())

    def sample(self, seed):
        rng = np.random.default_rng(seed)
        rows = np.zeros((NUM_ROWS, NUM_COLUMNS), int)
        for column in range(NUM_COLUMNS):
            below = self.shares(rows, column).cumsum(axis=1)
            rows[:, column] = (rng.random((NUM_ROWS, 1)) > below[:, :-1]).sum(axis=1)
        return rows


def one_hot(rows):
    return np.eye(NUM_VALUES)[rows].reshape(len(rows), -1)


def table(rows):
    return pa.table({f"c{i}": [f"v{value}" for value in rows[:, i]] for i in range(NUM_COLUMNS)})


def judged(**settings):
    """The figures of a network's rows, and the decision."""
    train, holdout = draw(1), draw(2)
    network = Autoregressive(train, **settings)
    card = {"held_out_nats": network.nats(holdout), "train_nats": network.nats(train)}
    metrics = compare_tables(table(train), table(holdout), table(network.sample(3)), card_metrics=card)
    return {m.metric: m for m in metrics if m.slice == "all"}, gate.decide("synthetic", metrics, GateConfig())


@pytest.fixture(scope="module")
def careful():
    return judged(hidden_layer_sizes=(8,), alpha=1.0, max_iter=40, learning_rate_init=0.01)


@pytest.fixture(scope="module")
def memoriser():
    return judged(hidden_layer_sizes=(256,), alpha=0.0, max_iter=200, learning_rate_init=0.01)


def test_a_network_trained_with_care_passes(careful):
    found, decision = careful
    assert decision.failures == []
    assert 0 < found["privacy.heldout_gap_nats"].value < 0.5


def test_a_network_trained_to_memorise_is_stopped(memoriser, careful):
    found, decision = memoriser
    # Its rows look as good as the careful network's ...
    for name in ("fidelity.shapes", "fidelity.pairs", "fidelity.triples"):
        assert found[name].value > careful[0][name].value - 0.01
    # ... and give their training rows away.
    broken = {bound.name for bound in decision.bounds if not bound.passed}
    assert broken >= {"max_heldout_gap_nats", "max_domias_auc", "max_domias_tpr"}
    assert not broken & {"min_shapes", "min_pairs", "min_triples", "max_c2st_auc", "min_mode_share"}
    assert any("the network has memorised" in failure for failure in decision.failures)
