"""Known truths of the simulated stream, recovered from its lines. Needs no Spark."""

import json
from datetime import date

import numpy as np
import pytest

from clicksmith.config import DirtConfig, SimulationConfig
from clicksmith.evaluation.metrics.ranking import auc
from clicksmith.simulation.behaviour import CLICK, IMPRESSION, TYPES, Events, make_events
from clicksmith.simulation.block import BLOCK_USERS, DIRT, EVENTS, count_users, simulate_block
from clicksmith.simulation.catalogue import MS_PER_DAY, build_catalogue, item_records
from clicksmith.simulation.requests import RHYTHM, Requests, make_requests
from clicksmith.simulation.truth import affinity, examination
from clicksmith.simulation.users import HUMAN, Users, make_users, user_records

SEED = 7
CLEAN = DirtConfig(**{kind: 0.0 for kind in DirtConfig.model_fields})


def simulation(**changes) -> SimulationConfig:
    values = {"path": "unused", "num_items": 300, "num_categories": 10, "list_length": 8, **changes}
    return SimulationConfig.model_validate(values)


def simulate(settings: SimulationConfig, num_users: int) -> tuple[Users, Requests, Events]:
    catalogue = build_catalogue(SEED, settings)
    users = make_users(SEED, np.arange(num_users), catalogue, settings)
    requests = make_requests(SEED, users, catalogue, settings)
    return users, requests, make_events(SEED, users, requests, catalogue, settings)


def lines(settings: SimulationConfig, table: str, num_blocks: int) -> list[str]:
    blocks = (simulate_block(SEED, n, num_blocks * BLOCK_USERS, settings) for n in range(num_blocks))
    return [row["value"] for block in blocks for row in block.to_pylist() if row["table"] == table]


def test_a_block_depends_on_its_number_alone() -> None:
    settings = simulation()
    alone = simulate_block(SEED, 1, 2 * BLOCK_USERS, settings)
    assert simulate_block(SEED, 1, 50 * BLOCK_USERS, settings).equals(alone)
    assert not simulate_block(SEED + 1, 1, 2 * BLOCK_USERS, settings).equals(alone)
    users, _, _ = simulate(settings, BLOCK_USERS)
    more, _, _ = simulate(settings, 3 * BLOCK_USERS)
    assert np.array_equal(users.vector, more.vector[:BLOCK_USERS])


def test_clean_lines_are_json_of_what_happened() -> None:
    settings = simulation(dirt=CLEAN, start_date=date(2024, 5, 1))
    _, _, events = simulate(settings, BLOCK_USERS)
    rows = [json.loads(line) for line in lines(settings, EVENTS, 1)]
    assert lines(settings, DIRT, 1) == []
    assert len(rows) == len(events.type)
    assert len({row["id"] for row in rows}) == len(rows)
    kinds = [row["type"] for row in rows]
    assert {kind: kinds.count(kind) for kind in TYPES} == {
        kind: int((events.type == number).sum()) for number, kind in enumerate(TYPES)
    }
    for row in rows:
        assert row["time"].startswith(("2024-05", "2024-06")), row
        assert ("query" in row) == (row["type"] == "search"), row
        assert ("item" in row) == (row["type"] != "search"), row
        assert ("position" in row) == (row["type"] in ("impression", "click")), row
        assert ("quantity" in row) == (row["type"] in ("cart", "purchase")), row


def test_outcomes_follow_their_impression() -> None:
    """A click has an impression before it, a cart a click, a purchase a cart."""
    _, _, events = simulate(simulation(), 4 * BLOCK_USERS)
    place = {}
    for kind, request, item, time_ms in zip(
        events.type.tolist(),
        events.request.tolist(),
        events.item.tolist(),
        events.time_ms.tolist(),
        strict=True,
    ):
        place[kind, request, item] = time_ms
    for (kind, request, item), time_ms in place.items():
        if kind >= CLICK:
            assert place[kind - 1, request, item] <= time_ms
    assert {kind for kind, _, _ in place} == set(range(len(TYPES)))


def test_dirt_comes_at_its_rates() -> None:
    """Each kind within five standard deviations of its share of the true events."""
    settings = simulation()
    num_blocks = 8
    _, _, events = simulate(settings, num_blocks * BLOCK_USERS)
    found = [json.loads(line)["dirt"] for line in lines(settings, DIRT, num_blocks)]
    num_events = len(events.type)
    assert num_events > 50_000
    for kind, share in settings.dirt.model_dump().items():
        mean = num_events * share
        if kind == "unknown_item":  # a search has none
            mean *= float((events.type != 0).mean())
        assert abs(found.count(kind) - mean) < 5 * np.sqrt(mean), (kind, found.count(kind), mean)
    duplicates = found.count("exact_duplicate") + found.count("near_duplicate")
    assert len(lines(settings, EVENTS, num_blocks)) == num_events + duplicates


