"""A generator of a table in memory."""

import base64
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from clicksmith import Generator
from clicksmith.errors import ClicksmithError, ConfigError, ContractError, LakeError, NotFittedError
from generators.toy_joint import joint_distance, toy_rows
from standalone.tables import mixed_frame, mixed_table


@pytest.fixture(scope="module")
def toy() -> Generator:
    return Generator("tabular_ar", num_steps=200, batch_size=250, checkpoint_every=50).fit(toy_rows(3000))


def test_a_planted_joint_distribution_is_recovered(toy: Generator) -> None:
    made, names = toy.sample(3000, seed=1), ("label", "kind", "shade")
    assert joint_distance(toy_rows(3000, 7), made, names) < 0.06  # a second real sample: .02
    price = made["price"].to_numpy()
    for number, kind in enumerate(("apple", "pear", "plum")):
        mine = np.array(made["kind"].to_pylist()) == kind
        assert abs(np.median(price[mine]) - 10 * (number + 1)) < 0.5


def test_the_card_tells_what_was_learnt(toy: Generator) -> None:
    card = toy.card
    assert (card["num_rows"], card["num_held_out"]) == (2700, 300)
    # kind 1.03, label given it .44, shade given it .33, price in 256 even bins ln 256 - 1.03: 6.3; columns
    # drawn one by one: 8.5.
    assert 6.0 < card["metrics"]["held_out_nats"] < 6.6 and card["settings"]["min_users"] == 1
    assert repr(toy).startswith("Generator('tabular_ar', seed=0), fitted on 2,700 rows with 4 columns in ")
    assert "fitted on" in toy._repr_html_()


def test_same_seed_same_rows(toy: Generator) -> None:
    one, other = toy.sample(50, seed=1), toy.sample(50, seed=2)
    assert one.equals(toy.sample(50, seed=1)) and not one.equals(other)
    assert toy.sample(20, seed=1).equals(one.slice(0, 20))
    assert not toy.sample(50).equals(toy.sample(50))


def test_fits_are_alike() -> None:
    rows = toy_rows(500)
    options = {"num_steps": 10, "batch_size": 50}
    one, same, other = (Generator(seed=s, **options).fit(rows).sample(40, seed=1) for s in (1, 1, 2))
    assert one.equals(same) and not one.equals(other)


def test_rows_go_beyond_a_block(toy: Generator) -> None:
    made = toy.sample(4100, seed=1)
    assert made.num_rows == 4100 and made.slice(0, 4096).equals(toy.sample(4096, seed=1))


def test_conditions_are_exact(toy: Generator) -> None:
    assert set(toy.sample(300, where={"kind": "plum", "label": True})["kind"].to_pylist()) == {"plum"}
    either = toy.sample(300, where={"kind": ["plum", "pear"]})["kind"].to_pylist()
    assert set(either) == {"plum", "pear"}
    price = toy.sample(300, where={"price": {"min": 12, "max": 25}})["price"].to_numpy()
    assert price.min() >= 12 and price.max() <= 25
    assert set(toy.sample(50, where={"shade": None})["shade"].to_pylist()) == {None}


def test_a_mix_has_its_shares(toy: Generator) -> None:
    mix = [{"share": 0.6, "where": {"kind": "plum"}}, {"share": 0.1, "where": {"kind": "pear"}}]
    kinds = toy.sample(1000, mix=mix, seed=3)["kind"].to_pylist()
    assert abs(kinds.count("plum") - 600) < 10 and abs(kinds.count("pear") - 100) < 10


def test_a_rare_value_can_be_asked_for() -> None:
    rows = pa.table({"kind": ["often"] * 4999 + ["once"], "size": [1, 2] * 2500})
    generator = Generator("tabular_ar", num_steps=5).fit(rows, holdout=0)
    assert set(generator.sample(10, where={"kind": "once"})["kind"].to_pylist()) == {"once"}


