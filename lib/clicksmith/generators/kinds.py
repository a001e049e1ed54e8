"""All kinds of data that are generated."""

from collections.abc import Mapping

from clicksmith.generators.kind import Kind
from clicksmith.generators.sequence.kind import SEQUENCES
from clicksmith.generators.tabular.kind import EXAMPLES

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (EXAMPLES, SEQUENCES)}
"""By name."""
