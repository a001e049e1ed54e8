"""Generators of sequences."""
