"""Generators of rows of one table: presets, networks, conditions, the codec of training examples."""
