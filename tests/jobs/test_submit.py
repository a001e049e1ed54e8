"""Every job through real ``spark-submit --py-files`` or ``ray job submit``, in the order of the road.

The library that is shipped says another version than the installed one, and commits record the
version: so they show which of the two ran.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyspark
import pytest

import clicksmith
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.session import DELTA_PACKAGE
from clicksmith.tables import (
    BRONZE_EVENTS,
    EVALUATION_METRICS,
    ITEM_PROFILES,
    RECOMMENDATIONS,
    SEQUENCES,
    SILVER_EVENTS,
    SYNTHETIC_CANDIDATES,
    SYNTHETIC_EXAMPLES,
    TRAINING_EXAMPLES,
    VERDICTS,
    Table,
)

pytestmark = [pytest.mark.soak, pytest.mark.spark, pytest.mark.ray]

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SHIPPED_VERSION = f"{clicksmith.__version__}+shipped"
SECONDS_PER_JOB = 900

NUM_USERS, NUM_ITEMS, NUM_DAYS, IMPRESSIONS_PER_USER = 60, 40, 60, 40


def write_events(path: Path) -> None:
    """A click stream: users see items; even items are bought more often."""
    random = np.random.default_rng(7)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with path.open("w") as file:
        for row in range(NUM_USERS * IMPRESSIONS_PER_USER):
            user, item = row % NUM_USERS, int(random.integers(NUM_ITEMS))
            seen = start + timedelta(seconds=int(random.integers(NUM_DAYS * 86_400)))
            event = {"user": f"u{user}", "item": f"i{item}", "price": 1.5 + item}
            file.write(json.dumps({**event, "type": "impression", "at": seen.isoformat()}) + "\n")
            if random.random() < (0.5 if item % 2 == 0 else 0.1):
                bought = (seen + timedelta(seconds=30)).isoformat()
                file.write(json.dumps({**event, "type": "purchase", "at": bought}) + "\n")


CONF = """
lake: {{root: {root}/lake}}
spark: {{master: null, driver_memory: 1g, shuffle_partitions: 2}}
source:
  name: files
  events:
    path: {root}/events.jsonl
    format: jsonl
    columns: {{user_id: user, item_id: item, event_type: type, event_ts: at, price: price}}
generators:
  autoregressive: {{preset: tabular_gan, num_steps: 4, batch_size: 64, max_rows: 400, checkpoint_every: 2}}
synthesis: {{ratio: 0.5}}
gate:
  {{min_shapes: 0, min_pairs: 0, min_triples: 0, max_c2st_auc: 1, min_entropy_ratio: 0, min_mode_share: 0,
    max_utility_loss: 1, min_holdout_users: 4, max_dcr_share: 1, min_nndr_ratio: 0, max_membership_auc: 1,
    max_domias_auc: 1, max_domias_tpr: 1, max_identical_excess: 1, max_heldout_gap_nats: null, max_rows: 500}}
ranker: {{num_steps: 4, batch_size: 64, max_rows: 1000, max_test_rows: 500, embedding_dim: 4}}
sequential: {{num_steps: 2, batch_size: 16, num_negatives: 8, embedding_dim: 8}}
lift:
  arms:
    none: {{kind: none}}
    augmented: {{kind: synthetic, generator: autoregressive, ratio: 0.25}}
  num_seeds: 2
  num_steps: 4
  max_rows: 500
  num_bootstrap: 20
"""


class Submitter:
    """A folder with what is shipped, a lake, and how to send a job to each engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lake = Lake(str(folder / "lake"))
        self.conf = folder / "conf.yaml"
        self.conf.write_text(CONF.format(root=folder))
        write_events(folder / "events.jsonl")
        self.code = folder / "code"
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "jobs", self.code / "jobs", ignore=ignore)
        shutil.copytree(Path(clicksmith.__file__).parent, self.code / "clicksmith", ignore=ignore)
        init = self.code / "clicksmith" / "__init__.py"
        init.write_text(init.read_text().replace(f'"{clicksmith.__version__}"', f'"{SHIPPED_VERSION}"'))
        self.zip = shutil.make_archive(str(folder / "clicksmith"), "zip", self.code, "clicksmith")
        self.environment = {
            **{
                key: value
                for key, value in os.environ.items()
                if not key.startswith(("PYTHONPATH", "SPARK_", "RAY_"))
            },
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "SPARK_HOME": str(Path(pyspark.__file__).parent),
            "PYSPARK_PYTHON": sys.executable,
            "RAY_AUTH_MODE": "disabled",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": str(folder / "r"),
        }

    def spark(self, job: str) -> str:
        """``spark-submit`` with the zip of the library."""
        has_delta = any(Path(self.environment["SPARK_HOME"], "jars").glob("*delta-spark_*.jar"))
        return self.call(
            *("spark-submit", "--master", "local[2]", "--driver-memory", "1g", "--py-files", self.zip),
            *(() if has_delta else ("--packages", DELTA_PACKAGE)),
            *(str(self.code / "jobs" / f"{job}.py"), "--conf", str(self.conf)),
        )

    def ray(self, job: str, dashboard: str) -> str:
        """``ray job submit`` with the library as a module of the runtime environment."""
        runtime = {"working_dir": str(self.code / "jobs"), "py_modules": [str(self.code / "clicksmith")]}
        return self.call(
            *("ray", "job", "submit", "--address", dashboard, "--runtime-env-json", json.dumps(runtime)),
            *("--", sys.executable, f"{job}.py", "--conf", str(self.conf)),
        )

    def call(self, *command: str) -> str:
        done = subprocess.run(
            command,
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_PER_JOB,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}"
        return done.stdout

    def written_by(self, table: Table, part: str | None = None) -> str:
        """The version of the library that wrote the table; rows are there."""
        snapshot = self.lake.get(table, part)
        assert snapshot.num_rows, table.name
        return str(snapshot.metadata["library_version"])


