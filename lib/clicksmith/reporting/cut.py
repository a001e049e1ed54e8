"""When a lake was cut into what is learnt from and what is tested."""

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from clicksmith.lakehouse.catalog import Lake
from clicksmith.tables import TRAINING_EXAMPLES


@dataclass(frozen=True)
class Cut:
    """Days of the examples: of the first one, the first after the cut, the first to test, the last."""

    first: date
    cut: date
    test: date
    last: date

    @property
    def share(self) -> float:
        """Of the days, that lie before the cut."""
        return (self.cut - self.first).days / ((self.last - self.first).days + 1)


def cut_of(lake: Lake) -> Cut | None:
    """By the least and greatest times that each file tells of its rows: none is read."""
    there = lake.find(TRAINING_EXAMPLES)
    delta = None if there is None else lake.open(TRAINING_EXAMPLES, there.version)
    if delta is None:
        return None
    days: dict[str, list[date]] = {}
    for file in pa.table(delta.get_add_actions(flatten=True)).to_pylist():
        ends = (file.get("min.event_ts"), file.get("max.event_ts"))
        days.setdefault(file["partition.split"], []).extend(end.date() for end in ends if end is not None)
    train, test = days.get("train"), days.get("test")
    if not train or not test:
        return None
    return Cut(min(train), min([*days.get("validation", ()), *test]), min(test), max(test))
