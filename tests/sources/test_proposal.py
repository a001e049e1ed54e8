"""A log of one's own to a configuration: what is told by names, by values, and what is missing."""

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import init_conf
from clicksmith.config import Config
from clicksmith.errors import ConfigError, SourceError
from clicksmith.sources import sample as sample_module
from clicksmith.sources.draft import draft
from clicksmith.sources.lacks import label_of, lacks
from clicksmith.sources.proposal import Proposal, propose
from clicksmith.sources.sample import read_sample
from clicksmith.sources.user_lines import head_of, is_user_lines, write_log

START = datetime(2026, 1, 1, tzinfo=UTC)


def of_csv(folder: Path, text: str, **given: str) -> Proposal:
    path = folder / "log.csv"
    path.write_text(text)
    return propose(read_sample(str(path)), given)


def shop(folder: Path, days: int, kinds: tuple[str, ...] = ("shown", "shown", "clicked", "bought")) -> Path:
    """A CSV of an event an hour."""
    path = folder / "shop.csv"
    rows = [
        f"{START + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ};c{hour % 7};{hour % 11};{kind};9.5"
        for hour in range(24 * days)
        for kind in [kinds[hour % len(kinds)]]
    ]
    path.write_text("\n".join(["When;Customer ID;SKU;Action;Unit Price", *rows]) + "\n")
    return path


def test_names_words_and_times_of_a_shop(tmp_path: Path) -> None:
    path = shop(tmp_path, 100)
    sample = read_sample(str(path))
    proposal = propose(sample)
    assert (sample.format, sample.delimiter, sample.num_rows, sample.share) == ("csv", ";", 2400, 1.0)
    assert proposal.events == {
        "columns": {
            "event_type": "Action",
            "event_ts": "When",
            "user_id": "Customer ID",
            "item_id": "SKU",
            "price": "Unit Price",
        },
        "timestamp_unit": "iso",
        "event_types": {"bought": "purchase", "clicked": "click", "shown": "impression"},
    }
    assert proposal.counts == {"impression": 1200, "click": 600, "purchase": 600}
    assert (proposal.num_users, proposal.num_items, proposal.user_share) == (7, 11, 1.0)
    assert (proposal.first, proposal.last) == (START, START + timedelta(hours=2399))
    assert proposal.cut_date == date(2026, 3, 22)  # hour 1920 of 2400, day 80
    assert label_of(proposal) == "label_purchase"
    assert lacks(sample, proposal) == [
        "Few impressions: 1,200 beside 1,200 outcomes were read. Most of these follow none that was logged.",
        "Few positives: about 600 purchases. Intervals will be wide.",
    ]
    config = Config.model_validate(yaml.safe_load(draft(sample, proposal, str(path), "shop")))
    assert config.source.model_dump()["events"]["columns"] == proposal.events["columns"]
    assert config.features.cut_date == date(2026, 3, 22) and config.features.num_negatives == 0
    assert config.ranker.label == "label_purchase" and config.lake.root == ".lake/shop"
    assert {generator.max_rows for generator in config.generators.values()} == {config.lift.max_rows}
    shown = 0.88 * config.lift.max_rows  # a tenth of the users is held out
    assert shown * config.synthesis.ratio >= max(arm.ratio for arm in config.lift.arms.values()) * 100_000


@pytest.mark.parametrize(("per_second", "unit"), [(1, "s"), (1_000, "ms"), (1_000_000, "us")])
def test_units_of_times_by_their_size(tmp_path: Path, per_second: int, unit: str) -> None:
    times = [int((START + timedelta(hours=hour)).timestamp() * per_second) for hour in range(240)]
    rows = "\n".join(f"{time},u{time % 5},{1_400_000_000 + time % 9}" for time in times)
    proposal = of_csv(tmp_path, f"ts,uid,item\n{rows}\n")
    assert proposal.events["timestamp_unit"] == unit and proposal.events["columns"]["event_ts"] == "ts"
    assert proposal.first == START and proposal.last == START + timedelta(hours=239)


def test_times_are_found_by_their_values(tmp_path: Path) -> None:
    rows = "\n".join(
        f"u{hour % 3},i{hour % 4},{START + timedelta(hours=hour):%Y-%m-%d %H:%M}" for hour in range(99)
    )
    assert of_csv(tmp_path, f"user,item,moment\n{rows}\n").events["columns"]["event_ts"] == "moment"


def test_ids_that_look_like_times_are_not_taken_for_them(tmp_path: Path) -> None:
    rows = "\n".join(f"{1_400_000_000 + i},i{i}" for i in range(50))
    with pytest.raises(SourceError, match=r"no column holds times; the columns are user_id, item_id"):
        of_csv(tmp_path, f"user_id,item_id\n{rows}\n")


