"""Starting or joining a Ray cluster, and a limit on the wait for its workers."""

import logging
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path

import ray
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled; `ray health-check` asks it too
from ray.exceptions import RayError

import clicksmith
from clicksmith.config import RayConfig
from clicksmith.errors import TrainingError
from clicksmith.errors.explain import doing

logger = logging.getLogger(__name__)

_TOKEN_SETTINGS = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")

_OBJECT_STORE_BYTES = 200 * 1024**2  # data goes through the lake; little passes through Ray

_KNOCK_SECONDS = 10
_LONGEST_FOLDER = 40  # of the 107 bytes of a socket's path; "/ray/session_.../sockets/plasma_store" has 66
_WITHOUT_ADDRESS = {
    "ray.address": "set ray.address to null",
    "RAY_ADDRESS in the environment": "unset RAY_ADDRESS",
}

_ENVIRONMENT = {
    # gRPC would call this machine's own processes by way of http_proxy.
    "grpc_proxy": "",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    # The default of 2 s between looks at the workers is paid at the end of every training.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    # By default workers run at niceness 15: beside other work on the machine they get next to no time, and
    # a group that imports torch for minutes looks as if it hung.
    "RAY_worker_niceness": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def connect(config: RayConfig) -> None:
    """Start a local cluster, or join the one that `config.address` or ``RAY_ADDRESS`` names.

    Calling it again in the same process does nothing. A local cluster asks for a token, unless
    ``RAY_AUTH_MODE`` says otherwise; at another one Ray shows the token that it finds, if any. Workers find
    this library where the driver found it, or in what ``ray job submit`` shipped.

    Raises:
        TrainingError: there is no cluster at the address, or none can be started here.
    """
    if ray.is_initialized():
        return
    prepare_environment()
    address = _address(config)
    if address is None:
        # Nobody takes this machine away: one process less for each training to start.
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
        _choose_token()
        folder = _temporary_folder()
        remedy = f"Ray's own logs are in {folder or f'{tempfile.gettempdir()}/ray'}/session_latest/logs."
        with doing("Starting Ray on this machine", raises=TrainingError, remedy=remedy):
            ray.init(
                address="local",  # without it Ray joins a cluster that somebody else has started here
                num_cpus=config.num_cpus,
                object_store_memory=_OBJECT_STORE_BYTES,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=folder,
            )
        logger.info("Ray is ready: %d CPUs of this machine", config.num_cpus)
        return
    by = "ray.address" if config.address else "RAY_ADDRESS in the environment"
    remedy = f"Start it, name another one, or {_WITHOUT_ADDRESS[by]} to start one on this machine."
    with doing(f"Joining the Ray cluster at {address} (from {by})", raises=TrainingError, remedy=remedy):
        _knock(address, remedy, by)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    logger.info("Ray is ready at %s", address)


def _knock(address: str, remedy: str, by: str) -> None:
    """Tell within a minute of an address where no Ray answers; Ray itself tries for a quarter of an hour."""
    host, _, port = address.rpartition(":")
    if address == "auto":
        return  # Ray looks on this machine alone
    if not host or not port.isdigit():
        raise TrainingError(
            f"{address!r} (from {by}) is no address of a Ray cluster.", f"Use HOST:PORT. {remedy}"
        )
    is_client, host = host.startswith("ray://"), host.removeprefix("ray://")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK_SECONDS).close()
        if not is_client:
            GcsClient(address=address)  # gives up after 40 s on a port where something else listens
    except (OSError, RayError) as error:
        raise TrainingError(f"No Ray cluster answers at {address} (from {by}): {error}.", remedy) from None


def _temporary_folder() -> str | None:
    """Where a cluster of this machine keeps its sockets: None is Ray's own choice, below TMPDIR.

    Raises:
        TrainingError: no folder has a path short enough for the names of sockets.
    """
    if len(os.fsencode(tempfile.gettempdir())) <= _LONGEST_FOLDER:
        return None
    folder = Path("/tmp", f"ray-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid == os.getuid():
            return str(folder)
    except OSError:
        pass
    raise TrainingError(
        f"TMPDIR is {tempfile.gettempdir()}: sockets of Ray's below it would have names longer than the "
        "system takes (107 bytes).",
        f"Set TMPDIR to a path of at most {_LONGEST_FOLDER} characters.",
    )


def _choose_token() -> None:
    """A token of this run's own: who reaches Ray's ports could run code. Ray's own token stays at home."""
    if not any(key in os.environ for key in _TOKEN_SETTINGS):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def prepare_environment() -> None:
    """Set what the nodes of a cluster on this machine, and their workers, inherit."""
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    folder = str(Path(clicksmith.__file__).resolve().parents[1])
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if folder not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([folder, *paths])


def run_trainer(
    fit: Callable[[], object], started: threading.Event, config: RayConfig, use_gpu: bool
) -> None:
    """Run a trainer to its end, unless its workers do not start in time.

    Ray Train waits without a limit for workers that were placed but never come, and in silence for
    those that find no place.

    Args:
        fit: runs the trainer.
        started: set once the workers run.
        config: workers, cluster and time limit.
        use_gpu: each worker needs a GPU.

    Raises:
        TrainingError: they did not start, or never can on a cluster of this machine.
        Exception: what `fit` raises.
    """
    if _address(config) is None and config.num_workers > _amounts(use_gpu)[0]:
        raise start_error(config, use_gpu)  # this machine does not grow
    # Ray's own limit, each time that it starts a group anew after a failure.
    os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = str(config.start_timeout)
    fitting: Future[object] = Future()

    def run() -> None:
        try:
            fitting.set_result(fit())
        except BaseException as error:
            fitting.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    deadline = time.monotonic() + config.start_timeout
    while not started.is_set() and not fitting.done():
        if time.monotonic() > deadline:
            error = start_error(config, use_gpu)
            ray.shutdown()  # the controller would wait on
            raise error
        wait([fitting], timeout=0.5)
    fitting.result()


def start_error(config: RayConfig, use_gpu: bool) -> TrainingError:
    """What to say of workers that did not start: what they need, and what the cluster has."""
    resource, (total, free) = _resource(use_gpu), _amounts(use_gpu)
    return TrainingError(
        f"The workers cannot start (ray.start_timeout is {config.start_timeout} s): ray.num_workers is "
        f"{config.num_workers}, each on a {resource} of its own; the Ray cluster has {total:g} {resource}s, "
        f"{free:g} of them free.",
        "Lower ray.num_workers, add nodes, or end other work on the cluster; where new nodes take longer to "
        "come, raise ray.start_timeout.",
    )


def _resource(use_gpu: bool) -> str:
    """What each worker takes one of."""
    return "GPU" if use_gpu else "CPU"


def _amounts(use_gpu: bool) -> tuple[float, float]:
    """How much of it the cluster has, and how much is free."""
    found: list[dict[str, float]] = [ray.cluster_resources(), ray.available_resources()]  # type: ignore[no-untyped-call]
    total, free = (amounts.get(_resource(use_gpu), 0.0) for amounts in found)
    return total, free


def _address(config: RayConfig) -> str | None:
    """Of the cluster to join; None starts one on this machine."""
    address = config.address or os.environ.get("RAY_ADDRESS")
    return None if address in ("", "local") else address
