"""Figures of generated rows by kind of data, each beside that of real rows, with the bound that it breaks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clicksmith.evaluation.bounds import RULES_OF, worse_end
from clicksmith.evaluation.gate import Decision, read_decisions
from clicksmith.evaluation.rows import Metric
from clicksmith.reporting import words
from clicksmith.reporting.sections import number

Line = tuple[str, str, str, str | None]
"""A figure's name, its title, its unit, and the bound that it is held to."""

_PRIVACY: tuple[Line, ...] = (
    ("privacy.dcr_share", "Nearer to training rows (DCR)", "share, .5 is best", "max_dcr_share"),
    ("privacy.nndr_ratio", "Pointing at one training row (NNDR)", "ratio, near 0 is worst", "min_nndr_ratio"),
    ("privacy.membership_auc", "Membership attack", "AUC, .5 is best", "max_membership_auc"),
    ("privacy.domias_auc", "The same, knowing the population (DOMIAS)", "AUC, .5 is best", "max_domias_auc"),
)
_DOMIAS: Line = (
    "privacy.domias_tpr",
    "Training rows it finds (DOMIAS)",
    "share at 1 % false alarms; a dash: too few users to tell from chance",
    "max_domias_tpr",
)
EXAMPLES: tuple[Line, ...] = (
    ("fidelity.shapes", "Column shapes", "1 is best", "min_shapes"),
    ("fidelity.pairs", "Column pairs", "1 is best", "min_pairs"),
    ("fidelity.triples", "Column triples", "1 is best", "min_triples"),
    (
        "fidelity.label_ratio",
        "Rate of the worst label (label ratio)",
        "of the real one or the other way round, 1 is best; a dash: too few to tell",
        "min_label_ratio",
    ),
    ("fidelity.c2st_auc", "Told apart by trees (C2ST)", "AUC, .5 is best", "max_c2st_auc"),
    ("utility.trained_auc", "Trees trained on them, tested on real rows", "AUC", None),
    ("utility.auc_loss", "What trees lose by it", "AUC, 0 is best", "max_utility_loss"),
    *_PRIVACY,
    ("privacy.user_auc", "Attack on whole users", "AUC, .5 is best; a dash: too few users", "max_user_auc"),
    _DOMIAS,
    ("privacy.identical_share", "Identical to a training row", "share", "max_identical_excess"),
    (
        "privacy.heldout_gap_nats",
        "Likelihood lost on rows not trained on",
        "nats a row, 0 is best",
        "max_heldout_gap_nats",
    ),
    ("diversity.coverage", "Categories covered", "share, 1 is best", None),
    ("diversity.entropy_ratio", "Variety of categories", "entropy ratio, 1 is best", "min_entropy_ratio"),
    ("diversity.mode_share", "Frequent combinations kept", "share, 1 is best", "min_mode_share"),
    ("diversity.duplicate_share", "Repeated rows", "share", None),
)
SEQUENCES: tuple[Line, ...] = (
    ("fidelity.shapes", "Shapes of events' columns", "1 is best", "min_shapes"),
    ("fidelity.step_shapes", "The same of first and last events", "1 is best", None),
    ("fidelity.pairs", "Pairs of columns", "1 is best", "min_pairs"),
    ("fidelity.lengths", "Lengths", "1 is best", "min_lengths"),
    ("coherence.neighbours", "One event and the next", "1 is best", "min_neighbours"),
    ("coherence.distinct", "Distinct values of a user", "1 is best", None),
    ("fidelity.c2st_agg", "Told apart by trees (C2ST-Agg)", "AUC, .5 is best", "max_c2st_auc"),
    ("utility.next_ndcg", "A next-item model trained on them, tested on real ones", "NDCG@10", None),
    ("utility.next_ndcg_loss", "What it loses by it", "NDCG@10, 0 is best", "max_next_item_loss"),
    ("diversity.entropy_ratio", "Variety of events", "entropy ratio, 1 is best", "min_entropy_ratio"),
    ("diversity.distinct_sequences", "Distinct sequences", "share", "min_distinct_sequences"),
    ("privacy.copied_sequences", "A training user's from end to end", "share", "max_copied_excess"),
    ("privacy.run_share", "Long runs nearer to training users'", "share, .5 is best", None),
    *_PRIVACY,
    _DOMIAS,
)
TABLES: Mapping[str, tuple[str, str, str, tuple[Line, ...]]] = {
    "examples": ("training examples", "rows", "", EXAMPLES),
    "sequences": ("sequences", "users", "sequences.", SEQUENCES),
}
"""By kind of data: what is generated, what is counted, how its bounds' names begin, and its figures."""


