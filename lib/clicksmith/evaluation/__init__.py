"""Metrics as values, intervals, lift and the verdict: numpy over figures and sufficient statistics."""
