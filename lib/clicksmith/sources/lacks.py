"""What a log lacks for a verdict, and what of it will be refused, a sentence each. Needs no Spark."""

from clicksmith.sources.proposal import EMPTY, Proposal, known_types
from clicksmith.sources.sample import Sample
from clicksmith.sources.values import NUMBERS
from clicksmith.tables import OUTCOMES

NUM_DRAWN = 4
"""Impressions that are drawn beside each outcome where the log has none."""

_FEW_POSITIVES = 200
_MANY_POSITIVES = 2_000
_DAYS_OF_A_SEASON = 45
_LEAST_TOLD = 0.001
_BY_HAND = " Where such texts stand for no value, map it by hand, and name them in missing_values."


def label_of(proposal: Proposal) -> str:
    """The rarest outcome of which there are enough to learn from, else the most frequent one."""
    counts = known_types(proposal.counts)
    enough = [kind for kind in reversed(OUTCOMES) if counts[kind] >= _FEW_POSITIVES]
    chosen = enough[0] if enough else max(OUTCOMES, key=lambda kind: counts[kind])
    return f"label_{chosen}"


def lacks(sample: Sample, proposal: Proposal) -> list[str]:
    """What a verdict on this log will lack."""
    return [
        *_of_types(proposal),
        *_of_users(proposal),
        *_of_days(proposal),
        *_of_outcomes(sample, proposal),
        *_of_rows(sample, proposal),
        *_of_numbers(proposal),
    ]


def _of_types(proposal: Proposal) -> list[str]:
    counts, found = known_types(proposal.counts), []
    outcomes = sum(counts[kind] for kind in OUTCOMES)
    if "constants" in proposal.events:
        misfit = proposal.misfits.get("event_type")
        told = "" if misfit is None else f": {misfit} has no words that are known"
        unused = f" Not used are {', '.join(proposal.unused)}." if proposal.unused else ""
        found.append(
            f"No event types{told}: every row counts as a {proposal.events['constants']['event_type']}. If a "
            f'column tells them, name it with COLUMNS="event_type=NAME".{unused}'
        )
    if outcomes == 0:
        found.append(
            "No event is a click, cart or purchase: there is nothing to learn until its types are named."
        )
    if not counts["impression"]:
        found.append(
            f"No impressions: {NUM_DRAWN} items are drawn beside each outcome (features.num_negatives), and "
            "figures say how well taken items are told from drawn ones, not from those passed over."
        )
    elif counts["impression"] < 2 * outcomes:
        found.append(
            f"Few impressions: {counts['impression']:,} beside {outcomes:,} outcomes were read. Most of "
            "these follow none that was logged."
        )
    return found


def _of_users(proposal: Proposal) -> list[str]:
    if proposal.events["columns"].get("session_id") == proposal.events["columns"]["user_id"]:
        return ["No users: a session stands for a user, and nothing is known of earlier visits."]
    if proposal.user_share < 0.5 and "fallbacks" in proposal.events:
        known = f"{proposal.user_share:.0%} of the events say who it was"
        return [f"Few users: {known}. Sessions stand in for the others."]
    return []


def _of_days(proposal: Proposal) -> list[str]:
    if proposal.cut_date is None:
        return [
            f"Too short: {proposal.days:.1f} days. Training, validation and test need a day each at least, "
            "and a verdict needs weeks."
        ]
    if proposal.days < _DAYS_OF_A_SEASON:
        return [
            f"One month only ({proposal.days:.0f} days): other seasons are not seen, and what users did "
            "up to 90 days before is cut off."
        ]
    return []


def _of_outcomes(sample: Sample, proposal: Proposal) -> list[str]:
    label, found = label_of(proposal).removeprefix("label_"), []
    positives = round(known_types(proposal.counts)[label] / (sample.share or 1.0))
    if positives < _MANY_POSITIVES:
        told = "about" if sample.share is not None else "in what was read,"
        found.append(f"Few positives: {told} {positives:,} {label}s. Intervals will be wide.")
    if label != "purchase":
        found.append(f"No or few purchases: {label}s are learnt instead (ranker.label).")
    if proposal.extra_event_types:
        found.append(
            f"Event types without a meaning here: {', '.join(proposal.extra_event_types)}. They are kept, "
            'and count in no feature. Say which are clicks, carts or the like with TYPES="NAME=click", or in '
            "event_types."
        )
    return found


def _of_rows(sample: Sample, proposal: Proposal) -> list[str]:
    total = sample.num_rows + sample.num_unread
    found = [
        f"Refused: {_share(len(refusal.rows), total)} {refusal.why}. {refusal.remedy}".rstrip()
        for refusal in proposal.refused
    ]
    garbled = {
        row
        for values in sample.columns.values()
        for row, value in enumerate(values)
        if value is not None and "\ufffd" in value
    }
    if garbled:
        found.append(
            f"Not UTF-8: {_share(len(garbled), total)}; ingest_events rejects such lines. "
            "`iconv -f WINDOWS-1252 -t UTF-8 LOG` writes most old exports anew."
        )
    if sample.num_unread:
        found.append(f"Unreadable: {_share(sample.num_unread, total)} hold no record.")
    rows = garbled.union(*(refusal.rows for refusal in proposal.refused))
    if num_refused := len(rows) + sample.num_unread:
        found.append(
            f"Refused in all: {_share(num_refused, total)}. ingest_events keeps them apart, and stops where "
            "more than contract.max_rejected_fraction of all rows are (5 % by default)."
        )
    return found


def _share(num_rows: int, total: int) -> str:
    share = num_rows / total
    told = f"{share:.1%}" if share >= _LEAST_TOLD else f"under {_LEAST_TOLD:.1%}"
    return f"{num_rows:,} of {total:,} rows read ({told})"


def _of_numbers(proposal: Proposal) -> list[str]:
    found = []
    for name in NUMBERS:
        misfit = proposal.misfits.get(name)
        if name in proposal.events["columns"] or (misfit is None and name != "price"):
            continue
        what = f"No prices{_after(misfit)}: spend and price bands stay empty." if name == "price" else ""
        if name == "price" and misfit is None and proposal.unused:
            unused = ", ".join(proposal.unused)
            what += f' If a column tells them, name it with COLUMNS="price=NAME". Not used are {unused}.'
        by_hand = "" if misfit is None or misfit.endswith(EMPTY) else _BY_HAND
        found.append(f"{what or f'No {name}{_after(misfit)}.'}{by_hand}")
    return found


def _after(misfit: str | None) -> str:
    return "" if misfit is None else f": {misfit}"