def test_a_date_with_milliseconds_beside_it(tmp_path: Path) -> None:
    rows = "\n".join(f"{s};NA;{s};{s * 1000};2016-05-{9 + s % 9:02d}" for s in range(1, 300))
    proposal = of_csv(
        tmp_path, f"session_id;user_id;item_id;timeframe;eventdate\n{rows}\n1;7;1;5;2016-05-09\n"
    )
    assert proposal.events["timestamp_unit"] == "ms" and proposal.events["timestamp_date"] == "eventdate"
    assert proposal.events["missing_values"] == ["NA"]
    assert proposal.events["fallbacks"] == {"user_id": "session_id"}
    assert proposal.events["constants"] == {"event_type": "click"}
    assert proposal.user_share == 1 / 300
    assert proposal.first == datetime(2016, 5, 9, 0, 0, 0, 5_000, UTC)


@pytest.mark.parametrize(
    ("kinds", "types"),
    [
        (("view", "buy"), {"buy": "purchase", "view": "click"}),
        (("view", "click"), {"view": "impression"}),
        (("impression", "view"), {"view": "click"}),
        (("add_to_cart", "Purchase"), {"Purchase": "purchase", "add_to_cart": "cart"}),
    ],
)
def test_a_view_is_a_click_where_nothing_else_is(
    tmp_path: Path, kinds: tuple[str, ...], types: dict[str, str]
) -> None:
    assert propose(read_sample(str(shop(tmp_path, 4, kinds)))).events["event_types"] == types


def test_a_time_that_is_none_does_not_end_the_proposal(tmp_path: Path) -> None:
    second = int(START.timestamp())
    rows = [f"{second + hour * 3600},u{hour % 5},i{hour % 9}" for hour in range(240)]
    proposal = of_csv(tmp_path, "\n".join(["ts,uid,item", *rows, "1000000000000,u,i", "inf,u,i"]))
    assert (proposal.first, proposal.last) == (START, START + timedelta(hours=239))
    rows = [f"0001-01-01 00:00:00,u{hour % 5},i{hour % 9}" for hour in range(9)]
    with pytest.raises(SourceError, match="'ts' holds no time between 1995 and 2050"):
        of_csv(tmp_path, "\n".join(["ts,uid,item", *rows]))


def test_dates_stay_beside_their_counts_where_a_count_is_missing(tmp_path: Path) -> None:
    rows = "\n".join(f"{s};7;{s};{s * 1000};2016-05-{9 + s // 100:02d}" for s in range(1, 300))
    text = f"session_id;user_id;item_id;timeframe;eventdate\n1;7;1;;2018-01-01\n{rows}\n"
    proposal = of_csv(tmp_path, text)
    assert proposal.first == datetime(2016, 5, 9, 0, 0, 1, tzinfo=UTC)


def test_a_sample_of_many_and_of_packed_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_module, "_ROWS", 100)
    text = shop(tmp_path, 4).read_bytes()
    for name, content in (("a", text), ("b", text), ("packed", gzip.compress(text))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_bytes(content)
    (tmp_path / "a" / "more.csv").write_bytes(text)
    assert read_sample(str(tmp_path / "a")).num_rows == 100  # 50 of each
    part = read_sample(str(tmp_path / "b"))
    assert part.num_rows == 96 and part.share == 1.0
    monkeypatch.setattr(sample_module, "_ROWS", 10)
    part = read_sample(str(tmp_path / "b"))
    assert part.num_rows == 10 and part.share == pytest.approx(0.1, abs=0.02)
    packed = read_sample(str(tmp_path / "packed"))
    assert packed.num_rows == 10 and packed.share is None
    assert "only its first 10 rows" in draft(packed, propose(packed), "log.csv", "log")


def test_event_types_without_a_meaning_are_kept(tmp_path: Path) -> None:
    sample = read_sample(str(shop(tmp_path, 4, ("view", "wishlist"))))
    proposal = propose(sample)
    assert proposal.extra_event_types == ("wishlist",)
    assert any("wishlist" in sentence for sentence in lacks(sample, proposal))
    config = Config.model_validate(yaml.safe_load(draft(sample, proposal, "x.csv", "x")))
    assert config.contract.extra_event_types == ("wishlist",)


def test_what_sessions_one_week_and_no_impressions_mean(tmp_path: Path) -> None:
    rows = "\n".join(
        f"{h // 4}\ti{h % 9}\t{int((START + timedelta(hours=h)).timestamp())}" for h in range(24 * 7)
    )
    path = tmp_path / "week.tsv"
    path.write_text(f"SessionId\tItemId\tTime\n{rows}\n")
    sample = read_sample(str(path))
    proposal = propose(sample)
    assert proposal.events["columns"]["user_id"] == proposal.events["columns"]["session_id"] == "SessionId"
    assert [sentence.split(":")[0].split(" (")[0] for sentence in lacks(sample, proposal)] == [
        "No event types",
        "No impressions",
        "No users",
        "One month only",
        "Few positives",
        "No or few purchases",
        "No prices",
    ]
    assert "num_negatives: 4" in draft(sample, proposal, str(path), "week")


def test_too_few_days_have_no_cut(tmp_path: Path) -> None:
    sample = read_sample(str(shop(tmp_path, 2)))
    assert propose(sample).cut_date is None
    assert any(sentence.startswith("Too short: 2.0 days") for sentence in lacks(sample, propose(sample)))


def test_json_lines_and_parquet(tmp_path: Path) -> None:
    moments = [START + timedelta(hours=hour) for hour in range(200)]
    lines = [
        json.dumps({"visitor": n % 5, "product": f"p{n % 3}", "at": m.isoformat()})
        for n, m in enumerate(moments)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, "no record", "[1]"]))
    sample = read_sample(str(tmp_path / "a.jsonl"))
    assert (sample.format, sample.num_rows) == ("jsonl", 200)
    assert propose(sample).events["columns"] == {"event_ts": "at", "user_id": "visitor", "item_id": "product"}
    columns = {"asin": [f"p{n % 3}" for n in range(200)], "uid": list(range(200)), "ts": pa.array(moments)}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    sample = read_sample(str(tmp_path / "a.parquet"))
    assert sample.format == "parquet"
    assert head_of(str(tmp_path / "a.parquet")) == []
    proposal = propose(sample)
    assert proposal.events["timestamp_unit"] == "iso" and (proposal.first, proposal.last) == (
        moments[0],
        moments[-1],
    )


