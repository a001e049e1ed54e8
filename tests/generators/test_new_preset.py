"""Adding a preset adds a file, and changes none: a toy one is put into a copy of the library."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[2] / "lib" / "clicksmith"

TOY = '''
"""toy: rows whose codes are all the most frequent ones."""

from typing import Any, Literal

from pydantic import Field

from clicksmith.generators.preset import Preset
from clicksmith.generators.tabular.presets._options import Counted


class Options(Counted):
    preset: Literal["toy"] = "toy"
    shade: int = Field(default=3, ge=0, description="of nothing")


def _sampler(codec: Any) -> Any:
    import numpy as np
    import torch
    from clicksmith.encoding.table import Encoded
    from clicksmith.generators.recipe import Sampler

    class Toy(Sampler):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("codes", torch.zeros(len(codec.cardinalities), dtype=torch.int64))

        def sample(self, seed, row_ids, given=None):
            codes = np.tile(self.codes.numpy(), (len(row_ids), 1))
            return Encoded(codes, np.full(codes.shape, 0.5, dtype=np.float32))

    return Toy()


def _recipe(options: Options, seed: int, codec: Any, rows: Any) -> Any:
    import numpy as np
    import torch
    from clicksmith.generators.recipe import Recipe

    class Counting(Recipe):
        def __init__(self) -> None:
            self.sampler = _sampler(codec)
            common = [np.bincount(column).argmax() for column in rows.codes.T]
            self.sampler.codes.copy_(torch.tensor(common))

        def prepare(self, wrap): ...
        def step(self, step, shard): return {"shade": torch.tensor(float(options.shade))}
        def state_dict(self): return {"sampler": self.sampler.state_dict()}
        def load_state_dict(self, state): self.sampler.load_state_dict(state["sampler"])

    return Counting()


PRESET = Preset(Options, "a toy", _recipe, _sampler)
'''

USE = """
import sys
from clicksmith.config import load_config
from clicksmith.errors import ConfigError

config = load_config(None, ["generators={mine: {preset: toy, shade: 7}}"])
assert config.generators["mine"].shade == 7
assert "torch" not in sys.modules, "a configuration is read where there is no torch"
try:
    load_config(None, ["generators={mine: {preset: toy, shad: 7}}"])
    raise SystemExit("an unknown option was taken")
except ConfigError as error:
    assert "generators.mine.shad: unknown key; did you mean 'shade'?" in str(error), error

import train_generator
from clicksmith.generators.artefact import Generator, generator_folder
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.steps import trace_generator
from clicksmith.tables import TRAINING_EXAMPLES
from training.toy_lake import toy_examples, write_examples

asked = ["generators={mine: {preset: toy}}", "ray.num_workers=0", f"lake.root={sys.argv[1]}"]
config = load_config(None, asked)
examples = write_examples(Lake.of(config), toy_examples(500))
train_generator.run(config)
folder = generator_folder(config, "mine", trace_generator(config, "mine", examples))
rows = Generator.load(folder).sample_block(1, 0)
assert rows.num_rows == 4096 and set(rows["label_click"].to_pylist()) == {False}
assert "`toy`: a toy. It makes rows of gold.training_examples" in open(f"{folder}/README.md").read()
"""


def test_a_preset_is_one_file(tmp_path: Path) -> None:
    copy = shutil.copytree(
        LIBRARY, tmp_path / "lib" / "clicksmith", ignore=shutil.ignore_patterns("__pycache__")
    )
    (copy / "generators" / "tabular" / "presets" / "toy.py").write_text(TOY)
    root = LIBRARY.parents[1]
    path = os.pathsep.join(map(str, (tmp_path / "lib", root / "jobs", root / "tests")))
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path / "lake")],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
