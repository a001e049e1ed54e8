"""The README's table of what an arm may be is what the configuration takes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest

import clicksmith.lift
from clicksmith.config import ArmConfig, Config
from clicksmith.errors import ConfigError

README = Path(clicksmith.lift.__file__).parent / "README.md"
ARMS = {"ranking": "lift.arms", "next_item": "lift.next_item.arms", "search": "lift.search.arms"}
MORE = {
    "reweight": "weight: 2",
    "augmentation": "operations: [crop]",
    "synthetic": "generator: gan, ratio: 1",
    **{kind: "ratio: 1" for kind in ("shuffled", "real_more", "duplicate", "oversample_tail")},
    **{kind: "ratio: 1" for kind in ("oversample_label", "teacher", "titles")},
}
"""What a kind needs beside its name."""


def told() -> Iterator[tuple[str, str, bool]]:
    """Each kind, or setting, with each task, and whether the table says yes."""
    lines = [line for line in README.read_text().splitlines() if line.startswith("| ")]
    _, *tasks = (cell.strip() for cell in lines[0].strip("|").split("|"))
    assert tasks == list(ARMS)
    for line in lines[1:]:
        kinds, *marks = (cell.strip() for cell in line.strip("|").split("|"))
        for kind in kinds.split(", "):
            yield from ((kind, task, mark == "yes") for task, mark in zip(tasks, marks, strict=True))


def test_every_kind_is_told_of() -> None:
    kinds = get_args(ArmConfig.model_fields["kind"].annotation)
    assert {name for name, _, _ in told()} == {*kinds, "weight", "share_of_steps"}


@pytest.mark.parametrize(("name", "task", "is_there"), list(told()))
def test_what_a_task_does_not_have_is_refused(
    make_config: Callable[..., Config], name: str, task: str, is_there: bool
) -> None:
    if name in ("weight", "share_of_steps"):
        arm = f"{{kind: duplicate, ratio: 1, {name}: 0.5}}"
    else:
        more = MORE.get(name, "").replace("gan", "walk") if task == "next_item" else MORE.get(name, "")
        arm = f"{{kind: {name}{', ' if more else ''}{more}}}"
    control = "" if name == "none" else "control: {kind: none}, "
    generators = "generators={gan: {preset: ctgan}, walk: {preset: graph_walk, max_rows: 20000}}"
    settings = (generators, f"{ARMS[task]}={{{control}arm: {arm}}}")
    if is_there:
        make_config(*settings)
        return
    with pytest.raises(ConfigError, match=r"'arms' holds 'arm' .* do not have"):
        make_config(*settings)