def test_saved_and_loaded_it_gives_the_same_rows(toy: Generator, tmp_path: Path) -> None:
    toy.save(tmp_path / "toy")
    loaded = Generator.load(tmp_path / "toy")
    wish = {"kind": "pear"}
    assert loaded.sample(30, seed=1, where=wish).equals(toy.sample(30, seed=1, where=wish))
    assert loaded.card == toy.card
    assert "| kind | string | categories |" in (tmp_path / "toy" / "README.md").read_text()
    weights = tmp_path / "toy" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(LakeError, match=r"weights.safetensors is damaged.*Save the generator again"):
        Generator.load(tmp_path / "toy")


def to_polars(frame: pd.DataFrame) -> pl.DataFrame:
    return pl.from_pandas(frame)


@pytest.mark.parametrize("make", [mixed_frame, lambda n: to_polars(mixed_frame(n)), mixed_table])
def test_any_table_comes_back_in_kind(make: Callable[[int], object], tmp_path: Path) -> None:
    table = make(120)
    generator = Generator("independent").fit(table)
    generator.save(tmp_path / "g")
    for one in (generator, Generator.load(tmp_path / "g")):
        for n in (0, 70):
            made = one.sample(n, seed=1)
            assert type(made) is type(table) and len(made) == n
            if isinstance(table, pd.DataFrame):
                assert_frame_equal(made.head(0), table.head(0))
            else:
                assert made.schema == table.schema
            columns = [c for c in (table.columns if hasattr(table, "dtypes") else table.column_names)]
            if n:
                for name in set(columns) - {"level", "tags", "cost"}:
                    assert set(map(str, list(made[name]))) <= set(map(str, list(table[name]))), name


def test_values_of_few_users_are_not_learnt() -> None:
    users = [f"u{n}" for n in range(40) for _ in range(3)]
    rows = pa.table({"who": users, "town": ["secret" if u == "u3" else "known" for u in users]})
    rows = rows.set_column(1, "town", rows["town"].combine_chunks().dictionary_encode())
    generator = Generator("independent").fit(rows, user_column="who", holdout=0)
    made = generator.sample(400, seed=1)
    assert set(made["town"].to_pylist()) == {"known"}
    assert "secret" not in made["town"].chunk(0).dictionary.to_pylist()
    assert len(set(made["who"].to_pylist())) == 400 and made["who"][0].as_py() == "synthetic-0"
    assert generator.card["settings"]["min_users"] == 5
    learnt = Generator("independent", min_users=1).fit(rows, user_column="who", holdout=0)
    assert "secret" in set(learnt.sample(4000, seed=1)["town"].to_pylist())


def saved_bytes(folder: Path) -> bytes:
    """All that a folder holds, the table without rows decoded."""
    like = json.loads((folder / "codec.json").read_text())["form"]["like"]
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir())) + base64.b64decode(like)


@pytest.mark.parametrize("mode", ["rows", "groups"])
def test_no_key_and_no_value_of_few_users_is_saved(mode: str, tmp_path: Path) -> None:
    users = [f"person{n:03}" for n in range(200) for _ in range(2)]
    towns = ["secret" if u == "person003" else "known" for u in users]
    sizes = [987654321 if u == "person003" else 1 + n % 2 for n, u in enumerate(users)]
    frame = pd.DataFrame({"who": users, "town": towns, "size": sizes}).astype("category")
    preset, asked = ("independent", "user_column") if mode == "rows" else ("markov", "group")
    generator = Generator(preset).fit(frame, **{asked: "who"})
    generator.save(tmp_path)
    saved = saved_bytes(tmp_path)
    assert b"known" in saved and b"secret" not in saved and b"person" not in saved
    assert (987654321).to_bytes(8, "little") not in saved and b"987654321" not in saved
    made = Generator.load(tmp_path).sample(150, seed=1)
    assert made["who"].nunique() == 150 and not set(made["who"]) & set(users)
    assert set(made["town"]) == {"known"} and set(made["size"].dropna()) <= {1, 2}


@pytest.mark.parametrize("keys", [2**60 + np.arange(60), np.arange(60, dtype=np.uint8), np.arange(60) - 30])
def test_new_users_and_groups_are_none_of_the_real_ones(keys: np.ndarray) -> None:
    frame = pd.DataFrame({"who": np.repeat(keys, 2), "page": ["a", "b"] * 60})
    by_user = Generator("independent").fit(frame, user_column="who").sample(300, seed=1)
    by_group = Generator("markov").fit(frame, group="who").sample(300, seed=1)
    for made in (by_user, by_group):
        assert made["who"].nunique() == 300 and made["who"].min() > keys.max()
    with pytest.raises(ContractError, match=r"'who' says whose a row is, and is of type double.*Cast it"):
        Generator("independent").fit(frame.astype({"who": float}), user_column="who")


