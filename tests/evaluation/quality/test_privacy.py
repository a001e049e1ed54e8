import numpy as np
import pyarrow as pa
import pytest

from clicksmith.evaluation import figures
from clicksmith.evaluation.quality import privacy
from clicksmith.evaluation.samples import space as spaces
from clicksmith.evaluation.samples.sample import Coding, Sample, columns_of
from clicksmith.tables import Column

COLUMNS = (
    Column("brand", pa.string(), nullable=True),
    Column("price", pa.float64(), nullable=True),
)


def table(brand, price):
    schema = pa.schema([("brand", pa.string()), ("price", pa.float64())])
    return pa.table({"brand": brand, "price": price}, schema=schema)


@pytest.fixture
def space():
    reference = table(["a", "a", "b", "b"], [10.0, 20.0, 30.0, 40.0])
    coding = Coding.fit(reference, COLUMNS)
    return spaces.Space.fit(coding.encode(reference)), coding


def steps(space, columns):
    """A distance in columns as the space's steps, one off by rounding."""
    return pytest.approx(columns * space.unit, abs=1.5)


def test_distances_by_hand(space):
    space, coding = space
    place = lambda *rows: space.place(coding.encode(table(*map(list, zip(*rows, strict=True)))))  # noqa: E731
    found = spaces.nearest_distances(
        place(("a", 10.0), ("b", 10.0), ("c", 25.0), (None, None)), place(("a", 10.0), ("b", 40.0))
    )
    assert found[0] == 0
    # Ranks of 10, 20, 30, 40 among the four: 1/8, 3/8, 5/8, 7/8. (b, 10) is 1 column from (a, 10),
    # but 6/8 from (b, 40).
    assert found[1] == steps(space, 6 / 8)
    # (c, 25): another brand, rank 4/8: 1 + 3/8 from both.
    assert found[2] == steps(space, 1 + 3 / 8)
    # Missing both: another brand, another presence, the median: 1 + 1 + 3/8.
    assert found[3] == steps(space, 2 + 3 / 8)


def test_blocks_do_not_matter():
    rng = np.random.default_rng(0)
    rows = table(rng.choice(list("abc"), 150), rng.normal(size=150))
    coding = Coding.fit(rows, COLUMNS)
    sample = coding.encode(rows)
    space = spaces.Space.fit(sample)
    points = space.place(sample)
    codes, ranks = np.stack(points.codes).astype(int), points.ranks.astype(int)
    whole = (codes[:, :, None] != codes[:, None, :]).sum(0) * space.unit
    whole += np.abs(ranks[:, :, None] - ranks[:, None, :]).sum(0)
    references = space.place(sample.tail(40))
    assert spaces.nearest_distances(points, references).tolist() == whole[:, 40:].min(1).tolist()


def test_the_farthest_rows_fit_sixteen_bits():
    columns = tuple(Column(f"x{i}", pa.float64(), nullable=True) for i in range(40))
    near = pa.table({c.name: [0.0, 0.0] for c in columns})
    far = pa.table({c.name: [1.0, 1.0] for c in columns})
    reference = pa.concat_tables([near, far])
    coding = Coding.fit(reference, columns)
    space = spaces.Space.fit(coding.encode(reference))
    found = spaces.nearest_distances(space.place(coding.encode(far)), space.place(coding.encode(near)))
    assert found[0] == pytest.approx(40 * space.unit / 2, abs=40)


@pytest.mark.parametrize("num_columns", [255, 256, 300, 600])
def test_rows_that_differ_in_all_of_many_categories_are_far_apart(num_columns):
    columns = tuple(Column(f"c{i}", pa.string()) for i in range(num_columns))
    rows = pa.table({c.name: ["a", "b"] for c in columns})
    coding = Coding.fit(rows, columns)
    sample = coding.encode(rows)
    space = spaces.Space.fit(sample)
    found = spaces.nearest_distances(space.place(sample.head(1)), space.place(sample.tail(1)))
    assert found.tolist() == [num_columns * space.unit]


def test_halves_have_no_user_in_common_and_about_as_many_rows():
    values, users = np.arange(10.0)[:, None], np.array([7, 7, 2, 2, 2, 9, 9, 4, 4, 4])
    sample = Sample(("x",), np.array([False]), values, users)
    first, second = sample.halves()
    # In the order of the users' numbers 2, 4, 7, 9: 3 + 3 rows are nearest to half.
    assert first.values[:, 0].tolist() == [2, 3, 4, 7, 8, 9] and second.values[:, 0].tolist() == [0, 1, 5, 6]
    assert set(first.users) == {2, 4} and second.num_users == 2
    assert sample.of_users(1).values[:, 0].tolist() == [2, 3, 4]
    alone = Sample(("x",), np.array([False]), values)
    assert [half.values[:, 0].tolist() for half in alone.halves()] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert alone.of_users(3).num_rows == alone.of_users(3).num_users == 3


def test_closer_share_by_hand():
    # Closer, tie, farther, farther: (1 + 1/2) / 4.
    assert privacy.closer_share(np.array([1, 2, 3, 4]), np.array([2, 2, 1, 0])) == 1.5 / 4


def test_identical_share_by_hand():
    train = table(["a", "b", None], [1.0, 2.0, None])
    rows = table(["a", "a", None, "b"], [1.0, 2.0, None, 2.0])
    coding = Coding.fit(train, COLUMNS)
    assert privacy.identical_share(coding.encode(rows), coding.encode(train)) == 3 / 4