@pytest.fixture(scope="module")
def submitter(tmp_path_factory: pytest.TempPathFactory) -> Submitter:
    return Submitter(tmp_path_factory.mktemp("submit"))


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.fixture(scope="module")
def dashboard(submitter: Submitter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Ray cluster of this test's own, beside any other on the machine; the address for jobs."""
    port = free_port()
    log = (submitter.folder / "ray.log").open("w")
    folder = Path("/tmp") / f"clicksmith-ray-{os.getpid()}"  # short: Ray's sockets lie below it
    command = [
        *(
            "ray",
            "start",
            "--head",
            "--block",
            "--num-cpus=3",
            "--disable-usage-stats",
            "--include-dashboard=true",
        ),
        *("--port=0", f"--dashboard-port={port}", f"--ray-client-server-port={free_port()}"),
        # The agent takes jobs; its port would otherwise be the same for every cluster on the machine.
        *(f"--dashboard-agent-listen-port={free_port()}", f"--dashboard-agent-grpc-port={free_port()}"),
        *("--node-ip-address=127.0.0.1", "--object-store-memory=150000000", f"--temp-dir={folder}"),
    ]
    cluster = subprocess.Popen(
        command, env=submitter.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        wait_until_listening(port, cluster, submitter.folder / "ray.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(cluster.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            cluster.wait(timeout=5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(cluster.pid, signal.SIGKILL)
        cluster.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_listening(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        assert process.poll() is None, log.read_text()[-3000:]
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.5)
    raise AssertionError(f"Ray's dashboard does not answer: {log.read_text()[-3000:]}")


# The tests below share one lake: each goes on where the one before it stopped.


@pytest.mark.parametrize(
    ("job", "table"),
    [
        ("ingest_events", BRONZE_EVENTS),
        ("clean_events", SILVER_EVENTS),
        ("build_profiles", ITEM_PROFILES),
        ("build_training_set", TRAINING_EXAMPLES),
    ],
)
def test_spark_jobs_before_training(submitter: Submitter, job: str, table: Table) -> None:
    submitter.spark(job)
    assert submitter.written_by(table) == SHIPPED_VERSION


def test_train_generator(submitter: Submitter, dashboard: str) -> None:
    submitter.ray("train_generator", dashboard)
    assert len(list((submitter.folder / "lake" / "_models" / "generators").glob("*/card.json"))) == 1


def test_synthesize_samples(submitter: Submitter) -> None:
    submitter.spark("synthesize_samples")
    assert submitter.written_by(SYNTHETIC_CANDIDATES) == SHIPPED_VERSION


def test_evaluate_synthetic(submitter: Submitter) -> None:
    submitter.spark("evaluate_synthetic")
    assert submitter.written_by(EVALUATION_METRICS) == SHIPPED_VERSION
    assert submitter.written_by(SYNTHETIC_EXAMPLES) == SHIPPED_VERSION


def test_train_recommender(submitter: Submitter, dashboard: str) -> None:
    assert submitter.written_by(SEQUENCES) == SHIPPED_VERSION
    submitter.ray("train_recommender", dashboard)
    assert list((submitter.folder / "lake" / "_models" / "recommenders").glob("*/card.json"))


def test_score_candidates(submitter: Submitter) -> None:
    submitter.spark("score_candidates")
    assert submitter.written_by(RECOMMENDATIONS) == SHIPPED_VERSION


def test_measure_lift(submitter: Submitter, dashboard: str) -> None:
    submitter.ray("measure_lift", dashboard)
    assert submitter.written_by(VERDICTS) == SHIPPED_VERSION
    assert submitter.lake.get(VERDICTS).num_rows == 1


def test_write_report(submitter: Submitter) -> None:
    submitter.spark("write_report")
    assert (submitter.folder / "lake" / "_reports" / "report.html").read_text().startswith("<!")


def test_run_pipeline_finds_all_of_it_done(submitter: Submitter) -> None:
    before = {
        table.name: submitter.lake.get(table).version
        for table in (BRONZE_EVENTS, TRAINING_EXAMPLES, VERDICTS)
    }
    submitter.spark("run_pipeline")
    after = {
        table.name: submitter.lake.get(table).version
        for table in (BRONZE_EVENTS, TRAINING_EXAMPLES, VERDICTS)
    }
    assert after == before


def test_a_wrong_setting_is_one_line(submitter: Submitter) -> None:
    job = str(submitter.code / "jobs" / "clean_events.py")
    with pytest.raises(AssertionError) as caught:
        submitter.call(
            "spark-submit", "--master", "local[1]", "--py-files", submitter.zip, job, "--set", "laek.root=x"
        )
    assert "did you mean 'lake'?" in str(caught.value)
    assert "Traceback" not in str(caught.value)
