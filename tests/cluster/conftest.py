import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from clicksmith.training.cluster import prepare_environment
from cluster.nodes import TwoNodes


@pytest.fixture(scope="package")
def two_nodes() -> Iterator[TwoNodes]:
    prepare_environment()
    folder = Path("/tmp") / f"clicksmith-nodes-{os.getpid()}"  # short: Ray's sockets lie below it
    with pytest.MonkeyPatch.context() as patch:
        tests = str(Path(__file__).resolve().parents[1])
        patch.setenv("PYTHONPATH", os.pathsep.join([tests, os.environ["PYTHONPATH"]]))  # theirs
        cluster = TwoNodes(folder)
        yield cluster
        cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)