def test_wrong_clocks_are_decades_off() -> None:
    settings = simulation(dirt=CLEAN.model_copy(update={"wrong_clock": 0.05}), start_date=date(2024, 5, 1))
    years = [int(json.loads(line)["time"][:4]) - 2024 for line in lines(settings, EVENTS, 1)]
    wrong = [year for year in years if year != 0]
    assert 0.03 < len(wrong) / len(years) < 0.07
    assert {abs(year) for year in wrong} <= set(range(9, 32))
    assert min(wrong) < -20 and max(wrong) > 20


def test_items_are_shown_by_zipf_s_law() -> None:
    """The slope of log exposure over log rank is minus the exponent; searches show all of a category."""
    settings = simulation(zipf_exponent=0.8, search_share=0.0, launched_share=0.0, bots=0.0)
    _, _, events = simulate(settings, 8 * BLOCK_USERS)
    weight = build_catalogue(SEED, settings).weight
    shown = np.bincount(events.item[events.type == IMPRESSION], minlength=settings.num_items)
    order = np.argsort(-weight)
    # The first ranks take more than a slot of a list, which shows an item once.
    ranks = np.arange(10, 150)
    slope = np.polyfit(np.log(ranks + 1.0), np.log(shown[order[ranks]]), 1)[0]
    assert slope == pytest.approx(-0.8, abs=0.1)
    assert np.log(weight[order[ranks]]) == pytest.approx(np.log(weight[order[0]]) - 0.8 * np.log(ranks + 1.0))


def test_people_keep_the_daily_rhythm() -> None:
    users, requests, _ = simulate(simulation(bots=0.0), 16 * BLOCK_USERS)
    starts = requests.time_ms[requests.ordinal == 0]
    hours = np.bincount(starts % MS_PER_DAY // 3_600_000, minlength=24)
    expected = RHYTHM / RHYTHM.sum() * len(starts)
    assert np.all(np.abs(hours - expected) < 5 * np.sqrt(expected)), hours
    assert (users.kind == HUMAN).all()


def test_life_cycles_bound_the_sessions() -> None:
    users, requests, _ = simulate(simulation(), 4 * BLOCK_USERS)
    day = requests.time_ms[requests.ordinal == 0] // MS_PER_DAY
    user = requests.user[requests.ordinal == 0]
    assert np.all((day >= users.first_day[user]) & (day <= users.last_day[user]))
    assert (users.first_day > 0).mean() == pytest.approx(0.5, abs=0.06)


def test_position_bias_is_recovered_from_clicks() -> None:
    """Where lists are in random order, click-through rates over positions are the examination's."""
    settings = simulation(ranking_strength=0.0, bots=0.0, position_exponent=0.7, click_bias=-1.0)
    _, _, events = simulate(settings, 24 * BLOCK_USERS)
    shown, clicked = (
        np.bincount(events.position[events.type == kind], minlength=8) for kind in (IMPRESSION, CLICK)
    )
    rate = clicked / shown
    error = 5 * rate[0] / np.sqrt(clicked.min())
    assert rate[:6] / rate[0] == pytest.approx(examination(np.arange(6), settings), abs=error)
    assert error < 0.2


def test_the_oracle_tells_clicks_far_better_than_popularity() -> None:
    """Among first positions the true affinity ranks clicked items above others."""
    settings = simulation(bots=0.0)
    catalogue = build_catalogue(SEED, settings)
    users, requests, events = simulate(settings, 12 * BLOCK_USERS)
    first = (events.type == IMPRESSION) & (events.position == 0)
    clicks = events.type == CLICK
    clicked = set(zip(events.request[clicks], events.item[clicks], strict=True))
    user, item = requests.user[events.request[first]], events.item[first]
    label = np.array([pair in clicked for pair in zip(events.request[first], item, strict=True)])
    oracle = affinity(
        users.vector[user], users.price_level[user], catalogue.vector[item], catalogue.price_level[item]
    )
    assert 1_000 < label.sum() < 0.9 * len(label)
    assert auc(oracle, label) > max(0.7, auc(catalogue.weight[item], label) + 0.2)


def test_the_number_of_users_meets_the_number_of_events() -> None:
    settings = simulation(num_events=150_000)
    num_users = count_users(SEED, settings)
    num_blocks = -(-num_users // BLOCK_USERS)
    found = sum(
        simulate_block(SEED, n, num_users, settings).column("table").to_pylist().count(EVENTS)
        for n in range(num_blocks)
    )
    assert found == pytest.approx(150_000, rel=0.1)
    assert count_users(SEED, simulation(num_events=3_000)) < BLOCK_USERS


def test_records_are_what_a_shop_exports() -> None:
    settings = simulation()
    items = item_records(build_catalogue(SEED, settings))
    assert items.num_rows == len(set(items["item"].to_pylist())) == 300
    assert min(items["price"].to_pylist()) > 0
    users, _, _ = simulate(settings, 100)
    records = user_records(SEED, users)
    assert records["user"].to_pylist()[:2] == ["u0", "u1"]
    # Income tells of the price level that a user likes.
    rich = np.isin(np.array(records["income"].to_pylist()), ["high", "top"])
    assert users.price_level[rich].min() > users.price_level[~rich].max()
