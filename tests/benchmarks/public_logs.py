"""Public data sets as users' histories of item indices, split as published or by one cut in time."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clicksmith.reading.next_items import NextItems
from clicksmith.sources.complete_journey import WHEEL as GROCERIES
from clicksmith.sources.movielens import WHEEL
from clicksmith.sources.wheels import data_folder

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
CUTS = (0.8, 0.9)
"""Shares of events before validation and before test."""

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Split:
    """A data set.

    Attributes:
        train: histories to fit on while settings are chosen, oldest first.
        before_test: histories to fit the chosen setting on: those of validation as well.
        num_items: V; index 0 stands for items that training does not know.
        validation, test: whom to ask.
        filter_viewed: whether nobody takes an item twice, as the data set is used.
        recent_popularity: events of each item in the last tenth of what lies before the test, shape (V,);
            None where no times are known.
    """

    train: list[Ints]
    before_test: list[Ints]
    num_items: int
    validation: NextItems
    test: NextItems
    filter_viewed: bool
    recent_popularity: NDArray[np.float64] | None = None

    @property
    def popularity(self) -> NDArray[np.float64]:
        """Training events of each item, shape (V,)."""
        return np.bincount(np.concatenate(self.train), minlength=self.num_items).astype(np.float64)

    def refit(self) -> "Split":
        """To fit the chosen setting: all that lies before the test, and nothing to validate with."""
        nothing = NextItems([], [], np.zeros(0, np.int64))
        return replace(self, train=self.before_test, validation=nothing)


def amazon_beauty() -> Split:
    """Leave one out: the last item tests, the one before it validates (the files of S3Rec)."""
    lines = (DATA / "amazon_beauty" / "sequences.txt").read_text().splitlines()
    histories = [np.array(line.split()[1:], np.int32) for line in lines]
    validation, test = (
        NextItems(
            [history[:-end] for history in histories],
            [history[-end:][:1] for history in histories],
            np.ones(len(histories), np.int64),
        )
        for end in (2, 1)
    )
    num_items = 1 + max(int(history.max()) for history in histories)
    train = [history[:-2] for history in histories]
    return Split(train, test.prefixes, num_items, validation, test, filter_viewed=True)


def yoochoose() -> Split:
    """Sessions, as published: a test session's clicks ask for the next; the last train day validates."""
    folder = DATA / "yoochoose_clicks_100k"
    train, test = (
        pd.read_csv(folder / f"{name}.tsv", sep="\t").rename(
            columns={"SessionId": "user", "ItemId": "item", "Time": "time"}
        )
        for name in ("train_full", "test")
    )
    starts = train.groupby("user")["time"].transform("min")
    border = train["time"].max() - 86_400
    index = _indices(train[starts < border])
    histories, of_last_day, of_test = (
        list(_histories(part, index).values())
        for part in (train[starts < border], train[starts >= border], test)
    )
    return Split(
        train=_known(histories),
        before_test=_known([*histories, *of_last_day]),
        num_items=len(index) + 1,
        validation=_each_next(of_last_day),
        test=_each_next(of_test),
        filter_viewed=False,
        recent_popularity=_recent(train, index),
    )


def movielens_100k() -> Split:
    """Ratings by one cut in time."""
    rows = pd.read_csv(data_folder(WHEEL) / "ml-100k.inter", sep="\t")
    return _by_time(rows.set_axis(["user", "item", "rating", "time"], axis=1), filter_viewed=True)


def retailrocket() -> Split:
    """Views, carts and purchases by one cut in time."""
    rows = pd.read_parquet(DATA / "retailrocket_multi_behavior" / "events.parquet")
    rows = rows.rename(columns={"user_id": "user", "item_id": "item", "unix_ts": "time"})
    return _by_time(rows, filter_viewed=False)


def complete_journey() -> Split:
    """Groceries by one cut in time, the items bought 50 times before it; a basket's order is drawn."""
    columns = ["household_id", "product_id", "transaction_timestamp"]
    rows = pd.read_parquet(data_folder(GROCERIES) / "transactions.parquet", columns=columns)
    rows = rows.set_axis(["user", "item", "time"], axis=1)
    rows["time"] = rows["time"].astype("int64")
    # Events of a basket share their time, and ties are in the order of the rows' position here.
    rows["tie"] = np.random.default_rng(0).permutation(len(rows))
    return _by_time(rows, filter_viewed=False, min_events=50)


def _by_time(rows: pd.DataFrame, filter_viewed: bool, min_events: int = 1) -> Split:
    first, second = np.quantile(rows["time"], CUTS)
    parts = (
        rows[rows["time"] < first],
        rows[rows["time"].between(first, second, "left")],
        rows[rows["time"] >= second],
    )
    index = _indices(parts[0], min_events)
    train, validation, test = (_histories(part, index) for part in parts)
    before_test = {
        user: np.concatenate([train.get(user, _NONE), validation.get(user, _NONE)]) for user in test
    }
    whole = _histories(rows[rows["time"] < second], index)
    return Split(
        train=_known(list(train.values())),
        before_test=_known(list(whole.values())),
        num_items=len(index) + 1,
        validation=NextItems.of(train, validation),
        test=NextItems.of(before_test, test),
        filter_viewed=filter_viewed,
        recent_popularity=_recent(rows[rows["time"] < second], index),
    )


def _recent(before_test: pd.DataFrame, index: dict[object, int]) -> NDArray[np.float64]:
    newest = before_test[before_test["time"] >= np.quantile(before_test["time"], 0.9)]
    items = newest["item"].map(index).dropna().to_numpy(np.int64)
    return np.bincount(items, minlength=len(index) + 1).astype(np.float64)


def _known(histories: list[Ints]) -> list[Ints]:
    """Without items that training does not know, and without users who have no other."""
    return [known for known in (history[history > 0] for history in histories) if len(known)]


_NONE = np.empty(0, np.int32)


def _indices(train: pd.DataFrame, min_events: int = 1) -> dict[object, int]:
    """Items by falling frequency in training rows, from 1, ties by id."""
    counts = train.groupby("item").size().rename("n").reset_index()
    counts = counts[counts["n"] >= min_events]
    ordered = counts.sort_values(["n", "item"], ascending=[False, True])["item"]
    return {item: number for number, item in enumerate(ordered, start=1)}


def _histories(rows: pd.DataFrame, index: dict[object, int]) -> dict[object, Ints]:
    """Each user's items, oldest first, ties by item or as drawn; 0 where training does not know one."""
    tie = "tie" if "tie" in rows else "item"
    rows = rows.sort_values(["user", "time", tie], kind="stable")
    items = rows["item"].map(index).fillna(0).to_numpy(np.int32)
    users, starts = np.unique(rows["user"].to_numpy(), return_index=True)
    return dict(zip(users, np.split(items, starts[1:]), strict=True))


def _each_next(sessions: list[Ints]) -> NextItems:
    """A question after each click but the last; unknown items are relevant and no history."""
    prefixes, targets = [], []
    for items in sessions:
        for end in range(1, len(items)):
            known = items[:end][items[:end] > 0]
            if len(known):
                prefixes.append(known)
                targets.append(items[end : end + 1])
    return NextItems(prefixes, targets, np.ones(len(targets), np.int64))