def test_whole_users_are_held_out() -> None:
    rows = pa.table({"who": [n // 7 for n in range(140)], "x": [n // 7 for n in range(140)]})
    generator = Generator("independent", min_users=1).fit(rows, user_column="who")
    assert generator.card["num_held_out"] == 14
    assert len(set(generator.sample(4000, seed=1)["x"].to_pylist())) == 18


def test_progress_and_names_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    Generator(num_steps=4, checkpoint_every=2).fit(pa.table({"id": [f"n{n}" for n in range(150)]}))
    assert "tabular_ar: step 2 of 4" in caplog.text and "held_out_nats" in caplog.text
    assert "Column id has 150 distinct values in 150 rows" in caplog.text


def test_one_row_and_constant_columns() -> None:
    made = Generator(num_steps=3).fit(pa.table({"a": [1], "b": [None]})).sample(3)
    assert made.to_pydict() == {"a": [1, 1, 1], "b": [None] * 3}


TABLE = pa.table({"size": ["S", "M"] * 20, "price": [float(n) for n in range(40)]})


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: Generator("tabular"), ConfigError, "there is no 'tabular'; did you mean 'tabular_ar'"),
        (lambda: Generator(num_stepz=3), ConfigError, "num_stepz: unknown key; did you mean 'num_steps'"),
        (lambda: Generator(num_steps=0), ConfigError, "num_steps: Input should be greater than or equal"),
        (lambda: Generator().sample(3), NotFittedError, r"nothing yet. Call fit\(table\) first"),
        (lambda: Generator().save("x"), NotFittedError, "nothing yet"),
        (lambda: Generator().fit(TABLE.slice(0, 0)), ContractError, "The table has no rows"),
        (
            lambda: Generator().fit(TABLE, user_column="who"),
            ContractError,
            "user_column is 'who', which is no",
        ),
        (lambda: Generator("markov").fit(TABLE, group="who"), ContractError, "group is 'who', which is no"),
        (lambda: Generator().fit(TABLE, group="size"), ConfigError, "makes rows of a table, but group is"),
        (lambda: Generator("markov").fit(TABLE), ConfigError, "makes sequences, but group is not given"),
        (lambda: Generator().fit(TABLE, order="size"), ConfigError, "order and owner_columns are of groups"),
        (lambda: Generator().fit(TABLE, holdout=1.0), ConfigError, "holdout is 1.0"),
        (lambda: Generator(min_users=5).fit(TABLE), ContractError, "min_users is 5, but no user column"),
    ],
)
def test_errors_are_plain(call: Callable[[], object], kind: type[ClicksmithError], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"where": {"size": "XL"}}, "where.size asks for 'XL', which the generator has not learnt"),
        ({"where": {"colour": "red"}}, "where has a condition on 'colour'.*Choose among size, price"),
        ({"where": {"size": {"min": 3}}}, "where.size is a range, but the column holds no numbers"),
        ({"where": {"size": object()}}, "where is not understood"),
        ({"where": {"size": "S"}, "mix": []}, "Both where and mix"),
        ({"mix": [{"share": 2, "where": {"size": "S"}}]}, r"mix\[0\] is not understood"),
        ({"mix": [{"share": 0.7, "where": {"size": s}} for s in "SM"]}, "shares of mix are more than 1"),
        ({"prefix": TABLE}, "this generator makes single rows"),
        ({"n": -1}, "n is -1; a whole number of at least 0"),
        ({"n": None}, "n is missing"),
    ],
)
def test_what_cannot_be_sampled(asked: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Generator("independent").fit(TABLE).sample(**{"n": 5, **asked})


def test_a_generator_of_a_lake_is_another() -> None:
    with pytest.raises(NotFittedError, match="There is no complete generator in nowhere"):
        Generator.load("nowhere")
