"""Starting or joining a Ray cluster."""

import logging
import os
from pathlib import Path

import ray

import clicksmith
from clicksmith.config import RayConfig
from clicksmith.errors import TrainingError

logger = logging.getLogger(__name__)

_OBJECT_STORE_BYTES = 200 * 1024**2  # data goes through the lake; little passes through Ray

_ENVIRONMENT = {
    # Set explicitly: otherwise Ray writes a token into the home directory.
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_V2_ENABLED": "1",
    # The default of 60 s is too short for a busy machine, and Ray would start over for ever.
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "300",
    # The default of 2 s between looks at the workers is paid at the end of every training.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    # By default workers run at niceness 15: beside other work on the machine they get next to no time, and
    # a group that imports torch for minutes looks as if it hung.
    "RAY_worker_niceness": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def connect(config: RayConfig) -> None:
    """Start a local cluster, or join the one that `config.address` or ``RAY_ADDRESS`` names.

    Calling it again in the same process does nothing. Workers find this library where the driver
    found it, or in what ``ray job submit`` shipped.

    Raises:
        TrainingError: there is no cluster at the address.
    """
    if ray.is_initialized():
        return
    for key, value in _ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    _share_library()
    address = config.address or os.environ.get("RAY_ADDRESS")
    try:
        if address:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        else:
            ray.init(
                address="local",  # without it Ray joins a cluster that somebody else has started here
                num_cpus=config.num_cpus,
                object_store_memory=_OBJECT_STORE_BYTES,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise TrainingError(
            f"No Ray cluster at {address or 'this machine'}: {error}.",
            "Set ray.address to null to start a local one, or to the address of a running one.",
        ) from error
    logger.info(
        "Ray is ready%s", f" at {address}" if address else f": {config.num_cpus} CPUs of this machine"
    )


def _share_library() -> None:
    """Put the library's folder on the PYTHONPATH that local workers inherit."""
    folder = str(Path(clicksmith.__file__).resolve().parents[1])
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if folder not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([folder, *paths])
