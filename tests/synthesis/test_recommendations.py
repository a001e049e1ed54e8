"""Lists for all users from a trained model's folder, on Spark."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from builders import START, rows_of
from clicksmith.config import SequentialConfig
from clicksmith.errors import ContractError
from clicksmith.lakehouse.commit import conform
from clicksmith.recommenders.artefact import TrainedSequence, build_network
from clicksmith.recommenders.next_item.context import EventContext
from clicksmith.synthesis.recommendations import recommendations
from clicksmith.tables import RECOMMENDATIONS, SEQUENCES

pytestmark = pytest.mark.spark

IDS = [f"i{number}" for number in range(1, 9)]
CONFIG = SequentialConfig(max_length=4, embedding_dim=8, filter_viewed=True)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    network = build_network(CONFIG, torch.linspace(0, -2, len(IDS) + 1), seed=1)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    codec = {
        "items": {"ids": IDS, "num_outcomes": list(range(len(IDS), 0, -1))},
        "sequential": CONFIG.model_dump(mode="json"),
        "cardinalities": [],
        "user_values": {},
    }
    (tmp_path / "codec.json").write_text(json.dumps(codec))
    return str(tmp_path)


def _sequences(spark):
    def row(user: str, split: str, first_day: int, items: list[str]) -> dict:
        times = [START + timedelta(days=first_day + place) for place in range(len(items))]
        kinds = ["click"] * len(items)
        return {"user_id": user, "split": split, "item_ids": items, "event_ts": times, "event_types": kinds}

    rows = [
        row("warm", "test", 50, ["i5"]),
        row("warm", "train", 0, ["i1", "new", "i2"]),
        row("warm", "validation", 20, ["i3", "i1"]),
        row("cold", "test", 50, ["new", "newer"]),
        *[row(f"u{number}", "train", 0, [IDS[number % 8]]) for number in range(40)],
    ]
    return spark.createDataFrame(rows_of(SEQUENCES, rows))


def test_lists_are_of_the_whole_history_in_order_of_time(spark, folder: str) -> None:
    found = conform(recommendations(_sequences(spark), folder, "m", 5), RECOMMENDATIONS).collect()
    lists: dict[str, list[str]] = {}
    for row in sorted(found, key=lambda row: row["rank"]):
        lists.setdefault(row["user_id"], []).append(row["item_id"])
    network = TrainedSequence.load(folder).network
    scores = network.score([np.array([1, 2, 3, 1, 5])])[0]  # the newest four count
    seen = {1, 2, 3, 5}
    best = [item for item in np.argsort(-scores, kind="stable") if item > 0 and item not in seen]
    assert lists["warm"] == [f"i{item}" for item in best[:5]]
    assert len(lists["warm"]) == 4, "there are no more that the user has not taken"
    assert lists["cold"] == ["i1", "i2", "i3", "i4", "i5"]
    assert {row["user_id"] for row in found if row["is_cold_user"]} == {"cold"}
    assert len(lists) == 42


def test_what_profiles_say_reaches_the_model(spark, tmp_path: Path) -> None:
    context = EventContext((), {"gender": ["f", "m"]})
    config = CONFIG.model_copy(update={"user_features": ("gender",)})
    network = build_network(config, torch.zeros(len(IDS) + 1), seed=1, context=context)
    with torch.no_grad():
        network.contexts.table.weight.normal_()
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    codec = {
        "items": {"ids": IDS, "num_outcomes": list(range(len(IDS), 0, -1))},
        "sequential": config.model_dump(mode="json"),
        "cardinalities": [],
        "user_values": context.user_values,
    }
    (tmp_path / "codec.json").write_text(json.dumps(codec))
    profiles = spark.createDataFrame(
        [("u0", "m"), ("u8", "f"), ("u16", "x"), ("none", "f")], "user_id string, gender string"
    )
    found = recommendations(_sequences(spark), str(tmp_path), "m", 1, profiles=profiles).collect()
    best = {row["user_id"]: row["item_id"] for row in found}
    # All of these took i1 alone: numbers 1 + 9 x (1 + the gender's code); a user without a profile has none.
    for user, code in {"u0": 2, "u8": 1, "u16": 0, "u24": 0}.items():
        scores = network.score([np.array([1 + 9 * (1 + code)])])[0]
        scores[[0, 1]] = -np.inf
        assert best[user] == f"i{scores.argmax()}", user
    assert len(best) == 42


def test_partitions_change_nothing(spark, folder: str) -> None:
    one, many = (
        sorted(recommendations(_sequences(spark).repartition(n), folder, "m", 3).collect()) for n in (1, 7)
    )
    assert one == many


def test_weights_of_another_vocabulary_are_refused(folder: str) -> None:
    path = Path(folder) / "codec.json"
    codec = json.loads(path.read_text())
    codec["items"]["ids"].append("i9")
    path.write_text(json.dumps(codec))
    with pytest.raises(ContractError, match="do not fit its codec of 9 items"):
        TrainedSequence.load(folder)


def test_a_user_who_took_everything_gets_no_list_and_stops_nobody(folder: str) -> None:
    model = TrainedSequence.load(folder)
    for approximate in (False, True):
        ids, is_cold = model.recommend([IDS, ["i1"], ["new"]], 3, approximate)
        assert ids[0].tolist() == [None] * 3
        assert None not in ids[1:].ravel().tolist()
        assert is_cold.tolist() == [False, False, True]


def test_an_index_gives_the_same_lists_for_so_few_items(spark, folder: str) -> None:
    exact, found = (
        conform(recommendations(_sequences(spark), folder, "m", 3, approximate), RECOMMENDATIONS).collect()
        for approximate in (False, True)
    )
    assert sorted(map(str, exact)) == sorted(map(str, found))
