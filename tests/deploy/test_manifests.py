"""The deployment examples: manifests against the operators' schemas, scripts against their language."""

import ast
import copy
import re
import shutil
import subprocess
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

import run_pipeline

ROOT = Path(__file__).resolve().parents[2]
CRDS = ROOT.parent / "shared" / "crds"
SCRIPTS = [ROOT / ".ci" / "run", *sorted((ROOT / "deploy").rglob("*.sh"))]


def manifest(path: str, job: str) -> dict[str, Any]:
    text = (ROOT / "deploy" / path).read_text()
    return yaml.safe_load(Template(text).substitute(job=job, name=job.replace("_", "-"), gpus=0))


def schema(file: str, version: str) -> dict[str, Any]:
    if not CRDS.is_dir():
        pytest.skip(f"the operators' schemas are absent: {CRDS}")
    document = yaml.safe_load((CRDS / file).read_text())
    (found,) = (v for v in document["spec"]["versions"] if v["name"] == version)
    return strict(found["schema"]["openAPIV3Schema"])


def strict(node: Any) -> Any:
    """Kubernetes' dialect as JSON Schema: unknown fields are errors, int-or-string is both."""
    if isinstance(node, list):
        return [strict(child) for child in node]
    if not isinstance(node, dict):
        return node
    node = {key: strict(child) for key, child in node.items()}
    if node.get("x-kubernetes-int-or-string"):
        node.pop("type", None)
        node["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if (
        isinstance(node.get("properties"), dict)
        and node.get("type") == "object"
        and node["properties"]
        and "additionalProperties" not in node
        and not node.get("x-kubernetes-preserve-unknown-fields")
    ):
        node["additionalProperties"] = False
    return node


def problems(document: dict[str, Any], rules: dict[str, Any]) -> list[str]:
    from jsonschema import Draft7Validator

    rules = copy.deepcopy(rules)
    rules["properties"]["metadata"] = {"type": "object", "required": ["name"]}
    return [
        f"{'.'.join(map(str, e.absolute_path))}: {e.message}"
        for e in Draft7Validator(rules).iter_errors(document)
    ]


def test_spark_application() -> None:
    rules = schema("sparkoperator.k8s.io_sparkapplications.yaml", "v1beta2")
    document = manifest("spark/job.yaml", "ingest_events")
    assert problems(document, rules) == []
    assert document["spec"]["mainApplicationFile"] == "local:///opt/clicksmith/jobs/ingest_events.py"
    document["spec"]["driver"]["coers"] = 1
    assert any("coers" in problem for problem in problems(document, rules))


def test_ray_job() -> None:
    rules = schema("ray.io_rayjobs.yaml", "v1")
    document = manifest("ray/job.yaml", "train_generator")
    assert problems(document, rules) == []
    document["spec"]["backofLimit"] = 1
    assert any("backofLimit" in problem for problem in problems(document, rules))


def test_ray_on_kubernetes_is_closed_to_others() -> None:
    cluster = manifest("ray/job.yaml", "train_generator")["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    policy = yaml.safe_load((ROOT / "deploy" / "ray" / "network.yaml").read_text())
    assert policy["kind"] == "NetworkPolicy"
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    (rule,) = policy["spec"]["ingress"]
    own, operator = rule["from"]
    assert own == {"podSelector": {}}  # of the policy's own namespace
    assert operator["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "kuberay-operator"}


def test_only_training_of_recommenders_takes_gpus() -> None:
    text = (ROOT / "deploy" / "airflow" / "clicksmith_dag.py").read_text()
    assert 'GPU_JOBS = ("train_recommender",)' in text
    for gpus in (0, 1):
        filled = Template((ROOT / "deploy" / "ray" / "job.yaml").read_text()).substitute(
            job="x", name="x", gpus=gpus
        )
        (group,) = yaml.safe_load(filled)["spec"]["rayClusterSpec"]["workerGroupSpecs"]
        (container,) = group["template"]["spec"]["containers"]
        for side in ("requests", "limits"):
            assert container["resources"][side]["nvidia.com/gpu"] == str(gpus)


def test_the_image_has_what_the_configurations_may_ask_for() -> None:
    dockerfile = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    (extras,) = re.findall(r"pip install --no-cache-dir -e '\.\[(.*)\]'", dockerfile)
    assert set(extras.split(",")) == {"spark", "ray", "report", "search", "nearest", "export"}
    assert "hadoop-aws" in dockerfile  # conf/cluster.yaml's lake lies at s3a://


def test_versions_agree_with_the_pins() -> None:
    pins = (ROOT / "setup.py").read_text()
    assert f"pyspark=={manifest('spark/job.yaml', 'x')['spec']['sparkVersion']}" in pins
    assert f"=={manifest('ray/job.yaml', 'x')['spec']['rayClusterSpec']['rayVersion']}" in pins


def dag_jobs() -> list[tuple[str, str]]:
    tree = ast.parse((ROOT / "deploy" / "airflow" / "clicksmith_dag.py").read_text())
    (jobs,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "JOBS"
    )
    return list(jobs)


def test_dag_names_jobs_that_exist() -> None:
    for job, engine in dag_jobs():
        assert (ROOT / "jobs" / f"{job}.py").is_file(), job
        assert engine in ("spark", "ray")


def test_the_dag_runs_the_jobs_in_the_pipeline_s_order() -> None:
    """With models before the measurement, new rows made the verdict stale, and the run ended there."""
    pipeline = [step.__name__ for step in run_pipeline.STEPS]
    assert [job for job, _ in dag_jobs() if job in pipeline] == pipeline


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shell_scripts_parse(script: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run([bash, "-n", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert script.stat().st_mode & 0o111, f"{script} is not executable"
