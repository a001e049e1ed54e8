"""Synthesize samples: what every trained generator makes, where the gate finds it."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.errors import NotFittedError
from clicksmith.generators.artefact import generator_folder, generator_id, read_card
from clicksmith.generators.kinds import KINDS
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import sources_of, trace_candidates, trace_generator
from clicksmith.seeds import derive_seed
from clicksmith.synthesis.wishes import wish_of
from clicksmith.synthesis.writer import synthetic_rows

logger = logging.getLogger("clicksmith.jobs.synthesize_samples")


def run(config: Config) -> None:
    """Write the rows of each generator that has not written them yet."""
    lake = Lake.of(config)
    sources = sources_of(config, lake)
    for name, options in config.fits.items():
        kind, source = KINDS[options.kind], sources[options.kind]
        trained = trace_generator(config, name, source)
        folder = generator_folder(config, name, trained)
        card = read_card(folder)
        if card is None:
            raise NotFittedError(
                f"Generator {name!r} is not trained for {folder}.", "Run train_generator first."
            )
        lineage = trace_candidates(config, name, trained)
        part = f"generator={name}"
        if lineage.is_committed(lake, kind.twin.candidates, part=part):
            logger.info("%s: already done for these inputs and this configuration", name)
            continue
        spark = open_session(config)
        rows = synthetic_rows(
            spark,
            kind,
            folder,
            name,
            generator_id(name, trained),
            lineage.run_id,
            num_rows=round(config.synthesis.ratio * card["num_rows"]),
            seed=derive_seed(config.seed, "synthesize", name),
            rows_per_task=config.spark.rows_per_synthesis_task,
            wish=wish_of(spark, config, kind, source, folder, card["num_rows"], name),
        )
        commit(rows, kind.twin.candidates, lake, lineage, part=part)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
