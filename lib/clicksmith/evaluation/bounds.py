"""What each bound of the gate holds a generator to. Pure functions of one figure."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from clicksmith.config import GateConfig
from clicksmith.evaluation.rows import Metric


@dataclass(frozen=True)
class Rule:
    """What a bound of the configuration holds a generator to.

    Attributes:
        metric: the figure's name.
        title: what is bounded, for people; a technical name stands in brackets.
        reason: why its rows are refused, in plain English.
        value: the figure as it is judged: the worse end of its interval where it has one; None: by the
            bound's name, ``min_...`` or ``max_...``.
        optional: whether the bound falls away where the figure has no value for real rows either, or was
            not measured: a GAN has no likelihood, a constant label teaches nothing.
        beside: another figure, beside which it is not optional: what one needs the other needs too.
        undecided: why a figure that was measured and has no value is not judged; empty: it is.
    """

    metric: str
    title: str
    reason: str
    value: Callable[[Metric], float] | None = None
    optional: bool = False
    beside: str = ""
    undecided: str = ""


def _low(figure: Metric) -> float:
    """The lower end of its interval, where it has one: what is not shown is not believed."""
    return figure.value if figure.ci_low is None else figure.ci_low


def _high(figure: Metric) -> float:
    """The upper end likewise."""
    return figure.value if figure.ci_high is None else figure.ci_high


def _excess(figure: Metric) -> float:
    """Above that of real rows: where real rows repeat, rows of a good generator must too."""
    return max(_high(figure) - (figure.ceiling or 0.0), 0.0)


def _relative(figure: Metric) -> float:
    """As a part of that of real rows, which chance may put on either side of 1."""
    ceiling = 1.0 if figure.ceiling is None else min(figure.ceiling, 1.0)
    return _low(figure) / ceiling if ceiling > 0 else 1.0


_EXAMPLES = {
    "min_shapes": Rule(
        "fidelity.shapes", "column shapes", "single columns are not distributed like the real ones"
    ),
    "min_pairs": Rule(
        "fidelity.pairs", "column pairs", "pairs of columns do not go together as the real ones do"
    ),
    "min_triples": Rule(
        "fidelity.triples",
        "column triples",
        "three columns together are not distributed like the real ones",
        optional=True,
    ),
    "min_label_ratio": Rule(
        "fidelity.label_ratio",
        "rate of the worst label beside the real one (label ratio)",
        "a label is far more or far less frequent than in real rows",
        optional=True,
        beside="utility.auc_loss",  # that of labels: of rows without any there is neither
        undecided="too few have it to tell its rate from chance",
    ),
    "max_c2st_auc": Rule(
        "fidelity.c2st_auc",
        "AUC of trees that tell the rows from real ones (C2ST)",
        "a classifier tells the rows from real ones",
    ),
    "min_entropy_ratio": Rule(
        "diversity.entropy_ratio",
        "variety of categories beside the real one (entropy ratio)",
        "the categories are less varied than the real ones",
        optional=True,
    ),
    "min_mode_share": Rule(
        "diversity.mode_share",
        "frequent combinations that are generated (mode share)",
        "frequent combinations of values are hardly generated",
        optional=True,
    ),
    "max_utility_loss": Rule(
        "utility.auc_loss",
        "AUC that trees lose by learning from the rows (utility)",
        "a model learns less from the rows than from real ones",
        optional=True,
    ),
    "min_holdout_users": Rule(
        "holdout.users",
        "users held out",
        "fewer cannot show whether the users learnt from are given away",
        optional=True,
    ),
    "max_dcr_share": Rule(
        "privacy.dcr_share",
        "share of the rows that is nearer to training rows (DCR)",
        "the rows lie closer to training rows than to real rows never shown",
    ),
    "min_nndr_ratio": Rule(
        "privacy.nndr_ratio",
        "how little the nearest rows point at one training row (NNDR)",
        "some rows point at single training rows",
        _relative,
    ),
    "max_membership_auc": Rule(
        "privacy.membership_auc",
        "AUC of a membership attack",
        "an attack tells which real rows were trained on",
    ),
    "max_domias_auc": Rule(
        "privacy.domias_auc",
        "AUC of a membership attack that knows the population (DOMIAS)",
        "an attack that knows the population tells which real rows were trained on",
    ),
    "max_user_auc": Rule(
        "privacy.user_auc",
        "AUC of an attack on whole users",
        "an attack on all rows of a user tells whose were trained on",
        optional=True,
        undecided="too few users are held out to tell what the attack finds from chance",
    ),
    "max_domias_tpr": Rule(
        "privacy.domias_tpr",
        "share of training rows that an attack finds at 1 % false alarms (DOMIAS)",
        "an attack names training rows with hardly a false accusation",
        undecided="too few users are held out to tell what the attack finds from chance",
    ),
    "max_identical_excess": Rule(
        "privacy.identical_share",
        "share of rows identical to training rows, above that of real rows",
        "the rows equal training rows more often than other real rows do",
        _excess,
    ),
    "max_heldout_gap_nats": Rule(
        "privacy.heldout_gap_nats",
        "likelihood lost on rows not trained on, in nats a row",
        "the network has memorised: its training rows are far likelier to it than other real rows",
        optional=True,
    ),
}

_OF_ROWS = (
    "min_holdout_users",
    "max_dcr_share",
    "min_nndr_ratio",
    "max_membership_auc",
    "max_domias_auc",
    "max_domias_tpr",
)
"""What holds of any rows: of sequences, a row is what is summed up of a user."""

_SEQUENCES = {
    "min_shapes": Rule(
        "fidelity.shapes",
        "columns of events",
        "single columns of events are not distributed like the real ones",
    ),
    "min_pairs": Rule(
        "fidelity.pairs",
        "pairs of columns of events",
        "columns of an event do not go together as the real ones",
    ),
    "min_lengths": Rule(
        "fidelity.lengths", "lengths of sequences", "sequences are not as long as the real ones"
    ),
    "min_neighbours": Rule(
        "coherence.neighbours",
        "a column's value and the next event's (neighbours)",
        "one event does not follow another as real ones do",
        optional=True,
    ),
    "max_c2st_auc": Rule(
        "fidelity.c2st_agg",
        "AUC of trees that tell sequences from real ones by their sums (C2ST-Agg)",
        "a classifier tells the sequences from real ones",
    ),
    "min_entropy_ratio": Rule(
        "diversity.entropy_ratio",
        "variety of events beside the real one (entropy ratio)",
        "the events are less varied than the real ones",
        optional=True,
    ),
    "min_distinct_sequences": Rule(
        "diversity.distinct_sequences",
        "distinct sequences, beside the share among real ones",
        "the same sequences are generated again and again",
        _relative,
        optional=True,
    ),
    "max_next_item_loss": Rule(
        "utility.next_ndcg_loss",
        "NDCG@10 that a next-item model loses by learning from the sequences (utility)",
        "a model learns less from the sequences than from real ones",
        optional=True,
    ),
    "max_copied_excess": Rule(
        "privacy.copied_sequences",
        "share of sequences that are a training user's from end to end, above that of real ones",
        "whole sequences of training users are repeated more often than other users repeat them",
        _excess,
        optional=True,
    ),
    **{name: _EXAMPLES[name] for name in _OF_ROWS},
}

RULES = {**_EXAMPLES, **{f"sequences.{name}": rule for name, rule in _SEQUENCES.items()}}
"""By the bound's name in the section gate of the configuration: ``min_...`` or ``max_...``."""
RULES_OF = {"examples": tuple(_EXAMPLES), "sequences": tuple(f"sequences.{name}" for name in _SEQUENCES)}
"""Names of the bounds that each kind of data is held to."""


def is_minimum(name: str) -> bool:
    """Whether a bound is the least that a figure may be, not the most."""
    return name.rpartition(".")[2].startswith("min_")


def limit_of(gate: GateConfig, name: str) -> float | None:
    """A bound as it is configured."""
    for part in name.split("."):
        gate = getattr(gate, part)
    return gate  # type: ignore[return-value]  # the last part is no section


def judged(name: str, figure: Metric) -> float:
    """A figure as a bound judges it, on the bound's scale, at the worse end of its interval."""
    judge = RULES[name].value or (_low if is_minimum(name) else _high)
    return judge(figure)


def as_found(name: str, figure: Metric) -> float:
    """The same of the figure itself, whatever its interval."""
    return judged(name, replace(figure, ci_low=None, ci_high=None))


def worse_end(name: str, figure: Metric) -> float | None:
    """The end of a figure's interval that its bound is held against; None where it has none."""
    return figure.ci_low if is_minimum(name) else figure.ci_high


def titled(name: str) -> str:
    """A bound's title with its setting: ``... (C2ST, gate.max_c2st_auc)``."""
    title = RULES[name].title
    return f"{title[:-1]}, gate.{name})" if title.endswith(")") else f"{title} (gate.{name})"
