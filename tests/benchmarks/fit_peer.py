"""Run by the peers' interpreter: fit a public generator to rows, and write as many of its own.

Arguments: the peer, a folder with train.parquet, rows to generate, epochs (0: the peer's own choice).
Writes rows.parquet and, as the last line, what it took as JSON. Nothing of clicksmith is imported.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
from lines import peak_mb


def fit_mostlyai(folder: Path, rows: pd.DataFrame, num_rows: int, epochs: int) -> tuple[float, pd.DataFrame]:
    """TabularARGN of MOSTLY AI with its defaults."""
    from mostlyai import engine

    started = time.perf_counter()
    workspace = folder / "workspace"
    engine.split(workspace_dir=workspace, tgt_data=rows, model_type="TABULAR")
    engine.analyze(workspace_dir=workspace)
    engine.encode(workspace_dir=workspace)
    limit = {"max_epochs": epochs} if epochs else {}
    engine.train(workspace_dir=workspace, device="cpu", **limit)
    trained = time.perf_counter()
    engine.generate(workspace_dir=workspace, sample_size=num_rows)
    return trained - started, pd.read_parquet(workspace / "SyntheticData")


def fit_ctgan(folder: Path, rows: pd.DataFrame, num_rows: int, epochs: int) -> tuple[float, pd.DataFrame]:
    """CTGAN of its authors (Xu et al. 2019) with its defaults: 300 epochs."""
    from ctgan import CTGAN

    started = time.perf_counter()
    model = CTGAN(**({"epochs": epochs} if epochs else {}))
    model.set_random_state(0)
    model.fit(rows, [name for name in rows if not pd.api.types.is_numeric_dtype(rows[name])])
    return time.perf_counter() - started, model.sample(num_rows)


def main() -> None:
    """Time fitting and all."""
    name, folder, num_rows, epochs = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    rows = pd.read_parquet(folder / "train.parquet")
    started = time.perf_counter()
    train_s, generated = {"mostlyai": fit_mostlyai, "ctgan": fit_ctgan}[name](folder, rows, num_rows, epochs)
    sample_s = time.perf_counter() - started - train_s
    peak = peak_mb()
    generated.to_parquet(folder / "rows.parquet")
    figures = {"train_s": train_s, "sample_rows_per_s": num_rows / sample_s, "peak_mb": peak}
    sys.stdout.write("\n" + json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
