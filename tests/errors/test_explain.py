"""What is said of other libraries' errors. Texts are those that Spark 4.2, Delta 4.4 and Ray 2.60 gave."""

import errno
import gzip
import os
from pathlib import Path

import pyarrow as pa
import pytest

from clicksmith.errors import ClicksmithError, ContractError, LakeError, SourceError, TrainingError
from clicksmith.errors.causes import Cause, ProcessError, chain
from clicksmith.errors.explain import doing, explain

FRAMES = "\tat org.apache.spark.sql.X$.y(X.scala:71)\n\tat java.base/java.lang.Thread.run(Thread.java:840)\n"
OUTER = (
    "An error occurred while calling o4468.save.\n"
    ": org.apache.spark.SparkException: [TASK_WRITE_FAILED] Task failed while writing rows to file:/tmp/x. "
    "SQLSTATE: 58030\n" + FRAMES
)


def java_error(*causes: str) -> Exception:
    """As Py4J raises it, of a JVM that gave this trace."""
    text = OUTER + "".join(f"Caused by: {cause}\n{FRAMES}\t... 20 more\n" for cause in causes)
    return type("Py4JJavaError", (Exception,), {"__module__": "py4j.protocol"})(text)


def told(error: BaseException, what: str = "Writing gold.toy", **context: object) -> str:
    with pytest.raises(ClicksmithError) as caught, doing(what, **context):  # type: ignore[arg-type]
        raise error
    assert "calling o" not in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.__cause__ is error
    return str(caught.value)


def test_the_chain_of_causes_is_walked_to_its_root():
    error = java_error(
        "org.apache.spark.SparkException: Python worker exited unexpectedly (crashed).",
        "java.io.EOFException",
    )
    assert chain(error) == [
        Cause(
            "org.apache.spark.SparkException",
            "[TASK_WRITE_FAILED] Task failed while writing rows to file:/tmp/x.",
        ),
        Cause("org.apache.spark.SparkException", "Python worker exited unexpectedly (crashed)."),
        Cause("java.io.EOFException", ""),
    ]
    assert told(error).startswith(
        "Writing gold.toy failed: Python worker exited unexpectedly (crashed). A Py"
    )


def test_the_broadcast_that_ended_the_demo():
    error = java_error(
        "java.util.concurrent.ExecutionException: org.apache.spark.util.SparkFatalException: "
        "java.lang.OutOfMemoryError: Not enough memory to build and broadcast the table",
        "java.lang.OutOfMemoryError: Not enough memory to build and broadcast the table to all worker nodes.",
    )
    assert told(error, "Writing gold.item_pairs", settings={"spark.driver_memory": "2g"}) == (
        "Writing gold.item_pairs failed: OutOfMemoryError: Not enough memory to build and broadcast the "
        "table to all worker nodes. Raise spark.driver_memory (2g); then run again."
    )


@pytest.mark.parametrize(
    ("cause", "words", "remedy"),
    [
        ("java.lang.OutOfMemoryError: Java heap space", "Java heap space", "Raise spark.driver_memory"),
        ("java.io.IOException: No space left on device", "No space left on device", "Free disk space"),
        (
            "org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 3.0 failed 1 "
            "times, most recent failure: Lost task 0.0 in stage 3.0 (TID 6) (10.0.0.2 executor 1): "
            "ExecutorLostFailure (executor 1 exited caused by one of the running tasks) Reason: Command "
            "exited with code 137\nDriver stacktrace:",
            "ExecutorLostFailure (executor 1 exited",
            "raise spark.executor.memory",
        ),
        (
            "org.apache.spark.sql.delta.DeltaIOException: [DELTA_CANNOT_CREATE_LOG_PATH] Cannot create "
            "file:/proc/x/_delta_log",
            "Cannot create file:/proc/x/_delta_log",
            "the right to it",
        ),
        (
            "io.delta.exceptions.ConcurrentAppendException: [DELTA_CONCURRENT_APPEND] Files were added",
            "Files were added",
            "Another run writes",
        ),
        (
            "java.lang.ClassNotFoundException: Class org.apache.hadoop.fs.s3a.S3AFileSystem not found",
            "S3AFileSystem not found",
            "A jar is missing",
        ),
        (
            "java.nio.file.AccessDeniedException: s3a://shop: NoAuthWithAWSException: No AWS Credentials",
            "No AWS Credentials",
            "credentials for the store",
        ),
        (
            "org.apache.spark.api.python.PythonException: Traceback (most recent call last):\n"
            '  File "/x/worker.py", line 1, in main\n    import pyarrow\n'
            "ModuleNotFoundError: No module named 'pyarrow'\n",
            "ModuleNotFoundError: No module named 'pyarrow'",
            "PYSPARK_PYTHON",
        ),
        (
            "org.apache.spark.sql.AnalysisException: [UNRESOLVED_COLUMN] `a` cannot be resolved. SQLSTATE: "
            "42703;\n'Project ['a]\n+- Range (0, 5)",
            "[UNRESOLVED_COLUMN] `a` cannot be resolved.",
            "",
        ),
    ],
)
def test_kinds(cause: str, words: str, remedy: str):
    text = told(java_error(cause))
    assert text.startswith("Writing gold.toy failed: ") and words in text and remedy in text
    assert "SQLSTATE" not in text and "Project" not in text and "RESTORE" not in text


