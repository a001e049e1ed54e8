"""The order of the road: each job after those whose outcome it goes by."""

import pytest

import run_pipeline

BEFORE = (
    ("build_training_set", "train_generator"),
    ("train_generator", "synthesize_samples"),
    ("synthesize_samples", "evaluate_synthetic"),
    ("evaluate_synthetic", "measure_lift"),
    ("measure_lift", "train_recommender"),
    ("train_recommender", "score_candidates"),
    ("score_candidates", "write_report"),
)


@pytest.mark.parametrize(("first", "then"), BEFORE)
def test_a_job_comes_after_what_it_goes_by(first: str, then: str) -> None:
    """The shipped models follow the verdict, which is of other rows where they are trained before it."""
    order = [step.__name__ for step in run_pipeline.STEPS]
    assert order.index(first) < order.index(then)
