"""What a reader is shown of sequences: real and generated ones, without whose they are."""

from collections.abc import Callable

import pyarrow as pa

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.reporting.shown import MAX_EVENTS, NUM_SHOWN, event_words, rows_to_show
from clicksmith.tables import ITEM_PROFILES, SYNTHETIC_SEQUENCE_CANDIDATES
from training.toy_lake import write_rows
from training.toy_shop import toy_sequences, write_sequences


def write_candidates(lake: Lake, rows: pa.Table, generator: str) -> None:
    ids = [f"{generator}-{number}" for number in range(rows.num_rows)]
    values = {
        "sample_id": ids,
        "row_id": list(range(rows.num_rows)),
        **{name: ["r"] * rows.num_rows for name in ("run_id", "generator_id")},
        "generator": [generator] * rows.num_rows,
        **{name: rows[name] for name in rows.column_names},
        "user_id": ids,
    }
    schema = SYNTHETIC_SEQUENCE_CANDIDATES.arrow_schema
    table = pa.table(values).select(schema.names).cast(schema)
    write_rows(lake, SYNTHETIC_SEQUENCE_CANDIDATES, table, "e" * 32, f"generator={generator}")


def test_real_and_generated_sequences_stand_side_by_side(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    config = make_config("generators={walk: {preset: graph_walk}, rows: {preset: independent}}")
    assert rows_to_show(config, lake) == {}, "an empty lake has nothing to show"
    write_sequences(lake, toy_sequences(40))
    assert rows_to_show(config, lake) == {}, "real ones alone are nothing to compare"
    write_candidates(lake, toy_sequences(30, seed=5), "walk")
    profiles = [{"item_id": "i3", "title": "plum jam"}, {"item_id": "i4", "category": "spread"}]
    fields = {f.name: f.type for f in ITEM_PROFILES.arrow_schema}
    columns = {name: pa.array([row.get(name) for row in profiles], type_) for name, type_ in fields.items()}
    write_rows(lake, ITEM_PROFILES, pa.table(columns), "d" * 32)

    shown = rows_to_show(config, lake)
    assert list(shown) == ["real", "walk"] and {len(some) for some in shown.values()} == {NUM_SHOWN}
    real = toy_sequences(40).to_pylist()
    called = {"i3": "plum jam", "i4": "spread"}
    of_real = [[called.get(item, item) for item in row["item_ids"][:MAX_EVENTS]] for row in real]
    for events in shown["real"]:
        assert [event.item for event in events] in of_real
        assert events[0].seconds is None and all(event.seconds > 0 for event in events[1:])
    assert "u1" not in str(shown), "nobody is named"


def test_gaps_are_told_in_words() -> None:
    from clicksmith.generators.kind import Event

    gaps = [None, 0.0, 20.0, 300.0, 7_200.0, 172_800.0]
    told = event_words([Event("jam", "click", gap) for gap in gaps])
    assert [gap for gap, _, _ in told] == ["first", "with it", "+20 s", "+5 min", "+2 h", "+2 d"]
    assert {(type_, item) for _, type_, item in told} == {("click", "jam")}
