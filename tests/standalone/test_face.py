"""What is imported when, and the examples of docstrings."""

import doctest
import subprocess
import sys
from importlib import import_module

import pytest

import clicksmith


def test_the_library_alone_is_light() -> None:
    code = "import sys, clicksmith; print([n for n in ('torch', 'pandas', 'pyarrow') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_figures_need_no_torch_and_the_face_no_engine() -> None:
    code = (
        "import sys; from clicksmith import evaluate; assert 'torch' not in sys.modules; "
        "from clicksmith import Generator; print([n for n in ('ray', 'pyspark') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'generator'"):
        _ = clicksmith.generator


@pytest.mark.parametrize("name", ["generator", "report"])
def test_examples_of_docstrings_run(name: str) -> None:
    module = import_module(f"clicksmith.standalone.{name}")
    found = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert len(found) > 5
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", ["Generator", "Report", "evaluate"])
def test_every_public_docstring_has_an_example(name: str) -> None:
    face = getattr(clicksmith, name)
    public = [getattr(face, n) for n in vars(face) if not n.startswith("_")] if isinstance(face, type) else []
    for one in (face, *public):
        assert ">>>" in (one.__doc__ or ""), one
