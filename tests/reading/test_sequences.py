"""Sequences as they are read: whoever is asked has all that they took before, and items keep their counts."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from builders import rows_of
from clicksmith.config import Config
from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lift.kinds.generated import takes_rare
from clicksmith.reading.sequences import SequenceRows, read_sequences
from clicksmith.tables import ITEM_PROFILES, SEQUENCES, USER_PROFILES, VOCABULARY
from training.test_sequential import profiles_of
from training.toy_lake import write_rows
from training.toy_lift import START, cycle_sequences, vocabulary_of


def inputs_of(lake: Lake, rows: pa.Table) -> dict[str, Snapshot]:
    train = rows.filter(pc.equal(rows["split"], "train"))
    ids = pc.list_flatten(train["item_ids"]).to_pylist()
    return {
        "sequences": write_rows(lake, SEQUENCES, rows, "f" * 32),
        "vocabulary": write_rows(lake, VOCABULARY, vocabulary_of(ids), "f" * 32),
    }


def in_few(rows: pa.Table, *splits: str) -> pa.Table:
    """Every tenth user alone in these splits."""
    is_tenth = pc.match_substring_regex(rows["user_id"], "0$")
    return rows.filter(pc.or_(is_tenth, pc.invert(pc.is_in(rows["split"], pa.array(splits)))))


def lengths(found: SequenceRows, split: str) -> list[int]:
    return [len(prefix) for prefix in found.evaluation[split].prefixes]


def test_who_is_asked_keeps_their_history_whoever_is_trained_on(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """200 users before the cut, the first twenty by hash trained on; the twenty who come back are asked."""
    rows = in_few(cycle_sequences(200, 20, 6), "validation", "test")
    found = read_sequences(make_config().sequential, inputs_of(lake, rows), max_users=20, max_asked=50)
    assert found.train.num_rows == len(found.histories) == 20
    trained = set(found.train["user_id"].to_pylist())
    assert len(trained & set(found.evaluation["test"].users)) < 10
    assert lengths(found, "validation") == [6] * 20
    assert lengths(found, "test") == [8] * 20, "of training and of validation"


def test_who_is_tested_keeps_what_they_took_in_validation(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    rows = in_few(cycle_sequences(200, 20, 6), "test")
    found = read_sequences(make_config().sequential, inputs_of(lake, rows), max_users=500, max_asked=20)
    assert lengths(found, "validation") == [6] * 20
    assert lengths(found, "test") == [8] * 20


def test_users_beyond_the_trained_ones_have_profiles_and_teach_no_values(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """Of twenty trained users nobody is of gender x; of those asked each keeps their own."""
    rows = in_few(cycle_sequences(200, 20, 6), "validation", "test")
    inputs, config = inputs_of(lake, rows), make_config("sequential.user_features=[gender]")
    plain = read_sequences(make_config().sequential, inputs, 20, 50)
    trained = set(plain.train["user_id"].to_pylist())
    users = sorted(set(rows["user_id"].to_pylist()))
    says = {
        user: ("fm"[number % 2] if user in trained else "fx"[number % 20 == 0],)
        for number, user in enumerate(users)
    }
    inputs["user_profiles"] = write_rows(lake, USER_PROFILES, profiles_of(says, ("gender",)), "f" * 32)
    found = read_sequences(config.sequential, inputs, 20, 50)
    assert found.train["user_id"].to_pylist() == plain.train["user_id"].to_pylist()
    assert found.context.user_values == {"gender": ["f", "m"]}
    code = {"f": 1, "m": 2, "x": 0}
    asked = found.evaluation["test"]
    told = [set((prefix // len(found.items)).tolist()) for prefix in asked.prefixes]
    assert told == [{1 + code[says[user][0]]} for user in asked.users] and len(told) == 20
    assert {says[user][0] for user in asked.users} >= {"f", "x"}


def test_items_without_a_vector_are_counted_too(make_config: Callable[..., Config], lake: Lake) -> None:
    """Taken 4, 3, 2 and 1 times before the cut; the model has a vector of the first."""
    train = {"u0": "aaab", "u1": "abbc", "u2": "cd"}
    test = {"u0": "cd", "u1": "xa", "u2": "a"}
    rows = rows_of(
        SEQUENCES,
        [
            {
                "user_id": user, "item_ids": list(items), "event_types": ["click"] * len(items),
                "event_ts": [START] * len(items), "split": split,
            }
            for split, taken in (("train", train), ("test", test))
            for user, items in taken.items()
        ],
    )  # fmt: skip
    found = read_sequences(make_config("sequential.max_items=1").sequential, inputs_of(lake, rows))
    assert found.items.ids == ("a",) and found.items.num_outcomes.tolist() == [4]
    assert found.vocabulary.num_outcomes.tolist() == [0, 4, 3, 2, 1]
    asked = found.evaluation["test"]
    assert sorted(asked.users) == ["u0", "u1"], "u2 has no known item before"
    by_user = dict(zip(asked.users, zip(asked.targets, found.taken["test"], strict=True), strict=True))
    targets = {user: one.tolist() for user, (one, _) in by_user.items()}
    taken = {user: numbers.tolist() for user, (_, numbers) in by_user.items()}
    assert targets == {"u0": [0], "u1": [0, 1]} and taken == {"u0": [3, 4], "u1": [0, 1]}
    # A quarter of the ten events are of items that were taken at most twice: all of u2's, no half of others'.
    rare = dict(
        zip(
            found.train["user_id"].to_pylist(),
            takes_rare(found.train, found.train, found.vocabulary).tolist(),
            strict=True,
        )
    )
    assert rare == {"u0": False, "u1": False, "u2": True}


@pytest.mark.parametrize("table", [USER_PROFILES, ITEM_PROFILES])
def test_profiles_of_a_later_cut_know_what_is_asked(
    make_config: Callable[..., Config], lake: Lake, table: object
) -> None:
    """Six days of training: what is asked begins with the seventh."""
    config = make_config("sequential.user_features=[gender]", "sequential.item_attributes=[price_band]")
    rows = cycle_sequences(20, 10, 6)
    inputs = inputs_of(lake, rows)
    first = START + timedelta(days=6)

    def read(user_as_of: datetime, item_as_of: datetime, asked: pa.Table = rows) -> SequenceRows:
        users = profiles_of({"u0000": ("f",)}, ("gender",)).to_pylist()
        users = rows_of(USER_PROFILES, [{**row, "as_of_ts": user_as_of} for row in users])
        items = rows_of(ITEM_PROFILES, [{"item_id": "i000", "as_of_ts": item_as_of, "mean_price": 1.0}])
        own = {
            "sequences": write_rows(lake, SEQUENCES, asked, "f" * 32, mode="overwrite"),
            "user_profiles": write_rows(lake, USER_PROFILES, users, "f" * 32, mode="overwrite"),
            "item_profiles": write_rows(lake, ITEM_PROFILES, items, "f" * 32, mode="overwrite"),
        }
        return read_sequences(config.sequential, {**inputs, **own})

    late = first + timedelta(minutes=1)
    moments = (late, first) if table is USER_PROFILES else (first, late)
    assert len(read(first, first).evaluation["test"]) == 20, "at the cut itself nothing of it is counted"
    with pytest.raises(
        TrainingError, match=rf"gold\.{table.name[5:]} version \d is as of 2017-01-08 00:01, and what"
    ):
        read(*moments)
    is_validation = pc.equal(rows["split"], "validation")
    assert len(read(*moments, rows.filter(pc.invert(is_validation))).evaluation["test"]) == 20, (
        "without validation rows the eighth day is the first that is asked"
    )
    trained = rows.filter(pc.equal(rows["split"], "train"))
    assert len(read(*moments, trained).evaluation["test"]) == 0, "nothing is asked"
