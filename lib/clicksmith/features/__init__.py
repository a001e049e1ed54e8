"""Profiles, point-in-time features, labels, sequences, splits, vocabulary: DataFrame to DataFrame."""
