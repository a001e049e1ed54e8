"""The pipeline as an Airflow 3 DAG: a task a job, in the order of the data's road.

Thin on purpose: no logic and no data pass through it. A job that is already done for its inputs
and configuration ends at once, so retries and re-runs are harmless. Needs the provider
cncf-kubernetes, and this repository's `deploy/` folder two levels up.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.providers.cncf.kubernetes.operators.resource import KubernetesCreateResourceOperator
from airflow.providers.cncf.kubernetes.operators.spark_kubernetes import SparkKubernetesOperator
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, chain
from airflow.sdk.exceptions import AirflowFailException

NAMESPACE = "clicksmith"
DEPLOY = Path(__file__).resolve().parents[1]
JOBS = (
    ("ingest_events", "spark"),
    ("clean_events", "spark"),
    ("build_profiles", "spark"),
    ("build_training_set", "spark"),
    ("train_generator", "ray"),
    ("synthesize_samples", "spark"),
    ("evaluate_synthetic", "spark"),
    ("measure_lift", "ray"),  # before the models that follow its verdicts: they refuse those of other rows
    ("train_recommender", "ray"),
    ("score_candidates", "spark"),
    ("write_report", "spark"),
    ("maintain_tables", "spark"),
)
GPU_JOBS = ("train_recommender",)


class RayJobSensor(BaseSensorOperator):
    """Wait for a RayJob: creating one returns at once."""

    template_fields = ("job_name",)

    def __init__(self, *, job_name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_name = job_name

    def poke(self, context: Any) -> bool:
        """Whether the job has ended well; ended badly, the task fails."""
        found = KubernetesHook().get_custom_object("ray.io", "v1", "rayjobs", self.job_name, NAMESPACE)
        state = found.get("status", {}).get("jobDeploymentStatus")
        if state == "Failed":
            raise AirflowFailException(f"RayJob {self.job_name} failed: {found['status'].get('message')}")
        return bool(state == "Complete")


def spark_tasks(job: str) -> list[BaseOperator]:
    """A SparkApplication, followed until it ends."""
    manifest = fill("spark", job, job.replace("_", "-"))
    return [SparkKubernetesOperator(task_id=job, namespace=NAMESPACE, application_file=manifest)]


def ray_tasks(job: str) -> list[BaseOperator]:
    """A RayJob under a name of this run's own, and the wait for it."""
    name = f"{job.replace('_', '-')}-{{{{ ts_nodash | lower }}}}"
    create = KubernetesCreateResourceOperator(
        task_id=f"start_{job}",
        yaml_conf=fill("ray", job, name, gpus=1 if job in GPU_JOBS else 0),
        custom_resource_definition=True,
        namespaced=True,
    )
    wait = RayJobSensor(task_id=job, job_name=f"clicksmith-{name}", mode="reschedule", poke_interval=60)
    return [create, wait]


def fill(engine: str, job: str, name: str, gpus: int = 0) -> str:
    """A manifest of `deploy/`, for a job whose workers get so many GPUs each."""
    return Template((DEPLOY / engine / "job.yaml").read_text()).substitute(job=job, name=name, gpus=gpus)


with DAG(
    dag_id="clicksmith",
    description="clicks to a verdict on augmented samples",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
) as dag:
    tasks = [task for job, engine in JOBS for task in (spark_tasks if engine == "spark" else ray_tasks)(job)]
    chain(*tasks)
