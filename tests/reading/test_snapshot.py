"""Rows of a pinned snapshot: which, in what order, and which tables are refused."""

import zlib

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from clicksmith.errors import ContractError, LakeError
from clicksmith.lakehouse.catalog import Lake
from clicksmith.reading import snapshot as snapshot_module
from clicksmith.reading.snapshot import latest, load_examples, load_shown, load_table, not_after
from clicksmith.seeds import Holdout
from training.toy_lake import toy_examples, write_examples

COLUMNS = ["example_id", "item_price", "split", "event_ts", "label_purchase"]


def expected(rows: pa.Table, max_rows: int) -> list[dict[str, str]]:
    """The training rows of smallest hashes."""
    train = [r for r in rows.to_pylist() if r["split"] == "train"]
    return sorted(train, key=lambda r: (zlib.crc32(r["example_id"].encode()), r["example_id"]))[:max_rows]


@pytest.mark.parametrize("max_rows", [37, 10_000])
def test_the_smallest_hashes_come_first(lake: Lake, max_rows: int) -> None:
    rows = toy_examples(3000)
    snapshot = write_examples(lake, rows)
    found = load_examples(snapshot, COLUMNS, "train", max_rows)
    assert found.column_names == COLUMNS
    assert found.column("example_id").to_pylist() == [r["example_id"] for r in expected(rows, max_rows)]
    assert set(found.column("split").to_pylist()) == {"train"}
    assert [str(t) for t in found.schema.types][1:] == ["double", "string", "timestamp[us, tz=UTC]", "bool"]
    prices = dict(zip(rows["example_id"].to_pylist(), rows["item_price"].to_pylist(), strict=True))
    assert found["item_price"].to_pylist() == [prices[i] for i in found["example_id"].to_pylist()]


def test_rows_of_some_ids_come_in_the_same_order(lake: Lake) -> None:
    rows = toy_examples(3000)
    snapshot = write_examples(lake, rows)
    wanted = ["e7", "e2999", "nobody", *(f"e{number}" for number in range(100, 200))]
    found = load_table(snapshot, ["example_id"], {"split": "train"}, among=pa.array(wanted))
    everyone = [row["example_id"] for row in expected(rows, 10_000)]
    assert found["example_id"].to_pylist() == [name for name in everyone if name in wanted]
    assert load_table(snapshot, ["example_id"], among=pa.array([], pa.string())).num_rows == 0


def test_what_comes_after_an_id_by_hand() -> None:
    """CRC-32 is the same of both: the id itself breaks the tie."""
    alike, other = ("plumless", "buckeroo"), "a"
    assert len({zlib.crc32(name.encode()) for name in alike}) == 1 < len({*alike})
    assert zlib.crc32(other.encode()) > zlib.crc32(alike[0].encode())
    ids = pa.chunked_array([[*alike, other]])
    assert not_after(ids, "buckeroo").tolist() == [False, True, False]
    assert not_after(ids, "plumless").tolist() == [True, True, False]
    assert not_after(ids, other).tolist() == [True, True, True]


def test_the_latest_of_a_column(lake: Lake) -> None:
    rows = toy_examples(300)
    snapshot = write_examples(lake, rows)
    assert latest(snapshot, "event_ts") == max(rows["event_ts"].to_pylist())
    assert latest(write_examples(lake, rows.slice(0, 0)), "event_ts") is None


@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize("max_rows", [370, 10_000])
def test_a_tenth_of_the_users_is_kept_from_generators(lake: Lake, held_out: bool, max_rows: int) -> None:
    rows = toy_examples(3000)
    found = load_shown(write_examples(lake, rows), ["example_id", "user_id"], max_rows, Holdout(), held_out)
    wanted = [
        (r["example_id"], r["user_id"])
        for r in expected(rows, max_rows)
        if (zlib.crc32(r["user_id"].encode()) % 10 == 0) is held_out
    ]
    assert [tuple(r.values()) for r in found.to_pylist()] == wanted
    assert 0 < len(wanted) < len(expected(rows, max_rows))


def test_a_control_of_as_many_rows_has_all_that_a_generator_saw(lake: Lake) -> None:
    """However many rows the held-out users have: here hardly any."""
    rows = toy_examples(3000)
    users = np.where(np.arange(3000) % 50 == 0, "u8", "u1")
    assert [zlib.crc32(user) % 10 == 0 for user in (b"u8", b"u1")] == [True, False]
    place = rows.column_names.index("user_id")
    snapshot = write_examples(lake, rows.set_column(place, rows.schema.field("user_id"), [users.tolist()]))
    shown = load_shown(snapshot, ["example_id"], 1000, Holdout())["example_id"].to_pylist()
    control = load_examples(snapshot, ["example_id"], "train", 1000)["example_id"].to_pylist()
    assert len(shown) > 960
    assert set(shown) < set(control)


def test_file_layout_changes_nothing(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = toy_examples(4000)
    one = write_examples(Lake(str(tmp_path / "one")), rows)
    shuffled = rows.take(np.random.default_rng(1).permutation(4000))
    many = write_examples(Lake(str(tmp_path / "many")), shuffled, target_file_size=20_000)
    monkeypatch.setattr(snapshot_module, "BATCH_ROWS", 100)  # makes the running threshold work
    names = rows.column_names
    assert load_examples(one, names, "train", 50).equals(load_examples(many, names, "train", 50))


def test_the_version_is_pinned(lake: Lake) -> None:
    first = write_examples(lake, toy_examples(500))
    write_examples(lake, toy_examples(900), "e" * 32)
    assert load_table(first, ["example_id"]).num_rows == 500


def test_where_filters_on_any_column(lake: Lake) -> None:
    snapshot = write_examples(lake, toy_examples(500))
    found = load_table(snapshot, ["item_category", "split"], {"item_category": "DAIRY", "split": "test"})
    assert 0 < found.num_rows < 100
    assert set(map(tuple, (r.values() for r in found.to_pylist()))) == {("DAIRY", "test")}


def test_unknown_columns_and_lost_files_are_clear_errors(lake: Lake) -> None:
    snapshot = write_examples(lake, toy_examples(200))
    with pytest.raises(ContractError, match="has no column nonsense"):
        load_table(snapshot, ["nonsense"])
    for uri in DeltaTable(snapshot.uri).file_uris():
        from pathlib import Path

        Path(uri).unlink()
    with pytest.raises(LakeError, match="version 0: cannot read"):
        load_table(snapshot, ["item_id"])


def test_deletion_vectors_are_refused(lake: Lake) -> None:
    from deltalake.table import TableFeatures

    snapshot = write_examples(lake, toy_examples(200))
    DeltaTable(snapshot.uri).alter.add_feature(
        TableFeatures.DeletionVectors, allow_protocol_versions_increase=True
    )
    from dataclasses import replace

    with pytest.raises(LakeError, match="deletionVectors"):
        load_table(replace(snapshot, version=1), ["item_id"])
