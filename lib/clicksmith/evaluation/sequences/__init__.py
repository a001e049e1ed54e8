"""Figures of generated sequences, each beside the same of real ones that nobody learnt from."""
