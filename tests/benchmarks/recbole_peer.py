"""Run as a process of its own, in RecBole's environment: its SASRec on users' sequences, leave one out.

Arguments: JSON with the sequences' file, a folder to work in, and the network's and the training's sizes. The
last line says how long an epoch takes and what the test figures are.
"""

import json
import logging
import sys
import time
from pathlib import Path

import numpy as np
import torch

# RecBole 1.2.1 was written for older ones.
np.bool = np.bool_  # type: ignore[attr-defined]
_OLD = {
    "float": float,
    "int": int,
    "complex": complex,
    "long": np.int64,
    "float_": np.float64,
    "complex_": np.complex128,
    "unicode_": np.str_,
}
for _name, _type in _OLD.items():
    if not hasattr(np, _name):
        setattr(np, _name, _type)


def main() -> None:
    """Train for the epochs asked for; time them without evaluation."""
    arguments = json.loads(sys.argv[1])
    folder = Path(arguments["folder"]) / "beauty"
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    for line in Path(arguments["sequences"]).read_text().splitlines():
        user, *items = line.split()
        lines += [f"{user}\t{item}\t{moment}" for moment, item in enumerate(items)]
    (folder / "beauty.inter").write_text("\n".join(lines) + "\n")

    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.model.sequential_recommender import SASRec
    from recbole.trainer import Trainer
    from recbole.utils import init_seed

    torch.set_num_threads(arguments["threads"])
    settings = {
        "data_path": str(folder.parent),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": None},
        "MAX_ITEM_LIST_LENGTH": arguments["max_length"],
        "hidden_size": arguments["dim"],
        "inner_size": 4 * arguments["dim"],
        "n_layers": arguments["num_blocks"],
        "n_heads": 1,
        "hidden_dropout_prob": arguments["dropout"],
        "attn_dropout_prob": arguments["dropout"],
        "loss_type": "CE",
        "train_neg_sample_args": None,
        "train_batch_size": arguments["batch_size"],
        "eval_batch_size": 1024,
        "learning_rate": arguments["learning_rate"],
        "epochs": arguments["epochs"],
        "topk": [10],
        "metrics": ["Recall", "NDCG"],
        "valid_metric": "NDCG@10",
        "use_gpu": False,
        "show_progress": False,
        "checkpoint_dir": str(folder.parent / "saved"),
        "seed": 1,
    }
    config = Config(model="SASRec", dataset="beauty", config_dict=settings)
    init_seed(1, reproducibility=True)
    logging.disable(logging.INFO)
    train, _, test = data_preparation(config, create_dataset(config))
    model = SASRec(config, train.dataset).to("cpu")
    trainer = Trainer(config, model)
    seconds = []
    for epoch in range(arguments["epochs"]):
        started = time.perf_counter()
        trainer._train_epoch(train, epoch)
        seconds.append(time.perf_counter() - started)
    figures = {name: float(value) for name, value in trainer.evaluate(test, load_best_model=False).items()}
    sys.stdout.write("\n" + json.dumps({"epoch_s": min(seconds), **figures}) + "\n")


if __name__ == "__main__":
    main()