@dataclass(frozen=True)
class Cell:
    """A figure, the end of its interval that is judged, the same of real rows, and the bound that it breaks.

    The second is empty where there is no interval or no bound, the last None where it breaks none.
    """

    value: str
    worst: str
    ceiling: str
    broken: str | None


@dataclass(frozen=True)
class Quality:
    """The figures of all generators of a kind.

    Attributes:
        what: is generated.
        counted: what a side has many of.
        generators: their names.
        rows: title, unit and a cell for each generator.
        gate: of each generator: its name, whether it passed, and why not.
        sizes: of a side.
        holdout: who was held out.
    """

    what: str
    counted: str
    generators: list[str]
    rows: list[tuple[str, str, list[Cell]]]
    gate: list[tuple[str, bool, list[str]]]
    sizes: list[str]
    holdout: str


def quality(metrics: Sequence[Metric]) -> list[Quality]:
    """Generators by figure, each beside its ceiling: a table for each kind of data that there is."""
    decisions = read_decisions(metrics)
    tables = []
    for kind in TABLES:
        mine = {name: decision for name, decision in decisions.items() if _kind_of(decision) == kind}
        if mine:
            tables.append(_of_kind(kind, mine, metrics))
    return tables


def _kind_of(decision: Decision) -> str:
    """Of the data that a generator makes, as the bounds tell it was held to."""
    found = (kind for kind, names in RULES_OF.items() if any(b.name in names for b in decision.bounds))
    return next(found, "examples")


def _of_kind(kind: str, decisions: Mapping[str, Decision], metrics: Sequence[Metric]) -> Quality:
    what, counted, prefix, lines = TABLES[kind]
    overall = {(m.metric, m.arm): m for m in metrics if m.slice == "all" and m.arm in decisions}
    rows = []
    for metric, title, unit, bound in lines:
        if all((metric, generator) not in overall for generator in decisions):
            continue  # no generator of this lake has a likelihood, for instance
        name, cells = None if bound is None else prefix + bound, []
        for generator, decision in decisions.items():
            broken = next((b.describe() for b in decision.bounds if b.name == name and not b.passed), None)
            cells.append(_cell(overall.get((metric, generator)), name, broken))
        rows.append((title, unit, cells))
    sizes = sorted({m.num_rows for m in overall.values() if m.metric == "fidelity.shapes"})
    held_out, alone = (
        next((m for m in overall.values() if m.metric == name), None)
        for name in ("holdout.users", "holdout.rows_without_user")
    )
    told = ""
    if held_out is not None:
        without_user = None if alone is None else int(alone.value)
        told = words.holdout_sentence(int(held_out.value), held_out.num_rows, without_user)
    gate = [(name, decision.passed, decision.failures) for name, decision in decisions.items()]
    return Quality(what, counted, list(decisions), rows, gate, [f"{size:,}" for size in sizes], told)


def _cell(figure: Metric | None, bound: str | None, broken: str | None) -> Cell:
    if figure is None:
        return Cell(number(None), "", number(None), broken)
    worst = None if bound is None else worse_end(bound, figure)
    told = "" if worst is None or math.isnan(worst) else number(worst)
    return Cell(number(figure.value), told, number(figure.ceiling), broken)
