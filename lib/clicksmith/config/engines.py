"""The lake and the engines that work on it. Defaults are those of a laptop."""

from typing import Literal

from pydantic import Field

from clicksmith.config.section import Section


class LakeConfig(Section):
    """Where the tables lie."""

    root: str = Field(default=".lake/demo", description="root URI: a local path, s3a://, abfss:// or gs://")


class SparkConfig(Section):
    """The Spark session. ``spark-submit``'s own settings win where both are given."""

    master: str | None = Field(default=None, description="null leaves it to spark-submit")
    driver_memory: str = "2g"
    shuffle_partitions: int = Field(default=8, ge=1)
    rows_per_partition: int = Field(
        default=1_000_000, ge=1, description="of the shuffles by user that clean events and build examples"
    )
    rows_per_synthesis_task: int = Field(
        default=250_000, ge=1, description="of the writer of synthetic samples; fewer where cores would idle"
    )
    extra: dict[str, str] = Field(default_factory=dict, description="any other spark.* setting")

    def partitions_for(self, num_rows: int) -> int:
        """Partitions of a shuffle by user."""
        return max(self.shuffle_partitions, -(-num_rows // self.rows_per_partition))

    @property
    def rows_at_once(self) -> int:
        """That a worker holds in memory; a partition of more goes by way of the disk."""
        return 2 * self.rows_per_partition


class RayConfig(Section):
    """The Ray cluster and the size of a training run."""

    address: str | None = Field(default=None, description="null starts a local cluster; 'auto' joins one")
    num_cpus: int = Field(default=2, ge=1, description="of the local cluster")
    num_workers: int = Field(
        default=2,
        ge=0,
        description="data-parallel workers; 0 trains in this process. Another number may end what one began",
    )
    use_gpu: bool = Field(default=False, description="for recommenders; generators train on CPUs")
    mixed_precision: Literal["gpu", "always", "never"] = Field(
        default="gpu", description="whether recommenders' products are of bfloat16 in training; gpu: on those"
    )
    start_timeout: int = Field(
        default=600, ge=1, description="seconds that the workers may take to start, new nodes included"
    )
    storage_path: str | None = Field(
        default=None, description="runs and models; null: ROOT/_models in the lake"
    )
