"""Tabular generators beside public ones, and what each part of the road costs; one JSON line a figure.

Parts, in their order:
    adult    every preset on the adult data, beside mostlyai-engine and ctgan in the same run; all figures
             are of 26,049 rows, against the 6,512 that no generator saw
    ids      identifier columns of 100,000 to 10 million values
    wide     100 columns and 5 million rows, streamed
    workers  two Ray workers against one
    writer   the Spark writer, from a trained generator to a commit
    journey  every preset on gold.training_examples of Complete Journey, from a lake of `make demo`

The peers run in an environment of their own, which `make bench-generators` makes.
"""

import argparse
import sys
import time
from pathlib import Path

from benchmarks import ids, wide, workers, writer
from benchmarks.peers import PEERS, peer
from benchmarks.quality import compare_presets, judge, print_figures
from benchmarks.real_data import Dataset
from clicksmith.generators.presets import PRESETS

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "adult" / "adult.csv"
PARTS = ("adult", "ids", "wide", "workers", "writer", "journey")


def adult(arguments: argparse.Namespace) -> None:
    """The ceiling, the peers where there are any, and every preset."""
    data = Dataset.adult(arguments.data)
    print_figures("training_rows", judge(data, data.train))
    theirs: dict[str, dict[str, float]] = {}
    if arguments.peer_python:
        epochs = {"mostlyai": 0, "ctgan": arguments.ctgan_epochs}
        for name in PEERS:
            theirs[name] = peer(name, arguments.peer_python, data, epochs[name])
            print_figures(f"peer_{name}", theirs[name])
    beside = ("mostlyai-engine", theirs["mostlyai"]) if theirs else ()
    compare_presets("", data, arguments.presets, arguments.steps, *beside)


def journey(arguments: argparse.Namespace) -> None:
    """The ceiling and every preset on the demo's training examples."""
    if not has_lake(arguments.lake):
        sys.stderr.write(f"journey: left out, {arguments.lake} is no lake of `make demo`; pass --lake DIR.\n")
        return
    data = Dataset.journey(arguments.lake)
    print_figures("journey.training_rows", judge(data, data.train))
    compare_presets("journey.", data, arguments.presets, arguments.steps)


def has_lake(lake: Path) -> bool:
    """Whether a lake holds training examples."""
    return (lake / "gold" / "training_examples").is_dir()


def main() -> None:
    """Run the chosen parts; how long each took goes to stderr."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--data", type=Path, default=DATA, help="adult.csv")
    parser.add_argument("--lake", type=Path, default=ROOT / ".lake" / "demo", help="of `make demo`")
    parser.add_argument(
        "--peer-python", help="interpreter of the peers' environment; without it no peer runs"
    )
    parser.add_argument("--ctgan-epochs", type=int, default=0, help="0: the package's default, 300")
    tabular = [name for name, preset in PRESETS.items() if preset.options.kind == "examples"]
    parser.add_argument("--presets", nargs="*", choices=tabular, default=tabular)
    parser.add_argument("--steps", type=int, default=280, help="of a preset's training")
    parser.add_argument("--wide-rows", type=int, default=5_000_000)
    parser.add_argument("--writer-rows", type=int, default=5_000_000)
    arguments = parser.parse_args()
    run = {
        "adult": lambda: adult(arguments),
        "ids": ids.run,
        "wide": lambda: wide.run(arguments.wide_rows),
        "workers": lambda: workers.run(Dataset.adult(arguments.data)),
        "writer": lambda: writer.run(arguments.lake, arguments.writer_rows),
        "journey": lambda: journey(arguments),
    }
    for part in PARTS:
        if part in arguments.parts:
            started = time.perf_counter()
            run[part]()
            sys.stderr.write(f"{part}: {time.perf_counter() - started:.0f} s\n")


if __name__ == "__main__":
    main()
