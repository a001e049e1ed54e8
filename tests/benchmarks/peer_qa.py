"""Runs in the judge's environment: figures of generated sequences by the public `mostlyai-qa`, as JSON."""

import json
import sys
import tempfile

import pandas as pd
from mostlyai import qa

generated, training, holdout, group = sys.argv[1:]
tables = [pd.read_csv(path) for path in (generated, training, holdout)]
with tempfile.TemporaryDirectory() as folder:
    _, metrics = qa.report(
        syn_tgt_data=tables[0],
        trn_tgt_data=tables[1],
        hol_tgt_data=tables[2],
        tgt_context_key=group,
        report_path=f"{folder}/report.html",
    )
found = {}
for part, figures in metrics.model_dump().items():
    for name, value in (figures or {}).items():
        if isinstance(value, int | float):
            found[f"{part}.{name}"] = float(value)
sys.stdout.write(json.dumps(found))
