"""For rooms of tests with tiny models: their conftest.py imports it."""

import pytest


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny models: threads that wait for each other take far longer than the work."""
    import torch

    torch.set_num_threads(1)
