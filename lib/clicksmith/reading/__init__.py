"""Pinned tables to arrays, batches and windows, and the guards against leaks: what Ray's workers read."""
