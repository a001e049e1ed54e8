"""Learning curves of a measurement's controls: their figure on 1 to 100 % of all training rows of a log."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from benchmarks.lines import print_line
from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.steps import sequential_inputs
from clicksmith.lift.kinds.next_item import NextItemTask, next_item_task
from clicksmith.lift.kinds.ranking import RankingTask, ranking_task
from clicksmith.lift.measure import measure
from clicksmith.lift.task import ALL, Task, control_of
from clicksmith.tables import TRAINING_EXAMPLES, VOCABULARY

SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
MAX_ROWS = 1_000_000
"""Coded rows that fit the memory beside the workers' own: 0.7 GB."""
MIN_ROWS, MIN_USERS = 100, 10

CONTROL = {"none": {"kind": "none"}}


def print_curves(log: str, config: Config) -> None:
    """The shipped ranker and next-item model, over the seeds, with as many steps on few rows as on many.

    Rows are coded as all of them are. Shares beyond what fits the memory are left out, and those that are too
    few rows to train on.
    """
    lake, settings = Lake.of(config), config.model_dump()
    settings["lift"] |= {"arms": CONTROL, "max_rows": MAX_ROWS}
    settings["lift"]["next_item"] |= {"arms": CONTROL, "max_users": MAX_ROWS, "max_all_users": MAX_ROWS}
    alone = Config.model_validate(settings)
    examples = lake.get(TRAINING_EXAMPLES)
    ranking = ranking_task(alone, examples, lake.get(VOCABULARY), {})
    num_rows = lake.count_rows(examples, "split=train")
    print_line("lift", f"{log}.ranking.training_rows", num_rows, "rows")
    for share, rows_task in _of_rows(ranking, num_rows):
        print_line(
            "lift", f"{log}.ranking.{ranking.model}.auc_on_{share:g}_of_all_rows", *_figure(rows_task, alone)
        )
    inputs = sequential_inputs(alone, lake)
    if not lake.count_rows(inputs["sequences"], "split=train"):
        return
    next_item = next_item_task(alone, inputs)
    print_line("lift", f"{log}.next_item.training_users", next_item.num_real, "users")
    for share, users_task in _of_users(next_item):
        what = f"{log}.next_item.{next_item.model}.ndcg_on_{share:g}_of_all_users"
        print_line("lift", what, *_figure(users_task, alone))


def _of_rows(task: RankingTask, num_rows: int) -> Iterator[tuple[float, RankingTask]]:
    for share in SHARES:
        wanted = round(share * num_rows)
        if MIN_ROWS <= wanted <= len(task.stock.real):
            rows = task.stock.real.take(np.arange(wanted))
            splits, stock = replace(task.splits, train=rows), replace(task.stock, real=rows)
            yield share, replace(task, splits=splits, stock=stock)


def _of_users(task: NextItemTask) -> Iterator[tuple[float, NextItemTask]]:
    for share in SHARES:
        if (wanted := round(share * task.num_real)) >= MIN_USERS:
            yield share, replace(task, num_real=wanted)


def _figure(task: Task, config: Config) -> tuple[float, str]:
    """Of the control in the metric that decides, and its unit."""
    metric = next(iter(task.metrics))
    with tempfile.TemporaryDirectory() as folder:
        found = measure(task, config, folder)
    return float(found.comparisons["test", metric, ALL].values[control_of(task.arms)].mean()), metric