DAMAGED = (
    "org.apache.spark.SparkException: [FAILED_READ_FILE.NO_HINT] Encountered error while reading file "
    "file:///{}.  SQLSTATE: KD001",
    "java.io.EOFException: Unexpected end of input stream",
)


def test_a_damaged_file_of_a_source_and_of_a_table():
    place = {"tables": {"/data/my lake/bronze/events": "bronze.events"}}
    error = java_error(DAMAGED[0].format("data/in/a.jsonl.gz"), DAMAGED[1])
    with pytest.raises(SourceError), doing("x", tables=place["tables"]):
        raise error
    text = told(error, "Writing bronze.events", **place)
    assert text.startswith(
        "Writing bronze.events failed: EOFException: Unexpected end of input stream, in /data/in/a"
    )
    assert "a.jsonl.gz" in text and "Put it back whole" in text and "RESTORE" not in text
    error = java_error(DAMAGED[0].format("data/my%20lake/bronze/events/part-0.parquet"), DAMAGED[1])
    text = told(error, "Writing silver.events", **place)
    assert "in /data/my lake/bronze/events/part-0.parquet (a file of bronze.events). " in text
    assert "RESTORE TABLE" in text


def test_errors_of_ours_come_back_from_spark_workers():
    raised = (
        "[PYTHON_EXCEPTION] An exception was thrown from the Python worker: "
        "Traceback (most recent call last):\n"
        '  File "x.py", line 27, in boom\n    raise ContractError("the column x is bad.", "mend it.")\n'
        "    ^^^^^\nclicksmith.errors.ContractError: the column x is bad. mend it.\n SQLSTATE: 38000"
    )
    found = explain(java_error(f"org.apache.spark.api.python.PythonException: {raised}"))
    assert type(found) is ContractError and str(found) == "the column x is bad. mend it."
    guard = "[USER_RAISED_EXCEPTION] clicksmith.errors.ContractError: gold.x is null. SQLSTATE: P0001"
    found = explain(java_error(f"org.apache.spark.SparkRuntimeException: {guard}"))
    assert type(found) is ContractError and str(found) == "gold.x is null."
    # In a plan it is no error of ours.
    plan = "[DELTA_X] bad names: `raise_error(clicksmith.errors.ContractError: gold.x is null.)`"
    assert type(explain(java_error(f"org.apache.spark.sql.AnalysisException: {plan}"))) is LakeError


def ray_error(**failures: Exception) -> Exception:
    kind = type("WorkerGroupError", (Exception,), {"__module__": "ray.train.v2.api.exceptions"})
    error = kind("Training failed due to worker errors:\n[Rank 0]\nTraceback ...\nValueError: x")
    error.worker_failures = dict(enumerate(failures.values()))  # type: ignore[attr-defined]
    return error


