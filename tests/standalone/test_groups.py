"""A generator of rows that belong together."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from clicksmith import Generator
from clicksmith.errors import ConfigError, ContractError
from standalone.tables import cycle

NEXT = {"home": "list", "list": "item", "item": "home"}
FIT = {"group": "who", "order": "at", "owner_columns": ["country"]}


@pytest.fixture(scope="module")
def pages() -> Generator:
    return Generator("markov", min_users=1, item="page").fit(cycle(300).drop(columns="step"), **FIT)


def steps(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Pages and the ones after them."""
    return [
        pair
        for _, mine in frame.groupby("who", sort=False)
        for pair in zip(mine["page"], mine["page"].iloc[1:], strict=False)
    ]


def test_a_planted_cycle_is_recovered(pages: Generator) -> None:
    made = pages.sample(200, seed=1)
    assert list(made.columns) == ["who", "country", "page", "at"] and made["who"].nunique() == 200
    assert all(NEXT[before] == after for before, after in steps(made))
    assert made.groupby("who").size().between(3, 7).all()
    assert set(made.groupby("who")["at"].diff().dropna()) == {pd.Timedelta("60s")}
    assert made["at"].dtype == "datetime64[ns]" and made["at"].max() <= cycle(300)["at"].max()


def test_seeds_blocks_and_folders(pages: Generator, tmp_path: Path) -> None:
    one = pages.sample(30, seed=1)
    assert one.equals(pages.sample(30, seed=1)) and not one.equals(pages.sample(30, seed=2))
    more = pages.sample(1030, seed=1)
    assert more["who"].nunique() == 1030 and more.head(len(one)).equals(one)
    pages.save(tmp_path / "pages")
    assert Generator.load(tmp_path / "pages").sample(30, seed=1).equals(one)
    assert "Of each group:" in (tmp_path / "pages" / "README.md").read_text()
    assert pages.sample(0).dtypes.equals(one.dtypes) and len(pages.sample(0)) == 0


def test_conditions_on_groups_are_exact(pages: Generator) -> None:
    assert set(pages.sample(50, where={"country": "no"}, seed=1)["country"]) == {"no"}
    owners = pages.sample(200, mix=[{"share": 0.9, "where": {"country": "it"}}], seed=1)
    assert abs(owners.groupby("who")["country"].first().eq("it").sum() - 180) < 5
    with pytest.raises(ConfigError, match=r"has a condition on 'page'.*Choose among country"):
        pages.sample(5, where={"page": "home"})


def test_values_that_never_come_together() -> None:
    rows = pd.DataFrame({"who": [1, 1, 2, 2], "a": list("xxyy"), "b": list("ppqq"), "page": list("klkl")})
    generator = Generator("markov", min_users=1)
    generator.fit(rows, group="who", owner_columns=["a", "b"], holdout=0)
    with pytest.raises(ConfigError, match="No group that the generator has learnt from has all the values"):
        generator.sample(5, where={"a": "x", "b": "q"})


def test_groups_are_continued(pages: Generator) -> None:
    at = pd.to_datetime(["2026-03-05 10:00:07", "2026-03-05 10:01:07", "2026-03-06 11:00:00"])
    known = pd.DataFrame({"who": ["mine", "mine", "yours"], "country": ["it", "it", "no"]})
    known = known.assign(page=["home", "list", "item"], at=at)
    made = pages.sample(prefix=known, seed=1)
    for who, mine in made.groupby("who", sort=False):
        given = known[known["who"] == who]
        assert mine.head(len(given)).reset_index(drop=True).equals(given.reset_index(drop=True))
        assert mine["country"].nunique() == 1 and mine["at"].is_monotonic_increasing
    assert all(NEXT[before] == after for before, after in steps(made)) and len(made) > len(known)
    with pytest.raises(ConfigError, match="n is 5, and prefix has 2 groups"):
        pages.sample(5, prefix=known)


def test_a_whole_number_is_counted_anew() -> None:
    rows = cycle(60).drop(columns="at")
    generator = Generator("markov", min_users=1, item="page")
    generator.fit(rows, group="who", order="step", owner_columns=["country"])
    made = generator.sample(20, seed=1)
    for _, mine in made.groupby("who"):
        assert mine["step"].tolist() == list(range(1, 1 + len(mine)))
    assert all(NEXT[before] == after for before, after in steps(made))
    known = pd.DataFrame({"who": ["x"], "country": ["it"], "page": ["home"], "step": [40]})
    assert generator.sample(prefix=known)["step"].iloc[:2].tolist() == [40, 41]


def test_an_order_that_is_none() -> None:
    rows = pa.table({"who": [1, 1], "page": ["a", "b"], "note": ["x", "y"]})
    with pytest.raises(ContractError, match="ordered by 'note', which is of type string"):
        Generator("markov", min_users=1).fit(rows, group="who", order="note")
    with pytest.raises(ContractError, match="of 1 users, but a value has to belong to at least 5"):
        Generator("markov").fit(rows, group="who")
    with pytest.raises(ContractError, match="'page' has several values in the rows of who 1"):
        Generator("markov", min_users=1).fit(rows, group="who", owner_columns=["page"])
