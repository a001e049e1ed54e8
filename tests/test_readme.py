"""What the README shows holds: its settings load, its targets, jobs and files are there, its commands run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from clicksmith.config import Config, load_config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.tables import BRONZE_EVENTS

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "conf/README.md", "deploy/README.md")
README = "\n".join((ROOT / page).read_text() for page in PAGES)
HOUSE = (ROOT / "lib" / "README.md").read_text()
YAML = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.strip()
    for line in README.splitlines()
    if re.match(r"    (make|python|spark-submit|export|\(cd|ray) ?", line)
]


@pytest.mark.parametrize("text", YAML, ids=lambda text: text.split(":")[0])
def test_settings_load(text: str) -> None:
    config = Config.model_validate(yaml.safe_load(text))
    assert config != Config()


def test_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", README)) | {
        word for command in COMMANDS for word in re.findall(r"^make ([a-z-]+)", command)
    }
    assert {"demo", "test", "soak"} <= named <= targets


def test_jobs_and_files_of_configuration_exist() -> None:
    jobs = {path.stem for path in (ROOT / "jobs").glob("*.py")}
    files = {path.name for path in (ROOT / "conf").glob("*.yaml")} | {"log.yaml"}  # which make init drafts
    assert set(re.findall(r"jobs/(\w+)\.py", README)) <= jobs
    assert set(re.findall(r"conf/(\w+\.yaml)", README)) <= files
    tree = README[README.index("\njobs/ ") : README.index("\nconf/ ")]
    listed = re.findall(r"^  (\w+)\.py  ", tree, re.MULTILINE)
    assert set(listed) == jobs


def test_the_house_names_every_file_in_its_room() -> None:
    rooms, named = ["clicksmith"], set()
    for line in HOUSE[HOUSE.index("clicksmith/\n") :].splitlines()[1:-1]:
        depth = (len(line) - len(line.lstrip())) // 2
        names = line.strip().split("  ")[0].split()
        rooms[depth:] = [names[0].rstrip("/")]
        named |= {"/".join([*rooms[:depth], name]) for name in names if name.endswith(".py")}
    files = (ROOT / "lib" / "clicksmith").rglob("*.py")
    library = {path.relative_to(ROOT / "lib").as_posix() for path in files}
    assert named == {path for path in library if not path.endswith("__init__.py")}


def test_links_lead_somewhere() -> None:
    for page in (*PAGES, "lib/README.md"):
        text = (ROOT / page).read_text()
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


def test_versions_are_those_of_the_pins() -> None:
    setup = (ROOT / "setup.py").read_text()
    for library, version in re.findall(r"(pyspark|delta-spark|deltalake|torch) (\d[\d.]*\d)", README):
        assert f"{library}=={version}" in setup
    (ray,) = re.findall(r"Ray (\d+\.\d+\.\d+)", README)
    assert f"ray[default,train]=={ray}" in setup


@pytest.mark.soak
@pytest.mark.spark
def test_commands_of_one_job_run_as_they_stand(tmp_path: Path) -> None:
    """ "One job at a time" for Spark, on the sliver of the demo's data; test_submit.py has Ray's."""
    for name in ("jobs", "lib", "conf"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    start = COMMANDS.index("python jobs/ingest_events.py --conf conf/local.yaml")
    end = next(number for number, command in enumerate(COMMANDS) if command.startswith("spark-submit"))
    block = COMMANDS[start : end + 1]
    assert len(block) == 3 and block[1].startswith("(cd lib && zip")
    assert block[2].endswith("jobs/ingest_events.py --conf conf/local.yaml")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = "\n".join(block).replace("conf/local.yaml", "conf/smoke.yaml")
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=tmp_path,
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "already done" in done.stdout  # what python did, spark-submit finds; it tells all on stdout
    root = load_config(tmp_path / "conf" / "smoke.yaml").lake.root
    assert (Lake(str(tmp_path / root)).get(BRONZE_EVENTS).num_rows or 0) > 10_000
