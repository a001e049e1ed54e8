"""A Ray cluster of two nodes on this machine, and drivers in processes of their own."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors.torch import load_file

import train_generator as job
from clicksmith.training.checkpoint import load_state

SECONDS = 120
NODE = {"num_cpus": 1, "object_store_memory": 100 * 1024**2}


class TwoNodes:
    """Two nodes of one CPU each, so that two workers are on two nodes; drivers join at `address`."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(
            initialize_head=True, head_node_args={**NODE, "include_dashboard": False, "temp_dir": str(folder)}
        )
        self.address = str(self._cluster.address)
        self._second = self._cluster.add_node(**NODE)

    def kill_worker_on_second_node(self) -> None:
        """kill -9 of the training worker there."""
        raylet = self._second.all_processes["raylet"][0].process.pid
        for process in psutil.Process(raylet).children(recursive=True):
            if "RayTrainWorker" in "".join(process.cmdline()):
                process.kill()
                return
        raise AssertionError("no training worker runs on the second node")

    def remove_second_node(self) -> None:
        """Its processes are killed."""
        self._cluster.remove_node(self._second, allow_graceful=False)

    def add_second_node(self) -> None:
        self._second = self._cluster.add_node(**NODE)

    def shutdown(self) -> None:
        self._cluster.shutdown()


class Driver:
    """A script that runs on its own; what it logs is kept."""

    def __init__(self, script: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, script, *arguments],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        self._lines.extend(self._process.stderr)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()

    def end(self) -> tuple[int, str]:
        """Wait for it: the exit status and the log."""
        try:
            status = self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not end:\n{self.log}") from None
        self._reader.join()
        return status, self.log

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def log(self) -> str:
        return "".join(self._lines)[-6000:]


class Training:
    """`train_generator` of one generator, "gan", on a lake, with a models folder of its own."""

    def __init__(self, lake: Path, models: Path, generators: str) -> None:
        self._settings = [f"lake.root={lake}", f"ray.storage_path={models}", f"generators={generators}"]
        self.models = models

    def start(self, address: str | None, *settings: str) -> Driver:
        """In a process of its own; `address` None trains in that process."""
        ray = ["ray.num_workers=0"] if address is None else [f"ray.address={address}", "ray.num_workers=2"]
        return Driver(job.__file__, *(f"--set={text}" for text in [*self._settings, *ray, *settings]))

    def run(self, address: str | None, *settings: str) -> "Training":
        """To its end."""
        status, log = self.start(address, *settings).end()
        assert status == 0, log
        return self

    def wait_for_checkpoint(self, driver: Driver, after: int = 0) -> int:
        """Wait until there is one of a later step than `after`; returns its step."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and driver.is_running:
            for path in self.models.glob("runs/*/checkpoint.pt"):
                step = int(load_state(path.read_bytes())["step"])
                if step > after:
                    return step
            time.sleep(0.02)
        raise AssertionError(f"no checkpoint after step {after} was seen:\n{driver.log}")

    @property
    def has_ended(self) -> bool:
        return bool(list(self.models.glob("generators/*/card.json")))

    @property
    def card(self) -> dict[str, Any]:
        (path,) = self.models.glob("generators/*/card.json")
        card: dict[str, Any] = json.loads(path.read_text())
        return card

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        (path,) = self.models.glob("generators/*/weights.safetensors")
        return load_file(path)


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Over all weights; 0 says that they are the same bit for bit, zeros' signs aside."""
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)
