"""Figures of recommenders: rankings, lists, search results, and what probabilities mean."""