def test_of_ray_workers_the_first_to_fail_is_told():
    cut_off = RuntimeError("[gloo/transport/tcp/pair.cc:544] Connection closed by peer [127.0.0.1]:1234")
    error = ray_error(a=cut_off, b=ValueError("the loss is nan"), c=cut_off)
    text = told(error, "Training gan", raises=TrainingError, remedy="Run it again.")
    assert text == "Training gan failed: ValueError: the loss is nan. Run it again."
    ours = TrainingError("steps are few.", "Raise them.")
    task = type("RayTaskError", (Exception,), {"__module__": "ray.exceptions"})("ray::x")
    task.cause = ours
    assert explain(ray_error(a=cut_off, b=task)) is ours


def test_arrow_python_and_the_system():
    text = told(pa.ArrowInvalid("Parquet magic bytes not found in footer."), "Reading x")
    assert text.startswith(
        "Reading x failed: ArrowInvalid: Parquet magic bytes not found in footer. The file is"
    )
    assert "Free disk space" in told(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert "Free memory" in told(MemoryError("Unable to allocate 9 GiB"))
    assert "the right to it" in told(PermissionError(13, "Permission denied", "/x"))
    hidden = java_error("java.lang.OutOfMemoryError: Java heap space")
    gone = ConnectionRefusedError(111, "Connection refused")
    assert "Java process has ended" in told(gone)
    gone.__context__ = hidden  # what a `finally` meets after the JVM has ended hides the cause from nobody
    assert "OutOfMemoryError: Java heap space. Raise spark.driver_memory" in told(gone)


def test_a_jvm_that_ended_before_it_told_why():
    def fail(self: object) -> str:
        raise ConnectionRefusedError  # Py4J asks the JVM for the text

    error = java_error("x")
    type(error).__str__ = fail  # type: ignore[method-assign]
    text = told(error, settings={"spark.driver_memory": "2g"})
    assert text.startswith("Writing gold.toy failed: no answer from Spark's Java process. ")
    assert "raise spark.driver_memory (2g)" in text


def test_bugs_pass_and_errors_of_our_own_are_kept():
    assert explain(ValueError("No space left on device")) is None
    ours = ContractError("No space left on device")
    assert explain(ours) is ours
    with pytest.raises(KeyError), doing("x"):
        raise KeyError("a bug")


def test_a_process_that_ends_at_once_is_told_by_its_last_words():
    words = (
        "WARNING: Using incubator modules: jdk.incubator.vector\n"
        'Exception in thread "main" java.lang.IllegalArgumentException: basedir must be absolute: ?/.ivy2\n'
        + FRAMES
    )
    text = told(ProcessError(words), "Starting Spark")
    assert text.startswith(
        "Starting Spark failed: IllegalArgumentException: basedir must be absolute: ?/.ivy2. "
    )
    assert "no entry in /etc/passwd" in text
    boot = (
        "Error occurred during initialization of boot layer\n"
        "java.lang.module.FindException: Module jdk.incubator.vector not found\n"
    )
    assert "full Java 17 or 21" in told(ProcessError(boot), "Starting Spark")


def test_words_that_more_than_one_kind_of_cause_has():
    here = told(ModuleNotFoundError("No module named 'pyarrow'"))
    assert "Install it where this runs" in here and "Spark's workers" not in here
    kind = type("GetTimeoutError", (Exception,), {"__module__": "ray.exceptions"})
    assert "address" not in told(kind("Get timed out: some object(s) not ready."))
    assert "address" in told(java_error("java.net.ConnectException: Connection timed out"))
    checkpoint = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "/runs/gan/checkpoint.pt")
    gone = told(checkpoint, "Training gan", raises=TrainingError)
    assert "/runs/gan/checkpoint.pt" in gone and "Put it back" in gone and "source" not in gone
    of_arrow = "[Errno 2] Failed to open local file '/lake/gold/a/x.parquet'. Detail: No such file"
    table = told(FileNotFoundError(of_arrow), tables={"/lake/gold/a": "a"})
    assert "(a file of a)" in table and "RESTORE TABLE" in table


@pytest.mark.spark
def test_a_source_file_cut_off_in_the_middle(spark, tmp_path: Path):
    whole = gzip.compress(os.urandom(100_000))
    file = tmp_path / "cut.jsonl.gz"
    file.write_bytes(whole[: len(whole) // 2])
    with (
        pytest.raises(SourceError, match=rf"^Reading failed: .*{file}.* Put it back whole"),
        doing("Reading"),
    ):
        spark.read.text(str(file)).collect()
