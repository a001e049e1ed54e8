"""Ray: the tables that generators learn from to their folders, each trained as often as it is fitted."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.generators.artefact import generator_folder, read_card
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.steps import sources_of, trace_generator

logger = logging.getLogger("clicksmith.jobs.train_generator")


def run(config: Config) -> None:
    """Train every generator whose folder is not complete."""
    sources = sources_of(config, Lake.of(config))
    missing = {}
    for name, options in config.fits.items():
        lineage = trace_generator(config, name, sources[options.kind])
        folder = generator_folder(config, name, lineage)
        if read_card(folder) is None:
            missing[name] = lineage
        else:
            logger.info("%s: already done, %s", name, folder)
    if missing:
        from clicksmith.training.generator import train_generators  # Ray starts only when there is work

        train_generators(config, missing, sources)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
