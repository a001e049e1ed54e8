"""Open Bandit Data: rankers trained on one policy's log, judged on the other's; 10,000 rows a campaign each.

Trained on what the learning policy (Bernoulli Thompson sampling) showed, weighted by 1 / propensity or not;
tested on what the random policy showed, where every item had the same chance. The value of a policy is the
share of clicks it would have earned: of those that show each time the item that a model ranks first.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.intervals import print_interval
from benchmarks.lines import print_line
from benchmarks.policy import policy_value
from clicksmith.evaluation.metrics import ranking
from clicksmith.lift.statistics import figures
from clicksmith.recommenders.losses import RankerObjective
from clicksmith.recommenders.ranking.ranker import Kind, build_ranker, score
from clicksmith.sources.open_bandit import WHEEL
from clicksmith.sources.wheels import data_folder
from clicksmith.training.engine.supervised import Schedule, fit, rows_of_step

CAMPAIGNS = ("all", "men", "women")
MODELS: tuple[Kind, ...] = ("logistic", "deepfm", "dcnv2")
USER = [f"user_feature_{number}" for number in range(4)]
ITEM = ["item_feature_1", "item_feature_2", "item_feature_3"]
MAX_WEIGHT = 100.0
"""1 / propensity, over its mean, is cut here: one row of 1e-6 would outweigh all others."""

SCHEDULE = Schedule(num_steps=600, batch_size=500, learning_rate=1e-3, seed=0)


@dataclass(frozen=True)
class Log:
    """What a policy showed.

    Attributes:
        codes: of user, position, campaign and item, shape (N, C).
        clicks: shape (N,).
        propensities: of the item shown, shape (N,).
        campaign: of each row, shape (N,).
    """

    codes: NDArray[np.int64]
    clicks: NDArray[np.bool_]
    propensities: NDArray[np.float64]
    campaign: NDArray[np.int64]


@dataclass(frozen=True)
class Logs:
    """Both policies' logs.

    Attributes:
        bts, random: the logs.
        items: item columns of each campaign's items, shape (M, I) each.
        cardinalities: codes of each column; the item columns are the last I.
    """

    bts: Log
    random: Log
    items: list[NDArray[np.int64]]
    cardinalities: list[int]


def read() -> Logs:
    """Both logs with the same codes."""
    folder = data_folder(WHEEL)
    frames, contexts = [], []
    for number, campaign in enumerate(CAMPAIGNS):
        context = pd.read_csv(folder / "random" / campaign / "item_context.csv")
        contexts.append(context.assign(campaign=number))
        for policy in ("bts", "random"):
            log = pd.read_csv(folder / policy / campaign / f"{campaign}.csv")
            log = log[["item_id", "position", "click", "propensity_score", *USER]]
            log = log.merge(context[["item_id", *ITEM]], on="item_id", how="left", validate="many_to_one")
            frames.append(log.assign(campaign=number, policy=policy))
    rows, context = pd.concat(frames, ignore_index=True), pd.concat(contexts, ignore_index=True)
    context_columns, item_columns = [*USER, "position", "campaign"], ["item", *ITEM]
    for frame in (rows, context):
        frame["item"] = frame["campaign"].astype(str) + "/" + frame["item_id"].astype(str)
    coded: dict[str, NDArray[np.int64]] = {}
    cardinalities = []
    for column in (*context_columns, *item_columns):
        both = pd.concat([rows[column], context[column]]) if column in item_columns else rows[column]
        codes, values = pd.factorize(both, sort=True)
        coded[column] = codes
        cardinalities.append(len(values))
    table = np.column_stack([coded[c][: len(rows)] for c in (*context_columns, *item_columns)])
    of_items = np.column_stack([coded[column][len(rows) :] for column in item_columns])

    def log_of(policy: str) -> Log:
        mine = (rows["policy"] == policy).to_numpy()
        clicks = rows["click"].to_numpy(bool)[mine]
        propensities = rows["propensity_score"].to_numpy(np.float64)[mine]
        return Log(table[mine], clicks, propensities, rows["campaign"].to_numpy()[mine])

    items = [of_items[context["campaign"] == number] for number in range(len(CAMPAIGNS))]
    return Logs(log_of("bts"), log_of("random"), items, cardinalities)


def trained(logs: Logs, model: Kind, weighted: bool, seed: int) -> torch.nn.Module:
    """Trained on the learning policy's log."""
    log = logs.bts
    weights = 1.0 / log.propensities
    weights = np.minimum(weights / weights.mean(), MAX_WEIGHT)
    weights = torch.from_numpy((weights / weights.mean()).astype(np.float32))
    codes, clicks = torch.from_numpy(log.codes), torch.from_numpy(log.clicks)
    network = build_ranker(model, logs.cardinalities, 4, float(log.clicks.mean()), seed)

    def batch(step: int) -> tuple[torch.Tensor, ...]:
        rows = torch.from_numpy(rows_of_step(len(clicks), SCHEDULE.batch_size, step, seed))
        return codes[rows], clicks[rows], *((weights[rows],) if weighted else ())

    fit(RankerObjective(network), SCHEDULE, batch)
    return network


def chosen_first(logs: Logs, log: Log, network: torch.nn.Module) -> NDArray[np.bool_]:
    """Whether the item shown is the one that a model ranks first there; shape (N,)."""
    shown = np.zeros(len(log.clicks), bool)
    width = logs.items[0].shape[1]
    for number, items in enumerate(logs.items):
        rows = np.flatnonzero(log.campaign == number)
        asked = np.repeat(log.codes[rows], len(items), axis=0)
        asked[:, -width:] = np.tile(items, (len(rows), 1))
        scores = score(network, torch.from_numpy(asked)).numpy().reshape(len(rows), len(items))
        shown[rows] = (items[scores.argmax(1)] == log.codes[rows, -width:]).all(1)
    return shown


def open_bandit(seed: int = 0) -> None:
    """Figures of each model, each with its interval."""
    logs = read()
    log = logs.random
    prior = float(logs.bts.clicks.mean())
    base = np.full(len(log.clicks), prior)
    print_line("recommenders", "open_bandit.clicks.train", float(logs.bts.clicks.sum()), "1")
    print_line("recommenders", "open_bandit.clicks.test", float(log.clicks.sum()), "1")
    print_line("recommenders", "open_bandit.base_rate.logloss", ranking.log_loss(base, log.clicks), "nats")
    print_line("recommenders", "open_bandit.random.value", float(log.clicks.mean()), "1")
    for model in MODELS:
        for weighted in (False, True):
            name = f"open_bandit.{model}{'.ips' if weighted else ''}"
            network = trained(logs, model, weighted, seed)
            scores = score(network, torch.from_numpy(log.codes)).numpy()
            losses = ranking.log_losses(scores, log.clicks) - ranking.log_losses(base, log.clicks)
            found = {"auc": figures.auc(scores, log.clicks), "logloss_over_base_rate": figures.mean(losses)}
            for metric, figure in found.items():
                print_line("recommenders", f"{name}.{metric}", figure.value, "1")
                print_interval(f"{name}.{metric}", figure)
            value = policy_value(log.clicks, log.propensities, chosen_first(logs, log, network))
            for metric in ("snips", "low", "high", "effective_rows"):
                print_line("recommenders", f"{name}.value.{metric}", getattr(value, metric), "1")
