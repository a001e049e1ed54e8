"""A local cluster asks for a token, which no other user of the machine has and which is written nowhere."""

import os
from pathlib import Path

import pytest


@pytest.mark.ray
def test_a_local_cluster_asks_for_a_token_of_its_own(ray_cluster: None) -> None:
    import ray

    home = Path.home() / ".ray" / "auth_token"
    before = home.read_text() if home.exists() else None

    @ray.remote
    def settings() -> tuple[str | None, str | None]:
        return os.environ.get("RAY_AUTH_MODE"), os.environ.get("RAY_AUTH_TOKEN")

    mode, token = ray.get(settings.remote())
    assert mode == "token"
    assert token is not None and len(token) == 64 and token == os.environ["RAY_AUTH_TOKEN"]
    assert (home.read_text() if home.exists() else None) == before != token