def test_columns_that_are_named(tmp_path: Path) -> None:
    rows = "\n".join(f"a{h % 3},b{h % 4},{START + timedelta(hours=h):%Y-%m-%d %H:%M}" for h in range(99))
    text = f"who,what,moment\n{rows}\n"
    with pytest.raises(
        SourceError, match=r'no column tells which item it was.*COLUMNS="item_id=NAME user_id=NAME"'
    ):
        of_csv(tmp_path, text)
    given = {"item_id": "what", "user_id": "who"}
    assert of_csv(tmp_path, text, **given).events["columns"] == {**given, "event_ts": "moment"}
    with pytest.raises(ConfigError, match="the log has no column 'sku'; it has who, what, moment"):
        of_csv(tmp_path, text, item_id="sku")
    with pytest.raises(ConfigError, match="the contract has no column 'item'"):
        of_csv(tmp_path, text, item="what")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("1,2,3\n4,5,6\n", "is no header"),
        ("just words\nno log\n", "is no log of events"),
        ('[{"a": 1}]', "one JSON array"),
        ("\n \n", "holds no line of text"),
        ("a,b\n", "holds no rows"),
    ],
)
def test_what_is_no_log(tmp_path: Path, content: str, what: str) -> None:
    (tmp_path / "log.csv").write_text(content)
    with pytest.raises(SourceError, match=what):
        read_sample(str(tmp_path / "log.csv"))


def test_a_line_a_user(tmp_path: Path) -> None:
    path = tmp_path / "sequences.txt"
    path.write_text("1 10 11 12\n\n2 10\n \n")
    assert is_user_lines(head_of(str(path)))
    assert not is_user_lines(["a b", "c d"]) and not is_user_lines(["a,b c", "d"])
    write_log(str(path), tmp_path / "log" / "events.csv")
    assert (tmp_path / "log" / "events.csv").read_text().splitlines() == [
        "user_id,item_id,event_ts",
        "1,10,1999-12-30 12:00:00",
        "1,11,1999-12-31 12:00:00",
        "1,12,2000-01-01 12:00:00",
        "2,10,2000-01-01 12:00:00",
    ]


def test_without_a_log_no_other_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LOG is empty"):
        init_conf.run("", tmp_path / "own.yaml", [], [])


@pytest.mark.parametrize(
    ("folder", "columns", "num_rows", "label"),
    [
        ("yoochoose_clicks_100k", {"user_id": "SessionId", "item_id": "ItemId"}, 83_846, "label_click"),
        (
            "retailrocket_multi_behavior",
            {"event_type": "behavior", "event_ts": "unix_ts"},
            97_381,
            "label_purchase",
        ),
        ("diginetica_raw", {"user_id": "user_id", "event_ts": "timeframe"}, 12_391, "label_click"),
    ],
)
def test_public_logs(
    shared_data: Path, folder: str, columns: dict[str, str], num_rows: int, label: str
) -> None:
    sample = read_sample(str(shared_data / folder))
    proposal = propose(sample)
    assert columns.items() <= proposal.events["columns"].items()
    assert sample.num_rows == num_rows and sample.share == 1.0
    assert label_of(proposal) == label and proposal.cut_date is not None
    text = draft(sample, proposal, str(shared_data / folder), folder)
    assert Config.model_validate(yaml.safe_load(text)).features.num_negatives == 4
