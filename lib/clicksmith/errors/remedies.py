"""What to do about causes of each kind: marks in their words or classes, and the remedy."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from clicksmith.errors.causes import Cause, root

_RESTORE = (
    "A data file is damaged or gone. Restore it, or set the table back with RESTORE TABLE ... TO VERSION "
    "AS OF; then run the job that makes the table again."
)


@dataclass(frozen=True)
class Remedy:
    """A kind of cause.

    Attributes:
        marks: regular expressions; one of them is found in "class: words" of a cause of this kind.
        words: what to do. Settings that it names are told with their values where they are known.
        for_tables: what to do instead where the file that it is about belongs to a table of the lake.
        follows: from most other kinds, so it is the cause only where nothing stands behind it.
        engine: the class of one of the causes, where the words alone could come from elsewhere.
    """

    marks: tuple[str, ...]
    words: str
    for_tables: str | None = None
    follows: bool = False
    engine: str = ""

    def find(self, causes: Sequence[Cause]) -> Cause | None:
        """The innermost cause of this kind."""
        if not any(re.search(self.engine, cause.kind) for cause in causes):
            return None
        pattern = re.compile("|".join(self.marks))
        causes = [root(causes)] if self.follows else causes
        matches = [cause for cause in causes if pattern.search(f"{cause.kind}: {cause.words}")]
        return matches[-1] if matches else None


REMEDIES = (
    Remedy(
        (r"No space left on device", r"Disk quota exceeded", r"\[Errno 28\]"),
        "Free disk space, or set spark.local.dir (in spark.extra) to a larger disk; then run again.",
    ),
    Remedy((r"Too many open files", r"\[Errno 24\]"), "Raise the limit of open files (ulimit -n)."),
    Remedy(
        (r"Not enough memory to build and broadcast", r"Cannot broadcast the table"),
        "Raise spark.driver_memory; then run again.",
    ),
    Remedy(
        (r"ExecutorLostFailure", r"[Ee]xit(ed with)? (code|status) 137", r"Container killed"),
        "Executors were killed, most often for their memory: raise spark.executor.memory or "
        "spark.executor.memoryOverhead in spark.extra, or lower spark.rows_per_partition; then run again.",
    ),
    Remedy(
        (
            r"java\.lang\.OutOfMemoryError",
            r"SparkOutOfMemoryError",
            r"GC overhead limit",
            r"UNABLE_TO_ACQUIRE_MEMORY",
        ),
        "Raise spark.driver_memory (on a cluster spark.executor.memory in spark.extra), or lower "
        "spark.rows_per_partition; then run again.",
    ),
    Remedy(
        (r"^torch\.\w*\.?OutOfMemoryError", r"CUDA out of memory"),
        "Lower the model's batch_size, or use a larger GPU; then run again.",
    ),
    Remedy(
        (r"MemoryError", r"Cannot allocate memory", r"malloc of size", r"running low on memory"),
        "Free memory, or take a larger machine; max_rows of models and spark.rows_per_partition bound what "
        "is held at once. Then run again.",
    ),
    Remedy(
        (r"Python worker exited unexpectedly", r"Python worker failed to connect back"),
        "A Python worker of Spark's was killed or crashed, most often for lack of memory: free memory, or "
        "lower spark.rows_per_partition; then run again.",
    ),
    Remedy(
        (
            r"Permission denied",
            r"AccessControlException",
            r"Read-only file system",
            r"CANNOT_CREATE_LOG_PATH",
        ),
        "Give this user the right to it, or name another path: lake.root, source, or spark.local.dir.",
    ),
    Remedy(
        (
            r"Concurrent\w+Exception",
            r"DELTA_CONCURRENT",
            r"(Protocol|Metadata)ChangedException",
            r"CommitFailed",
        ),
        "Another run writes to the same lake; run this job again once it has ended.",
    ),
    Remedy(
        (r"DELTA_UNSUPPORTED_FEATURES_FOR_READ", r"DELTA_INVALID_PROTOCOL_VERSION", r"DeltaProtocolError"),
        "The table was upgraded by a newer Delta. Downgrade it with ALTER TABLE ... DROP FEATURE there, or "
        "upgrade delta-spark here.",
    ),
    Remedy(
        (
            r"[Uu]nable to load (AWS )?credentials",
            r"NoAuthWithAWSException|CredentialInitializationException|NoAwsCredentials|CredentialsNotLoaded",
            r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|AuthenticationFailed",
            r"169\.254\.169\.254",  # where a cloud's machine asks for them
            r"(403|401)[ :,]+(Forbidden|Unauthorized)|[Ss]tatus [Cc]ode:? (403|401)",
        ),
        "Give this process credentials for the store: by its role or service account, or in the environment "
        "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AZURE_..., GOOGLE_APPLICATION_CREDENTIALS).",
    ),
    Remedy(
        (r"[Uu]nresolved dependenc", r"Server access error", r"download failed: "),
        "Delta's jars are in no package index: connect to a Maven repository once, name a mirror in "
        "spark.extra (spark.jars.repositories, spark.jars.ivySettings), or let `make setup` put them into "
        "Spark's jars folder.",
    ),
    Remedy(
        (
            r"No FileSystem for scheme",
            r"ClassNotFoundException",
            r"NoClassDefFoundError",
            r"SOURCE_NOT_FOUND",
        ),
        "A jar is missing: name it in spark.extra, e.g. spark.jars.packages: "
        "org.apache.hadoop:hadoop-aws:3.5.0 for s3a://, or put it into Spark's jars folder.",
    ),
    Remedy(
        (r"basedir must be absolute", r"LoginException", r"invalid null input: name", r"getpwuid"),
        "This user has no entry in /etc/passwd, which Java and Hadoop need: add one (nss_wrapper does "
        "without rights), or run as a user that has one.",
    ),
    Remedy(
        (
            r"UnsupportedClassVersionError",
            r"jdk\.incubator\.vector not found",
            r"JAVA_GATEWAY_EXITED",
            r"JAVA_HOME is not set",
            r"bin/java: (No such|not found)",
        ),
        "Spark needs a full Java 17 or 21 (JAVA_HOME or java on the PATH); `make setup` provides it.",
    ),
    Remedy(
        (r"PYTHON_VERSION_MISMATCH", r"No module named '(pyarrow|numpy|pandas|polars|sklearn|pyspark)"),
        "Spark's workers run another Python than this one: set PYSPARK_PYTHON to one of the same version "
        "that has clicksmith's packages, or unset it.",
        engine=r"^(org\.apache\.spark|pyspark)\.",
    ),
    Remedy(
        (r"ModuleNotFoundError", r"No module named"),
        "Install it where this runs, workers included: `make setup` does, or pip with the right extra.",
    ),
    Remedy(
        (
            r"masters are unresponsive",
            r"UnknownHostException",
            r"Name or service not known",
            r"[Cc]onnect(ion)? timed out|Read timed out|current node timed out",
        ),
        "Check that the address is right and can be reached from here (DNS, proxy, firewall).",
    ),
    Remedy(
        (
            r"FAILED_READ_FILE",
            r"is not a Parquet file",
            r"[Cc]ould not read footer",
            r"Unexpected end of (input )?stream",
            r"ZipException|incorrect (header|data) check|not a gzip file|Codec\w*Exception",
            r"PARQUET_COLUMN_DATA_TYPE_MISMATCH",
            r"Parquet magic bytes not found",
            r"FileNotFoundException|PATH_NOT_FOUND|DELTA_FILE_NOT_FOUND",
        ),
        "The file is gone, cut off or damaged, or of another format or compression than its name says. "
        "Put it back whole, or take it out of the source's folder; then run again.",
        _RESTORE,
    ),
    Remedy(
        (r"FileNotFoundError", r"No such file"),  # Python's and the system's: of a program or checkpoint, too
        "Put it back, or correct the setting that names it; then run again.",
        _RESTORE,
    ),
    Remedy(
        (
            r"ActorDiedError|WorkerCrashedError|NodeDiedError|ActorUnavailableError|OwnerDiedError",
            r"Connection closed by peer",
        ),
        "A worker or its node was killed, most often for lack of memory: free some, or lower "
        "ray.num_workers.",
        follows=True,
    ),
    Remedy(
        (
            r"Py4JNetworkError",
            r"Connection(Refused|Reset)Error",
            r"Answer from Java side is empty|no answer from Spark's Java",
            r"stopped SparkContext",
            r"has been shut down|was shut down",
        ),
        "Spark's Java process has ended, most often for its memory: raise spark.driver_memory, or free "
        "memory; then run again.",
        follows=True,
    ),
)
