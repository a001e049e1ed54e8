"""Synthesize samples: every trained generator to gold.synthetic_candidates, where the gate finds them."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.errors import NotFittedError
from clicksmith.generators.artefact import (
    generator_folder,
    generator_id,
    load_codec,
    read_card,
)
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit, read
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import trace_candidates, trace_generator
from clicksmith.seeds import derive_seed
from clicksmith.synthesis.joint import count_mix
from clicksmith.synthesis.writer import synthetic_rows
from clicksmith.tables import SYNTHETIC_CANDIDATES, TRAINING_EXAMPLES

logger = logging.getLogger("clicksmith.jobs.synthesize_samples")


def run(config: Config) -> None:
    """Write the rows of each generator that has not written them yet."""
    lake = Lake.of(config)
    examples = lake.get(TRAINING_EXAMPLES)
    for name in config.fits:
        trained = trace_generator(config, name, examples)
        folder = generator_folder(config, name, trained)
        card = read_card(folder)
        if card is None:
            raise NotFittedError(
                f"Generator {name!r} is not trained for {folder}.", "Run train_generator first."
            )
        lineage = trace_candidates(config, name, trained)
        part = f"generator={name}"
        if lineage.is_committed(lake, SYNTHETIC_CANDIDATES, part=part):
            logger.info("%s: already done for these inputs and this configuration", name)
            continue
        spark, groups, mix = open_session(config), config.synthesis.mix, None
        if groups:
            codec, rows = load_codec(folder).table, read(spark, examples)
            mix = count_mix(rows, codec, groups, card["num_rows"], config.holdout)
        rows = synthetic_rows(
            spark,
            folder,
            name,
            generator_id(name, trained),
            lineage.run_id,
            num_rows=round(config.synthesis.ratio * card["num_rows"]),
            seed=derive_seed(config.seed, "synthesize", name),
            rows_per_task=config.spark.rows_per_synthesis_task,
            mix=mix,
        )
        commit(rows, SYNTHETIC_CANDIDATES, lake, lineage, part=part)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