def sides(rng, num_rows=600):
    draw = lambda: pa.table({f"x{i}": rng.normal(size=num_rows) for i in range(6)})  # noqa: E731
    columns = tuple(Column(f"x{i}", pa.float64()) for i in range(6))
    tables = draw(), draw(), draw()
    coding = Coding.fit(tables[0], columns)
    return tuple(coding.encode(rows) for rows in tables)


def distances(rows, train, holdout):
    found = figures.distance_figures(spaces.Space.fit(train), rows, train, holdout, seed=0)
    return found["privacy.dcr_share", "all"], found["privacy.nndr_ratio", "all"].value


def with_copies(fresh, train, share):
    """Fresh rows, the first of them replaced by copies of training rows."""
    num_copies = int(share * fresh.num_rows)
    values = np.concatenate([train.values[:num_copies], fresh.values[num_copies:]])
    return type(train)(train.names, train.is_categorical, values)


def test_a_planted_leak_is_seen_and_fresh_rows_are_not():
    train, holdout, fresh = sides(np.random.default_rng(3))
    share, ratio = distances(train, train, holdout)
    assert share.value > 0.99
    assert ratio == 0.0
    assert privacy.identical_share(train, train) == 1.0
    share, ratio = distances(fresh, train, holdout)
    assert share.ci_low < 0.5 < share.ci_high
    assert 0.6 < ratio < 1.6


def test_a_few_copies_move_the_distance_ratio_before_the_share():
    train, holdout, fresh = sides(np.random.default_rng(5))
    share, ratio = distances(with_copies(fresh, train, 0.08), train, holdout)
    assert ratio == 0.0
    assert share.value < 0.6


def test_a_leak_behind_a_little_noise_is_seen():
    train, holdout, _ = sides(np.random.default_rng(4))
    noisy = type(train)(train.names, train.is_categorical, train.values + 0.02)
    share, ratio = distances(noisy, train, holdout)
    assert share.value > 0.95
    assert ratio < 0.3


def test_the_two_nearest_are_those_of_a_full_sort():
    rng = np.random.default_rng(0)
    rows = table(rng.choice(list("abc"), 90), rng.normal(size=90))
    sample = Coding.fit(rows, COLUMNS).encode(rows)
    space = spaces.Space.fit(sample)
    points, references = space.place(sample), space.place(sample.tail(30))
    every = np.stack(
        [spaces.nearest_distances(points, space.place(sample.head(i + 1).tail(i))) for i in range(30, 90)]
    )
    found = spaces.nearest_neighbours(points, references, 2)
    assert found.tolist() == np.sort(every, axis=0)[:2].T.tolist()


def test_the_second_nearest_of_one_reference_is_the_farthest_possible(space):
    space, coding = space
    one = space.place(coding.encode(table(["a"], [10.0])))
    assert spaces.nearest_neighbours(one, one, 2).tolist() == [[0, 65_535]]


def test_distance_ratios_by_hand():
    nearest = np.array([[1, 2], [0, 7], [0, 0], [3, 3]])
    # Half as far; a copy of one row; two rows equal to it, so it points at neither; two equally far.
    assert privacy.neighbour_ratio(nearest).tolist() == [1 / 2, 0.0, 1.0, 1.0]


def test_the_ratio_of_ratios_by_hand():
    train, holdout = np.array([[1, 4], [3, 4], [2, 4]]), np.array([[1, 2], [4, 5], [2, 2]])
    # Ratios 1/4, 2/4, 3/4 and 1/2, 4/5, 1. Of three, the quantile .5 is the second, 1 the third.
    assert privacy.nndr_ratio(train, holdout, 0.5) == pytest.approx((2 / 4) / (4 / 5))
    assert privacy.nndr_ratio(train, holdout, 1.0) == pytest.approx((3 / 4) / 1)
    assert privacy.nndr_ratio(train, holdout) == pytest.approx((1 / 4) / (1 / 2))
    assert privacy.nndr_ratio(np.array([[0, 4]]), np.array([[0, 4]])) == 1.0
    assert privacy.nndr_ratio(np.array([[0, 4]]), np.array([[2, 4]])) == 0.0


def test_the_interval_of_the_ratio_by_hand():
    """Of one row there is but one draw. Of two, whose quantile .05 is the less one, three in four draw it."""
    one = np.array([[1, 4]]), np.array([[1, 2]])
    assert privacy.nndr_interval(*one, seed=1) == pytest.approx((1 / 2, 1 / 2))
    two = np.array([[1, 4], [3, 4]]), np.array([[1, 2], [1, 2]])
    assert privacy.nndr_interval(*two, seed=1) == pytest.approx((1 / 2, 3 / 2))
    copies = np.array([[0, 4]] * 50), np.array([[1, 4]] * 50)
    assert privacy.nndr_interval(*copies, seed=1) == (0.0, 0.0)


def test_items_of_a_large_catalogue_differ():
    """A row that keeps all of a training row but its item is no copy, and lies one column away."""
    items = [f"i{number}" for number in range(600)]
    reference = pa.table({"item": items, "kind": ["a", "b", "c"] * 200})
    coding = Coding.fit(reference, columns_of(reference.schema))
    train = coding.encode(reference)
    space = spaces.Space.fit(train)
    other = coding.encode(pa.table({"item": [*items[300:303], *items[:3]], "kind": ["a"] * 6}))
    to_train = spaces.nearest_distances(space.place(other), space.place(train.head(300)))
    # Of the first 300 items only those of kind a, every third, are there as they are asked.
    assert to_train.tolist() == [space.unit] * 3 + [0, space.unit, space.unit]
    assert privacy.identical_share(other, train.head(300)) == pytest.approx(1 / 6)
