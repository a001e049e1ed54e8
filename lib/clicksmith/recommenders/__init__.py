"""Rankers and sequential recommenders (torch)."""
