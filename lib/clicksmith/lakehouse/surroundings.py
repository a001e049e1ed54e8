"""What Spark finds around it: user, interpreters, locale. Mended where that is safe, told where it is not.

All of it is inherited by the JVM, so it has to be right before that is started.
"""

import json
import locale
import logging
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pyspark

from clicksmith.errors import LakeError

logger = logging.getLogger(__name__)

_NEEDED = ("pyarrow", "numpy", "pandas", "polars")
_LOOK = (
    "import importlib.util as u, json, sys; "
    f"print(json.dumps([list(sys.version_info[:2]), [n for n in {_NEEDED!r} if u.find_spec(n) is None]]))"
)
_LOOK_SECONDS = 30


def prepare(is_local: bool) -> None:
    """Prepare this process for a JVM that it is about to start.

    Args:
        is_local: Spark's workers run on this machine.

    Raises:
        LakeError: what is found cannot be mended from here.
    """
    _check_user()
    _choose_python(is_local)
    _choose_spark()
    _choose_locale()


def _choose_python(is_local: bool) -> None:
    """A bare `python` is not what runs the driver: workers would miss its packages."""
    named = os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if not is_local or named == sys.executable:
        return  # of a cluster's machines nothing can be told from here
    trouble = _lacks(named)
    if trouble:
        logger.warning("PYSPARK_PYTHON is %s, which %s: taking %s instead", named, trouble, sys.executable)
        os.environ["PYSPARK_PYTHON"] = sys.executable


def _lacks(python: str) -> str:
    """Why workers cannot run on an interpreter; "" if they can."""
    try:
        done = subprocess.run(
            [python, "-c", _LOOK], capture_output=True, text=True, timeout=_LOOK_SECONDS, check=True
        )
        version, missing = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return f"does not run ({str(error).splitlines()[0]})"
    if tuple(version) != sys.version_info[:2]:
        return f"is Python {version[0]}.{version[1]}, not {sys.version_info[0]}.{sys.version_info[1]}"
    return f"lacks {', '.join(missing)}" if missing else ""


def _choose_spark() -> None:
    home = os.environ.get("SPARK_HOME")
    if not home:
        return
    if not Path(home, "bin", "spark-submit").exists():
        logger.warning("SPARK_HOME is %s, where no Spark is: taking that of this Python", home)
        del os.environ["SPARK_HOME"]
        return
    cores = [path.stem.rpartition("-")[2] for path in Path(home, "jars").glob("spark-core_*.jar")]
    if cores and pyspark.__version__ not in cores:
        raise LakeError(
            f"SPARK_HOME is {home}, of Spark {cores[0]}; this Python has pyspark {pyspark.__version__}.",
            f"Unset SPARK_HOME, or name a Spark {pyspark.__version__}.",
        )


def _choose_locale() -> None:
    """Java reads and writes names of files in the locale's encoding, ASCII in the C locale."""
    if sys.platform != "linux":
        return
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "")
        is_good = locale.nl_langinfo(locale.CODESET) != "ANSI_X3.4-1968"
    except locale.Error:  # one that this machine lacks, which Java takes for C as well
        is_good = False
    finally:
        locale.setlocale(locale.LC_ALL, before)
    if not is_good:
        os.environ["LC_ALL"] = "C.UTF-8"


def _check_user() -> None:
    """Hadoop asks the system for the user's name, and nothing can be set in its place."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        raise LakeError(
            f"The user {os.getuid()} has no entry in /etc/passwd: Hadoop, and so Spark, cannot log it in.",
            'Add one (in an image: echo "me:x:$(id -u):$(id -g)::$HOME:/bin/sh" >> /etc/passwd; nss_wrapper '
            "needs no rights), or run as a user that has one.",
        ) from None
