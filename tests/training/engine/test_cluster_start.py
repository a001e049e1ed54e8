"""Starting and joining Ray: what stands in its way is told at once, or does not matter."""

import socket
import tempfile
import time
from pathlib import Path

import pytest
import ray

from clicksmith.config import RayConfig
from clicksmith.errors import TrainingError
from clicksmith.training.engine import cluster


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this process had joined none, whatever other tests did."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_a_dead_address_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch):
    address = f"127.0.0.1:{closed_port()}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    started = time.monotonic()
    with pytest.raises(
        TrainingError, match=rf"answers at {address} \(from RAY_ADDRESS.*refused.*unset RAY_A"
    ):
        cluster.connect(RayConfig())
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("prefix", ["", "ray://"])
def test_a_dead_address_in_the_configuration_is_named(prefix: str):
    address = f"{prefix}127.0.0.1:{closed_port()}"
    with pytest.raises(
        TrainingError, match=rf"answers at {address} \(from ray\.address\).*ray.address to null"
    ):
        cluster.connect(RayConfig(address=address))


def test_what_is_no_address_is_told():
    with pytest.raises(TrainingError, match=r"'nonsense' \(from ray.address\) is no address.*HOST:PORT"):
        cluster.connect(RayConfig(address="nonsense"))


@pytest.mark.soak
def test_a_port_of_another_service_is_told_within_a_minute():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(50)
        started = time.monotonic()
        with pytest.raises(TrainingError, match=r"No Ray cluster answers at 127\.0\.0\.1"):
            cluster.connect(RayConfig(address=f"127.0.0.1:{other.getsockname()[1]}"))
        assert time.monotonic() - started < 60


@pytest.mark.parametrize("value", ["", "local"])
def test_an_address_may_ask_for_this_machine(value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_ADDRESS", value)
    assert cluster._address(RayConfig()) is None


def test_sockets_get_a_short_folder_where_that_of_the_system_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    assert cluster._temporary_folder() is None  # Ray's own choice
    long = tmp_path / ("t" * 102)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    folder = cluster._temporary_folder()
    # As Ray names its sockets below it.
    path = f"{folder}/session_2026-11-29_14-32-32_827349_{'9' * 7}/sockets/plasma_store.{'9' * 3}"
    assert len(path) <= 107
