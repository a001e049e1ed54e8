"""What the contract will refuse of a log is told before, by count, and nothing else is refused then."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import init_conf
from clicksmith.config import Config, ContractConfig, FilesConfig, load_config
from clicksmith.errors import ConfigError
from clicksmith.events.contract import check
from clicksmith.sources import files
from clicksmith.sources.draft import draft
from clicksmith.sources.lacks import lacks
from clicksmith.sources.proposal import Proposal, propose
from clicksmith.sources.sample import Sample, read_sample
from clicksmith.tables.bronze import EVENT_COLUMNS

START = datetime(2025, 10, 1, 8, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def moment(number: int) -> str:
    return f"{START + timedelta(hours=number):%Y-%m-%d %H:%M:%S}"


def log(folder: Path, header: str, *rows: str) -> tuple[Sample, Proposal]:
    path = folder / "log.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    sample = read_sample(str(path))
    return sample, propose(sample, now=NOW)


def priced(folder: Path, *prices: str, num_rows: int = 1000) -> tuple[Sample, Proposal]:
    """The first rows have these prices."""
    rows = [
        f"u{n % 7},i{n % 5},{moment(n)},{prices[n] if n < len(prices) else '2.5'}" for n in range(num_rows)
    ]
    return log(folder, "user,item,ts,price", *rows)


def counts(proposal: Proposal) -> dict[str, int]:
    return {refusal.why: len(refusal.rows) for refusal in proposal.refused}


def test_words_for_no_value_are_proposed_as_they_are_spelt(tmp_path: Path) -> None:
    words = ["n/a", "N/A", "Na", "NULL", "None", "NaN", "MISSING", "Undefined", "unknown", "-", "\\N", "  "]
    sample, proposal = priced(tmp_path, *words, "n/a")
    assert proposal.events["columns"]["price"] == "price"
    assert proposal.events["missing_values"] == sorted(words)
    assert proposal.refused == ()
    config = Config.model_validate(yaml.safe_load(draft(sample, proposal, "log.csv", "log")))
    assert isinstance(config.source, FilesConfig)
    assert config.source.events.missing_values == tuple(sorted(words))


def test_a_few_prices_that_are_no_numbers_do_not_cost_the_others(tmp_path: Path) -> None:
    sample, proposal = priced(tmp_path, "call us", "1_000", "call us")
    assert proposal.events["columns"]["price"] == "price" and "missing_values" not in proposal.events
    assert counts(proposal) == {"have a price that is no number, such as 'call us'": 3}
    said = (
        "Refused: 3 of 1,000 rows read (0.3%) have a price that is no number, such as 'call us'. Where such "
        "a text stands for no value, name it in source.events.missing_values: then its row is kept, without "
        "a price."
    )
    assert said in lacks(sample, proposal)
    assert f"# - {said}\n" in draft(sample, proposal, "log.csv", "log")


def test_a_few_rows_of_many_are_told_by_their_number(tmp_path: Path) -> None:
    sample, proposal = priced(tmp_path, "-2.5", num_rows=2_000)
    beginning = "Refused: 1 of 2,000 rows read (under 0.1%) have a price below 0, such as returns."
    assert beginning in lacks(sample, proposal)


@pytest.mark.parametrize(("num_others", "is_mapped"), [(50, True), (51, False)])
def test_numbers_are_told_by_their_share(tmp_path: Path, num_others: int, is_mapped: bool) -> None:
    sample, proposal = priced(tmp_path, *["2.5"] * 3, *["call us"] * num_others)
    assert ("price" in proposal.events["columns"]) == is_mapped
    assert propose(sample, {"user_id": "user"}).events == proposal.events
    if is_mapped:
        assert propose(sample, {"price": "price"}).events["columns"]["price"] == "price"
        return
    misfit = "'price' (such as 'call us'; 51 of 1,000 values are no numbers)"
    (said,) = (sentence for sentence in lacks(sample, proposal) if sentence.startswith("No prices: "))
    assert said.startswith(f"No prices: {misfit}: spend") and "missing_values" in said
    with pytest.raises(ConfigError) as caught:
        propose(sample, {"price": "price"})
    assert f"COLUMNS: price cannot be {misfit}." in str(caught.value)
    assert "`price: price` under columns and the texts into missing_values" in str(caught.value)


def test_decimal_commas_are_told_by_their_share(tmp_path: Path) -> None:
    rows = [f"u{n % 7};i{n % 5};{moment(n)};{'auf Anfrage' if n == 9 else '1.234,5'}" for n in range(100)]
    _, proposal = log(tmp_path, "user;item;ts;price", *rows)
    assert proposal.events["decimal"] == ","
    assert counts(proposal) == {"have a price that is no number, such as 'auf Anfrage'": 1}


def test_quantities_that_are_no_whole_numbers_are_not_mapped(tmp_path: Path) -> None:
    rows = [f"u{n % 7},i{n % 5},{moment(n)},{'0.5' if n % 10 == 0 else '3.0'}" for n in range(100)]
    sample, proposal = log(tmp_path, "user,item,ts,quantity", *rows)
    assert "quantity" not in proposal.events["columns"]
    said = "No quantity: 'quantity' (such as '0.5'; 10 of 100 values are no whole numbers)."
    assert any(sentence.startswith(said) for sentence in lacks(sample, proposal))


def test_ids_that_look_like_none_are_named_with_the_way_out(tmp_path: Path) -> None:
    rows = [f"u{n % 7},{'NA' if n % 10 == 0 else n},{moment(n)},click" for n in range(100)]
    sample, proposal = log(tmp_path, "user,item,ts,event", *rows)
    assert lacks(sample, proposal).count(
        "Refused: 10 of 100 rows read (10.0%) have no item (item: 'NA'). Where such a text is an id after "
        "all, take it out of source.events.missing_values."
    )


def test_lines_without_a_record_count_among_the_refused(tmp_path: Path) -> None:
    """Of 200 lines 5 have a field too many and 5 others a negative price: 10 are refused, of 200."""
    rows = [f"u{n % 7},i{n % 5},{moment(n)},{-2 if n % 40 == 1 else 2}" for n in range(200)]
    rows = [f"{row},more" if n % 40 == 2 else row for n, row in enumerate(rows)]
    sample, proposal = log(tmp_path, "user,item,ts,price", *rows)
    said = lacks(sample, proposal)
    assert "Unreadable: 5 of 200 rows read (2.5%) hold no record." in said
    assert any(sentence.startswith("Refused in all: 10 of 200 rows read (5.0%).") for sentence in said)


def test_an_amount_is_a_price_and_another_name_is_asked_for(tmp_path: Path) -> None:
    rows = [f"u{n % 7},i{n % 5},{moment(n)},{n}.50" for n in range(100)]
    _, proposal = log(tmp_path, "user,item,ts,amount", *rows)
    assert proposal.events["columns"]["price"] == "amount"
    sample, proposal = log(tmp_path, "user,item,ts,costs", *rows)
    assert lacks(sample, proposal).count(
        "No prices: spend and price bands stay empty. If a column tells them, name it with "
        'COLUMNS="price=NAME". Not used are costs.'
    )


def test_the_draft_names_its_own_file(tmp_path: Path) -> None:
    out = tmp_path / "elsewhere" / "shop.yaml"
    text = draft(*priced(tmp_path), "log.csv", out)
    assert f"#     make run CONF={out}\n" in text and "root: .lake/shop\n" in text


def test_a_column_that_is_empty_stands_in_no_other_s_way(tmp_path: Path) -> None:
    rows = [f",v{n % 7},i{n % 5},{moment(n)},$5.00,2.5,,n/a" for n in range(100)]
    header = "user_id,visitor_id,item,ts,price,unit_price,event,quantity"
    sample, proposal = log(tmp_path, header, *rows)
    columns = proposal.events["columns"]
    assert columns["user_id"] == "visitor_id" and columns["price"] == "unit_price"
    assert "event_type" not in columns, "of an empty column nothing can be told"
    assert proposal.events["constants"] == {"event_type": "purchase"} and proposal.refused == ()
    assert "No quantity: 'quantity' (which is empty)." in lacks(sample, proposal)


def test_ids_that_a_floating_type_cannot_tell_apart_are_told(tmp_path: Path) -> None:
    """As they are written where some are null: from 2**53 on, neighbours are one number."""
    items = pa.array([float(2**53 + n) if n % 4 == 0 else float(n) for n in range(100)])
    times = [START + timedelta(hours=n) for n in range(100)]
    table = pa.table({"user": [f"u{n % 7}" for n in range(100)], "item": items, "ts": times})
    pq.write_table(table, tmp_path / "log.parquet")
    sample = read_sample(str(tmp_path / "log.parquet"))
    assert counts(propose(sample)) == {
        "have a whole number beyond those that its floating type can tell apart (item)": 25
    }


def test_a_draft_loads_whatever_columns_are_called(tmp_path: Path) -> None:
    rows = [f"u{n % 7},i{n % 5},{moment(n)},3" for n in range(100)]
    text = draft(*log(tmp_path, 'user,item,ts,"weight\n(kg)"', *rows), "log.csv", "log")
    (tmp_path / "own.yaml").write_text(text)
    assert "# Not used: weight (kg)" in text
    assert load_config(tmp_path / "own.yaml").source.name == "files"


def test_fewer_steps_and_seeds_are_said_to_shorten_the_run(tmp_path: Path) -> None:
    text = draft(*priced(tmp_path), "log.csv", "log")
    assert (
        "# Fewer num_steps (of generators, of the ranker) and lift.num_seeds (at least 3) shorten the" in text
    )


def test_the_job_looks_at_the_clock(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = datetime.now(UTC)
    times = [now + timedelta(hours=hours) for hours in range(-900, 60)]
    rows = [f"u{n % 7},i{n % 5},{at:%Y-%m-%d %H:%M:%S}" for n, at in enumerate(times)]
    (tmp_path / "log.csv").write_text("\n".join(["user,item,ts", *rows]) + "\n")
    init_conf.run(str(tmp_path / "log.csv"), tmp_path / "own.yaml", [], [])
    assert "have a time in the future (ts), by over 24 hours" in (tmp_path / "own.yaml").read_text()
    assert "Refused: 35 of 960 rows read (3.6%) have a time in the future" in caplog.text


ODD = {
    "ts": (
        ("0000-00-00 00:00:00", "have a time that cannot be read (ts, such as '0000-00-00 00:00:00')"),
        ("soon", "have a time that cannot be read (ts, such as '0000-00-00 00:00:00')"),
        ("2025-10-41 08:00:00", "have a time that cannot be read (ts, such as '0000-00-00 00:00:00')"),
        ("", "have no time (ts)"),
        ("1994-12-31 23:59:59", "have a time before 1995 (ts)"),
        ("2050-01-01 00:00:00", "have a time of 2050 or later (ts)"),
        ("2026-01-02 00:00:01", "have a time in the future (ts), by over 24 hours"),
        ("2026-01-02 00:00:00", None),
        ("2025-10-1 8:00", None),
        ("2025-10-01 08:00:00 Europe/Berlin", None),
        ("2025-10-01T08:00:00.123456789Z", None),
    ),
    "user": (
        ("", "do not say who it was (user: empty, 'N/A')"),
        ("N/A", "do not say who it was (user: empty, 'N/A')"),
        ("Nora", None),
    ),
    "item": (
        ("none", "have no item (item: ' ', 'none')"),
        (" ", "have no item (item: ' ', 'none')"),
        ("-1", None),
    ),
    "event": (
        ("", "have no event type (event)"),
        ("unknown", "have an event type that says nothing (event: 'unknown')"),
        ("scroll", None),
    ),
    "price": (
        ("call us", "have a price that is no number, such as 'call us'"),
        ("1_000", "have a price that is no number, such as 'call us'"),
        ("inf", "have a price that is no number, such as 'call us'"),
        ("-0.01", "have a price below 0, such as returns"),
        ("2e9", "have a price above 1,000,000,000"),
        ("n/a", None),
        (" 7 ", None),
        (".5", None),
        ("-0", None),
    ),
    "quantity": (
        ("two", "have a quantity that is no whole number, such as 'two'"),
        ("1.5", "have a quantity that is no whole number, such as 'two'"),
        ("3e9", "have a quantity that is no whole number, such as 'two'"),
        ("-1", "have a quantity below 0, such as returns"),
        ("1000001", "have a quantity above 1,000,000"),
        ("3.0", None),
        ("NULL", None),
    ),
    "position": (
        ("top", "have a position that is no whole number, such as 'top'"),
        ("-1", "have a position below 0"),
    ),
    "propensity": (
        ("0", "have a propensity below 1e-09"),
        ("1e-10", "have a propensity below 1e-09"),
        ("1e-9", None),
        ("1.5", "have a propensity above 1"),
        ("-0.5", "have a propensity below 0"),
    ),
}
USUAL = {"user": "u", "item": "i", "event": "click", "price": "2.5", "quantity": "1"}


def odd_rows() -> tuple[list[list[str]], list[str | None]]:
    """A row for each odd value and many usual ones; and why the contract refuses each."""
    usual = {**USUAL, "position": "0", "propensity": "0.5"}
    rows = [[usual.get(name, moment(n)) for name in ODD] for n in range(1000)]
    why: list[str | None] = [None] * len(rows)
    for number, (name, value, reason) in enumerate(
        (name, value, reason) for name, values in ODD.items() for value, reason in values
    ):
        rows[10 * number][list(ODD).index(name)] = value
        why[10 * number] = reason
    return rows, why


def test_each_reason_has_its_count(tmp_path: Path) -> None:
    rows, why = odd_rows()
    _, proposal = log(tmp_path, ",".join(ODD), *map(",".join, rows))
    assert counts(proposal) == Counter(reason for reason in why if reason is not None)
    assert proposal.events["missing_values"] == [" ", "N/A", "NULL", "n/a", "none"]


@pytest.mark.spark
def test_the_contract_refuses_what_was_told_and_no_more(spark, tmp_path: Path) -> None:
    rows, why = odd_rows()
    _, proposal = log(
        tmp_path, ",".join(["session_id", *ODD]), *(f"{n}," + ",".join(row) for n, row in enumerate(rows))
    )
    events = {**proposal.events, "path": str(tmp_path / "log.csv"), "format": "csv"}
    # Without the fallback that a session is for a user.
    del events["fallbacks"]
    raw = files.read(spark, FilesConfig.model_validate({"events": events})).events
    contract = ContractConfig(extra_event_types=proposal.extra_event_types)
    checked = check(raw, EVENT_COLUMNS, contract, NOW).where("size(reasons) > 0")
    refused = {int(row.session_id) for row in checked.select("session_id").collect()}
    assert refused == {row for row, reason in enumerate(why) if reason is not None}


def test_a_session_stands_in_for_a_user(tmp_path: Path) -> None:
    rows = [f"{'' if n % 4 == 0 else n % 7},{'' if n % 6 == 0 else n},i,{moment(n)}" for n in range(120)]
    _, proposal = log(tmp_path, "user,session,item,ts", *rows)
    assert proposal.events["fallbacks"] == {"user_id": "session_id"}
    assert counts(proposal) == {"do not say who it was (user)": 10}


@pytest.mark.parametrize("odd", ["", "soon", "NULL"])
def test_counts_of_seconds_that_are_none(tmp_path: Path, odd: str) -> None:
    first = int(START.timestamp())
    rows = [f"u{n % 7},i{n % 5},{odd if n == 7 else 0 if n == 8 else first + n}" for n in range(100)]
    _, proposal = log(tmp_path, "user,item,ts", *rows)
    why = f"have a time that cannot be read (ts, such as {odd!r})" if odd else "have no time (ts)"
    assert counts(proposal) == {why: 1, "have a time before 1995 (ts)": 1}
